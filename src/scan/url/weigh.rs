//! What a match in a feed, or on a block list, is worth. `docs/findings-links.md` says the same to admins.
//!
//! No reputation refuses mail, whatever it says: phishing and malware hold it, the rest marks it or is one sign
//! among others. Only the very file that a feed of malware has is proof.

use super::asks::What;
use super::config::Weights;
use crate::feed::{Day, Format, MatchKind, Strength};
use crate::model::{Category, Score, Severity};

/// What a feed of this format is of, unless the configuration says otherwise. A plain list may be of anything.
#[must_use]
pub const fn category_of(format: Format) -> Category {
    match format {
        Format::UrlhausCsv
        | Format::UrlhausJson
        | Format::ThreatfoxCsv
        | Format::ThreatfoxJson
        | Format::MalwarebazaarCsv => Category::Malware,
        Format::Openphish | Format::PhishtankCsv | Format::PhishtankJson => Category::Phish,
        Format::SpamhausDrop | Format::Domains | Format::Urls | Format::Ips | Format::Hosts => {
            Category::Suspicious
        }
    }
}

/// How much of what was listed this is, an entry that is old counted one step less: what was taken over two
/// years ago may be its owner's again. A file stays what it is.
pub(super) fn strength(kind: MatchKind, added: Option<Day>, today: Day, old_after: u16) -> Strength {
    let is_old = added.is_some_and(|added| added.until(today) > old_after);
    match (kind.strength(), kind) {
        (strength, MatchKind::File) => strength,
        (Strength::Same, _) if is_old => Strength::Close,
        (Strength::Close, _) if is_old => Strength::Near,
        (strength, _) => strength,
    }
}

/// Severity and score of the strongest match of one feed. Proof is only the very file that a feed of malware
/// has: a link may lead elsewhere by now, and its host may be another's. A list of what is only suspicious may be of
/// anything, so that it marks mail and does not hold it.
pub(super) fn weigh(
    kind: MatchKind,
    strength: Strength,
    category: Category,
    weights: &Weights,
) -> (Severity, Score) {
    match (kind, strength) {
        (MatchKind::File, _) if category == Category::Malware => (Severity::Critical, weights.file),
        (MatchKind::File, _) => (Severity::High, weights.file),
        (_, Strength::Same) if category == Category::Suspicious => (Severity::Medium, weights.close),
        (_, Strength::Same) if category == Category::Suspicious => (Severity::Medium, weights.close),
        (_, Strength::Same) => (Severity::High, weights.same),
        (_, Strength::Close) => (Severity::Medium, weights.close),
        (_, Strength::Near) => (Severity::Medium, weights.near),
    }
}

/// Severity, category and score of a name that one block list has for these: the worst of them, a step lower
/// where a site was taken over, which may be its owner's again by now.
pub(super) fn listing(whats: &[What], weights: &Weights) -> (Severity, Category, Score) {
    use Category::{Malware, Phish, Spam, Suspicious};
    use Severity::{High, Low, Medium};
    let is_taken_over = whats.iter().any(|what| matches!(what, What::Cracked | What::Abused));
    let one = |what: &What| match what {
        What::Phishing if is_taken_over => (Medium, Phish, weights.close),
        What::Phishing => (High, Phish, weights.same),
        What::Malware | What::Botnet if is_taken_over => (Medium, Malware, weights.close),
        What::Malware | What::Botnet => (High, Malware, weights.same),
        What::Spam => (Medium, Spam, weights.close),
        What::Hijacked => (Medium, Suspicious, weights.close),
        What::Cracked | What::Abused => (Low, Suspicious, weights.abused),
        What::Doubtful => (Low, Suspicious, weights.doubtful),
    };
    let strongest = whats
        .iter()
        .map(one)
        .max_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.value().total_cmp(&b.2.value())));
    strongest.unwrap_or((Severity::Info, Suspicious, Score::default()))
}
