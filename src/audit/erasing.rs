//! Erasing lines so that a crash at any moment leaves all of them to be erased, or erased.
//!
//! What is to be written is written down first, into the file `erasing`: the entry that tells of it, and each
//! line in its new form with its place. Then the entry goes into the journal, the lines are written over –
//! each as long as the one before, so nothing moves –, and the file is removed. A start that finds the file
//! does again what it says; doing it twice is no harm.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use sha2::Sha256;

use super::entry::{Entry, ErasedDay};
use super::files::{self, Day, Lines};
use super::line::{self, LineHash};
use crate::model::{MailId, Timestamp};

const NAME: &str = "erasing";
/// What the last line of the file says: it is whole.
const END: &str = "end";

/// A line that is to be erased.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) day: Day,
    pub(super) offset: u64,
    /// Bytes of its content.
    pub(super) length: usize,
    /// What it follows.
    pub(super) link: LineHash,
    /// Its own hash.
    pub(super) hash: LineHash,
    pub(super) what: String,
    pub(super) id: Option<MailId>,
    pub(super) time: Option<Timestamp>,
}

impl Target {
    /// The line that takes its place: as long as it, and saying as much about it as there is room for.
    pub(super) fn erased(&self, act: u64) -> Option<Vec<u8>> {
        let (hash, id, time) = (self.hash, self.id, self.time);
        let all = Entry::Erased { hash, act, what: Some(self.what.clone()), id, time };
        let least = Entry::Erased { hash, act, what: None, id: None, time: None };
        let fitting = |entry: &Entry| entry.encode().ok().filter(|content| content.len() <= self.length);
        let mut content = fitting(&all).or_else(|| fitting(&least))?;
        content.resize(self.length, b' ');
        let mut bytes = Vec::new();
        line::encode(self.link, &content, &mut bytes);
        Some(bytes)
    }
}

/// What is to be told of these targets, which stand in the order of the journal.
pub(super) fn days(targets: &[Target]) -> Vec<ErasedDay> {
    let mut days: BTreeMap<Day, (u64, Sha256)> = BTreeMap::new();
    for target in targets {
        let (records, digest) = days.entry(target.day).or_default();
        *records += 1;
        target.hash.add_to(digest);
    }
    let told = |(day, (records, digest)): (Day, (u64, Sha256))| ErasedDay {
        day,
        records,
        digest: LineHash::finish(digest),
    };
    days.into_iter().map(told).collect()
}

/// Writes down what is to be done; on disk when it returns.
pub(super) fn plan(dir: &Path, erasure: &Entry, act: u64, targets: &[Target]) -> io::Result<()> {
    let new = dir.join(format!("{NAME}.new"));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut out = BufWriter::new(file);
    out.write_all(&erasure.encode().map_err(io::Error::other)?)?;
    out.write_all(b"\n")?;
    for target in targets {
        let Some(line) = target.erased(act) else { continue };
        write!(out, "{} {:016x} ", target.day, target.offset)?;
        out.write_all(&line)?;
    }
    writeln!(out, "{END}")?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(NAME))?;
    files::sync_dir(dir)
}

/// What an erasure is about, once its lines are written over.
#[derive(Debug)]
pub(super) struct Done {
    /// The messages whose records are gone.
    pub(super) ids: Vec<MailId>,
    /// The entry that tells of it, where the journal does not have it yet.
    pub(super) missing: Option<Entry>,
}

