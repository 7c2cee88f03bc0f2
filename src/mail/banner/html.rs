//! Where in a page its body begins.

/// Elements that may come before the body (WHATWG HTML §13.2.6.4.3 and .4).
const BEFORE_BODY: [&[u8]; 10] =
    [b"html", b"head", b"meta", b"link", b"base", b"basefont", b"bgsound", b"style", b"script", b"title"];
/// Those of them whose content is no markup.
const RAW: [&[u8]; 3] = [b"style", b"script", b"title"];

/// Where something has to stand to be the first thing that `page` shows: behind the tag of its body, or where
/// content begins without one. `from`: what lies before is passed over.
pub(super) fn place(page: &[u8], from: usize) -> usize {
    let mut pos = from;
    loop {
        let rest = page.get(pos..).unwrap_or_default();
        let Some(blank) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) else { return page.len() };
        pos += blank;
        let rest = page.get(pos..).unwrap_or_default();
        let Some(inside) = rest.strip_prefix(b"<") else { return pos };
        let end = match inside {
            // The dashes of `<!-->` begin and end it.
            [b'!', b'-', b'-', ..] => find(page, b"-->", pos + 2).map(|at| at + 3),
            [b'!' | b'?', ..] => find(page, b">", pos).map(|at| at + 1),
            [b'/', ..] => tag_end(page, pos + 2),
            [first, ..] if first.is_ascii_alphabetic() => {
                let name = name(inside);
                if name == b"body" {
                    return tag_end(page, pos + 1 + name.len()).unwrap_or(page.len());
                }
                if !BEFORE_BODY.contains(&name.as_slice()) {
                    return pos;
                }
                let end = tag_end(page, pos + 1 + name.len());
                if RAW.contains(&name.as_slice()) {
                    end.and_then(|end| raw_end(page, end, &name))
                } else {
                    end
                }
            }
            _ => return pos,
        };
        match end {
            Some(end) => pos = end,
            None => return page.len(),
        }
    }
}

/// The name of a tag in lower case.
fn name(inside: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    inside.iter().take_while(|byte| !is_end(byte)).take(32).map(u8::to_ascii_lowercase).collect()
}

fn find(page: &[u8], what: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(page.get(from..)?, what).map(|at| from + at)
}

/// Behind the `>` of a tag. A `>` in a quoted value ends none; quotes count behind a `=` alone.
fn tag_end(page: &[u8], from: usize) -> Option<usize> {
    let mut pos = from;
    let mut after_equals = false;
    loop {
        let byte = *page.get(pos)?;
        pos += 1;
        match byte {
            b'>' => return Some(pos),
            b'"' | b'\'' if after_equals => {
                pos += memchr::memchr(byte, page.get(pos..)?)? + 1;
                after_equals = false;
            }
            b'=' => after_equals = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => after_equals = false,
        }
    }
}

/// Behind the end tag of an element whose content is no markup.
fn raw_end(page: &[u8], from: usize, element: &[u8]) -> Option<usize> {
    let mut pos = from;
    loop {
        pos = find(page, b"</", pos)? + 2;
        if name(page.get(pos..)?) == element {
            return tag_end(page, pos + element.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(page: &str) -> String {
        let (before, after) = page.split_at(place(page.as_bytes(), 0));
        format!("{before}|{after}")
    }

    #[test]
    fn the_body_begins_behind_its_tag_or_with_the_first_content() {
        for (page, expected) in [
            ("<html><body bgcolor='>'>Hi", "<html><body bgcolor='>'>|Hi"),
            ("<!DOCTYPE html>\n<p>Hi", "<!DOCTYPE html>\n|<p>Hi"),
            ("Hi <body>", "|Hi <body>"),
            ("", "|"),
            (
                "<HTML><HEAD><TITLE><body></TITLE></HEAD>\r\n<BODY\r\n>x",
                "<HTML><HEAD><TITLE><body></TITLE></HEAD>\r\n<BODY\r\n>|x",
            ),
            ("<!-- <body> --><html><body>x", "<!-- <body> --><html><body>|x"),
            ("<!--><body>x<!-- -->", "<!--><body>|x<!-- -->"),
            ("<style>body > p { }</style><body>x", "<style>body > p { }</style><body>|x"),
            ("<script>'</s'</script><div>x", "<script>'</s'</script>|<div>x"),
            ("<bodyguard>x", "|<bodyguard>x"),
            ("<body \"x>y", "<body \"x>|y"),
            ("< body>", "|< body>"),
            ("<style>never ends", "<style>never ends|"),
        ] {
            assert_eq!(with(page), expected);
        }
    }
}
