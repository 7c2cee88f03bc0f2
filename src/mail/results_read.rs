//! What another host verified, read from an Authentication-Results field or an ARC one (RFC 8601 §2.2).
//!
//! Whoever sends mail can write such a field, and can put text into the fields that others write: into
//! comments, reasons, local parts. So the field is read by its grammar as a whole, or not at all: text in
//! quotation marks or comments is never taken for a result, and what cannot be read to its end says
//! nothing. Who wrote it, and whether he is believed, is for the caller to know.
//!
//! Wider than the grammar in what large sites are known to write: a semicolon at the end, properties
//! without a type (`action=none`), and values with signs that should stand in quotation marks.

use crate::model::AuthResult;

/// A longer field is not read.
const MAX_BYTES: usize = 32 * 1024;
/// More results are not read.
const MAX_RESULTS: usize = 100;
/// More properties, of all results together, are not read.
const MAX_PROPERTIES: usize = 400;
/// Deeper comments are not read.
const MAX_DEPTH: usize = 20;

/// What one host says that it verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The name that it gives itself, as it stands there.
    pub authserv_id: String,
    /// Its results in their order; empty where it says `none`.
    pub results: Vec<Statement>,
}

/// One result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The method in lower case, known here or not: `spf`, `dkim`, `dmarc`, `compauth`.
    pub method: String,
    /// How it ended; `None` for a word that RFC 8601 §2.7 does not have.
    pub result: Option<AuthResult>,
    /// Why, for people.
    pub reason: Option<String>,
    /// `ptype.property` in lower case, and its value without quotation marks, in their order.
    pub properties: Vec<(String, String)>,
}

impl Told {
    /// The results of one method, in their order.
    pub fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Statement> {
        self.results.iter().filter(move |statement| statement.method == method)
    }
}

