//! The moment between the quarantine and the answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::super::mta::Daemon;
use super::super::promises::Held;

/// Watches a quarantine for a message that is new there.
pub struct Window {
    folder: PathBuf,
    known: BTreeSet<String>,
}

impl Window {
    pub fn of(quarantine: &Path) -> Self {
        let folder = quarantine.join("new");
        let known = names(&folder).collect();
        Self { folder, known }
    }

    /// The id of a message that is put there within `limit`: it is in the folder, which is not synced yet, nor is
    /// anything on record, nor was anybody answered.
    fn wait(&mut self, limit: Duration) -> Option<String> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(id) = names(&self.folder).find(|name| !self.known.contains(name)) {
                return Some(id);
            }
        }
        None
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    std::fs::read_dir(folder).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Kills the daemon as soon as it has put a message into its quarantine; which one.
pub fn kill_at_the_sight_of_a_held_message(daemon: &mut Daemon) -> Option<String> {
    let seen = Window::of(&daemon.site().quarantine()).wait(Duration::from_secs(3));
    daemon.kill().unwrap();
    seen
}

/// How many of these were held and not answered: only who heard no 250 sends again, and it is counted.
pub fn hits(aimed: &[String], held: &[Held]) -> usize {
    held.iter().filter(|entry| aimed.contains(&entry.id) && entry.attempts > 1).count()
}
