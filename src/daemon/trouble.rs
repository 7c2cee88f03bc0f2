//! What does not work as it should: for `/readyz`, `status`, and the alarms.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::feed::Feeds;
use crate::intake::lmtp::Standing;
use crate::model::{ByteSize, Scanner, Timestamp};
use crate::notify::{Alarms, Event, Kind, Section, Sight, What, is_much};
use crate::pipeline::{Engine, Shared};
use crate::scan::Health;
use crate::telemetry::steps::Ahead;

/// What the parts of the daemon are called.
const QUARANTINE: &str = "quarantine";

/// Each part with what is wrong with it. Reads memory only.
pub(super) fn look(shared: &Shared, engine: &Engine, feeds: &Feeds, refused: Option<&str>) -> Vec<Sight> {
    let mut sights = Vec::new();
    for asked in engine.scanners() {
        let trouble = match asked.scan.health() {
            Health::Up => None,
            Health::Degraded(what) => Some(what),
        };
        sights.push(Sight { kind: Kind::EngineDown, about: asked.scan.scanner().to_string(), trouble });
    }
    let mut part = |about: &str, trouble: Option<String>| {
        sights.push(Sight { kind: Kind::DaemonTrouble, about: about.to_owned(), trouble });
    };
    part(QUARANTINE, shared.quarantine_trouble.sentence());
    part("audit", shared.audit_trouble.sentence());
    part("clock", shared.clock.ahead().map(leapt));
    part("lists", shared.lists.trouble().or_else(|| unread_links(shared, engine)));
    let kept = |what| format!("links of accepted mail cannot be kept: {what}");
    part("retro", shared.retro.trouble().map(kept));
    let waits = shared.second_look.degraded();
    part("second look", (!waits.is_empty()).then(|| waits.join("; ")));
    for feed in feeds.standing() {
        sights.push(Sight { kind: Kind::FeedStale, about: feed.name.clone(), trouble: feed.trouble() });
    }
    let trouble = refused.map(self::refused);
    sights.push(Sight { kind: Kind::DaemonTrouble, about: "configuration".to_owned(), trouble });
    sights
}

/// The server that mail is handed on to over LMTP.
pub(super) fn relay(standing: &Standing, config: &Config) -> Sight {
    let section = config.lmtp.as_ref().filter(|section| section.enabled);
    let trouble = section.and_then(|section| standing.trouble(&section.relay.to_string()));
    Sight { kind: Kind::DaemonTrouble, about: "relay".to_owned(), trouble }
}

/// A reload that was refused, by the report of what is wrong.
pub(super) fn refused(report: &str) -> String {
    let first = report.lines().next().unwrap_or_default();
    format!("the last reload was refused, the old one is in use: {first}")
}

/// A time of day that is not believed yet.
fn leapt(ahead: Ahead) -> String {
    let hours = |span: std::time::Duration| span.as_secs().div_ceil(3600);
    let by = match hours(ahead.by) {
        hours @ 0..96 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    };
    format!(
        "it leapt ahead by about {by}, or mailward did not run for so long; nothing is removed for its age for {} hours more, or until it is right again",
        hours(ahead.left)
    )
}

/// Entries of the lists that match nothing, because nobody reads links.
fn unread_links(shared: &Shared, engine: &Engine) -> Option<String> {
    let reads_links = engine.scanners().iter().any(|asked| asked.scan.scanner() == Scanner::Urls);
    let entries = shared.lists.links();
    (entries > 0 && !reads_links).then(|| {
        format!("[scanner.urls] is off, so nobody reads links and {entries} of the entries match nothing")
    })
}

/// What is degraded, in sentences.
pub(super) fn sentences(sights: Vec<Sight>) -> Vec<String> {
    let one = |sight: Sight| {
        let trouble = sight.trouble?;
        // The sentence on a feed names it.
        let about = if sight.kind == Kind::FeedStale { "feeds" } else { &sight.about };
        Some(format!("{about}: {trouble}"))
    };
    sights.into_iter().filter_map(one).collect()
}

/// What has changed since the last look, and the one section that is told of it, if it is one.
pub(super) fn changes(
    alarms: &mut Alarms,
    mut sights: Vec<Sight>,
    (shared, feeds, config): (&Shared, &Feeds, &Config),
    now: Timestamp,
) -> Vec<(Event, Option<String>)> {
    // A copy that is still being read after the start is no news.
    let loading: Vec<String> =
        feeds.standing().into_iter().filter(|feed| feed.loading).map(|feed| feed.name).collect();
    sights.retain(|sight| sight.kind != Kind::FeedStale || !loading.contains(&sight.about));
    sights.extend(fills(alarms, shared, config));
    let told = |mut event: Event| match &mut event.what {
        What::Alarm(alarm) if event.kinds == [Kind::QuarantineGrowing] => {
            let section = std::mem::replace(&mut alarm.about, QUARANTINE.to_owned());
            (event, Some(section))
        }
        _ => (event, None),
    };
    alarms.look(sights, now).into_iter().map(told).collect()
}

/// How full the quarantine is, for each section that wants to know.
fn fills(alarms: &Alarms, shared: &Shared, config: &Config) -> Vec<Sight> {
    let wants = |section: &Section| section.enabled && section.wants(Kind::QuarantineGrowing);
    let sections: BTreeMap<_, _> = config.notify.iter().filter(|(_, section)| wants(section)).collect();
    if sections.is_empty() {
        return Vec::new();
    }
    let totals = shared.quarantine.totals();
    let fill = |(name, section): (&String, &Section)| {
        let told = alarms.is_told(Kind::QuarantineGrowing, name);
        let limits = &config.quarantine;
        let entries = section.quarantine_entries.unwrap_or(u64::from(limits.max_entries) / 5 * 4);
        let bytes = section.quarantine_size.map_or(limits.max_size.0 / 5 * 4, |size| size.0);
        let much = is_much(totals.entries, entries, told) || is_much(totals.bytes, bytes, told);
        let trouble = much.then(|| {
            let (held, mark) = (ByteSize(totals.bytes), ByteSize(bytes));
            format!("it holds {} messages, {held}; told from {entries} messages or {mark} on", totals.entries)
        });
        Sight { kind: Kind::QuarantineGrowing, about: name.clone(), trouble }
    };
    sections.into_iter().map(fill).collect()
}