impl Statement {
    /// The value of a property. `None` also where it is given twice: nobody knows which is meant.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut values = self.properties.iter().filter(|(property, _)| property == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// Reads a field's value, folded or not. `None`: it is not such a field to its very end, or longer than
/// anybody writes it.
#[must_use]
pub fn read(value: &[u8]) -> Option<Told> {
    if value.len() > MAX_BYTES {
        return None;
    }
    let value = std::str::from_utf8(value).ok()?;
    let mut rest = Reader { rest: value };
    rest.space()?;
    let mut told = Told { authserv_id: rest.value(is_token)?, results: Vec::new() };
    if told.authserv_id.is_empty() {
        return None;
    }
    let version = rest.space()? && rest.word().is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit()));
    if version {
        rest.space()?;
    }
    let (mut properties, mut said_none) = (0, false);
    while !rest.rest.is_empty() {
        rest.sign(';')?;
        rest.space()?;
        if rest.rest.is_empty() {
            break;
        }
        if said_none || told.results.len() == MAX_RESULTS {
            return None;
        }
        let method = rest.word()?.to_ascii_lowercase();
        rest.space()?;
        if method == "none" && told.results.is_empty() && matches!(rest.rest.chars().next(), None | Some(';'))
        {
            said_none = true;
            continue;
        }
        let statement = rest.statement(method)?;
        properties += statement.properties.len();
        if properties > MAX_PROPERTIES {
            return None;
        }
        told.results.push(statement);
    }
    (said_none || !told.results.is_empty()).then_some(told)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// What follows a method: `[/ version] = result [reason=…] [ptype.property=…]…`.
    fn statement(&mut self, method: String) -> Option<Statement> {
        if self.sign('/').is_some() {
            self.space()?;
            self.word()?;
            self.space()?;
        }
        self.sign('=')?;
        self.space()?;
        let result = self.word()?;
        let is = |known: &AuthResult| known.name().eq_ignore_ascii_case(&result);
        let mut statement = Statement {
            method,
            result: AuthResult::ALL.into_iter().find(is),
            reason: None,
            properties: Vec::new(),
        };
        loop {
            let spaced = self.space()?;
            if self.rest.is_empty() || self.rest.starts_with(';') {
                return Some(statement);
            }
            if !spaced || statement.properties.len() == MAX_PROPERTIES {
                return None;
            }
            let mut name = self.word()?.to_ascii_lowercase();
            self.space()?;
            if self.sign('.').is_some() {
                self.space()?;
                name.push('.');
                name.push_str(&self.word()?.to_ascii_lowercase());
                self.space()?;
            }
            self.sign('=')?;
            self.space()?;
            let value = self.value(is_plain)?;
            match &*name {
                "reason" if statement.reason.is_none() => statement.reason = Some(value),
                "reason" => return None,
                _ => statement.properties.push((name, value)),
            }
        }
    }

    /// Goes past one sign, if it is the next.
    fn sign(&mut self, sign: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    /// A word of letters, digits, `-` and `_`.
    fn word(&mut self) -> Option<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// A value: signs that `is_part` lets through, and quoted strings, as in `"a b"@example.org`.
    fn value(&mut self, is_part: fn(char) -> bool) -> Option<String> {
        let mut out = String::new();
        let before = self.rest.len();
        loop {
            if let Some(rest) = self.rest.strip_prefix('"') {
                self.rest = rest;
                self.quoted(&mut out)?;
            }
            let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at(end);
            out.push_str(plain);
            self.rest = rest;
            if !rest.starts_with('"') {
                return (self.rest.len() < before).then_some(out);
            }
        }
    }

    /// The inside of a quoted string whose first mark was read, up to and past the last.
    fn quoted(&mut self, out: &mut String) -> Option<()> {
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(());
                }
                '\\' => out.push(chars.next().map(|(_, c)| c).filter(|c| !c.is_control())?),
                '\r' | '\n' => {
                    // A fold inside is white space.
                    let fold = self.rest.get(at..).and_then(after_fold)?;
                    let skip = self.rest.len() - fold.len() - at;
                    chars.by_ref().take(skip.saturating_sub(1)).for_each(drop);
                    out.push(' ');
                }
                '\t' => out.push(' '),
                c if c.is_control() => return None,
                c => out.push(c),
            }
        }
        None
    }

    /// Goes past white space, folds and comments (CFWS); whether there was any. `None`: a comment does
    /// not end, or a line does that is no fold.
    fn space(&mut self) -> Option<bool> {
        let before = self.rest.len();
        let mut depth = 0_usize;
        loop {
            let mut chars = self.rest.chars();
            let Some(c) = chars.next() else { break };
            match c {
                ' ' | '\t' => {}
                '\r' | '\n' => {
                    self.rest = after_fold(self.rest)?;
                    continue;
                }
                '(' if depth == MAX_DEPTH => return None,
                '(' => depth += 1,
                _ if depth == 0 => break,
                ')' => depth -= 1,
                '\\' => drop(chars.next().filter(|c| !c.is_control())?),
                c if c.is_control() => return None,
                _ => {}
            }
            self.rest = chars.as_str();
        }
        (depth == 0).then_some(self.rest.len() < before)
    }
}

/// What follows a line break and the white space that makes it a fold.
fn after_fold(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n'))?;
    // A fold at the very end is one whose white space was trimmed away.
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix([' ', '\t']) }
}

/// RFC 2045 §5.1, and what is not ASCII (RFC 8601 §2.2 allows internationalised names).
fn is_token(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !r#"()<>@,;:\"/[]?="#.contains(c)
}

