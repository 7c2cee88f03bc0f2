use std::fs;

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn the_index_is_made_again_when_it_is_gone() {
    let bench = Bench::new();
    let mut ids = Vec::new();
    {
        let audit = bench.open();
        for _ in 0..30 {
            ids.push(judge(&audit, bench.record()).await);
            bench.clock.advance(Duration::from_secs(7200));
        }
        audit.note_answered(ids[3], true);
    }
    fs::remove_dir_all(bench.dir.path().join("db")).unwrap();
    fs::remove_file(bench.dir.path().join("db.head")).unwrap();
    let audit = bench.open();
    let listing = audit.list(&Query::default()).unwrap();
    assert_eq!(listing.incomplete, None);
    assert_eq!(listing.rows.iter().rev().map(|r| r.id).collect::<Vec<_>>(), ids);
    assert_eq!(listing.rows[26].answered, Some(true));
}

#[tokio::test]
async fn a_damaged_row_makes_the_index_again() {
    let bench = Bench::new();
    let audit = bench.open();
    let ids = [judge(&audit, bench.record()).await, judge(&audit, bench.record()).await];
    assert_eq!(audit.list(&Query::default()).unwrap().rows.len(), 2);
    drop(audit);
    {
        let db = sled::open(bench.dir.path().join("db")).unwrap();
        db.open_tree("audit").unwrap().insert(ids[0].as_str(), b"\x01rubbish").unwrap();
        db.flush().unwrap();
    }
    let audit = bench.open();
    // By id it is found without the index.
    assert!(audit.find(ids[0]).unwrap().is_some());
    let listing = audit.list(&Query::default()).unwrap();
    assert_eq!((listing.rows.len(), listing.incomplete), (2, None));
}

#[tokio::test]
async fn a_full_queue_loses_nothing() {
    let bench = Bench::new();
    let audit = bench.open();
    // More than the queue holds, faster than the index writes.
    for _ in 0..10_000 {
        let pending = audit.prepare(Entry::Judged(Box::new(bench.record()))).unwrap();
        audit.journal.append(pending, false).unwrap();
    }
    let mut out = Vec::new();
    loop {
        out.clear();
        match audit.export(&Query::default(), Format::Csv, &mut out) {
            Ok(n) => break assert_eq!(n, 10_000),
            Err(AuditError::Export(_)) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_went_through_is_told_with_the_later_one() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut first = bench.record();
    first.quarantine = Some(first.id);
    let first = judge(&audit, first).await;
    let second = judge(&audit, Record { quarantine: Some(first), ..bench.record() }).await;
    let event = Entry::Quarantine {
        id: first,
        what: QuarantineEvent::Deleted,
        by: "retention".into(),
        time: bench.clock.now(),
        detail: "older than 30d".into(),
    };
    audit.append(event.clone(), Sync::Soon).await.unwrap();
    assert_eq!(audit.find(second).unwrap().unwrap().events, std::slice::from_ref(&event));
    assert_eq!(audit.find(first).unwrap().unwrap().events, [event]);
}

#[tokio::test]
async fn a_damaged_record_is_not_explained() {
    let bench = Bench::new();
    let audit = bench.open();
    let id = judge(&audit, bench.record()).await;
    assert!(audit.find(id).unwrap().is_some());
    let path = bench.days().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("weekly", "wookly")).unwrap();
    let error = audit.find(id).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    assert!(audit.export(&Query::default(), Format::Jsonl, &mut Vec::new()).is_err());
}

#[tokio::test]
async fn exports_hold_each_message_once_and_no_formula() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut record = bench.record();
    record.message.subject = Some("=HYPERLINK(\"http://x\")\u{202e}".into());
    let id = judge(&audit, record.clone()).await;
    audit.note_answered(id, true);

    let mut csv = Vec::new();
    assert_eq!(audit.export(&Query::default(), Format::Csv, &mut csv).unwrap(), 1);
    let csv = String::from_utf8(csv).unwrap();
    let (header, row) = csv.trim_end().split_once("\r\n").unwrap();
    assert_eq!(
        row,
        format!(
            "\"{}\",\"{id}\",\"inbound\",\"192.0.2.25\",\"mail.sender.example\",\"news@sender.example\",\
             \"anna@example.org bert@example.org\",\"2\",\"'=HYPERLINK(\"\"http://x\"\")\",\"tag\",\"suspicious\",\
             \"3.5\",\"links lead elsewhere than they show\",\"accept\",\"yes\",\"4X1abc2def\",\
             \"<20261120.1@sender.example>\",\"3500\",\"\"",
            record.time
        )
    );
    assert_eq!(header.split(',').count(), row.split("\",\"").count());

    let mut jsonl = Vec::new();
    assert_eq!(audit.export(&Query::default(), Format::Jsonl, &mut jsonl).unwrap(), 1);
    let value: serde_json::Value = serde_json::from_slice(&jsonl).unwrap();
    assert_eq!(value["answered"], true);
    assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record);
}

