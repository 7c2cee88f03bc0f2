//! The findings of one message, in an order that does not depend on who finished first.

use std::cmp::Ordering;
use std::fmt;

use super::count;
use crate::model::{Category, Finding, Score, Severity, text};

/// A score in thousandths: sums do not depend on the order of their parts, and a sum that is shown
/// as 3.0 is not a hair below 3.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Points(pub(super) i64);

/// All findings, sorted.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    findings: Vec<&'a Finding>,
    total: Points,
}

impl Points {
    pub(super) const ZERO: Self = Self(0);

    /// From a finite number; what is beyond every score is cut, what is not a number is 0.
    #[expect(clippy::cast_possible_truncation, reason = "a score is at most 10,000 either way")]
    pub(super) fn of(value: f64) -> Self {
        Self((Score::new(value).value() * 1000.0).round() as i64)
    }

    #[expect(clippy::cast_precision_loss, reason = "sums stay far below 2^53 thousandths")]
    pub(super) fn score(self) -> Score {
        Score::new(self.0 as f64 / 1000.0)
    }

    /// How far apart two are.
    pub(super) const fn distance(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).saturating_abs())
    }
}

impl fmt::Display for Points {
    /// `7.5`, `3.0`, `2.999`: as many decimals as it needs, at least one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if part.is_multiple_of(100) {
            write!(f, "{sign}{whole}.{}", part / 100)
        } else if part.is_multiple_of(10) {
            write!(f, "{sign}{whole}.{:02}", part / 10)
        } else {
            write!(f, "{sign}{whole}.{part:03}")
        }
    }
}

impl<'a> Evidence<'a> {
    pub(super) fn new(findings: &'a [Finding]) -> Self {
        let mut sorted: Vec<_> = findings.iter().collect();
        sorted.sort_by(|a, b| order(a, b));
        Self { findings: sorted, total: count::total(findings.iter()) }
    }

    /// The sum of all scores, none counted twice ([`count`]).
    pub(super) const fn total(&self) -> Points {
        self.total
    }

    /// For each finding in their order: who says the same, where it does not count for that.
    pub(super) fn speakers(&self) -> Vec<Option<&'a Finding>> {
        count::speakers(&self.findings)
    }

    /// All findings in their order, as they lie there.
    pub(super) fn sorted(&self) -> &[&'a Finding] {
        &self.findings
    }

    /// All findings in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().copied()
    }

    /// The worst finding that `which` accepts: by severity, then score, then order.
    pub(super) fn worst(&self, which: impl Fn(&Finding) -> bool) -> Option<&'a Finding> {
        let mut worst: Option<&Finding> = None;
        for finding in self.iter().filter(|f| which(f)) {
            let rank = |f: &Finding| (f.severity, points(f));
            if worst.is_none_or(|w| rank(finding) > rank(w)) {
                worst = Some(finding);
            }
        }
        worst
    }

    /// The worst finding of `category`.
    pub(super) fn worst_of(&self, category: Category) -> Option<&'a Finding> {
        self.worst(|f| f.category == category)
    }

    /// How many findings of `category` are at least this severe.
    pub(super) fn count(&self, category: Category, severity: Severity) -> usize {
        self.iter().filter(|f| f.category == category && f.severity >= severity).count()
    }

    /// The worst category whose findings, together with worse ones, reach `threshold` by themselves.
    /// So a trace of phish beside much spam is spam.
    pub(super) fn supported(&self, threshold: Points) -> Category {
        let carried = |category: Category| count::total(self.iter().filter(|f| f.category >= category));
        [Category::Malware, Category::Phish, Category::Spam]
            .into_iter()
            .find(|category| carried(*category) >= threshold)
            .unwrap_or(Category::Suspicious)
    }
}

/// The finding's symbol as it may be shown: one line, cut.
pub(super) fn symbol(finding: &Finding) -> String {
    text::line(&finding.symbol, 60)
}

/// `Eicar_Test_File from yara in raw message`.
pub(super) fn describe(finding: &Finding) -> String {
    let symbol = symbol(finding);
    match &finding.location {
        Some(location) => format!("{symbol} from {} in {}", finding.scanner, text::line(location, 80)),
        None => format!("{symbol} from {}", finding.scanner),
    }
}

/// Its own score.
pub(super) fn points(finding: &Finding) -> Points {
    Points::of(finding.score.value())
}

/// Total over everything that a finding holds: findings that compare equal are equal.
fn order(a: &Finding, b: &Finding) -> Ordering {
    (a.scanner, &a.symbol, &a.location, a.severity, a.category)
        .cmp(&(b.scanner, &b.symbol, &b.location, b.severity, b.category))
        .then_with(|| a.score.value().total_cmp(&b.score.value()))
        .then_with(|| a.text.cmp(&b.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scanner;

    fn finding(category: Category, score: f64) -> Finding {
        Finding {
            scanner: Scanner::Yara,
            symbol: format!("{category}"),
            severity: Severity::Low,
            category,
            score: Score::new(score),
            text: String::new(),
            location: None,
        }
    }

    #[test]
    fn points_show_as_many_decimals_as_they_need() {
        let shown =
            [0.0, -0.000_4, 3.0, 7.5, 2.96, 2.999, -1.25, 10_000.0].map(|v| Points::of(v).to_string());
        assert_eq!(shown, ["0.0", "0.0", "3.0", "7.5", "2.96", "2.999", "-1.25", "10000.0"]);
    }

    #[test]
    fn tenths_add_up_to_what_they_show() {
        let findings = vec![finding(Category::Spam, 0.1); 30];
        assert_eq!(Evidence::new(&findings).total(), Points::of(3.0));
    }

    #[test]
    fn the_category_is_the_worst_that_reaches_the_threshold_by_itself() {
        let category = |list: &[(Category, f64)]| {
            let findings: Vec<_> = list.iter().map(|(c, s)| finding(*c, *s)).collect();
            Evidence::new(&findings).supported(Points::of(6.0))
        };
        assert_eq!(category(&[(Category::Spam, 10.0), (Category::Phish, 0.1)]), Category::Spam);
        assert_eq!(category(&[(Category::Spam, 10.0), (Category::Phish, 6.0)]), Category::Phish);
        assert_eq!(category(&[(Category::Spam, 4.0), (Category::Phish, 4.0)]), Category::Spam);
        assert_eq!(category(&[(Category::Malware, 6.0), (Category::Spam, -3.0)]), Category::Malware);
        assert_eq!(category(&[(Category::Malware, 8.0), (Category::Malware, -3.0)]), Category::Suspicious);
        assert_eq!(category(&[(Category::Suspicious, 7.0)]), Category::Suspicious);
    }
}
