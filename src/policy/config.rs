//! `[policy]`: thresholds and dispositions, and the policy that is made of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::dmarc::{Dmarc, DmarcWorth};
use super::evidence::Points;
use super::group::Thresholds as Given;
use super::rules::Rules;
use crate::model::{AdvisedAction, Disposition, Scanner};

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whom to write to when mail was refused, as it stands in replies: an address
    /// (`postmaster@example.org`) or a URL. Left out: "your postmaster".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postmaster: Option<String>,
    /// Put in front of the Subject when mail is tagged for all who get it. Plain ASCII, for example
    /// `[suspicious]`. It breaks the sender's DKIM signature. Left out: the Subject is not touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_prefix: Option<String>,
    /// Whether recipients who are judged by other measures than the first one of a message are put off at RCPT
    /// (452), so that the sending server delivers to them in a transaction of their own. Mail coming in only.
    pub split: bool,
    /// The attempt of the same message at which a failure that would put it off again holds it in
    /// quarantine instead, with an alarm.
    pub repeat_limit: u32,
    /// What it is worth that a scanner left a message out because of its size, or looked at it with
    /// a part of its rules: `ignore`, `tag`, `tempfail`, `quarantine` or `reject`. It is always
    /// recorded and shown in `X-Mailward-Coverage`.
    pub on_skipped: Worth,
    /// The scores at which mail coming in is marked, held and refused.
    pub score: Thresholds,
    /// What happens to mail for a finding alone, whatever the score.
    pub disposition: Dispositions,
    /// What it is worth that mail fails DMARC.
    pub dmarc: Dmarc,
    /// What rspamd's word is worth, where it is asked.
    pub rspamd: Rspamd,
    /// Rules of your own, tried before the shipped ones: `policy.toml`. Left out: the shipped ones alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<PathBuf>,
    /// Nothing is done: mail is judged and recorded, and let through whatever comes of it.
    pub dry_run: bool,
}

/// `[policy.score]`: sums of the findings' scores, `tag` < `quarantine` < `reject`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// From here on mail is delivered with headers that mark it.
    pub tag: f64,
    /// From here on it is held in quarantine.
    pub quarantine: f64,
    /// From here on it is refused.
    pub reject: f64,
}

/// `[policy.disposition]`: `accept`, `tag`, `quarantine`, `reject` or `discard` for each category.
/// Spam has no entry: it is a matter of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dispositions {
    /// Malware of severity critical. Malware of severity high is held at most. Not `accept`. Mail
    /// going out carries no mark, so `tag` holds it there.
    pub malware: Disposition,
    /// Phishing of severity high or above.
    pub phish: Disposition,
    /// Any finding of severity medium or above.
    pub suspicious: Disposition,
    /// Mail of which an entry of the block list matches the client, the sender or the From. Mostly it
    /// was refused at RCPT already, see `[lists]`.
    pub blocked: Disposition,
}

/// `[policy.rspamd]`: what each of rspamd's actions asks for: `ignore`, `tag`, `tempfail`, `quarantine`
/// or `reject`. The scores of its symbols count besides, as those of every finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rspamd {
    /// Suspicious enough to be greylisted, by a rspamd that does no greylisting itself.
    pub greylist: Worth,
    /// Its own greylisting or rate limit, or a check that it could not make.
    pub soft_reject: Worth,
    /// To be marked by a header.
    pub add_header: Worth,
    /// To be marked in the Subject.
    pub rewrite_subject: Worth,
    /// To be held.
    pub quarantine: Worth,
    /// To be dropped. Held here, unless told otherwise.
    pub discard: Worth,
    /// To be refused.
    pub reject: Worth,
    /// Whether the header fields that rspamd wants added and removed are. Never an
    /// Authentication-Results, never one of ours.
    pub headers: bool,
}

/// What it is worth that a scanner could not look: `on_failure` of each `[scanner.…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// Recorded only.
    Ignore,
    /// The mail is delivered with headers that say so.
    Tag,
    /// The sender is told to try again later.
    #[default]
    Tempfail,
    /// The mail is held.
    Quarantine,
    /// The mail is refused.
    Reject,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) tag: Points,
    pub(super) quarantine: Points,
    pub(super) reject: Points,
    pub(super) disposition: Dispositions,
    pub(super) dmarc: Dmarc,
    pub(super) rspamd: Rspamd,
    pub(super) on_skipped: Worth,
    pub(super) repeat_limit: u32,
    pub(super) postmaster: String,
    pub(super) subject_prefix: Option<String>,
    pub(super) dry_run: bool,
    pub(super) rules: Rules,
    pub(super) split: bool,
}

