//! Inbound fields that claim to be ours, as places in the bytes of a stored message.

use std::ops::Range;

use super::lines::{self, FieldReader, Line};
use super::{auth_results, strip};
use crate::model::AuthservId;

/// Where in `raw` stand the fields that [`strip::removals`] would remove because they claim to be ours, each with its
/// line break, in their order: Authentication-Results in one of the names `ours`, and every field called as one of
/// `others`. A header that breaks off is read up to there.
#[must_use]
pub fn forged(raw: &[u8], ours: &[AuthservId], others: &[&str]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut reader = FieldReader::new(raw, 0);
    loop {
        let start = reader.pos;
        let Line::Field { name, value } = reader.read() else { return cuts };
        let (name, value) = (lines::at(raw, &name), lines::at(raw, &value));
        let is_results = name.eq_ignore_ascii_case(b"Authentication-Results");
        if strip::is_ours(name)
            || is_results && ours.iter().any(|ours| auth_results::claims(value, ours.as_str()))
            || others.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        {
            cuts.push(start..reader.pos);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::header;
    use super::*;
    use crate::model::{Action, RemovalWish};

    proptest! {
        #[test]
        fn what_is_cut_out_is_what_an_mta_would_be_told_to_remove(
            picks in prop::collection::vec((0_usize..8, 0_usize..4, any::<bool>()), 0..20)
        ) {
            let names = ["Authentication-Results", "X-Mailward-Release", "X-Spam-Flag", "Subject", "X-Mailwardx",
                "X-Virus-Status ", "Delivered-To", "Received-SPF"];
            let values = [" mx.example.org; a", " other.example;\r\n\tb", "", " x\r\n y\r\n z"];
            let lines: Vec<String> = picks
                .iter()
                .map(|(name, value, upper)| {
                    let name = if *upper { names[*name].to_uppercase() } else { names[*name].to_owned() };
                    format!("{name}:{}\r\n", values[*value])
                })
                .collect();
            let raw = lines.concat() + "\r\nX-Mailward-Id: in the body\r\n";
            let message = header::parse(raw.clone());
            let wish = RemovalWish { name: "Received-SPF".to_owned(), index: 0 };
            let removed = strip::removals(&message, Some("mx.example.org"), &[wish]);
            let mut left = lines;
            for action in removed {
                let Action::DeleteHeader { name, index } = action else { panic!("{action:?}") };
                let is_named = |line: &&String| {
                    let (found, _) = line.split_once(':').unwrap();
                    found.trim_end().eq_ignore_ascii_case(&name)
                };
                let nth = usize::try_from(index).unwrap() - 1;
                let at = left.iter().enumerate().filter(|(_, line)| is_named(line)).nth(nth).unwrap().0;
                left.remove(at);
            }
            let mut cut = raw.into_bytes();
            for range in forged(&cut.clone(), &["mx.example.org".parse().unwrap()], &["Received-SPF"]).into_iter().rev() {
                cut.drain(range);
            }
            prop_assert_eq!(String::from_utf8(cut).unwrap(), left.concat() + "\r\nX-Mailward-Id: in the body\r\n");
        }
    }
}
