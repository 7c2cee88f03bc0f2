//! The judgement and the plan: what a message is worth, for each recipient, and what is done.
//!
//! **Contract.** Pure: no clock, no I/O, no state. The same [`Facts`] give the same verdicts and the
//! same [`Plan`](crate::model::Plan), in whatever order scanners finished. [`decide()`] tries every
//! rule and writes down what each saw, so that a verdict can be explained later: the admin's in their order, of
//! which the first that applies decides, then the shipped ones, of which the strictest wish wins
//! (`Disposition::strictness`), of equal ones the first. What a firm rule asks for (malware, what was not looked at)
//! no milder one outweighs. Behind them stand circumstances, which put another disposition in the place of the
//! one that stands (`repeat`, `outbound`, `local-submission`, `released`). [`plan()`] turns the verdicts of all
//! recipients into one answer, and what rules want done besides
//! ([`Treatment`](crate::model::Treatment)) into edits; what an MTA does not offer, or what recipients who share a
//! message do not agree on, is left out and said ([`Also`](crate::model::Also)).
//!
//! **Failures.** A condition that cannot be evaluated counts as `on_error` says, and its step says so. What does
//! not add up otherwise (no recipients, verdicts that do not belong to them, a copy to keep of a message that is
//! not here) is a tempfail. Contradictions in the configuration are a [`PolicyError`] when the policy is made, each
//! with its key; what is wrong with rules is a [`RuleFault`] with its place.
//!
//! The shipped rules (`conf/shipped-policy.toml`) and the circumstances, in their order:
//!
//! | rule | sees | asks for |
//! |---|---|---|
//! | `not-collected` | the message was too large, or there was no memory | reject, tempfail |
//! | `malware` | malware of severity critical | `disposition.malware` |
//! | `spam-reject` | score ≥ `score.reject` (inbound) | reject |
//! | `block-list` | an entry of the block list (inbound) | `disposition.blocked`; tempfail where an exception cannot be verified now |
//! | `malware-suspected` | malware of severity high | `disposition.malware`, at most quarantine |
//! | `phish` | phish of severity high (inbound) | `disposition.phish` |
//! | `dmarc` | mail that fails DMARC where the domain asks for reject or quarantine (inbound) | what `[policy.dmarc]` says of it |
//! | `spam-quarantine` | score ≥ `score.quarantine` (inbound) | quarantine |
//! | `incomplete` | a scanner failed or ran out of time | its `on_failure`, or `on_skipped` |
//! | `dangerous-file` | a file that runs when it is opened, by its extension (inbound) | quarantine |
//! | `macro-document` | a document for macros, by its extension (inbound) | tag |
//! | `smuggling` | a page that carries a file (inbound) | quarantine |
//! | `weak-signals` | two weak signals that honest mail does not combine (inbound) | quarantine |
//! | `unproven-sender` | a weak signal, and nothing proves the sender (inbound) | tag |
//! | `rspamd` | what rspamd would do | what `[policy.rspamd]` says of it |
//! | `spam-tag` | score ≥ `score.tag` (inbound) | tag |
//! | `suspicious` | anything of severity medium (inbound) | `disposition.suspicious` |
//! | `allow-list` | a client on the allow list, or a sender or author that SPF or DKIM proves (inbound) | accept instead, whatever the score |
//! | `repeat` | put off by `incomplete` for the `repeat_limit`-th time | quarantine instead, with an alarm |
//! | `outbound` | mail going out that would get a mark | accept instead |
//! | `local-submission` | mail from sendmail(1) that would be refused | quarantine instead |
//! | `released` | a copy released from quarantine | accept instead |
//! | `accept` | always | accept |
//!
//! A score counts each fact once, however many findings tell it ([`Family`]), and strong evidence of malware once.
//!
//! An allow entry outweighs scores, rspamd's word and weak signals; never malware, nor that something
//! was not looked at, because malware might be in it.
//!
//! Mail going out is not held back for its score: those rules still say what they saw, and the
//! category is recorded. A local submission (sendmail(1), bounces) is never refused, because nobody
//! could be told.

/// What a dry run means, wherever it is said.
pub const DRY_RUN_IS_ON: &str = "policy.dry_run is on: nothing is refused, held or marked";

mod adding;
mod again;
mod allowed;
mod also;
pub(crate) mod condition;
mod config;
mod count;
mod decide;
mod dmarc;
mod early;
mod evaluate;
mod evidence;
mod explain;
mod explain_authentication;
mod explain_urls;
mod extras;
mod facts;
mod family;
mod fields;
mod group;
mod guards;
mod lint;
mod listed;
pub mod name;
mod opinion;
mod plan;
mod reply;
mod rule;
mod rule_file;
mod rules;
mod show;
mod standing;
mod subject;
mod treat;
mod unreachable;
mod view;
mod what_if;

#[cfg(test)]
pub(crate) mod tests;

pub use again::{Blind, Lacks};
pub use allowed::{HeaderError, MailboxError, header_allowed, mailbox_allowed};
pub use condition::{Word, vocabulary};
pub use config::{Config, Dispositions, Policy, PolicyError, Rspamd, Thresholds, Worth};
pub use decide::{Judgement, decide, decide_again, judge, judge_again};
pub use dmarc::{Dmarc, DmarcWorth, NoMailDomain, mail_domain};
pub use early::early;
pub use evaluate::{Tried, tried};
pub use explain::{Story, render};
pub use facts::{Facts, Fault, Recorded, Urls};
pub use family::Family;
pub use plan::plan;
pub use reply::early_reply;
pub use rule::{Rule, RuleFault};
pub use rule_file::{Decide, Group, GroupScore, Mode, OnError, RuleFile, RuleText};
pub use rules::{Rules, SHIPPED};
pub use show::{Circumstance, Shown, ShownGroup, ShownRule, shown};
pub use what_if::{Change, MOST as WHAT_IF_MOST, what_if};
