//! A notification in words: a title and some lines of text.

use super::event::Kind;
use super::payload::{Count, Payload};

/// One line.
pub(super) fn title(payload: &Payload) -> String {
    let kind = payload.event;
    if let Some(message) = &payload.message {
        let done = match message.disposition {
            "reject" => "refused",
            "quarantine" => "held",
            "discard" => "dropped",
            "tag" => "marked and delivered",
            _ => "delivered",
        };
        return match kind {
            Kind::TempfailRepeat => format!("A message that failed too often is {done} ({})", message.id),
            _ => format!("Mail {done}: {} by rule {}", message.verdict, message.rule),
        };
    }
    if let Some(caught) = &payload.caught {
        return format!("Accepted mail turned out to be {} ({})", caught.verdict, caught.id);
    }
    if let Some(state) = &payload.state {
        let about = &state.about;
        return match (kind, state.over) {
            (Kind::EngineDown | Kind::EngineUp, false) => format!("{about} does not work as it should"),
            (Kind::EngineDown | Kind::EngineUp, true) => format!("{about} works again"),
            (Kind::FeedStale, false) => format!("The feed {about} is out of date"),
            (Kind::FeedStale, true) => format!("The feed {about} is fresh again"),
            (Kind::QuarantineGrowing, false) => "The quarantine is filling up".to_owned(),
            (Kind::QuarantineGrowing, true) => "The quarantine has room again".to_owned(),
            (Kind::PolicyError, _) => format!("The rule {about} could not be evaluated"),
            (_, false) => format!("mailward: trouble with {about}"),
            (_, true) => format!("mailward: {about} is in order again"),
        };
    }
    if let Some(digest) = &payload.digest {
        let all: u64 = digest.limited.iter().chain(&digest.lost).map(|count| count.count).sum();
        return format!("{all} more {} not told one by one", if all == 1 { "was" } else { "were" });
    }
    format!("A test of [notify.{}]", payload.section)
}

/// Some lines, without a line break at the end.
pub(super) fn text(payload: &Payload) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |what: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{what}: {value}"));
        }
    };
    if let Some(message) = &payload.message {
        say("Reason", &message.reason);
        say("Rule", &format!("{}, score {}", message.rule, message.score));
        say("Sender", or(&message.sender, "<>"));
        let more = message.recipient_count.saturating_sub(message.recipients.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        say("Recipients", &format!("{}{more}", message.recipients.join(", ")));
        say("From", &message.from);
        say("Subject", message.subject.as_deref().unwrap_or_default());
        say("Client", message.client.as_deref().unwrap_or_default());
        if let Some(held) = message.held_as {
            say("Held", &format!("mailward quarantine show {held}"));
        }
        say("Why", &format!("mailward explain {}", message.id));
    }
    if let Some(caught) = &payload.caught {
        say("What", &caught.what);
        say("Feed", &format!("{} ({}, {})", caught.feed, caught.kind, caught.verdict));
        say("Accepted", &caught.accepted.to_string());
        say("Why", &format!("mailward explain {}", caught.id));
        say("Note", "it is in mailboxes; nothing was done about it");
    }
    if let Some(state) = &payload.state {
        say(if state.over { "It was" } else { "What" }, &state.trouble);
        say("Since", &state.since.to_string());
        if !state.over {
            say("See", "mailward status");
        }
    }
    if let Some(digest) = &payload.digest {
        say("More than may be told in this time", &counts(&digest.limited));
        say("Could not be delivered", &counts(&digest.lost));
        say("Since", &digest.since.to_string());
        say("See", "mailward audit list, mailward status");
    }
    if payload.event == Kind::Test {
        say("Note", "nothing happened; an admin tries out whether this arrives");
    }
    say("Host", &payload.host);
    say("Time", &payload.time.to_string());
    lines.join("\n")
}

fn or<'a>(value: &'a str, other: &'a str) -> &'a str {
    if value.is_empty() { other } else { value }
}

fn counts(counts: &[Count]) -> String {
    let each: Vec<_> = counts.iter().map(|count| format!("{} {}", count.count, count.event.name())).collect();
    each.join(", ")
}
