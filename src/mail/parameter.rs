//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231).
//!
//! Read as mail programs read: a quote that never closes ends with the value, an unquoted value may
//! hold spaces, a backslash escapes only a quote or a backslash (so that Windows paths survive).

use super::charset;
use super::words::decode_words;

/// What is read of one value, and how many parameters.
const LONGEST: usize = 32 * 1024;
const MOST: usize = 100;

/// A value and its parameters in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameterised {
    /// The value before the first semicolon, in lower case, without comments and white space.
    pub(super) value: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// In lower case, without the marks of RFC 2231.
    name: String,
    bytes: Vec<u8>,
    /// RFC 2231: the section and whether it is percent-encoded.
    extended: Option<(u32, bool)>,
}

/// Reads a value. Never fails.
pub(super) fn parse(value: &[u8]) -> Parameterised {
    let value: Vec<u8> = value.iter().take(LONGEST).copied().filter(|c| *c != b'\r' && *c != b'\n').collect();
    let mut cursor = Cursor { rest: &value };
    let mut first = cursor.until_semicolon();
    if first.contains(&b'=') {
        // A semicolon was left out, `multipart/mixed boundary=x`, or the value itself, `filename=a.exe`.
        let text = value.trim_ascii_start();
        let word = text.split(|c| matches!(c, b' ' | b'\t')).next().unwrap_or_default();
        let word = if word.contains(&b'=') { &[] } else { word };
        cursor = Cursor { rest: text.get(word.len()..).unwrap_or_default() };
        first = word.to_vec();
    }
    let mut out = Parameterised {
        value: String::from_utf8_lossy(&first)
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '"')
            .flat_map(char::to_lowercase)
            .collect(),
        parameters: Vec::new(),
    };
    while !cursor.rest.is_empty() && out.parameters.len() < MOST {
        if let Some(parameter) = cursor.parameter() {
            out.parameters.push(parameter);
        }
    }
    out
}

