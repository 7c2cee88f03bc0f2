//! Authentication-Results: whose they claim to be (RFC 8601 §2.2).

use super::encoded;

/// Whether a field of this name is an Authentication-Results.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("Authentication-Results")
}

/// The authserv-id of an Authentication-Results value, as it stands there; quotes, comments and folds
/// taken away. None where there is none: a comment or a quoted string that never closes, or nothing.
///
/// Lenient in one direction: whatever a reader might take for the id is taken. What comes after it –
/// version, results, rubbish – does not matter.
#[must_use]
pub fn authserv_id(value: &[u8]) -> Option<String> {
    let value = skip_comments(value)?;
    let id = match value.split_first()? {
        (b'"', quoted) => quoted_string(quoted)?,
        _ => {
            let end = value.iter().position(|c| !is_token(*c)).unwrap_or(value.len());
            value.get(..end)?.to_vec()
        }
    };
    (!id.is_empty()).then(|| String::from_utf8_lossy(&id).into_owned())
}

/// Whether two authserv-ids name the same host: case does not count, nor does a final dot.
#[must_use]
pub fn is_same(a: &str, b: &str) -> bool {
    let bare = |id: &str| id.trim().trim_end_matches('.').to_owned();
    bare(a).eq_ignore_ascii_case(&bare(b))
}

/// Whether a value must not be handed on by the host called `ours`: it claims that name, or some reader might
/// take it for ours. So it claims it also
/// - in letters that only mean the same, as full-width ones do to a reader of internationalised names (UTS #46);
/// - where the name, or all of it, is made of encoded words (RFC 2047): a Sieve filter decodes them (RFC 5228 §2.7.2);
/// - where backslashes, quotes, comments and blanks stand in the name, which one who mends it takes out;
/// - where it cannot be read and the name stands somewhere in it.
#[must_use]
pub fn claims(value: &[u8], ours: &str) -> bool {
    let decoded = encoded::decoded(value);
    [Some(value), decoded.as_deref()].into_iter().flatten().any(|form| reads_as(form, ours))
}

fn reads_as(value: &[u8], ours: &str) -> bool {
    match authserv_id(value) {
        Some(id) => means(&id, ours) || mended(value, ours),
        None => {
            let name = ours.trim().trim_end_matches('.').to_ascii_lowercase();
            let value = value.to_ascii_lowercase();
            !name.is_empty() && memchr::memmem::find(&value, name.as_bytes()).is_some()
        }
    }
}

/// Whether `id` is `ours` as it stands or as a reader of internationalised names maps it.
fn means(id: &str, ours: &str) -> bool {
    let mapped = (!id.is_ascii()).then(|| idna::domain_to_ascii(id).ok()).flatten();
    is_same(id, ours) || mapped.is_some_and(|id| is_same(&id, ours))
}

/// How often a broken name that is not ASCII is mapped: that takes time, and an honest one is never broken.
const MAX_MAPPINGS: usize = 16;

/// Whether what stands before the first `;`, put together without backslashes, quotes, comments and blanks, is
/// `ours` at one of the places where something was taken out, or at its end.
fn mended(value: &[u8], ours: &str) -> bool {
    // A mapped character takes four bytes at most where ours takes one.
    let longest = ours.len().saturating_mul(4).saturating_add(64);
    let mut mappings = MAX_MAPPINGS;
    let mut id = String::new();
    let mut rest = value;
    loop {
        let (token, tail) = rest.split_at(rest.iter().position(|c| !is_token(*c)).unwrap_or(rest.len()));
        id.push_str(&String::from_utf8_lossy(token));
        if id.len() > longest {
            return false;
        }
        if !token.is_empty() {
            if id.is_ascii() && is_same(&id, ours) || !id.is_ascii() && mappings > 0 && means(&id, ours) {
                return true;
            }
            mappings -= usize::from(!id.is_ascii() && mappings > 0);
        }
        rest = match tail.split_first() {
            None | Some((b';', _)) => return false,
            Some((b'(', _)) => skip_comments(tail).unwrap_or_default(),
            Some((_, tail)) => tail,
        };
    }
}

/// Past white space, folds and comments (CFWS, RFC 5322 §3.2.2). None if a comment never closes.
fn skip_comments(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value;
    let mut depth = 0_usize;
    while let Some((first, tail)) = rest.split_first() {
        match (first, depth) {
            (b'(', _) => depth += 1,
            (_, 0) if !first.is_ascii_whitespace() => break,
            (b')', _) => depth -= 1,
            (b'\\', _) => {
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
            _ => {}
        }
        rest = tail;
    }
    (depth == 0).then_some(rest)
}

/// The inside of a quoted string up to its closing quote, escapes undone, folds taken out.
fn quoted_string(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = value.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some(out),
            b'\\' => out.push(*bytes.next()?),
            b'\r' | b'\n' => {}
            c => out.push(*c),
        }
    }
}

