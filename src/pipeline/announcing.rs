//! What of a judged message goes to the notifier, once its record is secured.

use super::engine::Looked;
use super::process::{Secured, Shared};
use super::{record, telling};
use crate::model::{Answer, Category, Direction, Disposition, Recipient, Timestamp};
use crate::notify::{FIELD, MAX_RECIPIENTS, Mail};
use crate::policy::name;

/// Hands it over; never waits. Nothing has happened to a message that is put off, so nobody is told of it.
pub(super) fn announce(shared: &Shared, time: Timestamp, looked: &Looked, secured: &Secured) {
    let (input, judged) = (&looked.input, &secured.judged);
    if !shared.notify.is_on() || matches!(judged.plan.answer, Answer::Tempfail(_)) {
        return;
    }
    let Some(main) = judged.verdicts.iter().max_by_key(|v| (v.disposition.strictness(), v.category)) else {
        return;
    };
    let mut named: Vec<String> =
        judged.verdicts.iter().filter_map(|v| v.treatment.as_ref()).flat_map(|t| t.notify.clone()).collect();
    named.sort();
    named.dedup();
    let disposition =
        judged.plan.recipients.iter().copied().reduce(Disposition::stricter).unwrap_or(main.disposition);
    let category = judged.verdicts.iter().map(|v| v.category).max().unwrap_or_default();
    // Most mail costs no more than this.
    let is_plain =
        matches!(disposition, Disposition::Accept | Disposition::Tag) && category < Category::Phish;
    if is_plain && named.is_empty() {
        return;
    }
    // One that is held must not lead to the next.
    if input.message.values(FIELD).any(|value| shared.notify.is_own(String::from_utf8_lossy(value).trim())) {
        return;
    }
    let addresses = input.envelope.recipients.iter().map(Recipient::address);
    let recipients = concerned(addresses, &judged.plan.recipients, disposition);
    let field = |name| record::field(input, name).unwrap_or_default();
    let mail = Mail {
        id: input.id,
        held_as: secured.held,
        disposition,
        category,
        score: main.score,
        rule: main.rule.clone(),
        reason: main.reason.clone(),
        outbound: looked.direction == Direction::Outbound,
        client: telling::client(&input.session),
        sender: input.envelope.reverse_path.address().to_owned(),
        recipient_count: recipients.len(),
        recipients: recipients.into_iter().take(MAX_RECIPIENTS).map(str::to_owned).collect(),
        from: field("From"),
        subject: field("Subject"),
        named,
    };
    let repeat = judged.verdicts.iter().any(|v| v.rule == name::REPEAT);
    shared.notify.judged(time, mail, repeat);
}

/// Those to whose mail this happens; all where the plan does not tell them apart.
fn concerned<'a>(
    recipients: impl Iterator<Item = &'a str>,
    plan: &[Disposition],
    disposition: Disposition,
) -> Vec<&'a str> {
    let knows = plan.contains(&disposition);
    let is_meant = |position: usize| !knows || plan.get(position) == Some(&disposition);
    recipients.enumerate().filter(|(position, _)| is_meant(*position)).map(|(_, address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_whose_mail_is_delivered_are_not_named_as_having_it_held() {
        let all = ["a@x", "b@x", "c@x"];
        let plan = [Disposition::Accept, Disposition::Quarantine, Disposition::Quarantine];
        let named = |plan: &[Disposition]| concerned(all.into_iter(), plan, Disposition::Quarantine);
        assert_eq!(named(&plan), ["b@x", "c@x"]);
        assert_eq!(named(&[]), all);
    }
}
