//! The feeds: how old each is, why it was not fetched, whether its publisher wants a key.

use serde_json::Value;

use super::look::{Look, Silent};
use super::sheet::Sheet;
use crate::config::{Config, Format};

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    if !config.feed.values().any(|feed| feed.enabled) {
        return sheet.ok("configured", "there are no feeds");
    }
    keys(sheet, look, &config);
    match look.ask("/api/v1/feeds") {
        Ok(answer) => answer["feeds"].as_array().into_iter().flatten().for_each(|feed| judge(sheet, feed)),
        Err(Silent::Unreachable(why) | Silent::Forbidden(why) | Silent::Failed(why)) => {
            sheet.unseen("age", why)
        }
    }
}

/// Publishers that let nobody in without a key.
fn wants_key(format: Format, url: &str) -> bool {
    let abuse = matches!(
        format,
        Format::UrlhausCsv | Format::ThreatfoxCsv | Format::ThreatfoxJson | Format::MalwarebazaarCsv
    ) || url.contains("://urlhaus-api.")
        || url.contains("://threatfox-api.")
        || url.contains("://mb-api.");
    // What is fetched from elsewhere, a mirror or a file, is the admin's own.
    abuse && url.contains("abuse.ch") && !url.contains("/downloads/") && !url.contains("/export/")
}

fn keys(sheet: &mut Sheet, look: &Look, config: &Config) {
    for (name, feed) in config.feed.iter().filter(|(_, feed)| feed.enabled) {
        if feed.auth_key.is_none() && wants_key(feed.format, feed.url.as_str()) {
            let text = format!(
                "the feed {name} is fetched without a key, and its publisher gives nothing to who has none"
            );
            let line = format!("auth_key = {{ file = \"/etc/mailward/{name}.key\" }}");
            sheet.warning("keys", text, look.line(&format!("feed.{name}"), &line));
        }
    }
}

fn judge(sheet: &mut Sheet, feed: &Value) {
    let name = feed["name"].as_str().unwrap_or("?");
    let refresh = || Some(format!("mailward feed refresh {name}"));
    let last = &feed["last"];
    let failed = matches!(last["outcome"].as_str(), Some("failed" | "refused"));
    let why = if failed { last["message"].as_str().unwrap_or_default() } else { "" };
    let entries = feed["entries"].as_u64().unwrap_or(0);
    if feed["loading"] == true {
        return sheet.note("age", format!("the feed {name} is still being read from the disk"), None);
    }
    let age = feed["age_seconds"].as_u64().map(crate::feed::rounded);
    if feed["stale"] == true {
        let what = match age {
            Some(age) => format!("the feed {name} is {age} old: what is new is not found"),
            None => format!("the feed {name} has no entries: it finds nothing"),
        };
        let text = if why.is_empty() { what } else { format!("{what}; the last fetch: {why}") };
        return sheet.warning("age", text, refresh());
    }
    if entries == 0 {
        let text = format!("the feed {name} was fetched and has no entries: it finds nothing");
        return sheet.warning("size", text, refresh());
    }
    if failed {
        return sheet.note("fetch", format!("the last fetch of the feed {name} failed: {why}"), refresh());
    }
    let age = age.map(|age| format!(", {age} old")).unwrap_or_default();
    sheet.ok("age", format!("the feed {name} has {entries} entries{age}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sheet::Topic;
    use super::*;

    fn told(feed: Value) -> String {
        let mut sheet = Sheet::new(Topic::Feeds);
        judge(&mut sheet, &feed);
        sheet.told().remove(0)
    }

    #[test]
    fn how_each_feed_is_doing() {
        assert_eq!(
            told(json!({"name": "u", "entries": 7, "age_seconds": 300, "stale": false})),
            "ok age: the feed u has 7 entries, 5m old"
        );
        let last = json!({"outcome": "failed", "message": "404"});
        assert_eq!(
            told(json!({"name": "u", "entries": 7, "age_seconds": 900_000, "stale": true, "last": last})),
            "warning age: the feed u is 10d old: what is new is not found; the last fetch: 404 | mailward feed refresh u"
        );
        assert_eq!(
            told(json!({"name": "u", "entries": 0, "stale": true, "last": {"outcome": "new"}})),
            "warning age: the feed u has no entries: it finds nothing | mailward feed refresh u"
        );
        assert_eq!(
            told(json!({"name": "u", "entries": 0, "age_seconds": 3, "stale": false})),
            "warning size: the feed u was fetched and has no entries: it finds nothing | mailward feed refresh u"
        );
        assert!(
            told(json!({"name": "u", "entries": 1, "stale": false, "last": last}))
                .starts_with("note fetch: ")
        );
        assert!(told(json!({"name": "u", "loading": true, "stale": true})).starts_with("note age: "));
    }

    #[test]
    fn publishers_that_want_a_key_are_known() {
        assert!(wants_key(Format::UrlhausCsv, "https://urlhaus-api.abuse.ch/v2/files/exports/recent.csv"));
        assert!(!wants_key(Format::UrlhausCsv, "https://urlhaus.abuse.ch/downloads/csv_online/"));
        assert!(!wants_key(Format::UrlhausCsv, "file:///srv/urlhaus.csv"));
    }
}
