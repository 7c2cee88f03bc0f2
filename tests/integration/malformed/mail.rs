//! Whole messages through all that reads mail: header, MIME walk, files, links, forged fields, banner.

use std::ops::Range;

use mailward::mail::{self, Limits, auth_results, banner, cut, header, links, results_read, strip};
use mailward::model::{Action, AuthservId, Message, Part, Parts, RemovalWish};

use super::corpus;
use super::effort;
use super::mutation::{Campaign, touch};

const OURS: &str = "mx.example.org";

/// Where things lie in the message.
pub fn assert_in_place(message: &Message) {
    let (raw, mut before) = (message.raw(), 0);
    for range in message.field_ranges() {
        assert!(
            before <= range.start && range.start <= range.end && range.end <= message.body_offset(),
            "{range:?}"
        );
        before = range.end;
    }
    assert_eq!([message.header(), message.body()].concat(), raw[..]);
    assert!(
        !message.header().windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'),
        "a bare LF in the header"
    );
}

/// What holds of the parts of any message.
pub fn assert_a_tree(parts: &Parts, limits: &Limits, size: usize) {
    let decoded: usize = parts.list.iter().map(|part| part.content.len()).sum();
    assert!(decoded <= size * 4 + (2 << 20), "{decoded} bytes decoded of {size}");
    assert!(parts.list.len() <= limits.parts as usize, "{} parts", parts.list.len());
    assert!(
        !parts.list.is_empty() || !parts.not_inspected.is_empty(),
        "nothing was seen, and nobody says so"
    );
    for (at, part) in parts.list.iter().enumerate() {
        assert_eq!(part.index, at);
        let parent = part.parent.map(|parent| &parts.list[parent]);
        // A container, or a file that was opened and stays one.
        assert!(parent.is_none_or(|parent| parent.index < at), "{part:?}");
        assert_eq!(part.depth, parent.map_or(0, |parent| parent.depth + 1), "part {at}");
        assert!(part.depth <= limits.depth as usize + 1, "{}", part.depth);
        assert_eq!(part.media_type, part.media_type.to_ascii_lowercase());
    }
}

fn assert_links(found: &links::Links, limits: &links::Limits, parts: &Parts) {
    assert!(found.list.len() <= limits.urls, "{} links", found.list.len());
    for one in &found.list {
        let text = one.link.as_str();
        assert!(text.starts_with("http") || text.starts_with("ftp"), "{text:?}");
        assert!(!text.bytes().any(|byte| byte <= b' ' || byte == 0x7f), "{text:?}");
        assert!(one.shown.len() <= limits.kept_bytes + 4, "{one:?}");
        if let links::Place::Part(at) = one.place {
            assert!(at < parts.list.len(), "part {at}");
        }
    }
}

fn assert_removals(message: &Message, removals: &[Action]) {
    for action in removals {
        let Action::DeleteHeader { name, index } = action else { panic!("{action:?} removes nothing") };
        let there = message.values(name).count();
        assert!((1..=there).contains(&(*index as usize)), "{name} {index} of {there}");
    }
}

fn assert_ranges(ranges: &[Range<usize>], size: usize) {
    let mut before = 0;
    for range in ranges {
        assert!(before <= range.start && range.start <= range.end && range.end <= size, "{ranges:?}");
        before = range.end;
    }
}

#[test]
fn whole_messages() {
    let (limits, link_limits) = (Limits::default(), links::Limits::default());
    let ours: AuthservId = OURS.parse().unwrap();
    let wishes = [
        RemovalWish { name: "X-Spam-Flag".into(), index: 0 },
        RemovalWish { name: "Subject".into(), index: -1 },
    ];
    Campaign::new("mail", effort(800, 100_000), corpus::messages()).words(&corpus::MAIL).run(|input| {
        let message = header::parse(input.to_vec());
        assert_in_place(&message);
        let parts = mail::walk(&message, &limits);
        assert_a_tree(&parts, &limits, message.raw().len());
        let files = mail::attachments(&parts);
        assert!(files.len() <= parts.list.len());
        let subject = message.values("Subject").next().map(header::decode_words).unwrap_or_default();
        assert_links(&links::find(&parts, &subject, &link_limits), &link_limits, &parts);
        assert_links(&links::of_header(&message, &link_limits), &link_limits, &parts);
        assert_removals(&message, &strip::removals(&message, Some(OURS), &wishes));
        assert_ranges(&cut::forged(input, std::slice::from_ref(&ours), &["X-Mailward-Pass"]), input.len());
        if let Ok(body) = banner::add(&message, "This mail comes from outside.\nTake care.") {
            let with = mail::walk(&message.with_body(&body), &limits);
            assert_eq!(with.list.len(), parts.list.len(), "the banner changes the structure");
            let shows = |part: &Part| String::from_utf8_lossy(&part.content).contains("comes from outside");
            assert!(with.list.iter().any(shows), "nothing was added");
        }
    });
}

#[test]
fn values_of_fields() {
    let messages = corpus::messages();
    let fields = messages.iter().flat_map(|raw| {
        let message = header::parse(raw.clone());
        message.fields().map(|(_, value)| value.to_vec()).collect::<Vec<_>>()
    });
    let samples: Vec<_> = fields.filter(|value| value.len() > 3).collect();
    let mut campaign = Campaign::new("field", effort(3_000, 120_000), samples).words(&corpus::MAIL);
    campaign.largest = 16 << 10;
    campaign.run(|input| {
        for address in header::addresses(input) {
            assert!(address.address.len() <= input.len() * 4 + 16, "{address:?}");
        }
        assert!(header::decode_words(input).len() <= input.len() * 4 + 16);
        if let Some(id) = auth_results::authserv_id(input) {
            assert!(id.len() <= input.len() * 4 + 16);
        }
        touch(auth_results::claims(input, OURS));
        if let Some(told) = results_read::read(input) {
            for method in ["spf", "dkim", "dmarc", "arc"] {
                for statement in told.of(method) {
                    touch(statement.property("header.from"));
                }
            }
        }
    });
}
