//! What would have changed a verdict, as `scan` and `explain` show it.

use serde_json::{Value, json};

use super::again::{Changes, Past, Terms};
use crate::audit::Record;
use crate::model::{Disposition, Message, text};
use crate::policy::name;

/// What would have changed the verdict of a record, by the terms of now; `None` where it cannot be judged again.
#[derive(Debug, Default)]
pub struct Told {
    changes: Option<Changes>,
    /// The policy that judged it is the one in use.
    is_same: bool,
    /// What was recorded.
    was: Option<(Disposition, String)>,
    /// Whom it is about, where there are several who differ.
    recipient: Option<String>,
}

/// Judges it again. Of a message at hand everything is known.
#[must_use]
pub fn of(record: &Record, terms: &Terms, message: Option<&Message>) -> Told {
    let past = Past::of(record, &terms.lists).ok();
    let changes = past.map(|past| past.changes(terms, message));
    let position = changes.as_ref().and_then(|changes| changes.position);
    let recipient = position.filter(|_| record.verdicts.len() > 1);
    let recipient = recipient.and_then(|at| record.envelope.recipients.get(at));
    Told {
        changes,
        is_same: record.policy == terms.fingerprint,
        was: record.main_verdict().map(|verdict| (verdict.disposition, verdict.rule.clone())),
        recipient: recipient.map(|recipient| recipient.address().to_owned()),
    }
}

impl Told {
    /// `change    without FEED_URLHAUS (urls): tag by spam-tag instead of quarantine by phish`, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let Some(Changes { verdict, list, .. }) = &self.changes else { return lines };
        let mut say = |what: &str| lines.push(format!("change    {}", text::line(what, 400)));
        let (disposition, rule) = (verdict.disposition, verdict.rule.as_str());
        let differs = self.was.as_ref().filter(|(was, by)| *was != disposition || by != rule);
        let (is_dry, differs) = match differs {
            Some((_, by)) if by == name::DRY_RUN => (true, None),
            differs => (false, differs),
        };
        if !self.is_same && (differs.is_some() || !list.is_empty()) {
            say("under the policy of now, which is not the one that judged:");
        }
        if is_dry {
            say(&format!("without policy.dry_run: {disposition} by {rule}"));
        }
        if let Some((was, by)) = differs {
            say(&format!("now: {disposition} by {rule}, where it was {was} by {by}"));
        }
        if let Some(recipient) = self.recipient.as_ref().filter(|_| !list.is_empty()) {
            say(&format!("for {recipient}:"));
        }
        list.iter().for_each(|change| say(&change.told(disposition, rule)));
        lines
    }

    /// Adds `would_change` to an object, and by what it was judged.
    pub fn add_to(&self, object: &mut Value) {
        let Some(table) = object.as_object_mut() else { return };
        let list = self.changes.as_ref().map(|changes| &changes.list);
        table.insert("would_change".to_owned(), json!(list));
        let now = self.changes.as_ref().map(|Changes { verdict, .. }| {
            json!({"disposition": verdict.disposition, "rule": verdict.rule, "same_policy": self.is_same})
        });
        table.insert("judged_again".to_owned(), json!(now));
    }
}

#[cfg(test)]
mod tests;
