//! Holds the index, the meta files and the Maildir to each other: at start, and at each expiry.

use std::collections::HashSet;
use std::time::Duration;

use super::expire::Swept;
use super::maildir::Maildir;
use super::{Expired, Inner, Quarantine, QuarantineError, Why};
use crate::model::{MailId, text};

/// How old a meta without message must be before it is taken for what a crash left.
const ORPHAN_AGE: Duration = Duration::from_hours(1);
/// How many files a note names.
const NAMED: usize = 5;

/// The files of `new/` and `cur/`.
#[derive(Default)]
struct Messages {
    ids: HashSet<MailId>,
    /// Names without an id of ours.
    strangers: Named,
}

/// How many there are, and the names of the first few.
#[derive(Default)]
struct Named {
    count: usize,
    names: Vec<String>,
}

/// Fills the index at start. What has no message is left to the sweep.
pub(super) fn load(
    maildir: &Maildir,
    inner: &mut Inner,
    notes: &mut Vec<String>,
) -> Result<(), QuarantineError> {
    let messages = Messages::walk(maildir)?;
    let mut broken = Named::default();
    maildir.each_meta(|id| {
        if !messages.ids.contains(&id) {
            return;
        }
        match maildir.read_meta(id) {
            Ok(meta) => inner.index.insert(&meta),
            Err(e) => broken.add(&e.to_string()),
        }
    })?;
    notes.extend(broken.names);
    if broken.count > NAMED {
        notes.push(format!("{} more meta files cannot be read", broken.count - NAMED));
    }
    Ok(())
}

impl Quarantine {
    /// Notices what mail programs and crashes did. Entries whose message is gone lose their meta file;
    /// what has message and meta and is not known yet is taken in; other files are named, not touched.
    pub(super) fn sweep(&self, swept: &mut Swept) -> Result<(), QuarantineError> {
        let known: HashSet<MailId> = self.lock().index.ids().collect();
        let mut messages = Messages::walk(&self.maildir)?;
        let mut missing: Vec<MailId> = known.difference(&messages.ids).copied().collect();
        if !missing.is_empty() {
            // A file that is renamed in the middle of a walk may be missed by it.
            messages.ids.extend(Messages::walk(&self.maildir)?.ids);
            missing.retain(|id| !messages.ids.contains(id));
        }
        let mut metas = HashSet::new();
        self.maildir.each_meta(|id| {
            metas.insert(id);
        })?;
        let Swept { expired, notes } = swept;
        self.remove_all(&missing, Why::Gone, expired, notes);
        self.remove_orphans(metas.difference(&messages.ids).filter(|id| !known.contains(id)), expired, notes);
        let unknown = messages.ids.difference(&known).copied();
        let strangers = self.take_in(unknown, messages.strangers);
        let mut inner = self.lock();
        if strangers.count != inner.foreign_files {
            inner.foreign_files = strangers.count;
            notes.extend(strangers.note(&self.maildir));
        }
        Ok(())
    }

    fn remove_orphans<'a>(
        &self,
        metas: impl Iterator<Item = &'a MailId>,
        expired: &mut Vec<Expired>,
        notes: &mut Vec<String>,
    ) {
        let oldest = self.clock.settled().before(ORPHAN_AGE).millis();
        for id in metas.copied().filter(|id| id.unix_millis() < oldest) {
            // A message seen an hour ago may still be stored right now, under a slow disk.
            if self.is_at_work(id) {
                continue;
            }
            match self.maildir.remove_meta(id) {
                Ok(()) => {
                    self.metrics.quarantine_expired.with_label_values(&[Why::Orphan.name()]).inc();
                    expired.push(Expired { id, why: Why::Orphan });
                }
                Err(e) => notes.push(e.to_string()),
            }
        }
    }

    /// Takes in what has a meta file; the rest joins `strangers`.
    fn take_in(&self, unknown: impl Iterator<Item = MailId>, mut strangers: Named) -> Named {
        for id in unknown {
            if self.is_at_work(id) {
                continue;
            }
            match self.maildir.read_meta(id) {
                Ok(meta) => {
                    let _claim = self.claim(meta.key);
                    // Read again: until the claim somebody else could change or delete it.
                    if !self.is_at_work(id)
                        && let (Ok(true), Ok(meta)) =
                            (self.maildir.has_message(id), self.maildir.read_meta(id))
                    {
                        let mut inner = self.lock();
                        inner.index.insert(&meta);
                        self.set_gauges(&inner);
                    }
                }
                Err(_) => strangers.add(id.as_str()),
            }
        }
        strangers
    }

    /// The entry is known by now, or being stored.
    fn is_at_work(&self, id: MailId) -> bool {
        let inner = self.lock();
        inner.index.contains(id) || inner.pending.contains_key(&id)
    }
}

impl Messages {
    fn walk(maildir: &Maildir) -> Result<Self, QuarantineError> {
        let mut seen = Self::default();
        maildir.each_message(|name, id| match id {
            Some(id) => {
                seen.ids.insert(id);
            }
            // Mail programs keep files of their own there, whose names begin with a dot.
            None if name.starts_with('.') => {}
            None => seen.strangers.add(name),
        })?;
        Ok(seen)
    }
}

impl Named {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(text::line(name, 500));
        }
    }

    fn note(&self, maildir: &Maildir) -> Option<String> {
        let more = if self.count > self.names.len() { ", …" } else { "" };
        (self.count > 0).then(|| {
            format!(
                "{} files in {} have no meta file that can be read, so nobody knows for whom they are; they \
                 are left alone: {}{more}",
                self.count,
                maildir.root().display(),
                self.names.join(", ")
            )
        })
    }
}