/// Few values, so that queries meet.
fn varied(bench: &Bench, seed: (u8, u8, u8, u8, u8)) -> Record {
    let (sender, recipients, client, disposition, subject) = seed;
    let mut record = bench.record();
    let senders = ["<>", "<joe@a.example>", "<Ann@A.example>", "<joe@b.example>", "<root>"];
    record.envelope.reverse_path = ReversePath(Recipient::new(senders[usize::from(sender) % 5]));
    let n = if recipients.is_multiple_of(7) { 40 } else { usize::from(recipients) % 3 + 1 };
    record.envelope.recipients = (0..n)
        .map(|i| Recipient::new(format!("<u{}@c.example>", (usize::from(recipients) + i) % 50)))
        .collect();
    record.envelope.queue_id = Some(format!("Q{}", subject % 5));
    record.session.client.addr = match client % 4 {
        0 => ClientAddr::Ip([192, 0, 2, client].into()),
        1 => ClientAddr::Ip(std::net::Ipv4Addr::new(192, 0, 2, client).to_ipv6_mapped().into()),
        2 => ClientAddr::Ip([198, 51, 100, client].into()),
        _ => ClientAddr::Unknown,
    };
    record.session.client.name = format!("Host{}.example", client % 3);
    let disposition = Disposition::ALL[usize::from(disposition) % 6];
    record.plan.dispositions = vec![Disposition::Accept, disposition];
    record.verdicts[0].verdict.category = Category::ALL[usize::from(subject) % 5];
    record.message.subject = Some(format!("Été number {}", subject % 10));
    record.message.message_id = Some(format!("<m{}@x>", subject % 6));
    record
}

/// What the query means, said once more, from the whole record.
fn wanted(query: &Query, r: &Record) -> bool {
    let of = |pattern: &str, address: &str| {
        let (p, a) = (pattern.to_lowercase(), address.to_lowercase());
        match p.as_str() {
            "<>" => a.is_empty(),
            p if p.starts_with('@') => a.ends_with(p),
            p if p.contains('@') => a == p,
            p => a.ends_with(&format!("@{p}")) || a == p,
        }
    };
    let id = r.id.unix_millis();
    let dispositions = &r.plan.dispositions;
    let strictest = dispositions.iter().max_by_key(|d| d.strictness()).unwrap();
    query.since.is_none_or(|t| id >= t.millis())
        && query.until.is_none_or(|t| id < t.millis())
        && query.before.is_none_or(|b| r.id < b)
        && query.sender.as_deref().is_none_or(|s| of(s, r.envelope.reverse_path.address()))
        && query.recipient.as_deref().is_none_or(|s| r.envelope.recipients.iter().any(|a| of(s, a.address())))
        && query.client.as_deref().is_none_or(|c| match c {
            "192.0.2.0/24" => matches!(r.session.client.addr.ip(), Some(std::net::IpAddr::V4(ip)) if ip.octets()[..3] == [192, 0, 2]),
            "host1" => r.session.client.name.contains("Host1"),
            c => r.session.client.addr.ip().is_some_and(|ip| ip.to_string() == c),
        })
        && query.disposition.is_none_or(|d| d == *strictest)
        && query.category.is_none_or(|c| c == r.verdicts[0].verdict.category)
        && query.queue_id.as_ref().is_none_or(|q| r.envelope.queue_id.as_ref() == Some(q))
        && query.message_id.as_ref().is_none_or(|m| r.message.message_id.as_deref() == Some(&format!("<{m}>")))
        && query.text.as_deref().is_none_or(|t| r.message.subject.as_deref().unwrap().to_lowercase().contains(&t.to_lowercase()))
}

