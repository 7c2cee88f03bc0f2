//! What was done and by whom.

use super::*;

fn admin(bench: &Bench, what: AdminEvent, by: &str) -> Entry {
    Entry::Admin { what, by: by.to_owned(), time: bench.clock.now(), detail: "x".to_owned() }
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn events_come_newest_first_over_days_and_messages_are_none() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut made = Vec::new();
    for (day, what) in
        [AdminEvent::TokenCreated, AdminEvent::ListAdded, AdminEvent::TokenRevoked].into_iter().enumerate()
    {
        if day > 0 {
            bench.clock.advance(DAY);
        }
        let entry = admin(&bench, what, if day == 1 { "token ci" } else { "admin socket" });
        audit.append(entry.clone(), Sync::Soon).await.unwrap();
        made.push(entry);
        audit.note_answered(bench.id(), true);
        let repeated = Entry::Quarantine {
            id: bench.id(),
            what: QuarantineEvent::Repeated,
            by: "sender".to_owned(),
            time: bench.clock.now(),
            detail: String::new(),
        };
        audit.append(repeated, Sync::Soon).await.unwrap();
    }
    audit.flush().unwrap();
    made.reverse();
    let all = audit.events(&EventQuery::default()).unwrap();
    assert_eq!(all.events[..3], made);
    assert!(matches!(all.events[3..], [Entry::Started { .. }]), "{all:?}");
    assert_eq!((all.more, all.incomplete), (false, None));

    let two = audit.events(&EventQuery { limit: 2, ..Default::default() }).unwrap();
    assert_eq!((two.events.as_slice(), two.more), (&made[..2], true));
    let ci = audit.events(&EventQuery { by: Some("token CI".to_owned()), ..Default::default() }).unwrap();
    assert_eq!(ci.events, made[1..2]);
    let since = audit.events(&EventQuery { since: Some(made[1].time()), ..Default::default() }).unwrap();
    assert_eq!(since.events, made[..2]);
    let until =
        audit.events(&EventQuery { until: Some(made[0].time()), limit: 1, ..Default::default() }).unwrap();
    assert_eq!(until.events, made[1..2]);
    bench.clock.advance(30 * DAY);
    assert_eq!(audit.events(&EventQuery::default()).unwrap(), Events::default());
}

#[tokio::test]
async fn a_damaged_line_is_said_and_the_others_are_read() {
    let bench = Bench::new();
    let audit = bench.open();
    for by in ["one", "two", "three"] {
        audit.append(admin(&bench, AdminEvent::ListAdded, by), Sync::Soon).await.unwrap();
    }
    audit.flush().unwrap();
    let path = bench.days()[0].clone();
    let text = std::fs::read_to_string(&path).unwrap().replace("\"two\"", "\"tow\"");
    std::fs::write(&path, text).unwrap();
    let found = audit.events(&EventQuery { by: Some("t".to_owned()), ..Default::default() }).unwrap();
    assert_eq!(found.events, [admin(&bench, AdminEvent::ListAdded, "three")]);
    assert!(found.incomplete.unwrap().starts_with("damaged lines were left out: 1;"));
}

#[tokio::test]
async fn the_standing_says_when_all_was_on_disk() {
    let bench = Bench::new();
    let audit = bench.open();
    audit.append(admin(&bench, AdminEvent::ListAdded, "x"), Sync::Now).await.unwrap();
    let standing = audit.standing();
    assert_eq!((standing.last_sync, standing.unsynced, standing.failed), (Some(bench.clock.now()), 0, None));
    audit.journal.shared.fail_syncs.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(audit.append(admin(&bench, AdminEvent::ListAdded, "x"), Sync::Now).await.is_err());
    assert_eq!(audit.standing().failed.as_deref(), Some("a test wants it"));
}
