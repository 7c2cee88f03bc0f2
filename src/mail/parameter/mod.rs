//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231).
//!
//! **Contract.** Read as mail programs read: a quote that never closes ends with the value, an unquoted value may
//! hold spaces, a backslash escapes only a quote or a backslash (so that Windows paths survive). Where programs read
//! one value in several ways, all of them are given, the one of the RFC first: a backslash that escapes nothing,
//! parentheses that are no comment, a fold that is taken out with its white space, and what [`sections`] says.
//!
//! **Failures.** None. What is not read because there is too much of it is told by [`Parameterised::is_cut`].

mod cursor;
mod sections;

use cursor::{Cursor, Rules, is_space};
use sections::{Mark, Section};

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
    /// The value is longer, or has more parameters, than is read.
    pub(super) is_cut: bool,
    parameters: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    /// In lower case, without the marks of RFC 2231.
    name: String,
    bytes: Vec<u8>,
    /// RFC 2231: the section and whether it is percent-encoded.
    extended: Option<(Mark, bool)>,
    /// Not as the RFC has it read, but as some programs do.
    is_other: bool,
}

/// Reads a value. Never fails.
pub(super) fn parse(value: &[u8]) -> Parameterised {
    let is_cut = value.len() > LONGEST;
    // The line feed stays: it tells where a fold is.
    let value: Vec<u8> = value.iter().take(LONGEST).copied().filter(|c| *c != b'\r').collect();
    let mut out = read(&value, Rules::Rfc);
    if memchr::memchr(b'(', &value).is_some() || memchr::memmem::find(&value, b"\\\"").is_some() {
        let other = read(&value, Rules::Simple);
        for parameter in other.parameters {
            let parameter = Parameter { is_other: true, ..parameter };
            if !out.parameters.iter().any(|p| p.is_same(&parameter)) {
                out.parameters.push(parameter);
            }
        }
        out.is_cut |= other.is_cut;
    }
    out.is_cut |= is_cut;
    out
}

fn read(value: &[u8], rules: Rules) -> Parameterised {
    let mut cursor = Cursor { rest: value, rules, is_unclosed: false };
    let mut first = cursor.until_semicolon();
    if first.contains(&b'=') {
        // A semicolon was left out, `multipart/mixed boundary=x`, or the value itself, `filename=a.exe`.
        let text = value.trim_ascii_start();
        let word = text.split(|c| is_space(*c)).next().unwrap_or_default();
        let word = if word.contains(&b'=') { &[] } else { word };
        cursor.rest = text.get(word.len()..).unwrap_or_default();
        first = word.to_vec();
    }
    let mut out = Parameterised {
        value: String::from_utf8_lossy(&first)
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '"')
            .flat_map(char::to_lowercase)
            .collect(),
        ..Parameterised::default()
    };
    let mut count = 0;
    while !cursor.rest.is_empty() && count < MOST {
        if let Some(parameter) = cursor.parameter() {
            count += 1;
            let other = parameter.without_folds();
            out.parameters.extend([parameter.on_one_line()].into_iter().chain(other));
        }
    }
    out.is_cut = cursor.rest.iter().any(|c| !is_space(*c) && *c != b';');
    out
}

impl Parameterised {
    /// All values of a parameter as text: the extended form (RFC 2231) first, then the plain ones, then what programs
    /// read that go by other rules.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut others = Vec::new();
        for (at, (bytes, label)) in self.extended(name).into_iter().enumerate() {
            let text = charset::text(&bytes, label.as_deref());
            if at == 0 {
                all.push(text)
            } else {
                others.push(text)
            }
            if memchr::memmem::find(&bytes, b"=?").is_some() {
                others.push(decode_words(&bytes));
            }
        }
        for parameter in self.plain(name) {
            let bytes = parameter.bytes.as_slice();
            let text = match memchr::memmem::find(bytes, b"=?") {
                // Not allowed (RFC 2047 §5), very common, and readers decode it.
                Some(_) => decode_words(bytes),
                None => charset::text(bytes, None),
            };
            if parameter.is_other { others.push(text) } else { all.push(text) }
        }
        all.append(&mut others);
        all.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }

    /// All values of a parameter as bytes.
    pub(super) fn bytes(&self, name: &str) -> Vec<Vec<u8>> {
        let plain = self.plain(name).map(|p| p.bytes.clone());
        plain.chain(self.extended(name).into_iter().map(|(bytes, _)| bytes)).collect()
    }

    /// Those that the RFC has.
    pub(super) fn usual_bytes(&self, name: &str) -> Vec<Vec<u8>> {
        let plain = self.plain(name).filter(|p| !p.is_other).map(|p| p.bytes.clone());
        plain.chain(self.extended(name).into_iter().take(1).map(|(bytes, _)| bytes)).collect()
    }

    fn plain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> {
        self.parameters.iter().filter(move |p| p.name == name && p.extended.is_none())
    }

    /// What the sections of `name*0*=…; name*1=…` are put together, and the charset that the first one names: all
    /// ways in which programs do that.
    fn extended(&self, name: &str) -> Vec<(Vec<u8>, Option<String>)> {
        let named = self.parameters.iter().filter(|p| p.name == name);
        let all: Vec<Section<'_>> = named
            .filter_map(|p| {
                let (mark, is_encoded) = p.extended?;
                Some(Section { mark, is_encoded, bytes: &p.bytes, is_other: p.is_other })
            })
            .collect();
        sections::readings(&all)
    }
}

