//! What is known about a message when it is judged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::Worth;
use crate::model::{
    Advice, Attachment, Authentication, ByteSize, Coverage, Direction, Envelope, Finding, ListHits, MailId,
    Message, Scanner, SeenUrl, Session, Timestamp,
};

/// All that a judgement may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Our id of the message: goes into headers and replies.
    pub id: MailId,
    /// Coming in or going out.
    pub direction: Direction,
    /// When it is judged.
    pub time: Timestamp,
    /// Who sent it. `local_submission` is read here: such mail is never refused.
    pub session: &'a Session,
    /// For whom.
    pub envelope: &'a Envelope,
    /// How each scanner ended.
    pub coverage: &'a Coverage,
    /// What was found, in any order.
    pub findings: &'a [Finding],
    /// The message; `None` where it is judged again from a record of it.
    pub message: Option<&'a Message>,
    /// What is known of the message where it is not here itself.
    pub recorded: Option<Recorded<'a>>,
    /// Its files.
    pub attachments: &'a [Attachment],
    /// Its links.
    pub urls: &'a dyn Urls,
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

/// What a record tells of a message; `None` in it: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// Bytes.
    pub size: Option<u64>,
    /// The Message-ID field; empty where there is none.
    pub message_id: Option<&'a str>,
    /// The one domain of its From field; empty where there are several, or none.
    pub from_domain: Option<&'a str>,
}

/// The links of a message, made ready one by one: most messages are judged without a look at them.
pub trait Urls: fmt::Debug + Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// One of them; `None` beyond the end.
    fn get(&self, position: usize) -> Option<Cow<'_, SeenUrl>>;
}

impl Urls for [SeenUrl] {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, position: usize) -> Option<Cow<'_, SeenUrl>> {
        <[SeenUrl]>::get(self, position).map(Cow::Borrowed)
    }
}

impl<const N: usize> Urls for [SeenUrl; N] {
    fn count(&self) -> usize {
        N
    }

    fn get(&self, position: usize) -> Option<Cow<'_, SeenUrl>> {
        Urls::get(self.as_slice(), position)
    }
}

impl Urls for Vec<SeenUrl> {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, position: usize) -> Option<Cow<'_, SeenUrl>> {
        Urls::get(self.as_slice(), position)
    }
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