/// A `[policy]` that contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not a number, not above zero, or beyond all scores.
    #[error(
        "score.{key} = {given} is no threshold: mail without any finding scores 0 and no score is beyond \
         10000, so give a number between them"
    )]
    Threshold {
        /// `tag`, `quarantine` or `reject`.
        key: &'static str,
        /// As it was given.
        given: f64,
    },
    /// The thresholds are not in order.
    #[error(
        "score.{lower} = {low} is not below score.{upper} = {high}, so that {lower} would never happen; \
         lower the first or raise the second"
    )]
    Order {
        /// The key that should be lower.
        lower: &'static str,
        /// Its value.
        low: f64,
        /// The key that should be higher.
        upper: &'static str,
        /// Its value.
        high: f64,
    },
    /// Tempfail for something that will be the same at the next attempt.
    #[error(
        "disposition.{0} = \"tempfail\" would put the same mail off until its sender gives up; choose accept, \
         tag, quarantine, reject or discard"
    )]
    Tempfail(&'static str),
    /// Malware let through unmarked.
    #[error("disposition.malware = \"accept\" would deliver malware without a mark; choose at least \"tag\"")]
    MalwareAccepted,
    /// Weak signals must not lose mail.
    #[error(
        "disposition.suspicious = \"discard\" would drop mail unseen for a mere signal; \"quarantine\" holds it \
         where it can still be released"
    )]
    SuspiciousDiscarded,
    /// The stronger wish of a domain is worth less than the weaker.
    #[error(
        "dmarc.reject = \"{}\" is milder than dmarc.quarantine = \"{}\", so that who asks for more gets less; \
         make the first stricter or the second milder",
        reject.name(), quarantine.name()
    )]
    DmarcOrder {
        /// `dmarc.reject`.
        reject: DmarcWorth,
        /// `dmarc.quarantine`.
        quarantine: DmarcWorth,
    },
    /// Nobody asks for anything that could be honoured.
    #[error(
        "dmarc.unreadable = \"honour\" has no meaning, as there is no domain that asks for anything; choose \
         \"quarantine\", \"tag\" or \"ignore\""
    )]
    DmarcUnreadable,
    /// No domain; as it was given, cut.
    #[error(
        "dmarc.lists: {0:?} is no domain; write the domain with which a mailing list signs or sends, as in \
         \"lists.example.org\" – clients go into dmarc.forwarders"
    )]
    DmarcList(String),
    /// A public suffix; as it was given, cut.
    #[error(
        "dmarc.lists: {0:?} is a public suffix, below which anybody can have a name; write the domain with which \
         a mailing list signs or sends"
    )]
    DmarcListPublic(String),
    /// No attempt has the number 0.
    #[error("repeat_limit = 0 is no attempt; 1 holds mail at its first failure, 3 is usual")]
    RepeatLimit,
    /// A text that cannot stand in a header or a reply.
    #[error(
        "{key} = {given:?} cannot stand in mail; give 1 to {max} printable ASCII characters, or leave it out"
    )]
    Text {
        /// `postmaster` or `subject_prefix`.
        key: &'static str,
        /// As it was given, cut.
        given: String,
        /// The most characters.
        max: usize,
    },
}

impl PolicyError {
    /// The key below `[policy]` to point at, as in `score.tag`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Threshold { key, .. } => format!("score.{key}"),
            Self::Order { lower, .. } => format!("score.{lower}"),
            Self::Tempfail(key) => format!("disposition.{key}"),
            Self::MalwareAccepted => "disposition.malware".to_owned(),
            Self::SuspiciousDiscarded => "disposition.suspicious".to_owned(),
            Self::DmarcOrder { .. } => "dmarc.reject".to_owned(),
            Self::DmarcUnreadable => "dmarc.unreadable".to_owned(),
            Self::DmarcList(_) | Self::DmarcListPublic(_) => "dmarc.lists".to_owned(),
            Self::RepeatLimit => "repeat_limit".to_owned(),
            Self::Text { key, .. } => (*key).to_owned(),
        }
    }
}

impl Policy {
    /// Whether recipients who cannot share a message are told apart at RCPT.
    #[must_use]
    pub const fn splits(&self) -> bool {
        self.split
    }

    /// Whom a sender that was refused is told to write to.
    #[must_use]
    pub fn postmaster(&self) -> &str {
        &self.postmaster
    }

    /// Longest `postmaster`: reason and id must still fit in a reply beside it.
    const MAX_POSTMASTER: usize = 120;
    /// Longest `subject_prefix`: something of the Subject must stay visible.
    const MAX_PREFIX: usize = 40;

    /// The same with these rules.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether nothing is done, whatever comes of a judgement.
    #[must_use]
    pub const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether rspamd's wishes about header fields are followed.
    #[must_use]
    pub const fn takes_rspamds_headers(&self) -> bool {
        self.rspamd.headers
    }

