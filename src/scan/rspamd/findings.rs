//! Findings out of rspamd's symbols.

use std::cmp::Ordering;

use super::reply::Symbol;
use crate::model::{Category, Finding, Scanner, Score, Severity, text};

/// Most symbols that become findings of their own.
const MAX_FINDINGS: usize = 100;
/// Longest name of a symbol.
const MAX_NAME: usize = 64;
/// Longest text of a finding.
const MAX_TEXT: usize = 300;
/// Most options that are told, and the longest.
const MAX_OPTIONS: usize = 10;
const MAX_OPTION: usize = 80;

/// What rspamd's antivirus module calls its findings: the name of its rule in capitals, or what Debian's
/// `antivirus.conf` and rspamd's documentation suggest (`CLAM_VIRUS`).
const ANTIVIRUS: [&str; 9] =
    ["AVAST", "AVIRA", "CLAMAV", "FPROT", "KASPERSKY", "KASPERSKY_SE", "SAVAPI", "SOPHOS", "VADE_MALWARE"];

/// What was found, and what rspamd itself could not do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Those with a score, the weightiest first, then those that say something of this message. The scores add
    /// up to what rspamd's symbols add up to.
    pub(super) findings: Vec<Finding>,
    /// A virus scanner that rspamd asked and that failed, as a sentence.
    pub(super) missing: Option<String>,
}

/// Makes findings of symbols.
pub(super) fn findings(mut symbols: Vec<Symbol>) -> Found {
    let missing = symbols.iter().find(|s| is_antivirus_failure(&plain(&s.name))).map(|s| {
        let why = options(s);
        format!("a virus scanner that rspamd asks could not look: {}{why}", plain(&s.name))
    });
    symbols.retain(|s| s.score != 0.0 || !s.options.is_empty() || is_antivirus(&plain(&s.name)));
    symbols.sort_by(|a, b| {
        let weight = b.score.abs().partial_cmp(&a.score.abs()).unwrap_or(Ordering::Equal);
        weight.then_with(|| a.name.cmp(&b.name))
    });
    // A virus is told whatever its score: by default rspamd gives it none.
    symbols.sort_by_key(|s| !is_antivirus(&plain(&s.name)));
    let rest = symbols.split_off(symbols.len().min(MAX_FINDINGS));
    let mut findings: Vec<Finding> = symbols.iter().map(finding).collect();
    if !rest.is_empty() {
        let score = rest.iter().map(|s| s.score).sum();
        findings.push(Finding {
            scanner: Scanner::Rspamd,
            symbol: "MORE_SYMBOLS".to_owned(),
            severity: severity(score),
            category: if score > 0.0 { Category::Spam } else { Category::Clean },
            score: Score::new(score),
            text: format!("{} more symbols of rspamd, together", rest.len()),
            location: None,
        });
    }
    Found { findings, missing }
}

fn finding(symbol: &Symbol) -> Finding {
    let name = plain(&symbol.name);
    let (category, severity) = match symbol.score {
        score if score >= 0.0 && is_antivirus(&name) => (Category::Malware, Severity::High),
        score if score > 0.0 && is_phish(&name) => (Category::Phish, Severity::Low),
        score if score > 0.0 => (Category::Spam, Severity::Low),
        _ => (Category::Clean, Severity::Info),
    };
    let said = if symbol.description.is_empty() { &name } else { &symbol.description };
    let text = text::line(&format!("{said}{}", options(symbol)), MAX_TEXT);
    let score = Score::new(symbol.score);
    Finding { scanner: Scanner::Rspamd, symbol: name, severity, category, score, text, location: None }
}

/// The score does the talking: a severity above low would decide by itself.
fn severity(score: f64) -> Severity {
    if score > 0.0 { Severity::Low } else { Severity::Info }
}

/// ` (one, two, 3 more)`, or nothing.
fn options(symbol: &Symbol) -> String {
    let told: Vec<String> =
        symbol.options.iter().take(MAX_OPTIONS).map(|option| text::line(option.trim(), MAX_OPTION)).collect();
    match (symbol.options.len(), symbol.options.len() - told.len()) {
        (0, _) => String::new(),
        (_, 0) => format!(" ({})", told.join(", ")),
        (_, more) => format!(" ({}, {more} more)", told.join(", ")),
    }
}

