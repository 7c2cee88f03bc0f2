//! Zip archives in which two programs could see two things.

use super::table;
use crate::mail::zip_names::{self, Listing};
use crate::model::{Finding, Parts, Scanner};

/// Entries of archives that are looked at, over a whole message.
const ENTRIES: usize = 100_000;

/// What was found in the archives of a message.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    /// Parts with a file in them that is encrypted.
    pub(super) encrypted: Vec<usize>,
    /// There are more entries than were looked at.
    pub(super) is_cut: bool,
}

/// Compares what the archives say of themselves. At most `most` findings of each kind.
pub(super) fn look(parts: &Parts, most: usize) -> Seen {
    let mut seen = Seen::default();
    let mut left = ENTRIES;
    let mut told = 0;
    for part in parts.list.iter().filter(|part| part.is_file()) {
        let Some(listing) = zip_names::read(&part.content, &mut left) else { continue };
        seen.is_cut |= listing.is_cut;
        if listing.is_encrypted {
            seen.encrypted.push(part.index);
        }
        let findings = findings(&listing);
        if !findings.is_empty() && told < most {
            told += 1;
            let at = |finding| Finding { location: Some(part.label()), ..finding };
            seen.findings.extend(findings.into_iter().map(at));
        }
    }
    seen
}

fn findings(listing: &Listing) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut tell = |row: &crate::scan::weight::Fixed, text| out.push(row.finding(Scanner::Mime, text));
    if let Some((listed, other)) = &listing.differing {
        let text = format!(
            "a file in the zip archive is called {listed:?} by its directory and {other:?} in front of its data"
        );
        tell(&table::ARCHIVE_NAMES_DIFFER, text);
    } else if let Some(name) = &listing.unlisted {
        let text = format!("the zip archive holds a file that its directory does not name: {name:?}");
        tell(&table::ARCHIVE_NAMES_DIFFER, text);
    }
    if listing.prefix > 0 {
        let text = format!("{} bytes of something else stand in front of the zip archive", listing.prefix);
        tell(&table::ARCHIVE_PREFIXED, text);
    }
    if let Some(name) = &listing.program {
        let text = format!(
            "a program, script or shortcut is in a zip archive where not everybody sees it: {name:?}"
        );
        tell(&table::ARCHIVE_PROGRAM_HIDDEN, text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Part;

    #[test]
    fn each_oddity_is_told_once_with_its_part() {
        let listing = Listing {
            prefix: 7,
            differing: Some(("a.exe".into(), "a.txt".into())),
            unlisted: Some("b".into()),
            program: Some("a.exe".into()),
            ..Listing::default()
        };
        let told: Vec<String> =
            findings(&listing).into_iter().map(|f| format!("{} {}", f.symbol, f.text)).collect();
        assert_eq!(
            told,
            [
                "ARCHIVE_NAMES_DIFFER a file in the zip archive is called \"a.exe\" by its directory and \"a.txt\" in front \
                 of its data",
                "ARCHIVE_PREFIXED 7 bytes of something else stand in front of the zip archive",
                "ARCHIVE_PROGRAM_HIDDEN a program, script or shortcut is in a zip archive where not everybody sees it: \
                 \"a.exe\"",
            ]
        );
        let unlisted = Listing { unlisted: Some("b".into()), ..Listing::default() };
        assert_eq!(findings(&unlisted).len(), 1);
        assert_eq!(findings(&Listing::default()), []);
    }

    #[test]
    fn what_is_no_archive_says_nothing() {
        let part = Part { media_type: "application/zip".to_owned(), content: "PK".into(), ..Part::default() };
        let seen = look(&Parts { list: vec![part], not_inspected: Vec::new() }, 10);
        assert_eq!((seen.findings, seen.encrypted, seen.is_cut), (vec![], vec![], false));
    }
}
