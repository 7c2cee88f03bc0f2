//! One person's address, and whether something on record names it.

use serde_json::Value;

use super::pseudonym::Pseudonyms;
use crate::model::Recipient;

/// An address that is looked for in records: as it is written, in the form in which mailboxes are compared,
/// as links carry it, and as its pseudonym.
#[derive(Clone, Debug)]
pub struct Subject {
    /// In lower case.
    forms: Vec<String>,
    /// Nothing that names it lacks this; in lower case. `None` where it may be written in several ways.
    domain: Option<String>,
    pseudonym: String,
}

/// It is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a person; write name@example.org")]
pub struct NotASubject(String);

impl Subject {
    /// Of an address, with or without angle brackets.
    ///
    /// # Errors
    /// If it has no local part or no domain: a whole domain is nobody.
    pub fn new(address: &str, pseudonyms: &Pseudonyms) -> Result<Self, NotASubject> {
        let refused = || NotASubject(crate::model::text::line(address, 100));
        let plain = address.trim();
        let plain = plain.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(plain);
        let (local, domain) = plain.rsplit_once('@').ok_or_else(refused)?;
        let odd = |c: char| c.is_control() || c == '<' || c == '>';
        if local.is_empty() || domain.len() < 2 || plain.len() > 320 || plain.contains(odd) {
            return Err(refused());
        }
        let mailbox = Recipient::new(format!("<{plain}>")).mailbox().to_owned();
        let mut forms = vec![plain.to_lowercase(), mailbox.to_lowercase()];
        forms.extend([pseudonyms.address(plain), pseudonyms.address(&mailbox)]);
        // As it stands in the query of a link.
        let in_links =
            |form: &String| form.rsplit_once('@').map(|(local, domain)| format!("{local}%40{domain}"));
        let linked: Vec<String> = forms.iter().filter_map(in_links).collect();
        forms.extend(linked);
        forms.sort_unstable();
        forms.dedup();
        let domain = domain.to_lowercase();
        let plain_domain = domain.is_ascii() && forms.iter().all(|form| form.ends_with(&domain));
        Ok(Self { forms, domain: plain_domain.then_some(domain), pseudonym: pseudonyms.word(&mailbox) })
    }

    /// What stands for it where it must not be named.
    #[must_use]
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// Whether text names it. What is only a part of a longer address is another one.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.forms.iter().any(|form| {
            text.match_indices(form.as_str()).any(|(at, found)| {
                let before = text[..at].chars().next_back();
                let mut after = text[at + found.len()..].chars();
                let goes_on = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
                let longer = match after.next() {
                    Some('.') => after.next().is_some_and(goes_on),
                    Some(c) => goes_on(c),
                    None => false,
                };
                !longer && !before.is_some_and(|c| c.is_alphanumeric() || ".-_+".contains(c))
            })
        })
    }

    /// Whether any text of a value names it.
    #[must_use]
    pub fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(all) => all.iter().any(|one| self.is_in_value(one)),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| self.is_in(name) || self.is_in_value(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Whether JSON names it. What is no JSON does not.
    pub(super) fn is_in_json(&self, json: &[u8]) -> bool {
        let may_be = self.domain.as_ref().is_none_or(|domain| {
            // Most lines end here, without being taken apart.
            memchr::memmem::find(&json.to_ascii_lowercase(), domain.as_bytes()).is_some()
        });
        may_be && serde_json::from_slice(json).is_ok_and(|value| self.is_in_value(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(address: &str) -> Subject {
        Subject::new(address, &Pseudonyms::new(&[7; 32])).unwrap()
    }

    #[test]
    fn an_address_is_found_wherever_it_stands_and_no_other_is() {
        let joe = subject("<Joe.Doe@Example.org>");
        let pseudonym = Pseudonyms::new(&[7; 32]).address("joe.doe@example.org");
        for with in [
            "joe.doe@example.org",
            "JOE.DOE@EXAMPLE.ORG.",
            "\"Joe\" <joe.doe@example.org>",
            "https://x.example/?to=joe.doe%40example.org&x=1",
            "mailto:joe.doe@example.org",
            pseudonym.as_str(),
        ] {
            assert!(joe.is_in(with), "{with}");
        }
        for without in [
            "moe.joe.doe@example.org",
            "xjoe.doe@example.org",
            "joe.doe@example.org.uk",
            "joe.doe@example.organic",
            "joe.doe at example.org",
            "",
        ] {
            assert!(!joe.is_in(without), "{without}");
        }
        assert!(joe.is_in_json(br#"{"a":[{"b":"\u006aoe.doe@example.org"}]}"#));
        assert!(!joe.is_in_json(br#"{"a":["@example.org"]}"#));
    }

    #[test]
    fn a_domain_is_nobody() {
        for bad in ["", "@example.org", "example.org", "joe@", "a b\n@example.org"] {
            assert!(Subject::new(bad, &Pseudonyms::new(&[7; 32])).is_err(), "{bad}");
        }
    }
}