/// The name in capitals, digits and underscores.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().take(MAX_NAME).map(plain).collect()
}

fn is_phish(name: &str) -> bool {
    ["PHISH", "HACKED_WP_PHISH", "VADE_PHISH"].iter().any(|start| name.starts_with(start))
}

fn is_antivirus(name: &str) -> bool {
    ANTIVIRUS.contains(&name) || name.ends_with("_VIRUS")
}

fn is_antivirus_failure(name: &str) -> bool {
    name.strip_suffix("_FAIL").is_some_and(is_antivirus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, score: f64, description: &str, options: &[&str]) -> Symbol {
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        Symbol { name: name.into(), score, description: description.into(), options }
    }

    fn told(finding: &Finding) -> String {
        let Finding { symbol, severity, category, score, text, .. } = finding;
        format!("{symbol} {severity} {category} {score}: {text}")
    }

    #[test]
    fn a_symbol_is_told_with_its_score_its_description_and_what_of_the_mail_it_means() {
        let found = findings(vec![
            symbol("DMARC_NA", 0.0, "No DMARC record", &["sender.example"]),
            symbol("MIME_GOOD", -0.1, "Known content-type", &["text/plain"]),
            symbol("ARC_NA", 0.0, "ARC signature absent", &[]),
            symbol("PHISHED_OPENPHISH", 7.0, "Phished URL found in openphish.com", &["bad.example"]),
            symbol("PHISHED_WHITELISTED", 0.0, "", &["good.example"]),
            symbol("CLAM_VIRUS", 0.0, "", &["Eicar-Signature"]),
            symbol("my rule\u{202e}", 2.5, "evil\r\n\u{1b}[0m", &[]),
        ]);
        let told: Vec<String> = found.findings.iter().map(told).collect();
        assert_eq!(
            told,
            [
                "CLAM_VIRUS high malware 0.0: CLAM_VIRUS (Eicar-Signature)",
                "PHISHED_OPENPHISH low phish 7.0: Phished URL found in openphish.com (bad.example)",
                "MY_RULE_ low spam 2.5: evil  ?[0m",
                "MIME_GOOD info clean -0.1: Known content-type (text/plain)",
                "DMARC_NA info clean 0.0: No DMARC record (sender.example)",
                "PHISHED_WHITELISTED info clean 0.0: PHISHED_WHITELISTED (good.example)",
            ]
        );
        assert_eq!(found.missing, None);
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_and_its_score_kept() {
        let symbols: Vec<Symbol> =
            (0..150).map(|n| symbol(&format!("S{n}"), f64::from(n) / 8.0 - 2.0, "", &["x"; 12])).collect();
        let sum: f64 = symbols.iter().map(|s| s.score).sum();
        let found = findings(symbols).findings;
        assert_eq!(found.len(), MAX_FINDINGS + 1);
        assert_eq!(found[0].symbol, "S149");
        assert!(found[0].text.ends_with("x, 2 more)"), "{}", found[0].text);
        let last = &found[MAX_FINDINGS];
        assert_eq!(
            (last.symbol.as_str(), last.text.as_str()),
            ("MORE_SYMBOLS", "50 more symbols of rspamd, together")
        );
        let told: f64 = found.iter().map(|f| f.score.value()).sum();
        assert!((told - sum).abs() < 1e-9, "{told} {sum}");
    }

    #[test]
    fn a_virus_scanner_of_rspamds_that_failed_is_told() {
        let found = findings(vec![
            symbol("R_SPF_FAIL", 1.0, "SPF failed", &[]),
            symbol("CLAM_VIRUS_FAIL", 0.0, "", &["failed to scan and retransmits exceed"]),
        ]);
        let missing = "a virus scanner that rspamd asks could not look: CLAM_VIRUS_FAIL (failed to scan and \
                       retransmits exceed)";
        assert_eq!(found.missing.as_deref(), Some(missing));
    }
}
