//! What the name of a signature says of a message.
//!
//! | name | category | severity | score |
//! |---|---|---|---|
//! | `Heuristics.Limits.Exceeded.…`, `Heuristics.XZ.DicSizeLimit` | none: clamd did not look at all of it | | |
//! | `Heuristics.Phishing.URL.…`, `Heuristics.Safebrowsing.…` | phish | high | 8 |
//! | `Heuristics.Phishing.…`: a link that shows another domain than it leads to | phish | medium | 5 |
//! | `Heuristics.Encrypted.…`, `Heuristics.OLE2.ContainsMacros.…`, `Heuristics.Structured.…`, `Heuristics.PDF.…`, `….…PartitionIntersection`, `Heuristics.BoundsCheck` | suspicious | medium | 3 |
//! | `Heuristics.Broken.Media.…` | suspicious | low | 1 |
//! | `Heuristics.Broken.…` | suspicious | medium | 3 |
//! | `Heuristics.Zip.OverlappingFiles`: an archive bomb | suspicious | high | 6 |
//! | `Heuristics.…`, any other: a guess of clamd's | malware | high | 8 |
//! | `PUA.…` | suspicious | medium | 3 |
//! | `….UNOFFICIAL` with `phish` in it | phish | high | 8 |
//! | `….UNOFFICIAL` with `spam`, `scam` or `junk` in it | spam | medium | 5 |
//! | `….UNOFFICIAL`, any other | malware | high | 8 |
//! | with `.Phishing.` in it | phish | high | 10 |
//! | any other | malware | critical | 20 |
//!
//! Design notes. Malware of severity high is held, not refused (`policy`): signatures of third parties
//! (`.UNOFFICIAL`: whatever stands in no database that is signed by ClamAV) and guesses hit innocent mail often
//! enough that somebody must be able to release it. A look-alike link is in many a newsletter of a bank, so it
//! marks mail and does not hold it alone. Most `Heuristics` come only if clamd.conf asks for them
//! (`AlertEncrypted`, `AlertOLE2Macros`, …).

use crate::model::{Category, Scanner, Score, Severity};
use crate::scan::weight::Weight;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// A limit of clamd's: nothing was found, and not all was looked at.
    Limit,
    /// Something was found.
    Bad { category: Category, severity: Severity, score: f64 },
}

const fn bad(category: Category, severity: Severity, score: f64) -> Meaning {
    Meaning::Bad { category, severity, score }
}

const ODD: Meaning = bad(Category::Suspicious, Severity::Medium, 3.0);
const LIKELY_MALWARE: Meaning = bad(Category::Malware, Severity::High, 8.0);
const LIKELY_PHISH: Meaning = bad(Category::Phish, Severity::High, 8.0);

/// Beginnings of names; the first that fits holds.
const BEGINNINGS: &[(&str, Meaning)] = &[
    ("Heuristics.Limits.Exceeded", Meaning::Limit),
    ("Heuristics.XZ.DicSizeLimit", Meaning::Limit),
    ("Heuristics.Phishing.URL.", LIKELY_PHISH),
    ("Heuristics.Safebrowsing.", LIKELY_PHISH),
    ("Heuristics.Phishing.", bad(Category::Phish, Severity::Medium, 5.0)),
    ("Heuristics.Encrypted.", ODD),
    ("Heuristics.OLE2.ContainsMacros", ODD),
    ("Heuristics.Structured.", ODD),
    ("Heuristics.PDF.", ODD),
    ("Heuristics.APMPartition", ODD),
    ("Heuristics.GPTPartition", ODD),
    ("Heuristics.MBRPartition", ODD),
    ("Heuristics.BoundsCheck", ODD),
    ("Heuristics.Broken.Media.", bad(Category::Suspicious, Severity::Low, 1.0)),
    ("Heuristics.Broken.", ODD),
    ("Heuristics.Zip.OverlappingFiles", bad(Category::Suspicious, Severity::High, 6.0)),
    ("Heuristics.", LIKELY_MALWARE),
    ("PUA.", ODD),
];

