//! The copies that are under way now: what the in-line part may recognise, and what nobody else may send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::token::{self, Claim, Token, TokenKey, Worthless};
use crate::model::{Envelope, MailId, Message, Recipient, ReversePath, Timestamp};

/// How often one copy may come by: a server tries again while the next one is down, and who has seen the token is not
/// let in with it for as long as it is good.
const MOST_USES: u32 = 20;

/// All copies under way, and those of which it is uncertain what became of them, for as long as their token
/// is good: a server that was slow must not have its mail judged anew.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<BTreeMap<Place, Flight>>);

/// Entry, and recipient without angle brackets.
type Place = (MailId, Box<[u8]>);

#[derive(Debug)]
struct Flight {
    reverse_path: Box<[u8]>,
    /// The Authentication-Results that the entry was stored with.
    auth_results: Option<String>,
    /// Seconds since 1970; 0 before it has a token.
    expires: u64,
    /// Somebody is sending it right now.
    is_sending: bool,
    /// How often it came by with its token.
    uses: u32,
    seen: Option<Seen>,
}

/// The copy passed through the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Under which id.
    pub(super) id: MailId,
    /// Under which queue id of the MTA.
    pub(super) queue_id: Option<String>,
    /// Whether it was known for what it is; if not it was judged like any other mail.
    pub(super) known: Result<(), Worthless>,
}

/// One copy under way; nobody else sends it while this lives.
pub(super) struct Sending {
    flights: Arc<Flights>,
    place: Place,
}

