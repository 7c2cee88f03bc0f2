//! Where a message leads, as text for people.

use std::collections::BTreeMap;

use super::explain::line;
use crate::model::{Judgement, SeenUrl, text};

/// Links that nobody knows, shown one by one; those that somebody knows are all shown.
const MAX_LINES: usize = 100;
/// The most characters of an address, and of the text shown for it.
const MAX_URL: usize = 200;
const MAX_SHOWN: usize = 80;

/// A line for each link: judgement, where it stood, the address, the text shown where that is another.
pub(super) fn lines(out: &mut String, urls: &[SeenUrl]) {
    if urls.is_empty() {
        return;
    }
    line(out, format_args!("links"));
    let mut more: BTreeMap<Judgement, usize> = BTreeMap::new();
    let mut told = 0;
    for seen in urls {
        if seen.listed.is_empty() && told >= MAX_LINES {
            *more.entry(seen.judgement).or_default() += 1;
            continue;
        }
        told += 1;
        let place = match seen.part {
            Some(part) => format!("part {part}"),
            None if seen.source == "header" => "the fields of lists".to_owned(),
            None => "header Subject".to_owned(),
        };
        let (url, judgement) = (text::line(&seen.url, MAX_URL), seen.judgement);
        let shown = text::line(&seen.shown, MAX_SHOWN);
        let shown = if shown.is_empty() || seen.url == seen.shown {
            String::new()
        } else {
            format!(" shown as {shown:?}")
        };
        let source = text::line(&seen.source, 20);
        line(out, format_args!("  {judgement:<13}  {url} ({source} in {place}){shown}"));
        for listed in &seen.listed {
            let since = listed.added.as_ref().map(|day| format!(", since {day}")).unwrap_or_default();
            let days = listed.age_days.map(|days| format!(", {days} days")).unwrap_or_default();
            let what = listed.what.as_ref().map(|what| format!(", for {what}")).unwrap_or_default();
            let by = text::line(&format!("{} ({}{since}{days}{what})", listed.feed, listed.kind), 120);
            line(out, format_args!("  {:<13}    listed by {by}", ""));
        }
    }
    for (judgement, count) in more {
        line(out, format_args!("  {judgement:<13}  {count} more"));
    }
}
