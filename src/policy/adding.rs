//! Rules with `adds = true`: they never decide. What they want done is added to what the deciding rule wants,
//! where the mail is delivered.

use super::condition::Failure;
use super::rule::Compiler;
use super::rule_file::{Outgoing, RuleText};
use crate::model::Treatment;

/// The most fields, copies and notifications that one message gets by rules that add.
const MOST: usize = 64;

/// What such a rule cannot have, and that it does something.
pub(super) fn check(written: &RuleText, compiler: &mut Compiler<'_>) {
    let asked = written.disposition.trim();
    if !asked.is_empty() && asked != "accept" {
        let message = "a rule with `adds` never decides, so it has no disposition: leave it out";
        compiler.error("disposition", message);
    }
    let decides = [
        ("category", written.category.is_some()),
        ("reason", written.reason.is_some()),
        ("early", written.early),
        ("firm", written.firm),
        ("outweighs", written.outweighs),
        ("even_malware", written.even_malware),
        ("redirect_to", written.redirect_to.is_some()),
        ("banner", written.banner.is_some()),
        ("reply", written.reply.is_some()),
        ("hold", written.hold),
    ];
    for (key, _) in decides.into_iter().filter(|(_, is_set)| *is_set) {
        let message = format!(
            "`{key}` is for a rule that decides; one with `adds` may have headers, subject_prefix, copy_to and notify"
        );
        compiler.error(key, message);
    }
    let adds_something = !written.headers.is_empty()
        || written.subject_prefix.is_some()
        || !written.copy_to.is_empty()
        || !written.notify.is_empty();
    if !adds_something {
        let message = "this rule adds nothing: give it headers, subject_prefix, copy_to or notify";
        compiler.error("adds", message);
    }
}

/// What is told of one whose condition holds.
pub(super) fn told(outbound: Outgoing, goes_out: bool) -> Option<&'static str> {
    (outbound == Outgoing::Record && goes_out).then_some("; going out, so it adds nothing")
}

/// What is told of one whose condition could not be evaluated.
pub(super) fn failed(failure: &Failure) -> String {
    format!("its condition could not be evaluated: {failure}; so it adds nothing")
}

/// Adds `more` to what is done: what is there already stays, and stays first.
pub(super) fn add(to: &mut Treatment, more: Treatment) {
    for (name, value) in more.headers {
        let is_there = to.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
        if !is_there && to.headers.len() < MOST {
            to.headers.push((name, value));
        }
    }
    if to.subject_prefix.is_none() {
        to.subject_prefix = more.subject_prefix;
    }
    for (known, added) in [(&mut to.copy_to, more.copy_to), (&mut to.notify, more.notify)] {
        for one in added {
            if known.len() < MOST && !known.contains(&one) {
                known.push(one);
            }
        }
    }
}