/// What stands unquoted in values of the field: more than it should.
fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !r#"();\""#.contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::results;
    use crate::model::Authentication;

    fn statement(method: &str, result: AuthResult, properties: &[(&str, &str)]) -> Statement {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Statement {
            method: method.to_owned(),
            result: Some(result),
            reason: None,
            properties: properties.iter().map(owned).collect(),
        }
    }

    fn told(id: &str, results: Vec<Statement>) -> Option<Told> {
        Some(Told { authserv_id: id.to_owned(), results })
    }

    /// `method=result` of each.
    fn results_of(value: &str) -> Option<Vec<String>> {
        let word = |s: &Statement| s.result.map_or("?", AuthResult::name);
        Some(read(value.as_bytes())?.results.iter().map(|s| format!("{}={}", s.method, word(s))).collect())
    }

    #[test]
    fn rfc8601_appendix_b() {
        use AuthResult::{Fail, Pass};
        assert_eq!(read(b" example.org 1; none"), told("example.org", vec![]));
        assert_eq!(
            read(b" example.com;\r\n          spf=pass smtp.mailfrom=example.net"),
            told("example.com", vec![statement("spf", Pass, &[("smtp.mailfrom", "example.net")])])
        );
        assert_eq!(
            read(b" example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=fail smtp.mailfrom=example.net"),
            told(
                "example.com",
                vec![
                    statement("auth", Pass, &[("smtp.auth", "sender@example.net")]),
                    statement("spf", Fail, &[("smtp.mailfrom", "example.net")])
                ]
            )
        );
        assert_eq!(
            read(b" example.com;\r\n dkim=pass reason=\"good signature\" header.i=@mail-router.example.net;\r\n dkim=fail reason=\"bad signature\" header.i=@newyork.example.com"),
            told(
                "example.com",
                vec![
                    Statement {
                        reason: Some("good signature".into()),
                        ..statement("dkim", Pass, &[("header.i", "@mail-router.example.net")])
                    },
                    Statement {
                        reason: Some("bad signature".into()),
                        ..statement("dkim", Fail, &[("header.i", "@newyork.example.com")])
                    },
                ]
            )
        );
        assert_eq!(
            read(
                b" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait) fail\r\n \
                  policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462"
            ),
            told("foo.example.net", vec![statement("dkim", Fail, &[("policy.expired", "1362471462")])])
        );
    }

    #[test]
    fn what_large_sites_write_is_read() {
        use AuthResult::Pass;
        assert_eq!(
            read(b"mx.google.com;\r\n       dkim=pass header.i=@example.org header.s=s1 header.b=\"ab/+cd==\";\r\n       spf=pass (google.com: domain of a@example.org designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.org;\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=example.org"),
            told(
                "mx.google.com",
                vec![
                    statement("dkim", Pass, &[("header.i", "@example.org"), ("header.s", "s1"), ("header.b", "ab/+cd==")]),
                    statement("spf", Pass, &[("smtp.mailfrom", "a@example.org")]),
                    statement("dmarc", Pass, &[("header.from", "example.org")]),
                ]
            )
        );
        assert_eq!(
            read(b"mx.microsoft.com 1; spf=pass (sender ip is 192.0.2.1) smtp.rcpttodomain=b.example smtp.mailfrom=a.example; dmarc=pass (p=none sp=none pct=100) action=none header.from=a.example; dkim=pass (signature was verified) header.d=a.example; arc=none (0);"),
            told(
                "mx.microsoft.com",
                vec![
                    statement("spf", Pass, &[("smtp.rcpttodomain", "b.example"), ("smtp.mailfrom", "a.example")]),
                    statement("dmarc", Pass, &[("action", "none"), ("header.from", "a.example")]),
                    statement("dkim", Pass, &[("header.d", "a.example")]),
                    statement("arc", AuthResult::None, &[]),
                ]
            )
        );
        assert_eq!(
            read(b"mx; iprev=pass policy.iprev=2001:db8::1; spf=pass smtp.mailfrom=\"a b;c\"@example.org"),
            told(
                "mx",
                vec![
                    statement("iprev", Pass, &[("policy.iprev", "2001:db8::1")]),
                    statement("spf", Pass, &[("smtp.mailfrom", "a b;c@example.org")]),
                ]
            )
        );
    }

    #[test]
    fn text_in_quotation_marks_and_comments_is_no_result() {
        for (value, expected) in [
            ("mx; dmarc=fail reason=\"; dmarc=pass\"", "dmarc=fail"),
            ("mx; dmarc=fail reason=\"\\\"; dmarc=pass header.from=bank.example\"", "dmarc=fail"),
            ("mx; dmarc=fail (; dmarc=pass)", "dmarc=fail"),
            ("mx; dmarc=fail (a (b) \\) ; dmarc=pass)", "dmarc=fail"),
            ("mx; dmarc=fail (\"); dmarc=none (\")", "dmarc=fail dmarc=none"),
            ("mx; spf=fail smtp.mailfrom=\"x; dmarc=pass \"@evil.example", "spf=fail"),
            ("mx; dmarc=fail (\r\n ; dmarc=pass\r\n )", "dmarc=fail"),
            ("\"mx; dmarc=pass\"; dmarc=fail", "dmarc=fail"),
            ("mx (x; dmarc=pass) 1; dmarc=fail", "dmarc=fail"),
        ] {
            assert_eq!(results_of(value).map(|r| r.join(" ")).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn unknown_methods_and_words_are_kept_in_their_order() {
        assert_eq!(
            results_of("mx; DKIM=Fail; x-new/2=hardfail a.b=c; dkim=pass; DMARC=PASS").unwrap(),
            ["dkim=fail", "x-new=?", "dkim=pass", "dmarc=pass"]
        );
    }

    #[test]
    fn what_is_not_read_to_its_end_says_nothing() {
        for bad in [
            "",
            " ",
            "mx",
            "mx;",
            "mx; ;",
            "; dmarc=pass",
            "\"\"; dmarc=pass",
            "mx dmarc=pass",
            "mx 1 2; dmarc=pass",
            "mx; dmarc",
            "mx; dmarc=",
            "mx; dmarc=pass header.from",
            "mx; dmarc=pass header.from=",
            "mx; dmarc=pass header.=x",
            "mx; dmarc=pass header.from=a b",
            "mx; dmarc=pass \"x\"",
            "mx; dmarc=pass\"x\"",
            "mx; dmarc=pass, spf=pass",
            "mx; dmarc=pass (open",
            "mx; dmarc=pass reason=\"open",
            "mx; dmarc=pass reason=a reason=b",
            "mx; dmarc=pass )",
            "mx; dmarc=pass header.from=a\\b",
            "mx; none; dmarc=pass",
            "mx; dmarc=pass; none",
            "mx; dmarc=pass\r\nX: y",
            "mx; dmarc=pass\rheader.from=a",
            "mx; dmarc=pass (\r\nx)",
            "mx; dmarc=pass reason=\"a\r\nb\"",
            "mx; dmarc=pass\0",
            "mx; dmarc=pass (\0)",
            "mx; dmarc=pass reason=\"\0\"",
            "mx; dmarc=pass reason=\"\\\0\"",
            "mx@x; dmarc=pass",
        ] {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(read(b"mx; dmarc=pass reason=\"\xff\""), None);
        let deep = |n: usize| format!("mx; dmarc=pass {}{}", "(".repeat(n), ")".repeat(n));
        assert!(read(deep(MAX_DEPTH).as_bytes()).is_some() && read(deep(MAX_DEPTH + 1).as_bytes()).is_none());
    }

    #[test]
    fn a_field_that_is_longer_than_anybody_writes_it_says_nothing() {
        let many = |n: usize| format!("mx{}", "; spf=pass".repeat(n));
        assert!(
            read(many(MAX_RESULTS).as_bytes()).is_some() && read(many(MAX_RESULTS + 1).as_bytes()).is_none()
        );
        let properties = |n: usize| format!("mx; spf=pass{}", " a.b=c".repeat(n));
        assert!(read(properties(MAX_PROPERTIES).as_bytes()).is_some());
        assert!(read(properties(MAX_PROPERTIES + 1).as_bytes()).is_none());
        assert!(read(format!("mx; spf=pass ({})", "x".repeat(MAX_BYTES)).as_bytes()).is_none());
    }

    #[test]
    fn a_property_that_is_given_twice_has_no_value() {
        let told = read(b"mx; dmarc=pass header.from=a.example Header.From=b.example header.d=c").unwrap();
        assert_eq!(told.results[0].property("header.from"), None);
        assert_eq!(told.results[0].property("header.d"), Some("c"));
        assert_eq!(told.of("dmarc").count(), 1);
    }

    #[test]
    fn what_we_write_ourselves_is_read() {
        let none = results::authentication_results("mx.example.org", &Authentication::default());
        assert_eq!(read(none.as_bytes()), told("mx.example.org", vec![]));
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(
            value in prop::collection::vec(prop::sample::select(&b"()\\\";/. =\t\r\nmx1-\0\xff\xc3\xa9"[..]), 0..120)
        ) {
            prop_assert!(read(&value).is_none_or(|told| !told.authserv_id.is_empty()));
        }

        /// Whatever text a sender gets into a reason or comment, the results stay those that were written.
        #[test]
        fn foreign_text_adds_no_result(text in any::<String>()) {
            let escaped = |s: &str| s.chars().flat_map(|c| ['\\', c]).collect::<String>();
            let value = format!("mx; dmarc=fail reason=\"{0}\" ({0}) header.from=a.example; spf=none", escaped(&text));
            if let Some(told) = read(value.as_bytes()) {
                let methods: Vec<_> = told.results.iter().map(|s| (&*s.method, s.result)).collect();
                prop_assert_eq!(methods, [("dmarc", Some(AuthResult::Fail)), ("spf", Some(AuthResult::None))]);
                prop_assert_eq!(told.results[0].reason.as_deref(), Some(&*text));
            } else {
                prop_assert!(text.chars().any(char::is_control));
            }
        }
    }
}
