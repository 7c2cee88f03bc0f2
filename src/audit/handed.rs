//! What the next server said of a message that we handed on ourselves.

use serde::{Deserialize, Serialize};

use crate::model::{MailId, Timestamp, text};

/// Recipients that are told one by one.
const MAX_NAMED: usize = 100;
/// The most characters of an address, and of what was said.
const MAX_ADDRESS: usize = 256;
const MAX_SAID: usize = 300;

/// One transaction with the next server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The message.
    pub id: MailId,
    /// When it ended.
    pub time: Timestamp,
    /// The server.
    pub server: String,
    /// What became of it for each who was named to the server, in their order.
    pub each: Vec<HandedTo>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedTo {
    /// His address.
    pub to: String,
    /// The server has it for certain.
    pub delivered: bool,
    /// What the server said, or why it was not sent; a sentence, safe to be shown.
    pub said: String,
}

impl Handed {
    /// What the server at `server` said of the message `id`. Of many recipients those who did not get it are told first.
    #[must_use]
    pub fn new(id: MailId, time: Timestamp, server: &str, mut each: Vec<HandedTo>) -> Self {
        let more = each.len().saturating_sub(MAX_NAMED);
        if more > 0 {
            each.sort_by_key(|one| one.delivered);
            each.truncate(MAX_NAMED);
        }
        for one in &mut each {
            one.to = text::line(&one.to, MAX_ADDRESS);
            one.said = text::line(&one.said, MAX_SAID);
        }
        Self { id, time, server: text::line(server, MAX_ADDRESS), each, more }
    }

    /// A sentence for each recipient.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> =
            self.each.iter().map(|one| format!("<{}> to {}: {}", one.to, self.server, one.said)).collect();
        if self.more > 0 {
            told.push(format!("and {} more", self.more));
        }
        told
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_those_who_did_not_get_it_are_told() {
        let one = |n: usize| HandedTo { to: format!("a{n}@x"), delivered: n < 150, said: "s\n".repeat(400) };
        let id = MailId::from_parts(1, 1);
        let handed = Handed::new(id, Timestamp::default(), "unix:/run/x", (0..160).map(one).collect());
        assert_eq!((handed.each.len(), handed.more), (MAX_NAMED, 60));
        assert_eq!(handed.each.iter().filter(|one| !one.delivered).count(), 10);
        assert!(
            handed.each.iter().all(|one| one.said.chars().count() <= MAX_SAID && !one.said.contains('\n'))
        );
        assert_eq!(handed.told().last().unwrap(), "and 60 more");
        let json = serde_json::to_string(&handed).unwrap();
        assert_eq!(serde_json::from_str::<Handed>(&json).unwrap(), handed);
    }
}
