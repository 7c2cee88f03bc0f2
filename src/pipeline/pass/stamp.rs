//! The field's value: what it says, and the MAC over it.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::cover::Cover;
use crate::model::{MailId, Recipient};

/// Longer values are none of ours.
const MAX: usize = 2048;
/// Before every use of the key, so that its MACs mean this and nothing else.
const JUDGED: &[u8] = b"mailward pass 2\0";
const OWN: &[u8] = b"mailward pass 3 own\0";
const FOR: &[u8] = b"mailward pass 2 recipient\0";
const FOR_NOBODY: &[u8] = b"mailward pass 2 nobody\0";

/// How many marks a Pass has: the least of these that is enough.
const STEPS: [usize; 4] = [8, 16, 32, 64];

/// Makes and checks passes.
#[derive(Clone)]
pub struct PassKey {
    keyed: Hmac<Sha256>,
    id: String,
}

/// Stands for a recipient of one message, and says nothing of him to others.
pub(super) type Mark = [u8; 8];

/// A Pass as it was read; nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Under which id the message was judged.
    pub(super) id: MailId,
    /// When, in seconds since 1970.
    pub(super) time: u64,
    /// For whom it was let through, among marks of nobody; sorted.
    pub(super) recipients: Vec<Mark>,
    /// SHA-256 of the body, see [`sent_hash`](super::cover::sent_hash).
    pub(super) body: [u8; 32],
    kid: String,
    mac: [u8; 32],
    /// Over body, author and what the body is, no more: the message is of an own user.
    own: Option<[u8; 32]>,
}

/// What a Pass is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing<'a> {
    pub(super) cover: &'a Cover,
    /// The address in the reverse-path.
    pub(super) reverse_path: &'a [u8],
}

impl PassKey {
    /// From the secret of this installation.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        // RFC 2104 §2: a key shorter than the block of 64 bytes is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        let keyed = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&block).into());
        let mut id = keyed.clone();
        id.update(b"mailward pass key id");
        let id = HEXLOWER.encode(&id.finalize().into_bytes()[..4]);
        Self { keyed, id }
    }

    /// From a secret that several hosts share.
    #[must_use]
    pub fn shared(secret: &str) -> Self {
        Self::new(&Sha256::digest(secret.as_bytes()).into())
    }

    /// A Pass for a message with this body; `own`: that of an own user.
    pub(super) fn make(
        &self,
        (id, time): (MailId, u64),
        recipients: Vec<Mark>,
        body: [u8; 32],
        passing: Passing<'_>,
        own: bool,
    ) -> Stamp {
        let mut stamp = Stamp { id, time, recipients, body, kid: self.id.clone(), mac: [0; 32], own: None };
        stamp.mac = self.mac(&stamp, passing).finalize().into_bytes().into();
        stamp.own = own.then(|| self.own(&stamp, passing.cover).finalize().into_bytes().into());
        stamp
    }

    /// Whether it says that it was made under this key.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        stamp.kid == self.id
    }

    /// Whether it was made for these fields and this reverse-path; in constant time. The body's hash is what it says.
    pub(super) fn is_good(&self, stamp: &Stamp, passing: Passing<'_>) -> bool {
        self.mac(stamp, passing).verify_slice(&stamp.mac).is_ok()
    }

    /// Whether it says of a message with this author and this kind of body that an own user sent it; as [`Self::is_good`].
    pub(super) fn is_own(&self, stamp: &Stamp, cover: &Cover) -> bool {
        stamp.own.is_some_and(|own| self.own(stamp, cover).verify_slice(&own).is_ok())
    }

    /// What stands for a recipient of the message with this id.
    pub(super) fn mark(&self, id: MailId, recipient: &Recipient) -> Mark {
        self.one_mark(FOR, id, recipient.mailbox().as_bytes())
    }

    /// The marks for these recipients among so many of nobody that their number is not to be seen: who gets the mail
    /// unseen (Bcc) is not told to those who read its fields. Sorted, so that their order tells nothing either.
    pub(super) fn marks(&self, id: MailId, recipients: &[Recipient]) -> Vec<Mark> {
        let mut marks: Vec<Mark> = recipients.iter().map(|recipient| self.mark(id, recipient)).collect();
        let step = STEPS.into_iter().find(|step| *step >= marks.len()).unwrap_or(marks.len());
        marks.extend(self.nobody(id).take(step - marks.len()));
        marks.sort_unstable();
        marks
    }

    /// For how many recipients the message was let through.
    pub(super) fn count(&self, stamp: &Stamp) -> usize {
        let is_filler = |mark: &Mark| stamp.recipients.binary_search(mark).is_ok();
        stamp.recipients.len().saturating_sub(self.nobody(stamp.id).take_while(is_filler).count())
    }

    /// The marks of nobody for the message with this id, as many as a Pass may have. Without the key they look like
    /// any other.
    fn nobody(&self, id: MailId) -> impl Iterator<Item = Mark> {
        let most = u8::try_from(STEPS[STEPS.len() - 1]).unwrap_or(u8::MAX);
        (0..most).map(move |n| self.one_mark(FOR_NOBODY, id, &[n]))
    }

    fn one_mark(&self, domain: &[u8], id: MailId, of: &[u8]) -> Mark {
        let mut mac = self.keyed.clone();
        mac.update(domain);
        pieces(&mut mac, [id.as_str().as_bytes(), of]);
        let mut mark = Mark::default();
        mark.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        mark
    }

    fn mac(&self, stamp: &Stamp, passing: Passing<'_>) -> Hmac<Sha256> {
        let mut mac = self.begin(JUDGED, stamp);
        pieces(&mut mac, [passing.reverse_path, stamp.recipients.as_flattened()]);
        pieces(&mut mac, passing.cover.0.iter().map(Vec::as_slice));
        mac
    }

    fn own(&self, stamp: &Stamp, cover: &Cover) -> Hmac<Sha256> {
        let mut mac = self.begin(OWN, stamp);
        pieces(&mut mac, cover.essence());
        mac
    }

    fn begin(&self, domain: &[u8], stamp: &Stamp) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(domain);
        let (id, time) = (stamp.id.as_str().as_bytes(), stamp.time.to_be_bytes());
        pieces(&mut mac, [id, &time, self.id.as_bytes(), &stamp.body]);
        mac
    }
}

