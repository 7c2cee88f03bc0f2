//! What the admin's lists say of a message.

use crate::lists::{Asked, Lists};
use crate::mail::header::addresses;
use crate::model::{Envelope, ListHits, Message, Session};

/// From fields that are held against the lists; more than one is a fault of its own.
const MAX_FROM_FIELDS: usize = 4;

/// The entries that match the client, the sender and the addresses in From. Nothing is counted.
pub(super) fn hits(lists: &Lists, session: &Session, envelope: &Envelope, message: &Message) -> ListHits {
    let from: Vec<String> = message
        .values("From")
        .take(MAX_FROM_FIELDS)
        .flat_map(addresses)
        .map(|from| from.address)
        .filter(|address| !address.is_empty())
        .collect();
    let sender = Some(envelope.reverse_path.address());
    lists.hits(&Asked { client: session.client.addr.ip(), sender, from: &from })
}
