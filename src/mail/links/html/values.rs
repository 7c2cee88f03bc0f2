//! Attribute values that hold more than an address.

/// The addresses of a `srcset` (WHATWG HTML §4.8.4.3.10).
pub(super) fn srcset(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (address, after) = rest.split_at(end);
        let bare = address.trim_end_matches(',');
        rest = if bare.len() < address.len() {
            after
        } else {
            // Descriptors; a comma in brackets does not end them.
            let mut depth = 0u32;
            let end = after
                .find(|c: char| {
                    match c {
                        '(' => depth += 1,
                        ')' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    c == ',' && depth == 0
                })
                .unwrap_or(after.len());
            after.get(end..).unwrap_or_default()
        };
        Some(bare)
    })
}

/// The address of a refresh: `0; url='…'` (WHATWG HTML §4.2.5.3).
pub(super) fn refresh(value: &str) -> &str {
    let is_space = |c: char| c.is_ascii_whitespace();
    let rest =
        value.trim_start_matches(is_space).trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let rest = rest.trim_start_matches(|c: char| is_space(c) || c == ';' || c == ',');
    let mut address = rest;
    if rest.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("url"))
        && let Some(after) =
            rest.get(3..).and_then(|after| after.trim_start_matches(is_space).strip_prefix('='))
    {
        address = after.trim_start_matches(is_space);
    }
    match address.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            address.get(1..).and_then(|inner| inner.split(quote).next()).unwrap_or_default()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_srcset_falls_into_its_addresses() {
        let list = |value| srcset(value).collect::<Vec<_>>();
        assert_eq!(list("a.png 1x, b.png 2x"), ["a.png", "b.png"]);
        assert_eq!(list(" ,a.png, b,c.png 100w,d "), ["a.png", "b,c.png", "d"]);
        assert_eq!(list("a (1,2), b"), ["a", "b"]);
        assert_eq!(list(",, ,"), [""; 0]);
    }

    #[test]
    fn a_refresh_names_its_address_in_many_ways() {
        for value in ["0;url=x", "0; URL = 'x'", "5,x", " 1.5;url=\"x\" y", "0;x", "url=x", "0 url=x"] {
            assert_eq!(refresh(value), "x", "{value}");
        }
        assert_eq!(refresh("30"), "");
    }
}
