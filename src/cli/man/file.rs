//! mailward.toml(5), made from conf/mailward.toml, which tests hold to what the program reads.

use std::io::{self, Write};

use super::escaped;

/// The configuration as it is shipped: every key with what it is for.
const SHIPPED: &str = include_str!("../../../conf/mailward.toml");

const SEE_ALSO: &str = r"
.SH FILES
.TP
.I /etc/mailward/mailward.toml
The configuration. Nothing in it that is not written differs from what is shown here.
.SH SEE ALSO
.BR mailward (8)
";

/// Writes mailward.toml(5).
///
/// # Errors
/// If `to` cannot be written.
pub fn file_page(to: &mut dyn Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(to, ".TH MAILWARD.TOML 5 \"\" \"mailward {version}\" \"File formats\"")?;
    writeln!(to, ".SH NAME\nmailward.toml \\- configuration of mailward\n.SH DESCRIPTION")?;
    let mut page = Page { to, prose: Vec::new(), keys: Vec::new() };
    for line in SHIPPED.lines() {
        page.line(line)?;
    }
    page.flush()?;
    to.write_all(SEE_ALSO.trim_start().as_bytes())
}

/// What is held back until it is known what it belongs to: in the file an explanation stands above its keys, in the page
/// it follows them.
struct Page<'t> {
    to: &'t mut dyn Write,
    prose: Vec<&'static str>,
    keys: Vec<&'static str>,
}

impl Page<'_> {
    fn line(&mut self, line: &'static str) -> io::Result<()> {
        if let Some(title) = line.strip_prefix("# ----") {
            self.flush()?;
            return writeln!(self.to, ".SH {}", escaped(title.trim_matches(['-', ' '])));
        }
        if line.is_empty() {
            return self.flush();
        }
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') && bare.ends_with(']') {
            let prose = std::mem::take(&mut self.prose);
            self.flush()?;
            writeln!(self.to, ".SS {}", escaped(bare))?;
            self.prose = prose;
            return self.flush();
        }
        // `#key = value` with its default, `# key = value` where there is none.
        let key = bare.strip_prefix(' ').unwrap_or(bare);
        if is_key(key) {
            self.keys.push(key);
            return Ok(());
        }
        if !self.keys.is_empty() {
            self.flush()?;
        }
        self.prose.push(bare.trim());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (prose, keys) = (std::mem::take(&mut self.prose), std::mem::take(&mut self.keys));
        for (number, key) in keys.iter().enumerate() {
            let (name, value) = key.split_once(" = ").unwrap_or((key, ""));
            let request = if number == 0 { ".TP" } else { ".TQ" };
            writeln!(self.to, "{request}\n\\fB{}\\fR = {}", escaped(name), escaped(value))?;
        }
        let (mut begun, mut space) = (false, keys.is_empty() && !prose.is_empty());
        let paragraph = if keys.is_empty() { ".PP" } else { ".IP" };
        for line in prose {
            if line.is_empty() {
                space = begun;
                continue;
            }
            if space {
                writeln!(self.to, "{paragraph}")?;
            }
            (begun, space) = (true, false);
            writeln!(self.to, "{}", marked(line))?;
        }
        Ok(())
    }
}

/// `name = value`, and no sentence.
fn is_key(text: &str) -> bool {
    text.split_once(" = ").is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

/// What stands between backticks is bold, as far as both stand in this line.
fn marked(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(line);
    }
    let text: String = pieces
        .iter()
        .enumerate()
        .map(|(n, piece)| if n % 2 == 1 { format!("\\fB{}\\fR", inline(piece)) } else { inline(piece) })
        .collect();
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// A piece of a line: not at its beginning, so nothing in it is a request.
fn inline(piece: &str) -> String {
    escaped(piece).trim_start_matches("\\&").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let mut page = Vec::new();
        file_page(&mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn every_section_and_key_of_the_shipped_file_stands_in_it_once() {
        let page = page();
        let mut seen = 0;
        for line in SHIPPED.lines() {
            let bare = line.strip_prefix('#').unwrap_or(line);
            let expected = if bare.starts_with('[') && bare.ends_with(']') {
                format!(".SS {}", escaped(bare))
            } else if is_key(bare) {
                let (name, value) = bare.split_once(" = ").unwrap();
                format!("\\fB{}\\fR = {}", escaped(name), escaped(value))
            } else {
                continue;
            };
            seen += 1;
            assert!(page.lines().any(|line| line == expected), "{expected}");
        }
        assert!(seen > 150, "only {seen} sections and keys");
    }

    #[test]
    fn an_explanation_follows_its_key() {
        let page = page();
        let at = page.find("\\fBstate_dir\\fR = \"/var/lib/mailward\"\n").unwrap();
        let after = page[at..].lines().nth(1).unwrap();
        assert!(after.starts_with("Where the database"), "{after}");
    }

    #[test]
    fn words_in_backticks_are_bold_and_no_line_is_a_request() {
        assert_eq!(marked("see `a.b` and `c`"), "see \\fBa.b\\fR and \\fBc\\fR");
        assert_eq!(marked(".SH `x"), "\\&.SH `x");
        assert_eq!(marked("'a' `b` c"), "\\&'a' \\fBb\\fR c");
    }
}
