//! Why bad mail is let through, each with the honest reason. A reason for what is caught by now fails the test.

use std::collections::BTreeSet;

/// The beginning of a name, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "tests/samples/rules/PDF_SCRIPT_AT_OPENING/match-form.pdf",
        "a weak sign by itself: honest forms in PDF run scripts, too",
    ),
    ("mime/rspamd/html_phishing", "only its words deceive; its links are on no list that ships"),
    ("mime/rspamd/phish_sender5", "two authors of one domain, which RFC 5322 allows"),
    (
        "mime/rspamd/sa_display_name_spoof",
        "which company has which domain is not known; `scanner.urls.protected` names domains",
    ),
    (
        "mime/rspamd/url_obfuscated_",
        "an address of which no program makes a link; who warns of dangers writes so",
    ),
    ("mime/rspamd/url_suspect_bad_tld", "the ending of a name is no sign by itself"),
    (
        "mime/rspamd/url_suspect_numeric_ip",
        "the address belongs to no public net, so that it leads nobody anywhere",
    ),
    ("mime/rspamd/url_suspect_", "what stands before the `@` of a link is no domain, and imitates nobody"),
    ("mime/rspamd/zerofont", WEAK),
    ("mime/spamassassin/spam/013", WEAK),
    ("mime/spamassassin/spam/fromnamespoof/", WEAK),
    ("mime/spamassassin/spam/relayUS", WEAK),
    ("mime/spamassassin/spam/dnsbl.eml", WEAK),
    ("mime/spamassassin/spam/dnsbl_domsonly", WEAK),
    ("headers/11", WEAK),
    ("headers/12", WEAK),
    (
        "mime/spamassassin/spam/decodeshorturl/",
        "a short link to a harmless place; none is followed unless that is turned on",
    ),
    ("mime/spamassassin/spam/redirectors/", "a link through a redirector to a harmless place"),
    ("mime/spamassassin/spam/dmarc/noneko", "DMARC fails, and the domain asks for nothing"),
    (
        "mime/spamassassin/spam/phishing_",
        "no feed ships; with one that has the link it is held (`tests/cases/links/a-link-of-a-phish-feed-is-held.case`)",
    ),
    ("mime/spamassassin/spam/extracttext/gtube_pdf", "the text of a PDF is not read"),
    ("mime/spamassassin/spam/olevbmacro/encrypted", LOCKED),
    ("mime/spamassassin/spam/olevbmacro/zippwmacro", LOCKED),
    ("macros/encrypted", LOCKED),
    ("mime/spamassassin/spam/olevbmacro/target_uri", PACKED),
    ("macros/dde-test", PACKED),
    ("macros/sample_with_external_link", PACKED),
    ("macros/sample_with_vba.ppt", "its macro runs at a click alone"),
    (
        "mime/spamassassin/spam/",
        "spam by its words, a block list or what others reported: nobody is asked for these unless configured; rspamd knows them",
    ),
    (
        "headers/13",
        "no field is made of its bare CR and LF (`src/mail/tests/suites.rs::forged_fields_go_and_the_others_stay`); no finding tells of them",
    ),
    (
        "headers/",
        "nothing in it but fields that are removed or made safe (`src/mail/tests/suites.rs::forged_fields_go_and_the_others_stay`)",
    ),
    (
        "archives/eicar/bomb",
        "a bomb does no harm where it is not unpacked; what clamd does not look at whole is a gap",
    ),
    (
        "archives/eicar/",
        "archives are not unpacked, only names in a zip are read: that is clamd's work, and none is configured here",
    ),
];

const WEAK: &str = "one weak sign, and the attacker's own domain proves itself; marked or held where nothing proves the sender";
const LOCKED: &str = "what is encrypted cannot be read; clamd reports it where `AlertEncrypted` is on";
const PACKED: &str =
    "what lies compressed in a document is not read: that is clamd's work, and none is configured here";

/// The reasons that were used.
#[derive(Default)]
pub struct Reasons(BTreeSet<&'static str>);

impl Reasons {
    pub fn of(&mut self, name: &str) -> Option<&'static str> {
        let (begin, why) = REASONS.iter().find(|(begin, _)| name.starts_with(begin))?;
        self.0.insert(begin);
        Some(why)
    }

    /// Those that nothing needs any more.
    pub fn unused(&self) -> Vec<&'static str> {
        REASONS.iter().map(|(begin, _)| *begin).filter(|begin| !self.0.contains(begin)).collect()
    }
}
