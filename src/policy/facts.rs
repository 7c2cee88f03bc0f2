//! What is known about a message when it is judged.

use std::collections::BTreeMap;

use super::Worth;
use crate::model::{
    Advice, Authentication, ByteSize, Coverage, Direction, Envelope, Finding, ListHits, MailId, Scanner,
    Session,
};

/// All that a judgement may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Our id of the message: goes into headers and replies.
    pub id: MailId,
    /// Coming in or going out.
    pub direction: Direction,
    /// Who sent it. `local_submission` is read here: such mail is never refused.
    pub session: &'a Session,
    /// For whom.
    pub envelope: &'a Envelope,
    /// How each scanner ended.
    pub coverage: &'a Coverage,
    /// What was found, in any order.
    pub findings: &'a [Finding],
    /// What rspamd would do.
    pub advice: Option<&'a Advice>,
    /// What was verified of who sent it; `None`: nobody looked.
    pub authentication: Option<&'a Authentication>,
    /// What the admin's lists say; `None`: they were not looked at.
    pub lists: Option<&'a ListHits>,
    /// Which recipients take mail from blocked senders all the same, in the envelope's order; those
    /// beyond its end do not.
    pub exempt: &'a [bool],
    /// The quarantine entry of which this is a released copy.
    pub released: Option<MailId>,
    /// Our Authentication-Results of it: those of now, or of a released copy those it was stored with.
    pub auth_results: Option<&'a str>,
    /// Our Received-SPF of it, where one is written.
    pub received_spf: Option<&'a str>,
    /// What it is worth that a scanner failed; [`Worth::default_for`] where a scanner is not named.
    pub on_failure: &'a BTreeMap<Scanner, Worth>,
    /// How often this very message was put off before because of the same failure.
    pub failures: u32,
    /// The raw value of the first Subject field: everything after the colon, folds kept. `None` if
    /// there is no such field.
    pub subject: Option<&'a [u8]>,
    /// Why the message is not here to be looked at or kept.
    pub fault: Option<Fault>,
}

/// Why a message could not be collected whole. There are no bytes of it: it can be refused or put
/// off, never kept or let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is larger than this.
    TooLarge(ByteSize),
    /// It has more header fields than this.
    TooManyFields(usize),
    /// It carries so many copies of header fields that only we may write, too many to remove.
    Forged(usize),
    /// As many bytes of mail as allowed were held already.
    NoMemory,
}
