//! The last good copies, read by somebody who is not the daemon: nothing on the disk is changed.

use std::path::Path;
use std::sync::Arc;

use super::copy::{Folder, Source};
use super::index::Index;
use super::keys::Keyer;
use crate::model::causes;

/// What the copies in `folder` give for these feeds, and a sentence for each that gives nothing. Blocks.
#[must_use]
pub fn offline(folder: &Path, feeds: impl IntoIterator<Item = Source>) -> (Arc<Index>, Vec<String>) {
    let folder = Folder::at(folder);
    let mut index = Index::new(Keyer::new());
    let mut notes = Vec::new();
    for source in feeds {
        let feed = &source.feed;
        match folder.read(&source, index.keyer()) {
            Ok(Some((copy, keys))) => match index.with(feed, &keys, Arc::new(copy)) {
                Ok(next) => index = next,
                Err(error) => notes.push(format!("the feed {feed} is not asked: {error}")),
            },
            Ok(None) => notes.push(format!("the feed {feed} is not asked: there is no copy of it yet")),
            Err(error) => notes.push(format!("the feed {feed} is not asked: {}", causes(&error))),
        }
    }
    (Arc::new(index), notes)
}
