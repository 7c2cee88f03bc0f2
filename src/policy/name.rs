//! The names of the shipped rules and of the circumstances, as verdicts, records and metrics carry them.

/// The message could not be collected.
pub const NOT_COLLECTED: &str = "not-collected";
/// Proven malware.
pub const MALWARE: &str = "malware";
/// The score refuses.
pub const SPAM_REJECT: &str = "spam-reject";
/// Somebody is on the block list.
pub const BLOCK_LIST: &str = "block-list";
/// Strong evidence of malware.
pub const MALWARE_SUSPECTED: &str = "malware-suspected";
/// Strong evidence of fraud.
pub const PHISH: &str = "phish";
/// The author's domain asks for something to be done with mail that fails DMARC.
pub const DMARC: &str = "dmarc";
/// The score holds.
pub const SPAM_QUARANTINE: &str = "spam-quarantine";
/// Something was not looked at.
pub const INCOMPLETE: &str = "incomplete";
/// A file that runs when it is opened.
pub const DANGEROUS_FILE: &str = "dangerous-file";
/// A document for macros.
pub const MACRO_DOCUMENT: &str = "macro-document";
/// A page that carries a file.
pub const SMUGGLING: &str = "smuggling";
/// Several weak signals together.
pub const WEAK_SIGNALS: &str = "weak-signals";
/// A weak signal where nothing proves the sender.
pub const UNPROVEN_SENDER: &str = "unproven-sender";
/// What rspamd would do.
pub const RSPAMD: &str = "rspamd";
/// Somebody is on the allow list.
pub const ALLOW_LIST: &str = "allow-list";
/// The same failure too often: whoever sees this rule in a verdict should raise an alarm.
pub const REPEAT: &str = "repeat";
/// The score marks.
pub const SPAM_TAG: &str = "spam-tag";
/// A weak signal marks.
pub const SUSPICIOUS: &str = "suspicious";
/// Mail going out carries no mark.
pub const OUTBOUND: &str = "outbound";
/// Mail from sendmail(1) is not refused.
pub const LOCAL_SUBMISSION: &str = "local-submission";
/// Mail out of a queue is not refused.
pub const BEHIND_QUEUE: &str = "behind-queue";
/// A person let it out of quarantine.
pub const RELEASED: &str = "released";
/// Nothing speaks against it.
pub const ACCEPT: &str = "accept";

/// No rule asked for anything, which does not happen.
pub const UNDECIDED: &str = "undecided";

/// Nothing is done while the configuration says so.
pub const DRY_RUN: &str = "dry-run";

/// The circumstances, which no rule of a file may be named after.
pub const CIRCUMSTANCES: [&str; 8] =
    [NOT_COLLECTED, REPEAT, OUTBOUND, LOCAL_SUBMISSION, BEHIND_QUEUE, RELEASED, ACCEPT, DRY_RUN];

/// Whether `rule`, where it puts mail off, does so because something failed: that is not to go on for
/// days.
#[must_use]
pub fn is_for_a_failure(rule: &str) -> bool {
    matches!(rule, INCOMPLETE | BLOCK_LIST)
}
