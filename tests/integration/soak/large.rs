//! Large mail comes and goes; what it took goes, too.

use std::sync::Barrier;

use super::idle::settled;
use super::{KB, MIB};
use crate::common::{judge, mail};
use crate::load::{big, memory};
use crate::milter_client::{MilterClient, Peer};
use crate::mta::Daemon;
use crate::mta::not_run::effort;

const AT_ONCE: usize = 8;
const SIZE: usize = 20_000_000;
/// What may stay of 160 MB of mail: the allocator keeps some for the next one.
const MAY_STAY: u64 = 64 * MIB;

#[test]
fn what_large_mail_took_is_given_back() {
    let daemon =
        Daemon::start("[scanner.yara]\ntimeout = \"50s\"\n[scanner.mime]\ntimeout = \"50s\"\n").unwrap();
    assert_eq!(judge(&daemon, &mail("the first", "text")).word, "accept");
    let rest = settled(&daemon);
    let raw = big(SIZE);
    for wave in 1..=effort(2, 10) {
        let all_are_sent = Barrier::new(AT_ONCE);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
                    client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
                    client.content(&raw);
                    all_are_sent.wait();
                    assert_eq!(client.end().word, "accept");
                });
            }
        });
        let (now, peak) = (settled(&daemon), memory(daemon.pid(), "VmHWM:"));
        println!("wave {wave}: {} kB at rest, {} kB at most, {} kB after it", rest / KB, peak / KB, now / KB);
        assert!(now <= rest + MAY_STAY, "{} kB stayed", now.saturating_sub(rest) / KB);
    }
}
