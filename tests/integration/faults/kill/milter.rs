//! By milter: whoever heard 250 finds his message delivered or held, once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::super::common::{rules, stdout};
use super::super::super::mta::{self, Options, Postfix, Site};
use super::super::promises::{self, HOLDS, Traffic};
use super::super::random::Random;
use super::window;

const SENDERS: usize = 4;

#[test]
fn kill_nine_at_any_moment_loses_nothing_and_holds_nothing_twice() {
    if !mta::not_run::postfix_ready("kill_nine_at_any_moment_loses_nothing_and_holds_nothing_twice") {
        return;
    }
    let kills = mta::not_run::effort(8, 100);
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLDS);
    let mut daemon = site.start(&toml).unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let (traffic, port, mut random) = (Traffic::default(), postfix.smtp_port(), Random::new(1));
    let mut aimed = Vec::new();
    std::thread::scope(|scope| {
        let traffic = &traffic;
        let senders: Vec<_> =
            (0..SENDERS).map(|n| scope.spawn(move || traffic.send(port, n, 100_000))).collect();
        for kill in 0..kills {
            // Each second one is aimed.
            if kill % 2 == 0 {
                std::thread::sleep(Duration::from_millis(60 + random.below(200)));
                daemon.kill().unwrap();
            } else {
                std::thread::sleep(Duration::from_millis(random.below(100)));
                aimed.extend(window::kill_at_the_sight_of_a_held_message(&mut daemon));
            }
            daemon.start_again().unwrap();
        }
        // What was put off is sent again before the end.
        std::thread::sleep(Duration::from_secs(1));
        traffic.stop();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
    let held = promises::are_kept(&traffic, &daemon, &postfix);
    let taken = traffic.taken().len();
    let hits = window::hits(&aimed, &held);
    let again = held.iter().filter(|entry| entry.attempts > 1).count();
    println!(
        "{kills} kills: {taken} messages taken, {} put off on the way, {} held, {again} of them sent again; {hits} of {} \
         aimed kills came between quarantine and answer",
        traffic.put_off.load(Ordering::Relaxed),
        held.len(),
        aimed.len()
    );
    assert!(taken > kills, "only {taken} messages got through: the test did not test much");
    assert!(hits * 4 >= kills / 2, "only {hits} of {} aimed kills hit", aimed.len());
    let entry = held.iter().find(|entry| aimed.contains(&entry.id)).unwrap();
    assert!(stdout(&daemon, &["explain", &entry.id]).contains(&entry.id));
    assert!(!promises::ready(&daemon).contains("database"), "{}", promises::ready(&daemon));
}
