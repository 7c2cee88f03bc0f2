//! Reading one message: its links, the signs in them, what feeds know of them. Computes; nobody is asked.

use std::collections::BTreeSet;

use super::Settings;
use super::listed::{self, Strongest};
use super::seen::Seen;
use super::signs::{self, Context, goes_to_many};
use crate::feed::{Day, Index};
use crate::mail;
use crate::mail::links::kind::Kind;
use crate::mail::links::{self, Limits, Links, Pictures, Place, Skipped};
use crate::model::{Direction, Finding, Outcome, Recipient, Skip};
use crate::scan::ScanInput;
use crate::scan::auth::author;

/// What came of reading one message.
pub(super) struct Looked {
    pub(super) seen: Seen,
    pub(super) strongest: Vec<Strongest>,
    pub(super) signs: Vec<Finding>,
    pub(super) not_inspected: Vec<Skipped>,
    /// What its pages show beside links.
    pages: Vec<links::Seen>,
    costly: Option<Place>,
}

/// Reads one message but for its pictures, weighs its signs and looks everything up; and the pictures, if any
/// shall be looked at.
pub(super) fn read(
    input: &ScanInput,
    index: &Index,
    settings: &Settings,
    today: Day,
) -> (Looked, Option<Pictures>) {
    // Programs differ in which one they show.
    let subjects: Vec<String> =
        input.message.values("Subject").take(4).map(mail::header::decode_words).collect();
    let only_texts = is_large(input, settings);
    let limits = Limits { only_texts, ..settings.limits };
    let (mut links, pictures) = links::find_but_in_pictures(&input.parts, &subjects.join("\n"), &limits);
    links.add(links::of_header(&input.message, &limits));
    if only_texts {
        links.not_inspected.insert(0, Skipped::TooLarge);
    }
    // Pictures are left alone because the configuration wants it so.
    let wanted = settings.limits.images > 0;
    links.not_inspected.retain(|why| wanted || !why.is_of_pictures());
    (judge(links, input, index, settings, today), (wanted && !pictures.is_empty()).then_some(pictures))
}

impl Looked {
    /// The links of the message as they are so far, to be added to and judged anew: with those of its pictures, or
    /// where its short ones lead. They have signs as others have, and a sign still counts once for the message.
    pub(super) fn links(&self) -> Links {
        Links {
            list: self.seen.links.clone(),
            seen: self.pages.clone(),
            costly: self.costly,
            not_inspected: self.not_inspected.clone(),
        }
    }
}

/// What `links` of a message say.
pub(super) fn judge(
    links: Links,
    input: &ScanInput,
    index: &Index,
    settings: &Settings,
    today: Day,
) -> Looked {
    let signs = signs(input, &links, settings);
    let Links { list, seen: pages, costly, not_inspected } = links;
    let (seen, strongest) = listed::look_up(index, list, (&input.parts, &input.attachments), settings, today);
    Looked { seen, strongest, signs, not_inspected, pages, costly }
}

/// What speaks against the message without asking anybody.
fn signs(input: &ScanInput, links: &Links, settings: &Settings) -> Vec<Finding> {
    let author = author::domain(&input.message);
    let comes_in = input.direction == Direction::Inbound;
    // Whom mail goes out to is not ours to protect.
    let recipients: BTreeSet<String> = match comes_in {
        true => input.envelope.recipients.iter().filter_map(Recipient::domain).collect(),
        false => BTreeSet::new(),
    };
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let context = Context {
        author: author.as_deref(),
        is_ours: !comes_in,
        recipients: &recipients,
        protected: &settings.protected,
        is_newsletter: goes_to_many(&input.message),
    };
    signs::of(links, &context)
}

/// Whether a message is read in its texts and pages alone: who sends fifty megabytes still has his links read.
fn is_large(input: &ScanInput, settings: &Settings) -> bool {
    input.message.raw().len() as u64 > settings.max_size.0
}

/// Whether it has none of those.
fn has_no_text(input: &ScanInput) -> bool {
    !input.parts.list.iter().flat_map(Kind::of).any(Kind::is_text)
}

/// How it ended. What lies beyond a limit is never the same as clean.
pub(super) fn outcome(
    input: &ScanInput,
    not_inspected: &[Skipped],
    gaps: Vec<String>,
    findings: &[Finding],
) -> Outcome {
    let found = !findings.is_empty();
    if !found && not_inspected.contains(&Skipped::TooLarge) && has_no_text(input) {
        return Outcome::Skipped(Skip::TooLarge);
    }
    if not_inspected.contains(&Skipped::Unreadable) {
        return Outcome::failed(Skipped::Unreadable.label(), "reading the links of a part failed inside");
    }
    let limits = not_inspected.iter().map(|why| why.label().to_owned());
    let unread = input.parts.not_inspected.first().map(mail::describe);
    let missing: Vec<String> = limits.chain(unread).chain(gaps).collect();
    if missing.is_empty() {
        return Outcome::of(findings);
    }
    Outcome::Partial { found, missing: format!("links were not all looked at: {}", missing.join(", ")) }
}