impl Flights {
    /// Begins with one copy; `None` if somebody else is at it.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: MailId,
        reverse_path: &ReversePath,
        recipient: &Recipient,
        auth_results: Option<&str>,
        now: Timestamp,
    ) -> Option<Sending> {
        let place: Place = (id, token::bare(recipient.argument()).into());
        let mut flights = self.lock();
        flights.retain(|_, flight| flight.is_sending || flight.expires >= now.seconds());
        if flights.get(&place).is_some_and(|flight| flight.is_sending) {
            return None;
        }
        // A token from before stays good until there is another: nothing is sent yet.
        let flight = flights.entry(place.clone()).or_insert_with(|| Flight {
            reverse_path: token::bare(reverse_path.0.argument()).into(),
            auth_results: auth_results.map(str::to_owned),
            expires: 0,
            is_sending: true,
            uses: 0,
            seen: None,
        });
        flight.is_sending = true;
        drop(flights);
        Some(Sending { flights: Arc::clone(self), place })
    }

    /// Whether a copy from `reverse_path` – to `recipient`, if one is given – is under way: its client must not be
    /// refused before the token could be read.
    pub(super) fn expects(&self, reverse_path: &ReversePath, recipient: Option<&Recipient>) -> bool {
        let from = token::bare(reverse_path.0.argument());
        let to = recipient.map(|r| token::bare(r.argument()));
        let flights = self.lock();
        flights.iter().any(|((_, place), flight)| {
            flight.is_sending && *flight.reverse_path == *from && to.is_none_or(|to| **place == *to)
        })
    }

    /// Whether `token` is that of a copy under way to the one recipient of `envelope`. Cheap: nothing of the
    /// message is looked at, so that nobody can make us hash by sending tokens.
    pub(super) fn find(&self, token: &Token, envelope: &Envelope) -> Result<(), Worthless> {
        let flights = self.lock();
        let of_entry = |flight: &(&Place, &Flight)| flight.0.0 == token.id;
        if !flights.iter().any(|flight| of_entry(&flight)) {
            return Err(Worthless::NotExpected);
        }
        let [recipient] = envelope.recipients.as_slice() else { return Err(Worthless::OtherRecipient) };
        let flight = flights.get(&(token.id, token::bare(recipient.argument()).into()));
        match flight {
            None => Err(Worthless::OtherRecipient),
            Some(flight) if flight.expires != token.expires => Err(Worthless::NotExpected),
            Some(_) => Ok(()),
        }
    }

    /// Whether `token` was made for this message, and notes that the copy passed. What [`Self::find`] asks must
    /// hold. The Authentication-Results that the entry was stored with. Hashes the body.
    pub(super) fn verify(
        &self,
        key: &TokenKey,
        token: &Token,
        id: MailId,
        envelope: &Envelope,
        message: &Message,
    ) -> Result<Option<String>, Worthless> {
        let [recipient] = envelope.recipients.as_slice() else { return Err(Worthless::OtherRecipient) };
        let (body, kind) = (token::body_hash(message.body()), token::kind_hash(message));
        let reverse_path = &envelope.reverse_path;
        let claim = Claim { id: token.id, body: &body, kind: &kind, reverse_path, recipient };
        let mut known = key.verify(token, &claim);
        let mut flights = self.lock();
        let place = (token.id, token::bare(recipient.argument()).into());
        let flight = flights.get_mut(&place).ok_or(Worthless::NotExpected)?;
        if known.is_ok() {
            flight.uses = flight.uses.saturating_add(1);
            if flight.uses > MOST_USES {
                known = Err(Worthless::UsedUp);
            }
        }
        // Who forges a token must not be able to undo what the true one said.
        if known.is_ok() || flight.seen.as_ref().is_none_or(|seen| seen.known.is_err()) {
            flight.seen = Some(Seen { id, queue_id: envelope.queue_id.clone(), known });
        }
        known.map(|()| flight.auth_results.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Flight>> {
        // No code panics between two changes that belong together, so a poisoned lock is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    /// From now on the copy may be recognised by a token that is good until `expires`, and by no other: who sends
    /// again does not want the other copy as well.
    pub(super) fn expect(&self, expires: Timestamp) {
        if let Some(flight) = self.flights.lock().get_mut(&self.place) {
            flight.expires = expires.seconds();
            flight.uses = 0;
            flight.seen = None;
        }
    }

    /// Whether and how the copy passed through the filter.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.flights.lock().get(&self.place).and_then(|flight| flight.seen.clone())
    }

    /// Nobody knows what became of it: its token stays good until its time is over.
    pub(super) fn leave_open(self) {
        if let Some(flight) = self.flights.lock().get_mut(&self.place) {
            flight.is_sending = false;
        }
    }
}

impl Drop for Sending {
    /// The token is used up, or nothing was sent.
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        if flights.get(&self.place).is_some_and(|flight| flight.is_sending) {
            flights.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000_000);

    struct Fixture {
        flights: Arc<Flights>,
        key: TokenKey,
        id: MailId,
        envelope: Envelope,
        message: Message,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                flights: Arc::default(),
                key: TokenKey::new(&[7; 32]),
                id: MailId::from_parts(1, 1),
                envelope: Envelope {
                    reverse_path: ReversePath(Recipient::new(*b"<>")),
                    recipients: vec![Recipient::new(*b"<\xff@example.org>")],
                    ..Envelope::default()
                },
                message: Message::new(bytes::Bytes::from_static(b"A: 1\r\n\r\ntext\r\n"), Vec::new(), 8),
            }
        }

        fn begin(&self) -> Option<Sending> {
            let Envelope { reverse_path, recipients, .. } = &self.envelope;
            self.flights.begin(self.id, reverse_path, &recipients[0], Some("spf=none"), NOW)
        }

        fn token(&self, expires: Timestamp) -> Token {
            let (body, kind) = (token::body_hash(self.message.body()), token::kind_hash(&self.message));
            let Envelope { reverse_path, recipients, .. } = &self.envelope;
            let claim =
                Claim { id: self.id, body: &body, kind: &kind, reverse_path, recipient: &recipients[0] };
            Token::read(self.key.sign(&claim, expires).as_bytes()).unwrap()
        }

        fn known(&self, token: &Token) -> Result<Option<String>, Worthless> {
            self.flights.find(token, &self.envelope)?;
            self.flights.verify(&self.key, token, MailId::from_parts(2, 2), &self.envelope, &self.message)
        }
    }

    #[test]
    fn a_copy_is_sent_by_one_and_known_from_its_token_to_its_end() {
        let fixture = Fixture::new();
        let token = fixture.token(LATER);
        assert_eq!(fixture.known(&token), Err(Worthless::NotExpected));
        let sending = fixture.begin().unwrap();
        assert!(fixture.begin().is_none());
        assert_eq!(fixture.known(&token), Err(Worthless::NotExpected), "it has no token yet");
        sending.expect(LATER);
        assert_eq!(fixture.known(&token), Ok(Some("spf=none".to_owned())));
        assert_eq!(sending.seen().unwrap().known, Ok(()));
        drop(sending);
        assert_eq!(fixture.known(&token), Err(Worthless::NotExpected), "it is used up");
        assert!(fixture.begin().is_some());
    }

    #[test]
    fn an_uncertain_copy_is_known_until_another_is_sent() {
        let fixture = Fixture::new();
        let token = fixture.token(LATER);
        let sending = fixture.begin().unwrap();
        sending.expect(LATER);
        sending.leave_open();
        assert!(fixture.known(&token).is_ok());
        // Somebody looks, and does not insist.
        fixture.begin().unwrap().leave_open();
        assert!(fixture.known(&token).is_ok());
        let again = fixture.begin().unwrap();
        again.expect(Timestamp::from_millis(LATER.millis() + 1000));
        assert_eq!(fixture.known(&token), Err(Worthless::NotExpected));
        assert!(again.seen().is_none());
    }

    #[test]
    fn a_copy_comes_by_as_often_as_a_server_tries_again_and_no_more() {
        let fixture = Fixture::new();
        let sending = fixture.begin().unwrap();
        sending.expect(LATER);
        let token = fixture.token(LATER);
        sending.leave_open();
        let good = (0..100).filter(|_| fixture.known(&token).is_ok()).count();
        assert_eq!((good, fixture.known(&token)), (MOST_USES as usize, Err(Worthless::UsedUp)));
        // Somebody sends it again.
        let again = fixture.begin().unwrap();
        again.expect(LATER);
        assert!(fixture.known(&token).is_ok());
    }

    #[test]
    fn who_forges_cannot_undo_what_the_true_token_said() {
        let fixture = Fixture::new();
        let sending = fixture.begin().unwrap();
        sending.expect(LATER);
        let token = fixture.token(LATER);
        let forged = Fixture { message: Message::default(), ..Fixture::new() }.token(LATER);
        assert_eq!(fixture.known(&forged), Err(Worthless::Altered));
        assert_eq!(sending.seen().unwrap().known, Err(Worthless::Altered));
        assert!(fixture.known(&token).is_ok());
        assert_eq!(fixture.known(&forged), Err(Worthless::Altered));
        assert_eq!(sending.seen().unwrap().known, Ok(()));
    }

    #[test]
    fn a_transaction_is_expected_by_its_envelope() {
        let fixture = Fixture::new();
        let (from, to) = (&fixture.envelope.reverse_path, &fixture.envelope.recipients[0]);
        let other = Recipient::new(*b"<a@b>");
        assert!(!fixture.flights.expects(from, None));
        let sending = fixture.begin().unwrap();
        assert!(fixture.flights.expects(from, None) && fixture.flights.expects(from, Some(to)));
        assert!(!fixture.flights.expects(from, Some(&other)));
        assert!(!fixture.flights.expects(&ReversePath(other), None));
        drop(sending);
        assert!(!fixture.flights.expects(from, None));
    }
}
