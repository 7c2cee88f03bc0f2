//! A crash between any two steps, and a process killed in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Does the steps of storing up to, not including, the `until`-th, and leaves all behind as a crash
/// would.
fn crash(fixture: &Fixture, mail: &Mail, until: usize) {
    let quarantine = fixture.open();
    let maildir = &quarantine.maildir;
    let aside = fixture.path(&format!("meta/.{}.tmp", mail.id));
    let steps: [&dyn Fn(); 5] = [
        &|| fs::write(&aside, "{ \"half\": ").unwrap(),
        &|| {
            let json = {
                // The meta as a real store would have written it, from a quarantine of its own.
                let other = Fixture::new();
                mail.hold(&other.open());
                fs::read(other.path(&format!("meta/{}.json", mail.id))).unwrap()
            };
            maildir.put_meta(mail.id, &json).unwrap();
        },
        &|| fs::write(fixture.path(&format!("tmp/{}", mail.id)), &mail.raw()[..10]).unwrap(),
        &|| maildir.put_message(mail.id, mail.raw()).unwrap(),
        &|| maildir.publish(mail.id).unwrap(),
    ];
    steps.iter().take(until).for_each(|step| step());
}

#[test]
fn a_crash_before_the_last_step_holds_nothing_and_the_next_attempt_is_held() {
    for until in 0..5 {
        let fixture = Fixture::new();
        let mail = fixture.mail("one");
        crash(&fixture, &mail, until);
        let quarantine = fixture.open();
        assert_eq!(listed(&quarantine), [], "after step {until}");
        assert_eq!(fixture.names("new"), Vec::<String>::new());
        assert_eq!(fixture.names("tmp"), Vec::<String>::new());
        let second = mail.again(&fixture.clock).hold(&quarantine);

        // The meta that was left goes after an hour, and nothing else.
        let left = usize::from(until >= 2);
        assert_eq!(quarantine.expire(), Swept::default());
        assert_eq!(fixture.names("meta").len(), 1 + left);
        fixture.clock.advance(HOUR + Duration::from_millis(1));
        let expired = [Expired { id: mail.id, why: Why::Orphan }];
        assert_eq!(quarantine.expire().expired, expired[..left]);
        assert_eq!(fixture.names("meta"), [format!("{second}.json")]);
        assert_eq!(listed(&quarantine), [second]);
    }
}

#[test]
fn a_crash_after_the_last_step_holds_the_message_and_the_next_attempt_joins_it() {
    let fixture = Fixture::new();
    let mail = fixture.mail("one");
    crash(&fixture, &mail, 5);
    let quarantine = fixture.open();
    assert_eq!(read(&mut quarantine.message(mail.id).unwrap()), mail.raw());
    let again = mail.again(&fixture.clock).store(&quarantine).unwrap();
    assert_eq!((again.id, again.attempts, again.fresh), (mail.id, 2, false));
}

#[test]
fn a_crash_in_the_middle_of_a_deletion_is_cleared_up() {
    let fixture = Fixture::new();
    let id = fixture.mail("one").hold(&fixture.open());
    fs::remove_file(fixture.path(&format!("new/{id}"))).unwrap();
    let quarantine = fixture.open();
    assert_eq!(quarantine.totals(), Totals::default());
    fixture.clock.advance(2 * HOUR);
    assert_eq!(quarantine.expire().expired, [Expired { id, why: Why::Orphan }]);
    assert_eq!(fixture.names("meta"), Vec::<String>::new());
}

#[test]
fn files_in_tmp_that_are_not_ours_stay() {
    let fixture = Fixture::new();
    drop(fixture.open());
    fs::write(fixture.path("tmp/1795210591.M1P2.host"), "being delivered").unwrap();
    drop(fixture.open());
    assert_eq!(fixture.names("tmp"), ["1795210591.M1P2.host"]);
}

/// Set for the child of the test below: the directory of its quarantine and acknowledgements.
const CHILD: &str = "MAILWARD_TEST_QUARANTINE_CHILD";
const THREADS: usize = 4;
const ROUNDS: usize = 6;

fn numbered(fixture: &Fixture, number: usize) -> Mail {
    // Long enough that a write can be cut in two.
    fixture.mail(&format!("number {number} {}", "text ".repeat(2000)))
}

/// Not a test: what the child process does until it is killed.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    // Within the parent's directory, because nobody clears up after a kill.
    let mut fixture = Fixture::within(dir.as_ref());
    fixture.clock = Clock::system();
    fixture.config.path = PathBuf::from(&dir).join("quarantine");
    let (quarantine, _) = fixture.try_open().unwrap();
    let acked =
        fs::OpenOptions::new().append(true).create(true).open(PathBuf::from(dir).join("acked")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (fixture, quarantine, acked) = (&fixture, &quarantine, &acked);
            scope.spawn(move || {
                // Every child begins anew, so it sends again what the one before it had sent.
                for number in (thread..).step_by(THREADS) {
                    let stored = numbered(fixture, number).store(quarantine).unwrap();
                    let line = format!("{number} {} {}\n", stored.id, stored.attempts);
                    (&mut &*acked).write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn after_a_kill_every_answered_message_is_there_once_and_whole() {
    let mut fixture = Fixture::new();
    fixture.clock = Clock::system();
    let acked = fixture.dir.path().join("acked");
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "quarantine::tests::crash::child_that_is_killed"])
            .env(CHILD, fixture.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At another moment in each round.
        while lines(&acked) < round * 25 + round {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    let quarantine = fixture.open();
    let mut entries: BTreeMap<usize, BTreeSet<MailId>> = BTreeMap::new();
    let mut attempts: BTreeMap<MailId, u32> = BTreeMap::new();
    for line in fs::read_to_string(&acked).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let id: MailId = words[1].parse().unwrap();
        entries.entry(words[0].parse().unwrap()).or_default().insert(id);
        let most = attempts.entry(id).or_default();
        *most = (*most).max(words[2].parse().unwrap());
    }
    assert!(entries.len() >= 26);
    for (number, ids) in &entries {
        assert_eq!(ids.len(), 1, "message {number} is held more than once");
        let id = *ids.first().unwrap();
        assert_eq!(read(&mut quarantine.message(id).unwrap()), numbered(&fixture, *number).raw());
        assert!(quarantine.meta(id).unwrap().attempts.count >= attempts[&id]);
    }
    // What was stored and not answered before the kill is whole too, and nothing is there twice.
    let mut bodies = BTreeSet::new();
    for id in listed(&quarantine) {
        let bytes = read(&mut quarantine.message(id).unwrap());
        assert_eq!(bytes.len() as u64, quarantine.meta(id).unwrap().size);
        assert!(bodies.insert(bytes), "{id} holds what another entry holds too");
    }
    assert_eq!(fixture.names("new").len(), bodies.len());
    assert_eq!(fixture.names("tmp"), Vec::<String>::new());
}

fn lines(path: &std::path::Path) -> usize {
    fs::read(path).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
}