/// What `name`, as clamd says it, stands for.
pub(super) fn meaning(name: &str) -> Meaning {
    if let Some((_, meaning)) = BEGINNINGS.iter().find(|(beginning, _)| name.starts_with(beginning)) {
        return *meaning;
    }
    match name.strip_suffix(".UNOFFICIAL") {
        Some(name) => unofficial(&name.to_ascii_lowercase()),
        None if name.contains(".Phishing.") => bad(Category::Phish, Severity::High, 10.0),
        None => bad(Category::Malware, Severity::Critical, 20.0),
    }
}

fn unofficial(name: &str) -> Meaning {
    if name.contains("phish") {
        LIKELY_PHISH
    } else if ["spam", "scam", "junk"].iter().any(|word| name.contains(word)) {
        bad(Category::Spam, Severity::Medium, 5.0)
    } else {
        LIKELY_MALWARE
    }
}

/// What names weigh: `*` stands for whatever there is; the first that fits holds.
pub(super) fn weights() -> Vec<Weight> {
    let beginnings = BEGINNINGS.iter().map(|(beginning, meaning)| (format!("{beginning}*"), *meaning));
    let others = ["*phish*.UNOFFICIAL", "*spam*.UNOFFICIAL", "*.UNOFFICIAL", "*.Phishing.*", "*"];
    let others = others.map(|shape| (shape.to_owned(), meaning(&shape.replace('*', "x"))));
    let weight = |(symbol, meaning)| match meaning {
        Meaning::Limit => None,
        Meaning::Bad { category, severity, score } => Some(Weight {
            scanner: Scanner::Clamd,
            symbol,
            case: None,
            severity,
            category,
            score: Score::new(score),
            set_in: None,
        }),
    };
    beginnings.chain(others).filter_map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_bad_as_its_family() {
        use Category::{Malware, Phish, Spam, Suspicious};
        use Severity::{Critical, High, Low, Medium};
        for (name, expected) in [
            ("Win.Test.EICAR_HDB-1", bad(Malware, Critical, 20.0)),
            ("Doc.Downloader.Emotet-6862593-0", bad(Malware, Critical, 20.0)),
            ("Email.Phishing.VOF1-6314030-0", bad(Phish, High, 10.0)),
            ("Heuristics.Limits.Exceeded.MaxFileSize", Meaning::Limit),
            ("Heuristics.Limits.Exceeded", Meaning::Limit),
            ("Heuristics.Encrypted.Zip", ODD),
            ("Heuristics.Phishing.Email.SpoofedDomain", bad(Phish, Medium, 5.0)),
            ("Heuristics.Phishing.URL.Blocked", bad(Phish, High, 8.0)),
            ("Heuristics.OLE2.ContainsMacros.VBA", ODD),
            ("Heuristics.Broken.Executable", ODD),
            ("Heuristics.Broken.Media.JPEG.NoImages", bad(Suspicious, Low, 1.0)),
            ("Heuristics.W32.Parite.B", bad(Malware, High, 8.0)),
            ("PUA.Win.Packer.Upx-1", ODD),
            ("Sanesecurity.Malware.28931.JsHeur.UNOFFICIAL", bad(Malware, High, 8.0)),
            ("Sanesecurity.Phishing.Bank.1.UNOFFICIAL", bad(Phish, High, 8.0)),
            ("winnow.spam.ts.xmailer.2.UNOFFICIAL", bad(Spam, Medium, 5.0)),
            // Only as a beginning or an end do these mean what they say.
            ("Win.Trojan.Heuristics.Limits.Exceeded-1", bad(Malware, Critical, 20.0)),
            ("Win.UNOFFICIAL.Trojan-1", bad(Malware, Critical, 20.0)),
        ] {
            assert_eq!(meaning(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_proven_never_refuses_by_its_score_alone() {
        let refused_at = 15.0;
        let names = BEGINNINGS.iter().map(|(beginning, _)| format!("{beginning}x"));
        for name in
            names.chain(["a.UNOFFICIAL", "a.phish.UNOFFICIAL", "a.spam.UNOFFICIAL"].map(str::to_owned))
        {
            if let Meaning::Bad { severity, score, .. } = meaning(&name) {
                assert!(severity < Severity::Critical && score < refused_at, "{name}");
            }
        }
    }
}
