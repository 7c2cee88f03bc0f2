//! From a plan to those who are handed the mail, and back from their server's answers to one for each recipient.
//!
//! A milter tells its MTA whom to add and whom to take away. Where we hand the mail on ourselves we name those who
//! get it; each recipient of the envelope is then answered what became of the mail that was his.

use std::collections::BTreeMap;

use super::said::Said;
use crate::model::{Action, Answer, Disposition, Envelope, MailId, Plan, Recipient, SmtpReply};

/// Who is handed a message, and what that means for each recipient of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handing {
    /// Whom to name to the next server, in order: recipients who get it, then those who get it in their place, then
    /// copies. Empty: there is nothing to be handed on.
    pub(super) to: Vec<Recipient>,
    /// What each recipient of the envelope is answered, in its order.
    pub(super) each: Vec<Share>,
}

/// What a recipient is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// What the next server says about this one of [`Handing::to`].
    At(usize),
    /// 250: the mail is in quarantine, or an admin asked for it to be dropped.
    Kept(Disposition),
    /// No.
    Refused(SmtpReply),
}

impl Handing {
    /// As `plan` wants it for the recipients of `envelope`.
    #[must_use]
    pub(super) fn of(plan: &Plan, envelope: &Envelope) -> Self {
        let recipients = &envelope.recipients;
        if let Answer::Reject(reply) | Answer::Tempfail(reply) = &plan.answer {
            let own = |position| plan.refusals.get(&position).unwrap_or(reply).clone();
            let each = (0..recipients.len()).map(|position| Share::Refused(own(position))).collect();
            return Self { to: Vec::new(), each };
        }
        let mut to: Vec<Recipient> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let routes: BTreeMap<usize, &str> =
            plan.also.redirected.iter().map(|route| (route.recipient, route.to.as_str())).collect();
        let mut each: Vec<Share> = Vec::with_capacity(recipients.len());
        for (position, recipient) in recipients.iter().enumerate() {
            let fate = plan.recipients.get(position).copied().unwrap_or(Disposition::Tempfail);
            each.push(match (plan.refusals.get(&position), fate) {
                (Some(reply), _) => Share::Refused(reply.clone()),
                (None, Disposition::Accept | Disposition::Tag) if plan.answer == Answer::Accept => {
                    // A route leads past the recipient; where it leads is known below.
                    if !routes.contains_key(&position) {
                        places.entry(recipient.mailbox().to_owned()).or_insert(to.len());
                        to.push(recipient.clone());
                    }
                    Share::At(to.len().saturating_sub(1))
                }
                (None, Disposition::Quarantine | Disposition::Discard) => Share::Kept(fate),
                (None, _) if plan.answer == Answer::Discard => Share::Kept(Disposition::Discard),
                // A plan says Reject or Tempfail of a recipient only beside a reply for him.
                (None, _) => {
                    Share::Refused(SmtpReply::tempfail("the mail filter has no answer, try again later"))
                }
            });
        }
        let mut place_of = |to: &mut Vec<Recipient>, address: &str| {
            let added = Recipient::new(format!("<{address}>").into_bytes());
            *places.entry(added.mailbox().to_owned()).or_insert_with(|| {
                to.push(added);
                to.len() - 1
            })
        };
        for (share, position) in each.iter_mut().zip(0..) {
            if let (Share::At(at), Some(address)) = (share, routes.get(&position)) {
                *at = place_of(&mut to, address);
            }
        }
        if plan.answer == Answer::Accept {
            for action in &plan.actions {
                if let Action::AddRecipient(address) = action {
                    place_of(&mut to, address);
                }
            }
        }
        Self { to, each }
    }

    /// The reply to each recipient of the envelope, where `said` is what became of each of [`Self::to`].
    #[must_use]
    pub(super) fn replies(&self, id: MailId, said: &[Said]) -> Vec<Said> {
        let reply = |share: &Share| match share {
            Share::At(at) => said.get(*at).cloned().unwrap_or_else(|| Said::unknown(id)),
            Share::Kept(_) => Said::taken(id),
            Share::Refused(reply) => Said::from(reply),
        };
        self.each.iter().map(reply).collect()
    }

    /// Those of [`Self::to`] whose answer is a recipient's answer, and behind them those whose answer is nobody's: copies.
    pub(super) fn parts(&self) -> (&[Recipient], &[Recipient]) {
        let at = |share: &Share| match share {
            Share::At(at) => Some(at + 1),
            Share::Kept(_) | Share::Refused(_) => None,
        };
        let judged = self.each.iter().filter_map(at).max().unwrap_or(0);
        self.to.split_at_checked(judged).unwrap_or((&self.to, &[]))
    }
}