impl Parameterised {
    /// All values of a parameter as text: the extended form (RFC 2231) first, then the plain ones.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let plain = self.plain(name).map(|bytes| match memchr::memmem::find(bytes, b"=?") {
            // Not allowed (RFC 2047 §5), very common, and readers decode it.
            Some(_) => decode_words(bytes),
            None => charset::text(bytes, None),
        });
        self.extended(name)
            .into_iter()
            .map(|(bytes, label)| charset::text(&bytes, label.as_deref()))
            .chain(plain)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// All values of a parameter as bytes.
    pub(super) fn bytes(&self, name: &str) -> Vec<Vec<u8>> {
        self.plain(name).map(<[u8]>::to_vec).chain(self.extended(name).map(|(bytes, _)| bytes)).collect()
    }

    fn plain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.parameters
            .iter()
            .filter(move |p| p.name == name && p.extended.is_none())
            .map(|p| p.bytes.as_slice())
    }

    /// The sections of `name*0*=…; name*1=…` put together, and the charset that the first one names.
    fn extended(&self, name: &str) -> Option<(Vec<u8>, Option<String>)> {
        let mut sections: Vec<(u32, bool, &[u8])> = self
            .parameters
            .iter()
            .filter(|p| p.name == name)
            .filter_map(|p| p.extended.map(|(section, encoded)| (section, encoded, p.bytes.as_slice())))
            .collect();
        sections.sort_by_key(|(section, ..)| *section);
        let mut label = None;
        let mut out = Vec::new();
        for (i, (_, encoded, bytes)) in sections.iter().enumerate() {
            let mut bytes = *bytes;
            if *encoded && i == 0 {
                // charset'language'text
                let mut pieces = bytes.splitn(3, |c| *c == b'\'');
                if let (Some(charset), Some(_), Some(text)) = (pieces.next(), pieces.next(), pieces.next()) {
                    label = Some(String::from_utf8_lossy(charset).into_owned()).filter(|l| !l.is_empty());
                    bytes = text;
                }
            }
            if *encoded {
                percent_decode(bytes, &mut out);
            } else {
                out.extend_from_slice(bytes);
            }
        }
        (!sections.is_empty()).then_some((out, label))
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Goes past a comment whose parenthesis was just read; nested ones and escapes are known.
    fn skip_comment(&mut self) {
        let mut depth = 1_u32;
        while let Some(c) = self.next() {
            match c {
                b'\\' => drop(self.next()),
                b'(' => depth += 1,
                b')' if depth == 1 => return,
                b')' => depth -= 1,
                _ => {}
            }
        }
    }

    /// The bytes up to and past the next semicolon, comments left out. A parenthesis in the middle of a
    /// word is no comment: people send `name=report(1).pdf`.
    fn until_semicolon(&mut self) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        while let Some(c) = self.next() {
            match c {
                b';' => break,
                b'(' if out.last().is_none_or(|c| matches!(c, b' ' | b'\t' | b'/')) => self.skip_comment(),
                c => out.push(c),
            }
        }
        out
    }

    /// The inside of a quoted string whose quote was just read, then past the next semicolon.
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(c) = self.next() {
            match (c, self.rest.first()) {
                (b'"', _) => {
                    self.until_semicolon();
                    break;
                }
                (b'\\', Some(b'"' | b'\\')) => out.extend(self.next()),
                (c, _) => out.push(c),
            }
        }
        out
    }

    fn parameter(&mut self) -> Option<Parameter> {
        self.skip_space();
        let mut name = Vec::new();
        loop {
            match self.next()? {
                b'=' => break,
                b';' => return None,
                b'(' => self.skip_comment(),
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        self.skip_space();
        let bytes = if let [b'"', rest @ ..] = self.rest {
            self.rest = rest;
            self.quoted()
        } else {
            self.until_semicolon().trim_ascii().to_vec()
        };
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        let mut marks = name.split('*');
        let base = marks.next()?.to_owned();
        let extended = match (marks.next(), marks.next()) {
            (None, _) => None,
            (Some(""), _) => Some((0, true)),
            (Some(section), encoded) => Some((section.parse().unwrap_or(u32::MAX), encoded.is_some())),
        };
        Some(Parameter { name: base, bytes, extended })
    }
}

fn percent_decode(bytes: &[u8], out: &mut Vec<u8>) {
    let hex = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str, name: &str) -> Vec<String> {
        parse(value.as_bytes()).texts(name)
    }

    #[test]
    fn rfc2045_content_type_example() {
        let value = parse(b" text/plain; charset=us-ascii (Plain text)");
        assert_eq!(
            (value.value.as_str(), value.texts("charset")),
            ("text/plain", vec!["us-ascii".to_owned()])
        );
    }

    #[test]
    fn rfc2231_continuations_and_charsets() {
        let value = "application/x-stuff;\r\n title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n \
                     title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"";
        assert_eq!(text(value, "title"), ["This is even more ***fun*** isn't it!"]);
        assert_eq!(
            text("a; filename*=utf-8''%e2%82%ac.exe; filename=\"e.txt\"", "filename"),
            ["€.exe", "e.txt"]
        );
        assert_eq!(text("a; name*1=b; name*0=a", "name"), ["ab"]);
    }

    #[test]
    fn names_are_read_as_mail_programs_read_them() {
        assert_eq!(text("a/b; name=my file(1).pdf", "name"), ["my file(1).pdf"]);
        assert_eq!(text("a/b; name=\"C:\\new\\x.doc\"", "name"), ["C:\\new\\x.doc"]);
        assert_eq!(text("a/b; name=\"say \\\"hi\\\".txt\"; x=y", "name"), ["say \"hi\".txt"]);
        assert_eq!(text("a/b; name=\"never closed.exe", "name"), ["never closed.exe"]);
        assert_eq!(text("a/b; name=\"=?utf-8?B?4oKsLmV4ZQ==?=\"", "name"), ["€.exe"]);
        assert_eq!(text("filename=a.exe", "filename"), ["a.exe"]);
        let no_semicolon = parse(b" multipart/mixed boundary=\"x;y\"; charset=z");
        assert_eq!(
            (no_semicolon.value.as_str(), no_semicolon.bytes("boundary")),
            ("multipart/mixed", vec![b"x;y".to_vec()])
        );
        assert_eq!(parse(b"Text (a (b)) / HTML").value, "text/html");
        assert_eq!(parse(b"a/b; boundary=\"x\"; boundary=y").bytes("boundary"), [b"x", b"y"]);
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_read_without_panic(
            value in proptest::collection::vec(proptest::sample::select(&b"=;\"\\()*'%0aF/ \r\n\xff?"[..]), 0..300)
        ) {
            let value = parse(&value);
            value.texts("a");
            value.bytes("");
        }
    }
}
