//! What each sign is worth, and where it begins. `docs/findings-links.md` says the same to admins; a test holds
//! the two together.

use crate::model::{Category, Severity};

/// What a sign is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// The finding's symbol.
    pub symbol: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What kind of bad.
    pub category: Category,
    /// Points.
    pub score: f64,
    /// The sentence; what was seen follows it.
    pub says: &'static str,
}

macro_rules! signs {
    ($($symbol:ident $severity:ident $category:ident $score:literal $says:literal)*) => {
        $(pub(super) const $symbol: Sign = Sign {
            symbol: stringify!($symbol),
            severity: Severity::$severity,
            category: Category::$category,
            score: $score,
            says: $says,
        };)*
        /// All of them.
        pub const ALL: &[Sign] = &[$($symbol),*];
    };
}

// Medium marks mail, high of phish or malware holds it, each by itself (`[policy.disposition]`). So those are
// for what honest mail does not do; the rest adds up, in `[policy.score]`, with what others say.
signs! {
    LINK_TEXT_MISMATCH Low Phish 1.5 "a link shows one domain and leads to another"
    LINK_TEXT_PROTECTED Low Phish 2.0 "a link shows a protected domain and leads elsewhere"
    LOOKALIKE_HOMOGRAPH High Phish 6.0 "a domain is written with foreign letters to look like a protected one"
    LOOKALIKE_GLYPHS Medium Phish 3.0 "a domain swaps letters to look like a protected one"
    LOOKALIKE_SUBDOMAIN Low Phish 2.5 "a host begins with a protected domain and belongs to another"
    LOOKALIKE_WORDS Low Phish 2.0 "a domain is a protected one with a word of trust added"
    LOOKALIKE_TYPO Low Phish 1.5 "a domain is one letter away from a protected one"
    LOOKALIKE_TLD Info Suspicious 0.2 "a domain is a protected one with another ending"
    FORM_PASSWORD Medium Phish 4.0 "a page in the mail asks for a password"
    FORM_ELSEWHERE Low Phish 2.0 "a page in the mail asks for a login and sends it elsewhere"
    LINK_IP_DISGUISED Medium Phish 3.0 "a link leads to an address that is written so that nobody reads it"
    LINK_IP Low Suspicious 1.0 "a link leads to an address without a name"
    LINK_USERINFO Medium Phish 3.0 "a link begins with another domain as the name of a user"
    LINK_IDN_MIXED Medium Phish 3.0 "a host mixes letters of several scripts"
    LINK_IDN_DISGUISED Medium Phish 3.0 "a host in another script reads as Latin"
    LINK_FREE_HOST Info Suspicious 0.2 "a link leads to a host on which anybody publishes at once"
    LINK_SHORTENER Info Suspicious 0.2 "a short link hides where it leads"
    LINK_DATA Low Suspicious 2.0 "a link brings its page along as data:"
    LINK_JAVASCRIPT Low Suspicious 0.5 "a link is a script"
    LINK_FILE Low Suspicious 1.0 "a link leads to a file on another machine"
    HIDDEN_IN_WORDS Low Spam 2.0 "hidden text stands in the middle of words"
    HIDDEN_FONT Low Spam 1.0 "much text has a font too small to be read"
    HIDDEN_TEXT Low Spam 0.3 "most text is hidden"
    HTML_SMUGGLING Medium Malware 4.5 "a page carries a file and has the browser save it"
    SCRIPT_WRITES_PAGE Low Malware 2.0 "a page is written by a script from encoded text"
    SCRIPT_BUILDS_FILE Low Malware 1.5 "a script in a page makes a file"
    PICTURE_COSTLY Low Suspicious 0.5 "looking for codes in a picture costs more than its size allows"
}

/// Hidden characters below this are a newsletter's preview text. The longest of those in use are about 250.
pub(super) const PREVIEW: u32 = 400;

/// Text in a font too small to be read: at least one character for so many that are seen.
pub(super) const SEEN_FOR_SMALL: u32 = 5;

/// Other hidden text: at least so many characters for one that is seen. Newsletters carry their text twice,
/// for screens of two sizes, and their menus besides.
pub(super) const HIDDEN_FOR_SEEN: u32 = 4;

/// Base64 in a script or a link that is long enough for a file (3 for 4 characters).
pub(super) const FILE_BASE64: u32 = 3_000;

/// Base64 in a script that is long enough for a page.
pub(super) const PAGE_BASE64: u32 = 400;

/// The shortest name of which one changed letter says something; shorter names have honest neighbours.
pub(super) const TYPO_ANY: usize = 8;

/// The shortest name of which two swapped, one doubled or one similar letter says something.
pub(super) const TYPO_NEAR: usize = 5;

/// The shortest name that is looked for in longer ones, or under other endings.
pub(super) const SHORTEST: usize = 4;

/// In a newsletter, one foreign domain behind so many different texts, and behind half of all links that
/// are clicked, counts the clicks.
pub(super) const TRACKED: usize = 3;
