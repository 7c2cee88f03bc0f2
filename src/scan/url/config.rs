//! `[scanner.urls]`.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::Lookups;
use crate::link::{Registry, public_suffix, registrable};
use crate::mail::links::Limits;
use crate::model::{ByteSize, Score, Span};
use crate::policy::Worth;

/// `[scanner.urls]` in the configuration: links, and what the feeds say of them and of attached files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether links are looked at at all.
    pub enabled: bool,
    /// How long one message may take.
    pub timeout: Span,
    /// What it is worth when it could not look: `ignore`, `tag`, `tempfail`, `quarantine`, `reject`.
    pub on_failure: Worth,
    /// Of a raw message larger than this only texts and pages are read.
    pub max_size: ByteSize,
    /// The most links of a message.
    pub max_urls: u32,
    /// The most text of a message, all parts together.
    pub max_text: ByteSize,
    /// The most pictures of a message that are looked at for QR codes; 0: none is, and none is missed.
    pub max_images: u32,
    /// The largest of them, in bytes.
    pub max_image_size: ByteSize,
    /// The most that is unpacked of the PDF files of a message, in bytes; 0: none is read, and none is missed.
    pub max_unpacked: ByteSize,
    /// Domains whose links, and those of hosts below them, are not looked up.
    pub exempt: Vec<String>,
    /// Domains that no link may imitate, besides those of the recipients.
    pub protected: Vec<String>,
    /// An entry that its publisher has had for longer than this counts one step less.
    pub old_after: Span,
    /// What a match adds to the score.
    pub weight: Weights,
    /// What is asked on the net.
    pub lookups: Lookups,
}

/// `[scanner.urls.weight]`: what the strongest match of a feed or block list in a message adds to its score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// The link, its host or its address is listed.
    #[serde(deserialize_with = "weight")]
    pub same: Score,
    /// The link is listed with another query; or it is listed by a feed of what is only suspicious.
    #[serde(deserialize_with = "weight")]
    pub close: Score,
    /// A name above its host, or a network with its address, is listed.
    #[serde(deserialize_with = "weight")]
    pub near: Score,
    /// The file is listed.
    #[serde(deserialize_with = "weight")]
    pub file: Score,
    /// A block list has it as an honest host that was broken into or is abused.
    #[serde(deserialize_with = "weight")]
    pub abused: Score,
    /// A block list has it for something that honest hosts do.
    #[serde(deserialize_with = "weight")]
    pub doubtful: Score,
    /// Each further feed or list that matches, at most.
    #[serde(deserialize_with = "weight")]
    pub again: Score,
}

/// What a match adds: less than nothing would take away what others found.
fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Score, D::Error> {
    let given = f64::deserialize(deserializer)?;
    if (0.0..=Score::BOUND).contains(&given) {
        return Ok(Score::new(given));
    }
    let most = Score::BOUND;
    Err(de::Error::custom(format!(
        "{given} is no weight: a match adds to a score, and no score is beyond {most}, so give a number from 0 to \
         {most}"
    )))
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            enabled: true,
            timeout: Span::seconds(5),
            on_failure: Worth::Ignore,
            max_size: ByteSize(50 << 20),
            max_urls: u32::try_from(limits.urls).unwrap_or(u32::MAX),
            max_text: ByteSize(limits.text as u64),
            max_images: u32::try_from(limits.images).unwrap_or(u32::MAX),
            max_image_size: ByteSize(limits.image_bytes as u64),
            max_unpacked: ByteSize(limits.unpacked as u64),
            exempt: Vec::new(),
            protected: Vec::new(),
            old_after: Span::seconds(365 * 86_400),
            weight: Weights::default(),
            lookups: Lookups::default(),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        let [same, close, near, file] = [6.0, 4.0, 3.0, 10.0].map(Score::new);
        let [abused, doubtful, again] = [2.0, 1.0, 1.0].map(Score::new);
        Self { same, close, near, file, abused, doubtful, again }
    }
}

impl Config {
    /// The most that may be asked for.
    const MAX_PROTECTED: usize = 10_000;
    const MAX_URLS: u32 = 20_000;
    const MAX_TEXT: ByteSize = ByteSize(64 << 20);
    const MAX_IMAGES: u32 = 64;
    const MAX_IMAGE_SIZE: ByteSize = ByteSize(32 << 20);
    const MAX_UNPACKED: ByteSize = ByteSize(256 << 20);

    /// The bounds of reading a message.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            urls: self.max_urls as usize,
            text: self.max_text.bytes(),
            images: self.max_images as usize,
            image_bytes: self.max_image_size.bytes(),
            unpacked: self.max_unpacked.bytes(),
            ..Limits::default()
        }
    }

    /// The domains of `exempt` as hosts are written.
    #[must_use]
    pub fn exempt(&self) -> Vec<String> {
        self.exempt.iter().filter_map(|domain| domain_name(domain)).collect()
    }

    /// What cannot be meant, as sentences that begin with the key.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut most = |key: &str, is: String, most: String, over: bool| {
            if over {
                faults.push(format!("scanner.urls.{key} is {is}; at most {most} make sense"));
            }
        };
        let (urls, images) = (self.max_urls, self.max_images);
        most("max_urls", urls.to_string(), Self::MAX_URLS.to_string(), urls > Self::MAX_URLS);
        let (text, picture) = (self.max_text, self.max_image_size);
        most("max_text", text.to_string(), Self::MAX_TEXT.to_string(), text > Self::MAX_TEXT);
        most("max_images", images.to_string(), Self::MAX_IMAGES.to_string(), images > Self::MAX_IMAGES);
        let over = picture > Self::MAX_IMAGE_SIZE;
        most("max_image_size", picture.to_string(), Self::MAX_IMAGE_SIZE.to_string(), over);
        let unpacked = self.max_unpacked;
        let over = unpacked > Self::MAX_UNPACKED;
        most("max_unpacked", unpacked.to_string(), Self::MAX_UNPACKED.to_string(), over);
        for domain in self.exempt.iter().filter(|domain| domain_name(domain).is_none()) {
            faults.push(format!(
                "scanner.urls.exempt names {domain:?}, which is no domain; write for example \"example.org\""
            ));
        }
        let strangers = |domain: &&String| {
            domain_name(domain).is_some_and(|name| public_suffix(&name) == Some((&*name, Registry::Icann)))
        };
        for domain in self.exempt.iter().filter(strangers) {
            faults.push(format!(
                "scanner.urls.exempt names {domain:?}, below which anybody can have a name; write for example \
                 \"example.org\""
            ));
        }
        let owned = |domain: &str| domain_name(domain).is_some_and(|name| registrable(&name).is_some());
        for domain in self.protected.iter().filter(|domain| !owned(domain)) {
            faults.push(format!(
                "scanner.urls.protected names {domain:?}, which nobody can have registered; write for example \
                 \"example.org\""
            ));
        }
        let most = Self::MAX_PROTECTED;
        if self.protected.len() > most {
            faults.push(format!(
                "scanner.urls.protected names {} domains; at most {most} make sense",
                self.protected.len()
            ));
        }
        faults
    }
}

/// A domain as links have it: lower case, A-labels.
fn domain_name(text: &str) -> Option<String> {
    let plain = text.trim_end_matches('.');
    if plain.is_empty() || plain.contains(['/', ':', '@', '?', '#', ' ', '*']) {
        return None;
    }
    match crate::link::Link::parse(&format!("http://{plain}/")).ok()?.host() {
        crate::link::Host::Name(name) => Some(name),
        crate::link::Host::Ip(_) => None,
    }
}