fn query() -> impl Strategy<Value = Query> {
    let word = |words: &'static [&'static str]| {
        proptest::option::weighted(0.2, proptest::sample::select(words).prop_map(str::to_owned))
    };
    let time = || proptest::option::weighted(0.2, (NOON..NOON + 80).prop_map(Timestamp::from_millis));
    (
        (time(), time()),
        word(&["<>", "joe@a.example", "A.EXAMPLE", "@b.example", "root"]),
        word(&["u1@c.example", "U30@c.example", "c.example", "@d.example"]),
        word(&["192.0.2.0/24", "192.0.2.8", "host1"]),
        proptest::option::weighted(0.2, proptest::sample::select(&Disposition::ALL[..])),
        proptest::option::weighted(0.2, proptest::sample::select(&Category::ALL[..])),
        (word(&["Q1", "Q4"]), word(&["m1@x", "m2@x"]), word(&["ÉTÉ", "number 3", "zebra"])),
        1usize..40,
    )
        .prop_map(|((since, until), sender, recipient, client, disposition, category, words, limit)| {
            let (queue_id, message_id, text) = words;
            let before = None;
            Query {
                since,
                until,
                sender,
                recipient,
                client,
                disposition,
                category,
                queue_id,
                message_id,
                text,
                limit,
                before,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn listings_agree_with_a_naive_model(
        seeds in proptest::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 20..70),
        queries in proptest::collection::vec(query(), 40),
    ) {
        let bench = Bench::new();
        let audit = bench.open();
        let records: Vec<_> = seeds.into_iter().map(|seed| varied(&bench, seed)).collect();
        for record in &records {
            let pending = audit.prepare(Entry::Judged(Box::new(record.clone()))).unwrap();
            audit.journal.append(pending, false).unwrap();
        }
        for mut query in queries {
            let expected: Vec<_> = records.iter().rev().filter(|r| wanted(&query, r)).map(|r| r.id).collect();
            // Page by page.
            let mut found = Vec::new();
            loop {
                let listing = audit.list(&query).unwrap();
                prop_assert_eq!(&listing.incomplete, &None);
                prop_assert!(listing.rows.len() <= query.limit);
                found.extend(listing.rows.iter().map(|r| r.id));
                query.before = listing.next;
                if query.before.is_none() {
                    break;
                }
            }
            prop_assert_eq!(found, expected, "{:?}", query);
        }
    }
}

#[tokio::test]
async fn what_the_next_server_said_is_told_with_the_message() {
    let bench = Bench::new();
    let audit = bench.open();
    let id = judge(&audit, bench.record()).await;
    let one =
        |to: &str, delivered| HandedTo { to: to.to_owned(), delivered, said: "250 2.0.0 saved".to_owned() };
    let handed = Handed::new(id, audit.now(), "unix:/run/x", vec![one("a@x", true), one("b@x", false)]);
    audit.note_handed(handed.clone());
    audit.flush().unwrap();
    let told = audit.find(id).unwrap().unwrap();
    assert_eq!(told.events, [Entry::Handed(Box::new(handed))]);
    // It is no deed of anybody's.
    let events = audit.events(&EventQuery::default()).unwrap().events;
    assert!(!events.iter().any(|event| matches!(event, Entry::Handed(_))));
}
