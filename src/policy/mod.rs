//! The judgement and the plan: what a message is worth, for each recipient, and what is done.
//!
//! **Contract.** Pure: no clock, no I/O, no state. The same [`Facts`] give the same verdicts and the
//! same [`Plan`](crate::model::Plan), in whatever order scanners finished. [`decide()`] tries every
//! rule of the shipped table in order and writes down what each saw, so that a verdict can be
//! explained later. The strictest wish wins (`Disposition::strictness`), of equal ones the first in
//! the table; a few rules stand for a circumstance and put another disposition in the place of the
//! one that stands (`allow-list`, `repeat`, `outbound`,
//! `local-submission`, `released`). [`plan()`] turns the verdicts of all
//! recipients into one answer.
//!
//! **Failures.** Nothing here fails at run time: what does not add up (no recipients, verdicts that
//! do not belong to them, a copy to keep of a message that is not here) is a tempfail. Contradictions
//! in the configuration are a [`PolicyError`] when the policy is made, each with its key.
//!
//! The rules, in their order:
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
//! An allow entry outweighs scores, rspamd's word and weak signals; never malware, nor that something
//! was not looked at, because malware might be in it.
//!
//! Mail going out is not held back for its score: those rules still say what they saw, and the
//! category is recorded. A local submission (sendmail(1), bounces) is never refused, because nobody
//! could be told.

mod config;
mod decide;
mod dmarc;
mod evidence;
mod explain;
mod explain_authentication;
mod explain_urls;
mod facts;
mod fields;
mod listed;
mod plan;
mod reply;
mod rules;
mod subject;

#[cfg(test)]
mod tests;

pub use config::{Config, Dispositions, Policy, PolicyError, Rspamd, Thresholds, Worth};
pub use decide::{decide, judge};
pub use dmarc::{Dmarc, DmarcWorth, NoMailDomain, mail_domain};
pub use explain::{Story, render};
pub use facts::{Facts, Fault};
pub use plan::plan;
pub use rules::{RULES, Rule, name};
