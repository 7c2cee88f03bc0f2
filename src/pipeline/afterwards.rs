//! What of an accepted message is kept, to be looked up again when feeds know more.

use super::engine::Looked;
use crate::feed::Strength;
use crate::model::{Answer, Disposition, Outcome, Plan, Scanner, Timestamp};
use crate::retro::{Accepted, Choice, Cut, Retro, rank};
use crate::scan::url::signs::is_opened;

/// What is handed over of one message.
#[derive(Debug)]
pub(super) struct Chosen {
    accepted: Accepted,
    cut: Cut,
}

impl Chosen {
    /// What is not kept as it is, in the words of the audit record.
    pub(super) fn left_out(&self) -> Option<String> {
        let Cut { links, files } = self.cut;
        (links + files > 0)
            .then(|| format!("{links} links and {files} files not kept whole for looking again"))
    }

    /// Hands it over.
    pub(super) fn keep(self, retro: &Retro) {
        retro.keep(self.accepted, self.cut == Cut::default());
    }
}

/// The links and files of a message, if somebody gets it.
pub(super) fn choose(retro: &Retro, time: Timestamp, looked: &Looked, plan: &Plan) -> Option<Chosen> {
    let delivered = |d: &Disposition| matches!(d, Disposition::Accept | Disposition::Tag);
    if !matches!(plan.answer, Answer::Accept) || !plan.recipients.iter().any(delivered) || !retro.is_on() {
        return None;
    }
    let Some(seen) = looked.seen.urls.as_deref() else {
        // Whoever reads links failed: the files are known all the same.
        let failed = looked.seen.coverage.0.get(&Scanner::Urls).is_some_and(Outcome::is_failure);
        let files = looked.input.attachments.iter().filter(|file| failed && file.size > 0);
        let (things, cut) = Choice::new(looked.input.message.raw().len(), 0)
            .finish(files.map(|file| (&*file.sha256, rank(None))));
        return failed.then_some(Chosen { accepted: Accepted { id: looked.input.id, time, things }, cut });
    };
    let mut choice = Choice::new(looked.input.message.raw().len(), seen.links.len());
    // What somebody opens first: there is room for that, if not for every picture.
    for is_time in [true, false] {
        for (at, found) in seen.links.iter().enumerate() {
            if is_opened(found) == is_time && seen.exempt.binary_search(&at).is_err() {
                choice.link(&found.link, rank(seen.strength(at)));
            }
        }
    }
    let known = |hash| seen.files.contains(hash).then_some(Strength::Same);
    let files = looked.input.attachments.iter().filter(|file| file.size > 0).map(|file| &file.sha256);
    let (things, cut) = choice.finish(files.map(|hash| (hash.as_str(), rank(known(hash)))));
    Some(Chosen { accepted: Accepted { id: looked.input.id, time, things }, cut })
}

#[cfg(test)]
mod tests;
