//! Mutations for tests: samples of what comes from outside, made malformed in ways that break readers.
//!
//! **Contract.** A [`Campaign`] takes samples, words of their format and a check, and runs the check over so many
//! mutations of them. Each is made from one number, so the same campaign over the same samples does the same again. Of
//! each input the check must end in time and without a panic – one that is caught within mailward counts as well – and
//! memory must not grow.
//!
//! **Failures.** What fails is told with its seed, and its input is kept in a file. `MAILWARD_SEED=<seed>` runs that one
//! mutation alone; `MAILWARD_SEEDS=<number>` makes all campaigns try others than they usually do.
//!
//! The integration tests include this folder by path, so that there is one mutator.

#![allow(
    dead_code,
    unused_imports,
    reason = "each program that includes this folder uses another part of it"
)]

mod campaign;
mod dice;
mod growth;
mod mutator;
mod panics;
mod resources;

pub(crate) use campaign::Campaign;
pub(crate) use dice::Dice;
pub(crate) use growth::grows_about_linearly;
pub(crate) use mutator::Mutator;
pub(crate) use panics::Panics;
pub(crate) use resources::{cpu_of_thread, rss_of};

/// Takes what a reader gave: that it gave anything, and in time, is what was asked.
pub(crate) fn touch<T>(_: T) {}

/// The files below `folder`, in order of their paths, no larger than `most` bytes each.
pub(crate) fn samples_in(folder: &std::path::Path, most: usize) -> Vec<Vec<u8>> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).filter(|sample| sample.len() <= most).collect()
}
