//! Reading one message: its links, the signs in them, what feeds know of them. Computes; nobody is asked.

use std::collections::BTreeSet;

use super::Settings;
use super::listed::{self, Strongest};
use super::seen::Seen;
use super::signs::{self, Context, goes_to_many};
use crate::feed::{Day, Index};
use crate::mail;
use crate::mail::links::{self, Found, Limits, Links, Skipped};
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
}

/// Reads one message, weighs its signs and looks everything up.
pub(super) fn read(input: &ScanInput, index: &Index, settings: &Settings, today: Day) -> Looked {
    judge(find(input, settings, settings.limits), input, index, settings, today)
}

/// The same for a thread that must not be kept long: `None` if there is a picture to decode, which pages can have
/// within them.
pub(super) fn at_once(input: &ScanInput, index: &Index, settings: &Settings, today: Day) -> Option<Looked> {
    let links = find(input, settings, Limits { images: 0, ..settings.limits });
    let is_whole = !links.not_inspected.contains(&Skipped::TooManyImages);
    is_whole.then(|| judge(links, input, index, settings, today))
}

fn find(input: &ScanInput, settings: &Settings, limits: Limits) -> Links {
    // Programs differ in which one they show.
    let subjects: Vec<String> =
        input.message.values("Subject").take(4).map(mail::header::decode_words).collect();
    let mut links = links::find(&input.parts, &subjects.join("\n"), &limits);
    // Pictures are left alone because the configuration wants it so.
    links.not_inspected.retain(|why| !why.is_of_pictures() || settings.limits.images > 0);
    links
}

impl Looked {
    /// The same message with `further` links: where its short ones lead. They have signs as others have, and a
    /// sign still counts once for the message.
    pub(super) fn with(
        self,
        further: Vec<Found>,
        input: &ScanInput,
        index: &Index,
        settings: &Settings,
        today: Day,
    ) -> Self {
        let Self { seen, not_inspected, pages, .. } = self;
        let mut list = seen.links;
        list.extend(further);
        judge(Links { list, seen: pages, not_inspected }, input, index, settings, today)
    }
}

fn judge(links: Links, input: &ScanInput, index: &Index, settings: &Settings, today: Day) -> Looked {
    let signs = signs(input, &links, settings);
    let Links { list, seen: pages, not_inspected } = links;
    let (seen, strongest) = listed::look_up(index, list, (&input.parts, &input.attachments), settings, today);
    Looked { seen, strongest, signs, not_inspected, pages }
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

/// How it ended. What lies beyond a limit is never the same as clean.
pub(super) fn outcome(
    input: &ScanInput,
    not_inspected: &[Skipped],
    gaps: Vec<String>,
    findings: &[Finding],
) -> Outcome {
    let found = !findings.is_empty();
    if not_inspected.contains(&Skipped::Unreadable) {
        return Outcome::failed(Skipped::Unreadable.label(), "reading the links of a part failed inside");
    }
    if not_inspected.contains(&Skipped::TooMuchText) && !found {
        return Outcome::Skipped(Skip::TooLarge);
    }
    let limits = not_inspected.iter().map(|why| why.label().to_owned());
    let unread = input.parts.not_inspected.first().map(mail::describe);
    let missing: Vec<String> = limits.chain(unread).chain(gaps).collect();
    if missing.is_empty() {
        return Outcome::of(findings);
    }
    Outcome::Partial { found, missing: format!("links were not all looked at: {}", missing.join(", ")) }
}
