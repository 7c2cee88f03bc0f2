//! All that an admin changes and asks while mail flows: configuration, feeds, rules, lists, pages and listings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::letters::{BLOCKED, LISTED};
use super::sending::Sending;
use crate::common::{rules, stdout};
use crate::mta::Daemon;
use crate::mta::not_run::effort;

/// Between two changes: one of each kind about every twenty seconds, more often in a short run.
fn pause() -> Duration {
    Duration::from_millis(effort(250, 2_500) as u64)
}

/// The feed that is rewritten and read again.
pub fn feed(folder: &Path) -> (PathBuf, String) {
    let path = folder.join("feed.txt");
    write_feed(&path, 0);
    let section = format!(
        "[feed.soak]\nformat = \"urls\"\nurl = \"file://{}\"\ncategory = \"malware\"\nrefresh = \"1h\"\n",
        path.display()
    );
    (path, section)
}

/// Other entries each time, some of them the same, and the one that letters have.
fn write_feed(path: &Path, turn: u64) {
    let count = 8_000 + turn % 3 * 1_000;
    let mut text: String = (0..count)
        .map(|n| format!("http://e{n}.t{}.evil.example/{}\n", turn % 5, if n % 2 == 0 { n } else { turn }))
        .collect();
    text.push_str(LISTED);
    text.push('\n');
    // Whole or not at all, as who publishes does it.
    let whole = path.with_extension("new");
    std::fs::write(&whole, text).unwrap();
    std::fs::rename(whole, path).unwrap();
}

/// How often each was done.
pub type Done = BTreeMap<&'static str, u64>;

/// Changes one thing after another until all is sent. `config` is what the daemon began with.
pub fn go_on(daemon: &Daemon, sending: &Sending, config: &str, feed: &Path) -> Done {
    let mut done = Done::new();
    let mut turn = 0u64;
    while !sending.is_over() {
        let what = change(daemon, turn, config, feed);
        *done.entry(what).or_default() += 1;
        turn += 1;
        std::thread::sleep(pause());
    }
    done
}

fn change(daemon: &Daemon, turn: u64, config: &str, feed: &Path) -> &'static str {
    let round = turn / 8;
    let lists = |arguments: &[&str]| drop(stdout(daemon, &[&["list"], arguments].concat()));
    match turn % 8 {
        0 => {
            // A key that changes what refusals say, and one that changes what the DNS cache holds.
            let config = config.replacen(
                "[policy]\n",
                &format!(
                    "[policy]\npostmaster = \"{}\"\n",
                    ["a@example.org", "b@example.org"][round as usize % 2]
                ),
                1,
            );
            daemon.write_config(&config).unwrap();
            daemon.signal("HUP").unwrap();
            "reloads"
        }
        1 => {
            write_feed(feed, round + 1);
            stdout(daemon, &["feed", "refresh", "soak", "--force"]);
            "feed swaps"
        }
        2 => {
            let text = format!(
                "rule Soak_Swapped_{round} {{ strings: $a = \"nobody writes this {round}\" condition: $a }}\n"
            );
            rules(daemon.site(), "swapped.yar", &text);
            "rule swaps"
        }
        3 => {
            lists(&["block", "add", &format!("bad{round}.example"), "192.0.99.0/24", "--comment", "for now"]);
            lists(&["allow", "add", &format!("good{round}@s1.example")]);
            "entries listed"
        }
        4 => {
            lists(&["block", "remove", &format!("bad{round}.example"), "192.0.99.0/24"]);
            lists(&["allow", "remove", &format!("good{round}@s1.example")]);
            "entries removed"
        }
        5 => {
            for path in ["/metrics", "/readyz", "/healthz"] {
                let (status, text) = daemon.get(path).unwrap();
                assert_eq!(status, 200, "{path}: {text}");
            }
            "pages read"
        }
        6 => {
            let listed = stdout(daemon, &["audit", "list", "--limit", "50"]);
            if let Some(id) = listed.lines().nth(1).and_then(|row| row.split_whitespace().next()) {
                stdout(daemon, &["explain", id]);
            }
            "records read"
        }
        _ => {
            stdout(daemon, &["quarantine", "list", "--limit", "50"]);
            assert!(stdout(daemon, &["list", "block", "show", BLOCKED]).contains(BLOCKED));
            stdout(daemon, &["status"]);
            "listings read"
        }
    }
}