    /// The policy that `config` asks for.
    ///
    /// # Errors
    /// Every contradiction in it, not only the first.
    pub fn new(config: &Config) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        check_scores(config.score, &mut errors);
        check_dispositions(config.disposition, &mut errors);
        config.dmarc.check(&mut errors);
        if config.repeat_limit == 0 {
            errors.push(PolicyError::RepeatLimit);
        }
        check_text("postmaster", config.postmaster.as_deref(), Self::MAX_POSTMASTER, &mut errors);
        check_text("subject_prefix", config.subject_prefix.as_deref(), Self::MAX_PREFIX, &mut errors);
        if errors.is_empty() { Ok(Self::of(config)) } else { Err(errors) }
    }

    fn of(config: &Config) -> Self {
        Self {
            tag: Points::of(config.score.tag),
            quarantine: Points::of(config.score.quarantine),
            reject: Points::of(config.score.reject),
            disposition: config.disposition,
            dmarc: config.dmarc.ready(),
            rspamd: config.rspamd,
            on_skipped: config.on_skipped,
            repeat_limit: config.repeat_limit,
            postmaster: config.postmaster.clone().unwrap_or_else(|| "your postmaster".to_owned()),
            subject_prefix: config.subject_prefix.clone(),
            dry_run: config.dry_run,
            rules: Rules::default(),
            split: config.split,
        }
    }
}

fn check_scores(score: Thresholds, errors: &mut Vec<PolicyError>) {
    let list = [("tag", score.tag), ("quarantine", score.quarantine), ("reject", score.reject)];
    let before = errors.len();
    for (key, given) in list {
        // Compared in the units of the judgement, so that nothing rounds to zero afterwards.
        let usable = given.is_finite() && given <= 10_000.0 && Points::of(given) > Points::ZERO;
        if !usable {
            errors.push(PolicyError::Threshold { key, given });
        }
    }
    if errors.len() > before {
        return;
    }
    for ((lower, low), (upper, high)) in list.into_iter().zip(list.into_iter().skip(1)) {
        if Points::of(low) >= Points::of(high) {
            errors.push(PolicyError::Order { lower, low, upper, high });
        }
    }
}

/// Why thresholds are not in order; `None` if they are.
pub(super) fn check_order(given: Given) -> Option<String> {
    let list = [("tag", given.tag), ("quarantine", given.quarantine), ("reject", given.reject)];
    let pairs = list.into_iter().zip(list.into_iter().skip(1));
    pairs.into_iter().find(|((_, low), (_, high))| low >= high).map(|((lower, low), (upper, high))| {
        format!(
            "{lower} = {low} is not below {upper} = {high}, so that {lower} would never happen; what is left out is \
             that of [policy.score]"
        )
    })
}

fn check_dispositions(disposition: Dispositions, errors: &mut Vec<PolicyError>) {
    let Dispositions { malware, phish, suspicious, blocked } = disposition;
    let all = [("malware", malware), ("phish", phish), ("suspicious", suspicious), ("blocked", blocked)];
    for (key, given) in all {
        if given == Disposition::Tempfail {
            errors.push(PolicyError::Tempfail(key));
        }
    }
    if malware == Disposition::Accept {
        errors.push(PolicyError::MalwareAccepted);
    }
    if suspicious == Disposition::Discard {
        errors.push(PolicyError::SuspiciousDiscarded);
    }
}

fn check_text(key: &'static str, given: Option<&str>, max: usize, errors: &mut Vec<PolicyError>) {
    let Some(given) = given else { return };
    let printable = given.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !printable || given.trim().is_empty() || given.len() > max {
        errors.push(PolicyError::Text { key, given: given.chars().take(max).collect(), max });
    }
}

impl Worth {
    /// What a failure of `scanner` is worth where the configuration does not say: evidence that
    /// nothing else replaces puts mail off, what could not be decoded is held, look-ups are optional.
    #[must_use]
    pub const fn default_for(scanner: Scanner) -> Self {
        match scanner {
            Scanner::Clamd | Scanner::Rspamd | Scanner::Yara => Self::Tempfail,
            Scanner::Mime => Self::Quarantine,
            Scanner::Auth | Scanner::Urls => Self::Ignore,
        }
    }

    /// What it asks for; `None` for `ignore`.
    #[must_use]
    pub const fn disposition(self) -> Option<Disposition> {
        match self {
            Self::Ignore => None,
            Self::Tag => Some(Disposition::Tag),
            Self::Tempfail => Some(Disposition::Tempfail),
            Self::Quarantine => Some(Disposition::Quarantine),
            Self::Reject => Some(Disposition::Reject),
        }
    }

    /// The word in configuration and explanations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Tag => "tag",
            Self::Tempfail => "tempfail",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            postmaster: None,
            subject_prefix: None,
            split: false,
            repeat_limit: 3,
            on_skipped: Worth::Ignore,
            score: Thresholds::default(),
            disposition: Dispositions::default(),
            dmarc: Dmarc::default(),
            rspamd: Rspamd::default(),
            rules: None,
            dry_run: false,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { tag: 3.0, quarantine: 6.0, reject: 15.0 }
    }
}

