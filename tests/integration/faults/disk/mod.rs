//! The disk is full to the last byte, has no inode left, or is mounted read-only, while mail flows through a real Postfix:
//! for the state, for the quarantine, and for both. What cannot be secured is put off, what can is taken, all of it is
//! told, and when there is room again mailward goes on by itself.

mod full;
mod meanwhile;
mod read_only;
mod start;
mod volume;

use std::time::Duration;

use super::super::common::{mail, rules};
use super::super::mta::{self, Daemon, Options, PATIENCE, Postfix, Site, wait_until};
use super::promises::{self, HOLDS, LONG, Traffic, body, ready, tail};
use volume::Volume;

/// Small, so that it is soon full, and large enough for the database to be opened again.
const SIZE: &str = "40m";

/// A site with small file systems of its own, and a Postfix in front.
struct Place {
    // Dropped first, while the daemon runs: it is unmounted lazily.
    state: Option<Volume>,
    quarantine: Option<Volume>,
    daemon: Daemon,
    postfix: Postfix,
}

impl Place {
    /// With file systems of its own for state or quarantine, or both; on one, if the quarantine has none of its own and is
    /// below the state.
    fn new(own_state: bool, own_quarantine: bool) -> Self {
        let site = Site::new().unwrap();
        let state = own_state.then(|| Volume::memory(&site.state_dir(), SIZE));
        let quarantine = own_quarantine.then(|| Volume::memory(&site.quarantine(), SIZE));
        let toml = configuration(&site, "");
        let daemon = site.start(&toml).unwrap();
        let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
        Self { state, quarantine, daemon, postfix }
    }

    /// What Postfix answers, once, to a message that is to be held, or not.
    fn probe(&self, subject: &str, held: bool) -> u16 {
        let raw = mail(subject, &body(subject, held));
        let sent =
            mta::smtp::send(self.postfix.smtp_port(), "a@sender.example", &["alice@example.org"], &raw);
        sent.unwrap().last().code
    }

    /// What it comes to, after what little still fits has been used up.
    fn comes_to(&self, what: &str, held: bool, code: u16) {
        let mut number = 0;
        let mut last = Vec::new();
        wait_until(&format!("{code} for {what}"), PATIENCE, || {
            number += 1;
            last.push(self.probe(&format!("{what} {number}"), held));
            Ok(last.ends_with(&[code, code, code]).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}: {last:?}\n{}", tail(&self.daemon)));
    }

    /// Whether `/readyz` names this part as degraded.
    fn tells(&self, part: &str) {
        wait_until(&format!("/readyz to tell of {part}"), PATIENCE, || {
            Ok(ready(&self.daemon).contains(&format!("degraded: {part}: ")).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", ready(&self.daemon), tail(&self.daemon)));
    }

    /// Entries that cannot be kept are not taken. The first few may be kept all the same, where the database had room of
    /// its own left and only the journal has not: then that is said. Returns which were refused, and which were not.
    fn lists_refuse(&self) -> (Vec<String>, Vec<String>) {
        let (mut number, mut refused, mut kept) = (0, Vec::new(), Vec::new());
        wait_until("the database to take no more", LONG, || {
            number += 1;
            let entry = format!("during{number}.example");
            let told = self.daemon.cli(&["list", "block", "add", &entry])?;
            let is_kept = String::from_utf8_lossy(&told.stderr)
                .contains("the list is changed, but that could not be recorded");
            if told.status.success() || is_kept { &mut kept } else { &mut refused }.push(entry);
            Ok((refused.len() >= 3).then_some(()))
        })
        .unwrap_or_else(|error| {
            panic!("{error:#}: refused {refused:?}, not {kept:?}\n{}", tail(&self.daemon))
        });
        (refused, kept)
    }

    /// Without a restart all is well again: mail is taken, lists can be changed, all messages are listed.
    fn is_well(&self) {
        self.comes_to("well", false, 250);
        self.comes_to("well, held", true, 250);
        wait_until("the lists to be changed", PATIENCE, || {
            let told = self.daemon.cli(&["list", "block", "add", "well.example"])?;
            Ok(told.status.success().then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}\n{}", tail(&self.daemon)));
        wait_until("nothing to be degraded", PATIENCE, || {
            Ok((ready(&self.daemon) == "ready\n").then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", ready(&self.daemon), tail(&self.daemon)));
    }
}

/// The configuration of a site on a small file system, on which all but the last bytes may be used.
fn configuration(site: &Site, more: &str) -> String {
    let quarantine = format!("[quarantine]\npath = {:?}\n", site.quarantine());
    let little = format!("{quarantine}min_free = \"1B\"\n");
    let toml = site.defaults(more).replace(&quarantine, &little);
    assert!(toml.contains(&little), "{toml}");
    toml + &rules(site, "hold.yar", HOLDS)
}

/// Mail flows all the while: two senders, who try again until they hear 250.
fn under_load(place: &Place, during: impl FnOnce()) -> Traffic {
    let (traffic, port) = (Traffic::default(), place.postfix.smtp_port());
    std::thread::scope(|scope| {
        for sender in 0..2 {
            let traffic = &traffic;
            scope.spawn(move || traffic.send(port, sender, 100_000));
        }
        // Also where the test fails: else nobody would ever stop them.
        let stop = Stop(&traffic);
        wait_until("some mail", PATIENCE, || Ok((traffic.taken().len() > 5).then_some(()))).unwrap();
        during();
        std::thread::sleep(Duration::from_millis(500));
        drop(stop);
    });
    traffic
}

struct Stop<'t>(&'t Traffic);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Nothing promised is lost, nothing is half-written, the chain is whole.
fn nothing_is_lost(place: &Place, traffic: &Traffic) {
    assert!(traffic.taken().len() > 5, "only {} messages got through", traffic.taken().len());
    promises::are_kept(traffic, &place.daemon, &place.postfix);
    promises::nothing_is_half_written(&place.daemon.site().quarantine());
    let panics = promises::metric(&place.daemon, "mailward_panics_total");
    assert!(panics == 0.0, "{panics} panics\n{}", tail(&place.daemon));
}
