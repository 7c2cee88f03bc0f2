//! Links that are never asked for: those by which a recipient unsubscribes, or is known.
//!
//! To ask for such a link may do what it stands for, or tells the sender that his mail arrived. What the header
//! calls so is certain (RFC 2369 §3.2, RFC 8058); in the body the words of the address, of the text shown for
//! it and of what stands beside it tell. A spared link is reported as such, as a sender could call any link so.

use std::collections::{BTreeMap, BTreeSet};

use super::Why;
use crate::link::Link;
use crate::model::Message;

/// Most addresses of List-Unsubscribe that are looked at, and bytes of the field.
const MAX_ADDRESSES: usize = 20;
const MAX_FIELD: usize = 16_384;
/// Most tokens that are looked for.
const MAX_TOKENS: usize = 64;
/// A shorter piece of an address identifies nobody.
const MIN_TOKEN: usize = 8;

/// What a link to unsubscribe by is called, [`Folded`].
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    "unsubscri", "unsub-", "/unsub", "=unsub", "optout", "opt-out", "opt_out", "abmeld", "abbestell", "austragen",
    "desinscri", "désinscri", "desabonn", "désabonn", "darse-de-baja", "dar-de-baja", "darme-de-baja",
    "cancelar-suscri", "cancelar-la-suscri", "cancelar-inscri", "descadastr", "annulla-iscrizione", "disiscri",
    "cancella-iscrizione", "uitschrijv", "afmeld", "avmeld", "avprenumer", "avregistr", "peruuta-tilaus", "wypisz",
    "rezygnacj", "odhlás", "odhlas", "leiratkoz", "dezabon", "απεγγραφ", "отпис", "отказаться-от-рассылки",
    "відпис", "配信停止", "購読解除", "退订", "退訂", "取消订阅", "取消訂閱", "수신거부", "إلغاء-الاشتراك",
    // The same in a sentence.
    "longer-wish-to-receive", "longer-want-to-receive", "longer-want-these", "like-to-receive-these", "stop-receiving",
    "want-to-receive-these", "wish-to-receive-these", "remove-me", "be-removed-from", "remove-yourself",
    "nicht-mehr-erhalten", "keine-weiteren-e-mails", "keine-weiteren-newsletter", "nicht-länger-erhalten", "keine-e-mails-mehr",
    "keinen-newsletter-mehr", "ne-plus-recevoir", "ne-souhaitez-plus", "dejar-de-recibir", "no-desea-recibir",
    "non-ricevere-più", "non-desideri-più", "deixar-de-receber", "não-deseja-receber", "niet-meer-ontvangen",
    "geen-e-mails-meer", "nie-chcesz-otrzymywać",
];

/// What List-Unsubscribe of one message names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    links: BTreeSet<Link>,
    tokens: BTreeSet<String>,
    /// What stands beside links in the body.
    beside: BTreeMap<Link, Why>,
}

impl Spared {
    /// What `message` has in its header.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        let mut spared = Self::default();
        for value in message.values("List-Unsubscribe") {
            spared.take(value);
        }
        spared
    }

    /// The same, and the links that [`Written::beside`](super::Written::beside) names.
    #[must_use]
    pub fn and(self, beside: BTreeMap<Link, Why>) -> Self {
        Self { beside, ..self }
    }

    fn take(&mut self, value: &[u8]) {
        let value = value.get(..MAX_FIELD).unwrap_or(value);
        // RFC 2369 §2: addresses in angle brackets; white space within comes from folding.
        let text = String::from_utf8_lossy(value);
        let addresses = text.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0));
        for address in addresses.take(MAX_ADDRESSES) {
            let address: String = address.chars().filter(|c| !c.is_whitespace()).collect();
            if let Ok(link) = Link::parse(&address) {
                let asked = link.as_str().get(link.as_str().len() - after_host(&link).len()..);
                self.tokens_of(asked.unwrap_or_default());
                self.links.insert(link);
            } else if let Some((_, mailbox)) = address.split_once(':') {
                self.tokens_of(mailbox.split('@').next().unwrap_or_default());
                self.tokens_of(mailbox.split_once('?').map_or("", |(_, query)| query));
            }
        }
    }

    /// Pieces that could stand for one person: long, and no plain word.
    fn tokens_of(&mut self, text: &str) {
        let pieces =
            text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.' | '~' | '%'));
        for piece in pieces.filter(|piece| piece.len() >= MIN_TOKEN && !is_word(piece)) {
            if self.tokens.len() < MAX_TOKENS {
                self.tokens.insert(piece.to_owned());
            }
        }
    }

    /// Why `link`, for which a person sees `shown`, must not be asked for.
    #[must_use]
    pub fn why(&self, link: &Link, shown: &str) -> Option<Why> {
        if self.links.contains(link) || is_called_so(after_host(link)) || is_called_so(shown) {
            return Some(Why::Unsubscribe);
        }
        if let Some(why) = self.beside.get(link) {
            return Some(why.clone());
        }
        let asked = after_host(link);
        self.tokens.iter().any(|token| asked.contains(token.as_str())).then_some(Why::Personal)
    }
}