/// RFC 2045 §5.1, and what is not ASCII (RFC 8601 §2.2 allows internationalised names).
fn is_token(c: u8) -> bool {
    !c.is_ascii_whitespace() && !c.is_ascii_control() && !b"()<>@,;:\\\"/[]?=".contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(value: &str) -> Option<String> {
        authserv_id(value.as_bytes())
    }

    #[test]
    fn rfc8601_appendix_b() {
        assert_eq!(id(" example.org 1; none").as_deref(), Some("example.org"));
        assert_eq!(
            id(" example.com;\r\n\tspf=pass smtp.mailfrom=example.net").as_deref(),
            Some("example.com")
        );
        assert_eq!(
            id(" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait) fail")
                .as_deref(),
            Some("foo.example.net")
        );
    }

    #[test]
    fn the_id_is_found_behind_folds_comments_and_quotes() {
        for value in [
            "mx.example.org",
            "mx.example.org;spf=pass",
            "\r\n \r\n\tmx.example.org\r\n ;",
            "(mx.other.example (nested \\) (twice)) )mx.example.org(x)1;",
            " \"mx.example.org\"; x",
            "\"mx.\\example\\.org\" 1;",
            "mx.example.org\0; x",
            "mx.example.org/1; x",
        ] {
            assert_eq!(id(value).as_deref(), Some("mx.example.org"), "{value:?}");
        }
        assert_eq!(
            id("mx.example.org.attacker.example;").as_deref(),
            Some("mx.example.org.attacker.example")
        );
    }

    #[test]
    fn what_has_no_id_has_none() {
        for value in
            ["", "  \r\n ", "; spf=pass", "(never closed mx.example.org", "\"never closed", "(a)", "\"\";"]
        {
            assert_eq!(id(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_name_is_ours_whatever_its_case_and_final_dot() {
        let ours = "mx.example.org";
        assert!(claims(b" MX.Example.ORG.; x", ours));
        assert!(claims(b" mx.example.org;", "mx.example.org."));
        assert!(claims(b" (open mx.EXAMPLE.org; dmarc=pass", ours));
        assert!(!claims(b" mx.other.example (mx.example.org;);", ours));
        assert!(!claims(b" mx.example.org.attacker.example;", ours));
        assert!(!claims(b" (open", ours));
        for other in ["ｍｘ．example.org", "mx.exam\u{ad}ple.org", "mx。EXAMPLE。org。"] {
            assert!(claims(format!("{other}; dmarc=pass").as_bytes(), ours), "{other}");
        }
        assert!(claims("mx.bücher.example;".as_bytes(), "mx.xn--bcher-kva.example"));
        assert!(!claims("mx.exämple.org;".as_bytes(), ours));
        assert!(!claims(b" ; nothing", ""));
    }

    #[test]
    fn a_name_is_ours_also_where_a_reader_has_to_decode_or_mend_it() {
        let ours = "mx.example.org";
        for value in [
            "=?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; dmarc=pass",
            "=?UTF-8?B?bXguZXhhbXBsZS5vcmc?=; dmarc=pass",
            "mx.example=?utf-8?q?=2Eorg?=; dmarc=pass",
            "=?utf-8?q?mx=2Eexample=2Eorg=3B_dmarc=3Dpass?=",
            "=?utf-8*en?q?mx.exam?=\r\n =?iso-8859-1?b?cGxlLm9yZw==?= 1; dmarc=pass",
            "(c) =?utf-7?q?mx+AC4-example.org?=; dmarc=pass",
            "=?utf-16be?b?AG0AeAAuAGUAeABhAG0AcABsAGUALgBvAHIAZw==?=; dmarc=pass",
            "=?nobody-knows?q?mx.example.org?=; dmarc=pass",
            "=?utf-8?q?=EF=BD=8Dx.example.org?=; dmarc=pass",
            "=?utf-8?q?=22mx.example.org=22?=; dmarc=pass",
            "=?utf-8?q?(open_mx.example.org?=; dmarc=pass",
            "=?utf-8?q?mx.ex\r\n ample.org?=; dmarc=pass",
            "mx\\.example.org; dmarc=pass",
            "(c)mx(d).example.org; dmarc=pass",
            "mx .example.org; dmarc=pass",
            "mx .exam\r\n ple.org. 1; dmarc=pass",
            "\"mx\".example.org; dmarc=pass",
            "\"mx .example.org\"; dmarc=pass",
            "ｍｘ .example.org 1; dmarc=pass",
        ] {
            assert!(claims(value.as_bytes(), ours), "{value:?}");
        }
        for value in [
            "other.example (=?utf-8?q?mx.example.org?=); dmarc=pass",
            "=?utf-8?q?other=2Eexample?=; dmarc=pass header.from=example.org",
            "=?utf-8?q?mx=2Eexample.org.other.example?=; dmarc=pass",
            "mx .example.org.other.example; dmarc=pass",
            "other.example mx.example.org; dmarc=pass",
            "mx.example.org=?utf-8?q?.other.example?=x; a",
        ] {
            let strict = authserv_id(value.as_bytes()).is_some_and(|id| is_same(&id, ours));
            assert_eq!(claims(value.as_bytes(), ours), strict, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(
            value in prop::collection::vec(prop::sample::select(&b"()\\\";/. \t\r\nmx1\0\xff"[..]), 0..200)
        ) {
            let id = authserv_id(&value);
            prop_assert!(id.as_ref().is_none_or(|id| !id.is_empty()));
            prop_assert!(id.is_none_or(|id| claims(&value, &id)));
        }

        #[test]
        fn an_id_is_found_whatever_stands_before_it(
            comments in prop::collection::vec("[ \t]|\\([a-z ;.]{0,10}\\)|\r\n ", 0..8),
            name in "[a-z0-9.-]{1,40}",
            after in "(;| |\\(x\\)|)[ -~]{0,20}",
        ) {
            let separator = if after.is_empty() || after.starts_with([';', ' ', '(']) { "" } else { ";" };
            let value = format!("{}{name}{separator}{after}", comments.concat());
            prop_assert_eq!(id(&value), Some(name));
        }
    }
}
