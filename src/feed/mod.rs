//! Lists of what is known to be bad, as others publish them: read, kept, looked up.
//!
//! A feed goes through three stages. [`mod@format`] reads a body as its publisher writes it, gives entries in one
//! form, and says why where it cannot. [`take_in`] writes them down as the last good copy and collects their
//! keys, unless the body gives nothing or far less than before. [`Index`] holds the keys of all feeds in memory
//! and says what they know of a link, a host, an address, a file. [`Feeds`] keeps all that are configured: loads
//! their copies at the start, fetches ([`Fetcher`]) when it is time, swaps the index. Nothing is judged here.
//!
//! **Contract.** Whatever a publisher sends, [`take_in`] either gives a whole new set, with its copy synced and in
//! its place, or an error, and then nothing has changed. An index never changes: [`Index::with`] makes another,
//! its owner swaps them; no look-up waits. A look-up reads memory alone, one cache line or two for each key.
//! The entry behind a [`Match`] is read from the copy on disk, also when that has been replaced since.
//!
//! **What matches what** ([`MatchKind`]). A link condemns that link, http and https taken as one, and, weaker,
//! the same host and path with another query. A host condemns itself; a domain that somebody registered,
//! weaker, all below it, too. On hosts that strangers share ([`crate::link::shared`]) only the whole link
//! counts. A link condemns no host, and nothing condemns what is above it. What would match nearly everything
//! is refused, row by row, by `width`.
//!
//! **Memory.** 20 bytes a key, one key for a link without query, two for others; while a feed is swapped, twice
//! that and 16 bytes for each of its keys. Figures: `docs/performance.md`.
//!
//! **Failures.** [`Refusal`]: the body is to blame. [`CopyError`]: the disk is, or what stands on it. Both are
//! sentences for the log; in both cases the entries from before stay, but for a damaged copy at the start.
//! [`FetchError`]: there is no body; it is tried again, first soon, then ever later.
//!
//! Where to find what: formats [`mod@format`], what an entry is `entry`, too wide rows `width`, numbers of a body
//! `tally`, keys `keys`, the array that holds them `table`, look-up `index`, the disk `copy`, a body taken in
//! `refresh`, HTTP `fetch`, all feeds and their tasks `keeper`, when `wait`, without the daemon `offline`, how one is doing `standing`.

mod copy;
mod entry;
mod fetch;
pub mod format;
mod index;
mod keeper;
mod keys;
mod offline;
mod question;
mod refresh;
mod standing;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod wait;
mod width;

pub use copy::{CopyError, Folder, LastGood, Leftover, Source, Validators};
pub use entry::{Asked, Day, Entry, FileHash, Key};
pub use fetch::{Answer, FetchError, Fetcher, PLACEHOLDER};
pub use format::{Format, Refusal};
pub use index::{FeedKeys, Index, Match, MatchKind, Strength, TooManyFeeds, agreement};
pub use keeper::{Feeds, RefreshError, Settings};
pub use keys::Keyer;
pub use offline::offline;
pub use question::Question;
pub use refresh::{Fetched, Fresh, NotTaken, Terms, take_in};
pub use standing::{Last, Outcome, Rows, Standing, Told, rounded, troubles};
pub use table::MAX_FEEDS;
pub use tally::{Example, Tally};