/// Each piece behind its length, so that no two messages read the same.
fn pieces<'a>(mac: &mut Hmac<Sha256>, pieces: impl IntoIterator<Item = &'a [u8]>) {
    for bytes in pieces {
        mac.update(&(bytes.len() as u64).to_be_bytes());
        mac.update(bytes);
    }
}

impl fmt::Debug for PassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, time, recipients, body, kid, mac, own } = self;
        let marks = recipients.iter().map(|mark| HEXLOWER.encode(mark)).collect::<Vec<_>>().join(", ");
        let (body, mac) = (HEXLOWER.encode(body), HEXLOWER.encode(mac));
        write!(f, "v2; id={id}; t={time}; kid={kid}; to={marks}; bh={body}; mac={mac}")?;
        own.map_or(Ok(()), |own| write!(f, "; own={}", HEXLOWER.encode(&own)))
    }
}

impl Stamp {
    /// Reads the value of a field. Strict: what we wrote has one form; folds are the only thing that a server on the
    /// way may change.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        if value.len() > MAX {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.split(';').map(str::trim);
        if parts.next()? != "v2" {
            return None;
        }
        let mut field = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let (id, time, kid) = (field("id")?, field("t")?, field("kid")?);
        let (to, body, mac) = (field("to")?, field("bh")?, field("mac")?);
        let own = parts.next();
        if parts.next().is_some() || !time.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let parsed: MailId = id.parse().ok()?;
        let mark = |text: &str| HEXLOWER.decode(text.trim().as_bytes()).ok()?.try_into().ok();
        let digest = |text: &str| HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok();
        let own = match own {
            Some(own) => Some(digest(own.strip_prefix("own=")?)?),
            None => None,
        };
        Some(Self {
            id: (parsed.as_str() == id).then_some(parsed)?,
            time: time.parse().ok()?,
            recipients: to.split(',').map(mark).collect::<Option<Vec<Mark>>>()?,
            body: digest(body)?,
            kid: kid.to_owned(),
            mac: digest(mac)?,
            own,
        })
    }
}