/// Path and query.
fn after_host(link: &Link) -> &str {
    link.exact().find('/').and_then(|at| link.exact().get(at..)).unwrap_or_default()
}

/// Words are the same in everybody's mail: `newsletter`, `unsubscribe`, `list-manage`.
fn is_word(piece: &str) -> bool {
    let changes =
        piece.as_bytes().windows(2).filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase());
    !piece.bytes().any(|b| b.is_ascii_digit()) && changes.count() < 2
}

fn is_called_so(text: &str) -> bool {
    let end = text.char_indices().nth(2_048).map_or(text.len(), |(at, _)| at);
    let folded = Folded::of(text.get(..end).unwrap_or_default());
    WORDS.iter().any(|word| folded.0.contains(word))
}

/// Text in lower case, white space and strokes as one `-`, without characters that are not seen.
#[derive(Debug, Default)]
pub(super) struct Folded(pub(super) String);

impl Folded {
    pub(super) fn of(text: &str) -> Self {
        let mut folded = Self(String::with_capacity(text.len()));
        folded.push(text);
        folded
    }

    pub(super) fn push(&mut self, text: &str) {
        for c in text.chars().flat_map(char::to_lowercase) {
            let c = match c {
                '\0' | '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => continue,
                '\u{2010}' | '\u{2011}' => '-',
                c if c.is_whitespace() => '-',
                c => c,
            };
            if c != '-' || !self.0.ends_with('-') {
                self.0.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spared(field: &str) -> Spared {
        let mut spared = Spared::default();
        spared.take(field.as_bytes());
        spared
    }

    fn why(spared: &Spared, link: &str, shown: &str) -> Option<Why> {
        spared.why(&Link::parse(link).unwrap(), shown)
    }

    #[test]
    fn a_link_to_unsubscribe_by_is_known_by_header_address_and_shown_text() {
        let spared =
            spared("<mailto:leave-4Fk20x9ab@lists.example?subject=off>,\r\n <https://bit.ly/3xY\r\n z9>");
        assert_eq!(why(&spared, "https://bit.ly/3xYz9", ""), Some(Why::Unsubscribe));
        assert_eq!(why(&spared, "https://bit.ly/other", ""), None);
        for (link, shown) in [
            ("https://bit.ly/Unsubscribe", ""),
            ("https://bit.ly/x?action=opt-out", ""),
            ("https://bit.ly/a", "UNSUBSCRIBE here"),
            ("https://bit.ly/a", "Opt  out"),
            ("https://bit.ly/a", "Newsletter abbestellen"),
            ("https://bit.ly/a", "Se désabonner"),
            ("https://bit.ly/a", "Отписаться"),
            ("https://bit.ly/a", "取消订阅"),
        ] {
            assert_eq!(why(&Spared::default(), link, shown), Some(Why::Unsubscribe), "{link} {shown}");
        }
        for shown in ["Subscribe now", "Your invoice", "sub-total", "https://bit.ly/a"] {
            assert_eq!(why(&Spared::default(), "https://bit.ly/a", shown), None, "{shown}");
        }
    }

    #[test]
    fn a_link_that_holds_the_recipients_token_is_personal() {
        let spared = spared(
            "<mailto:leave-4Fk20x9ab@lists.example?subject=tok-77aa88bb>, <https://news.example/newsletter/u/Qx81LmZ0pp?list=newsletter>",
        );
        for link in [
            "https://bit.ly/c/Qx81LmZ0pp",
            "https://bit.ly/c?u=Qx81LmZ0pp&x=1",
            "https://bit.ly/leave-4Fk20x9ab",
            "https://bit.ly/tok-77aa88bb",
        ] {
            assert_eq!(why(&spared, link, ""), Some(Why::Personal), "{link}");
        }
        for link in ["https://bit.ly/newsletter", "https://bit.ly/Qx81", "https://bit.ly/"] {
            assert_eq!(why(&spared, link, ""), None, "{link}");
        }
    }

    #[test]
    fn a_field_of_any_size_costs_little() {
        let many: String = (0..10_000).map(|n| format!("<https://x.example/token{n:08}>,")).collect();
        assert_eq!(spared("no brackets, <unclosed"), Spared::default());
        let spared = spared(&many);
        assert!(spared.links.len() <= MAX_ADDRESSES && spared.tokens.len() <= MAX_TOKENS);
    }
}
