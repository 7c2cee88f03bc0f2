//! Hiding people in what leaves this machine.
//!
//! Addresses become the pseudonyms of the audit journal, so that two notifications on one person can be seen to
//! be so. Subjects and display names are left out. Of links the host stays alone: paths and queries often hold
//! the recipient.

use crate::audit::Pseudonyms;

/// Hides people, or does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redact<'a>(pub(super) Option<&'a Pseudonyms>);

impl Redact<'_> {
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// An address.
    pub(super) fn address(&self, address: &str) -> String {
        self.0.map_or_else(|| address.to_owned(), |hide| hide.address(address))
    }

    /// A From field: the address in it.
    pub(super) fn from(&self, field: &str) -> String {
        let Some(hide) = self.0 else { return field.to_owned() };
        let parts = field.split(|c: char| c.is_whitespace() || "<>,;\"()".contains(c));
        let addresses: Vec<_> =
            parts.filter(|word| word.contains('@')).map(|word| hide.address(word)).collect();
        addresses.join(", ")
    }

    /// A sentence.
    pub(super) fn text(&self, text: &str) -> String {
        self.0.map_or_else(|| text.to_owned(), |hide| hide.text(&hosts_alone(text)))
    }

    /// What is left out where people are hidden.
    pub(super) fn unless_hidden(&self, text: &str) -> Option<String> {
        self.0.is_none().then(|| text.to_owned())
    }
}

/// The text with `https://host/…` in place of whole links.
fn hosts_alone(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c)).unwrap_or(after.len());
        let (link, more) = after.split_at(end);
        let authority = link.find(['/', '?', '#', '\\']).unwrap_or(link.len());
        let (authority, path) = link.split_at(authority);
        // A user's name is in front of an @.
        out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        if !path.is_empty() && path != "/" {
            out.push_str("/…");
        }
        rest = more;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_links_the_host_stays_alone() {
        for (text, hidden) in [
            ("no link", "no link"),
            (
                "a feed knows https://evil.test/joe%40example.org?x=1 now",
                "a feed knows https://evil.test/… now",
            ),
            ("http://joe:pw@evil.test/ and \"ftp://b.test#joe\"", "http://evil.test and \"ftp://b.test/…\""),
            ("https://evil.test", "https://evil.test"),
            ("://", "://"),
        ] {
            assert_eq!(hosts_alone(text), hidden);
        }
    }

    #[test]
    fn people_are_hidden_and_domains_stay() {
        let key = Pseudonyms::new(&[7; 32]);
        let (hide, show) = (Redact(Some(&key)), Redact(None));
        let joe = key.address("joe@example.org");
        assert!(joe.starts_with("p-") && joe.ends_with("@example.org"), "{joe}");
        assert_eq!(hide.address("joe@example.org"), joe);
        assert_eq!(hide.from("\"Joe, the plumber\" <joe@example.org>"), joe);
        assert_eq!(
            hide.text("for joe@example.org: http://a.test/joe"),
            format!("for {joe}: http://a.test/…")
        );
        assert_eq!(hide.unless_hidden("hello"), None);
        assert_eq!(show.from("Joe <joe@example.org>"), "Joe <joe@example.org>");
        assert_eq!(show.text("joe@example.org"), "joe@example.org");
    }
}
