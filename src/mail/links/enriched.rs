//! `text/enriched` (RFC 1896) and the `text/richtext` before it (RFC 1341 §7.1.3): text with commands in it.

/// What a program shows of it, if there is any command: `<bold>` and the like gone, `<<` and `<lt>` a bracket.
pub(super) fn shown(content: &str) -> Option<String> {
    memchr::memchr(b'<', content.as_bytes())?;
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(open) = rest.find('<') {
        out.push_str(rest.get(..open).unwrap_or_default());
        rest = rest.get(open + 1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('<') {
            out.push('<');
            rest = after;
            continue;
        }
        // A command has at most 60 characters (RFC 1896 §2).
        let end = rest.bytes().take(62).position(|b| b == b'>');
        let Some(command) = end.and_then(|end| rest.get(..end)) else {
            out.push('<');
            continue;
        };
        rest = rest.get(command.len() + 1..).unwrap_or_default();
        match command.to_ascii_lowercase().as_str() {
            "lt" => out.push('<'),
            "nl" | "np" | "param" | "/param" | "paragraph" | "/paragraph" => out.push('\n'),
            _ => {}
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_gone_and_brackets_stay() {
        for (content, expected) in [
            ("plain", None),
            ("see <bold>http</bold>://a.exa<x-y>mple/x", Some("see http://a.example/x")),
            ("<color><param>red</param>a</color><<b>", Some("\nred\na<b>")),
            ("a<lt>b<nl>c", Some("a<b\nc")),
            ("a < b", Some("a < b")),
            ("a <", Some("a <")),
        ] {
            assert_eq!(shown(content).as_deref(), expected, "{content}");
        }
        let many = "<".repeat(1 << 20);
        assert_eq!(shown(&many).map(|text| text.len()), Some(1 << 19));
    }
}
