//! Those whose mail no server can be handed as it is. To refuse it is a bounce, so it is held where refusals may not
//! be.

use super::handing::{Handing, Share};
use super::said::Said;
use crate::model::{Envelope, MailId, SmtpReply};
use crate::net::smtp::{Outcome, SmtpError};

/// For whom a message is to be held after all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Their positions in the envelope.
    pub(super) recipients: Vec<usize>,
    /// Why, for people.
    pub(super) why: String,
}

impl Rest {
    /// Of those in `handing`, whose mail ended so; `None`: nobody. Where there is one answer for all (`!each`) those who
    /// do not get it because of another are among them.
    pub(super) fn of(handing: &Handing, outcomes: &[Outcome], each: bool) -> Option<Self> {
        let why = outcomes.iter().find_map(stuck)?.to_string();
        let is_stuck = |outcome: &Outcome| {
            stuck(outcome).is_some() || !each && matches!(outcome, Outcome::NotSent(SmtpError::NotForAll))
        };
        let is_his =
            |share: &Share| matches!(share, Share::At(at) if outcomes.get(*at).is_some_and(is_stuck));
        let recipients =
            handing.each.iter().zip(0..).filter(|(share, _)| is_his(share)).map(|(_, at)| at).collect();
        Some(Self { recipients, why })
    }

    /// What they are answered, in `replies`.
    pub(super) fn answer(&self, is_held: bool, id: MailId, replies: &mut [Said]) {
        let later = || SmtpReply::tempfail(&format!("it can neither be handed on nor held now (id {id})"));
        for at in &self.recipients {
            if let Some(reply) = replies.get_mut(*at) {
                *reply = if is_held { Said::taken(id) } else { Said::from(&later()) };
            }
        }
    }
}

/// Whether what cannot be handed on is held: where a refusal would reach nobody whom it should, as the policy does.
pub(super) fn is_held(refuses: bool, envelope: &Envelope) -> bool {
    !refuses || envelope.reverse_path.is_null()
}

fn stuck(outcome: &Outcome) -> Option<&SmtpError> {
    match outcome {
        Outcome::NotSent(error) if error.is_for_good() => Some(error),
        _ => None,
    }
}