impl Parameter {
    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.bytes, &self.extended) == (&other.name, &other.bytes, &other.extended)
    }

    /// RFC 5322 §2.2.3: what is folded is read without the line break.
    fn on_one_line(mut self) -> Self {
        self.bytes.retain(|c| *c != b'\n');
        self
    }

    /// As those read it who take the white space of a fold for a part of it. `None` where there is no fold.
    fn without_folds(&self) -> Option<Self> {
        let mut lines = self.bytes.split(|c| *c == b'\n');
        let first = lines.next()?.to_vec();
        let rest: Vec<&[u8]> = lines.map(<[u8]>::trim_ascii_start).collect();
        (!rest.is_empty()).then(|| Self {
            bytes: [first, rest.concat()].concat(),
            is_other: true,
            ..self.clone()
        })
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
        assert_eq!(text("a/b; name=\"say \\\"hi\\\".txt\"; x=y", "name"), ["say \"hi\".txt", "say \\"]);
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

    #[test]
    fn a_gap_and_a_section_that_is_none_end_the_name_for_some() {
        for value in [
            "a; filename*0=evil.js; filename*2=.txt",
            "a; filename*=utf-8''evil.js; filename*1=.txt",
            "a; filename*0=evil.js; filename*x=.txt",
            "a; filename*0=evil.js; filename*0=.txt",
            "a; filename*0=evil.txt; filename*0=evil.js",
            "a; filename*0=evil.; filename*1=txt; filename*1=js",
            "a; filename*1=.js; filename*0=evil; filename*x=.txt",
            "a; filename*x=.txt; filename*=utf-8''evil.js",
        ] {
            let all = text(value, "filename");
            assert!(all.contains(&"evil.js".to_owned()), "{value}: {all:?}");
        }
        // As it is meant there is one reading only.
        assert_eq!(text("a; filename*1=.js; filename*0=evil", "filename"), ["evil.js"]);
        assert_eq!(text("a; filename*1*=%2Ejs; filename*0*=utf-8''evil", "filename"), ["evil.js"]);
    }

    #[test]
    fn white_space_may_stand_around_the_marks_of_a_section() {
        assert_eq!(text("a; filename *=utf-8''evil.js", "filename"), ["evil.js"]);
        assert_eq!(text("a; filename * 0 *=utf-8''evil; filename* 1 =.js", "filename"), ["evil.js"]);
    }

    #[test]
    fn a_fold_is_a_space_or_nothing() {
        assert_eq!(text("a; filename=\"evil.\r\n js\"", "filename"), ["evil. js", "evil.js"]);
        assert_eq!(text("a;\r\n\tfilename=\r\n x.js\r\n ; y=z", "filename"), ["x.js"]);
    }

    #[test]
    fn a_backslash_before_a_quote_escapes_it_or_not() {
        let value = "a; filename=\"a.txt\\\"; filename=evil.js; y=\"";
        assert_eq!(text(value, "filename"), ["a.txt\"; filename=evil.js; y=", "a.txt\\", "evil.js"]);
    }

    #[test]
    fn a_comment_hides_no_parameter_from_those_who_know_none() {
        assert_eq!(text("a; (; filename=evil.js", "filename"), ["evil.js"]);
        assert_eq!(text("a; (; filename=evil.js;) filename=a.txt", "filename"), ["a.txt", "evil.js"]);
        assert_eq!(text("a; filename=a.txt (it is)", "filename"), ["a.txt"]);
    }

    #[test]
    fn what_is_not_read_is_told() {
        let many = |n: usize| (0..n).map(|i| format!("; x{i}=1")).collect::<String>();
        for (value, is_cut) in [
            (format!("a{}; filename=x", many(99)), false),
            (format!("a{};; ", many(100)), false),
            (format!("a{}; filename=x", many(100)), true),
            (format!("a; x=\"{}\"; filename=x", "a".repeat(32 * 1024)), true),
        ] {
            assert_eq!(parse(value.as_bytes()).is_cut, is_cut, "{} bytes", value.len());
        }
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