/// Writes the lines over as it was written down. `None`: there is nothing to do.
pub(super) fn resume(dir: &Path) -> io::Result<Option<Done>> {
    let file = match File::open(dir.join(NAME)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("the file {NAME} is not whole"));
    let mut lines = BufReader::new(file);
    let mut text = String::new();
    lines.read_line(&mut text)?;
    let erasure = Entry::decode(text.trim_end().as_bytes()).map_err(|_| broken())?;
    let mut ids = Vec::new();
    let mut open: Option<(Day, File)> = None;
    loop {
        text.clear();
        if lines.read_line(&mut text)? == 0 {
            return Err(broken());
        }
        if text.trim_end() == END {
            break;
        }
        let mut words = text.splitn(3, ' ');
        let day: Day = words.next().and_then(|day| day.parse().ok()).ok_or_else(broken)?;
        let offset = words.next().and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(broken)?;
        let line = words.next().ok_or_else(broken)?.as_bytes();
        let content = line::parse(line).map_err(|_| broken())?.content;
        if let Ok(Entry::Erased { id: Some(id), what: Some(what), .. }) = Entry::decode(content)
            && what == JUDGED
        {
            ids.push(id);
        }
        if open.as_ref().is_none_or(|(of, _)| *of != day) {
            if let Some((_, file)) = open.take() {
                file.sync_all()?;
            }
            match OpenOptions::new().write(true).open(day.path(dir)) {
                Ok(file) => open = Some((day, file)),
                // Retention was faster.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            }
        }
        if let Some((_, file)) = &open {
            file.write_all_at(line, offset)?;
        }
    }
    if let Some((_, file)) = open {
        file.sync_all()?;
    }
    let missing = if is_told(dir, &erasure)? { None } else { Some(erasure) };
    Ok(Some(Done { ids, missing }))
}

/// How the records of messages are called.
pub(super) const JUDGED: &str = "judged";

/// Whether the journal has the entry that tells of an erasure: since it was begun.
fn is_told(dir: &Path, erasure: &Entry) -> io::Result<bool> {
    let content = erasure.encode().map_err(io::Error::other)?;
    let begun = Day::of(erasure.time()).previous();
    for day in files::days(dir)?.into_iter().rev().take_while(|day| *day >= begun) {
        let mut lines = Lines::open(&day.path(dir), 0, None)?;
        while let Some(raw) = lines.next()? {
            if line::parse(raw.bytes).is_ok_and(|line| line.content == content) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// All of it is done and told.
pub(super) fn finished(dir: &Path) -> io::Result<()> {
    fs::remove_file(dir.join(NAME))?;
    files::sync_dir(dir)
}

/// Whether an erasure is not finished.
pub(super) fn is_unfinished(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

/// Holds what was erased to what the journal tells of it.
#[derive(Default)]
pub(super) struct Erasures {
    met: BTreeMap<(u64, Day), (u64, Sha256)>,
    told: Vec<(u64, String, Timestamp, Vec<ErasedDay>)>,
}

impl Erasures {
    /// An erased line.
    pub(super) fn met(&mut self, day: Day, content: &[u8], hash: LineHash) {
        let Ok(Entry::Erased { act, .. }) = Entry::decode(content) else { return };
        let (records, digest) = self.met.entry((act, day)).or_default();
        *records += 1;
        hash.add_to(digest);
    }

    /// The entry of an erasure.
    pub(super) fn told(&mut self, act: u64, by: String, time: Timestamp, days: Vec<ErasedDay>) {
        self.told.push((act, by, time, days));
    }

    /// What does not fit, by file, and what is to be known. `first` is the first day there is: what retention
    /// removed cannot be found.
    pub(super) fn compare(mut self, first: Option<Day>) -> (Vec<(Day, String)>, Vec<String>) {
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        for (act, by, time, days) in self.told {
            let total: u64 = days.iter().map(|day| day.records).sum();
            for said in days.into_iter().filter(|said| Some(said.day) >= first) {
                let found = self.met.remove(&(act, said.day));
                let found = found.map(|(records, digest)| (records, LineHash::finish(digest)));
                if found != Some((said.records, said.digest)) {
                    let n = found.map_or(0, |(records, _)| records);
                    problems.push((
                        said.day,
                        format!(
                            "on {} {} records were erased here on request, and {n} erased lines are found, or other \
                             ones than those; if mailward was killed while it erased, start it",
                            time.day(),
                            said.records
                        ),
                    ));
                }
            }
            notes.push(format!("{total} records were erased on {} by {by}", time.day()));
        }
        for ((_, day), (records, _)) in self.met {
            let what =
                format!("{records} lines say that they were erased, and no entry of the journal tells of it");
            problems.push((day, what));
        }
        (problems, notes)
    }
}
