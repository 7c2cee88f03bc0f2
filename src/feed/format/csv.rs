//! The fields of one line of CSV, as these publishers write it.
//!
//! Not the `csv` crate: to it a quote after `, ` is the middle of an unquoted field, so that each row of
//! ThreatFox and MalwareBazaar comes out wrong. A row is a line here: none of the feeds has a line break in a
//! field, and so a quote that is never closed costs one row and not the rest of the file.

use std::borrow::Cow;

/// Why a line is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A quoted field does not end.
    OpenQuote,
}

/// The fields of `line`. Quotes stand for themselves when doubled, and inside of a quoted field also where
/// neither a comma nor the end follows: not every writer doubles them.
pub(super) fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, Fault> {
    let mut fields = Vec::with_capacity(16);
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => in_quotes(quoted)?,
            None => {
                let end = memchr::memchr(b',', rest.as_bytes()).unwrap_or(rest.len());
                let (field, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                (Cow::Borrowed(field.trim_end()), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// A field behind its opening quote, and what follows its closing one.
fn in_quotes(text: &str) -> Result<(Cow<'_, str>, &str), Fault> {
    let mut field = Cow::Borrowed("");
    let mut begin = 0;
    let mut from = 0;
    while let Some(quote) = memchr::memchr(b'"', text.as_bytes().get(from..).unwrap_or_default()) {
        let quote = from + quote;
        let after = text.get(quote + 1..).unwrap_or_default();
        let blanks_gone = after.trim_start_matches([' ', '\t', '\r']);
        if after.starts_with('"') {
            // A doubled quote: one of them stays.
            push(&mut field, text.get(begin..=quote).unwrap_or_default());
            begin = quote + 2;
            from = begin;
        } else if blanks_gone.is_empty() || blanks_gone.starts_with(',') {
            push(&mut field, text.get(begin..quote).unwrap_or_default());
            return Ok((field, blanks_gone));
        } else {
            from = quote + 1;
        }
    }
    Err(Fault::OpenQuote)
}

/// Appends without a copy as long as there is only one piece.
fn push<'a>(field: &mut Cow<'a, str>, piece: &'a str) {
    if field.is_empty() {
        *field = Cow::Borrowed(piece);
    } else if !piece.is_empty() {
        field.to_mut().push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<String> {
        fields(line).unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn a_quote_after_a_comma_and_a_blank_opens_a_field() {
        assert_eq!(read(r#""a", "b,c", """#.trim_end_matches('"')).len(), 3);
        assert_eq!(read(r#""a", "b,c", """#), ["a", "b,c", ""].map(str::to_owned));
        assert_eq!(read(r#""a","b","c""#), ["a", "b", "c"].map(str::to_owned));
        assert_eq!(read("a,b c ,,d"), ["a", "b c", "", "d"].map(str::to_owned));
    }

    #[test]
    fn quotes_stand_for_themselves_when_doubled_or_where_no_field_can_end() {
        assert_eq!(read(r#"1,"""Example"", Inc.",2"#), ["1", "\"Example\", Inc.", "2"].map(str::to_owned));
        assert_eq!(read(r#""say "hi" now","x""#), ["say \"hi\" now", "x"].map(str::to_owned));
        assert_eq!(read(r#"a"b,c"#), ["a\"b", "c"].map(str::to_owned));
        assert_eq!(read(r#""""","b""#), ["\"", "b"].map(str::to_owned));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_a_fault() {
        assert_eq!(fields(r#""a","b"#), Err(Fault::OpenQuote));
        assert_eq!(fields(r#"""#), Err(Fault::OpenQuote));
    }
}