impl Default for Dispositions {
    fn default() -> Self {
        Self {
            malware: Disposition::Reject,
            phish: Disposition::Quarantine,
            suspicious: Disposition::Tag,
            blocked: Disposition::Reject,
        }
    }
}

impl Default for Rspamd {
    fn default() -> Self {
        Self {
            greylist: Worth::Ignore,
            soft_reject: Worth::Tempfail,
            add_header: Worth::Tag,
            rewrite_subject: Worth::Tag,
            quarantine: Worth::Quarantine,
            discard: Worth::Quarantine,
            reject: Worth::Reject,
            headers: false,
        }
    }
}

impl Rspamd {
    /// The key that says what `action` is worth, and what it says.
    pub(super) const fn worth(&self, action: AdvisedAction) -> Option<(&'static str, Worth)> {
        Some(match action {
            AdvisedAction::NoAction => return None,
            AdvisedAction::Greylist => ("greylist", self.greylist),
            AdvisedAction::AddHeader => ("add_header", self.add_header),
            AdvisedAction::RewriteSubject => ("rewrite_subject", self.rewrite_subject),
            AdvisedAction::SoftReject => ("soft_reject", self.soft_reject),
            AdvisedAction::Quarantine => ("quarantine", self.quarantine),
            AdvisedAction::Discard => ("discard", self.discard),
            AdvisedAction::Reject => ("reject", self.reject),
        })
    }
}

impl Default for Policy {
    /// The shipped policy. A test holds that it has no contradictions.
    fn default() -> Self {
        Self::of(&Config::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        let errors = Policy::new(&config).unwrap_err();
        errors.iter().map(|e| format!("{}: {e}", e.key())).collect()
    }

    #[test]
    fn the_shipped_policy_has_no_contradictions() {
        assert!(Policy::new(&Config::default()).is_ok());
    }

    #[test]
    fn thresholds_must_rise_from_tag_to_reject() {
        let found = errors(|c| {
            c.score.tag = 6.0;
            c.score.reject = 2.0;
        });
        assert_eq!(
            found,
            [
                "score.tag: score.tag = 6 is not below score.quarantine = 6, so that tag would never happen; \
                 lower the first or raise the second",
                "score.quarantine: score.quarantine = 6 is not below score.reject = 2, so that quarantine would \
                 never happen; lower the first or raise the second",
            ]
        );
    }

    #[test]
    fn a_threshold_that_clean_mail_reaches_or_no_mail_can_reach_is_refused() {
        for bad in [0.0, -1.0, 0.000_1, f64::NAN, f64::INFINITY, 10_000.5] {
            let found = errors(|c| c.score.tag = bad);
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].starts_with("score.tag: score.tag = "), "{found:?}");
        }
    }

    #[test]
    fn dispositions_that_lose_or_loop_mail_are_refused_all_at_once() {
        let found = errors(|c| {
            c.disposition.malware = Disposition::Accept;
            c.disposition.phish = Disposition::Tempfail;
            c.disposition.suspicious = Disposition::Discard;
            c.repeat_limit = 0;
        });
        let keys: Vec<_> = found.iter().map(|e| e.split(':').next().unwrap()).collect();
        assert_eq!(
            keys,
            ["disposition.phish", "disposition.malware", "disposition.suspicious", "repeat_limit"]
        );
    }

    #[test]
    fn texts_that_could_break_a_reply_or_a_header_are_refused() {
        for bad in ["", "  ", "a\r\nRCPT TO:<x>", "poßtmaster", &"x".repeat(121)] {
            let found = errors(|c| c.postmaster = Some(bad.to_owned()));
            assert!(found[0].starts_with("postmaster: postmaster = "), "{found:?}");
        }
        let found = errors(|c| c.subject_prefix = Some("[möglicher Spam]".to_owned()));
        assert_eq!(
            found,
            ["subject_prefix: subject_prefix = \"[möglicher Spam]\" cannot stand in mail; give 1 to 40 \
              printable ASCII characters, or leave it out"]
        );
    }

    #[test]
    fn the_section_is_read_and_written_in_toml_and_knows_its_keys() {
        let text = "postmaster = \"postmaster@example.org\"\n[score]\ntag = 2.5\n[disposition]\nphish = \"reject\"\n";
        let config: Config = toml::from_str(text).unwrap();
        let expected = Config {
            postmaster: Some("postmaster@example.org".to_owned()),
            score: Thresholds { tag: 2.5, ..Thresholds::default() },
            disposition: Dispositions { phish: Disposition::Reject, ..Dispositions::default() },
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(), expected);
        assert!(toml::from_str::<Config>("treshold = 3").is_err());
    }
}
