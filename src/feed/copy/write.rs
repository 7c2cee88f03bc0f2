//! A copy on its way to the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::error::{CopyError, failed};
use super::folder::{Folder, created};
use super::{End, Header, LastGood, MAGIC, Source, Validators};
use crate::feed::entry::Entry;
use crate::feed::tally::Tally;
use crate::model::Timestamp;

/// A copy that is being written. Dropped, it is removed.
pub(in crate::feed) struct Writer {
    file: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
    folder: PathBuf,
    header: Header,
    crc: crc32fast::Hasher,
    at: u64,
    lines: u64,
    line: Vec<u8>,
}

impl Writer {
    pub(in crate::feed) fn new(
        folder: &Folder,
        source: &Source,
        fetched: Timestamp,
        validators: Validators,
        min_confidence: u8,
    ) -> Result<Self, CopyError> {
        let temporary = folder.file(&source.feed, "entries.new");
        let file = created(&temporary).map_err(failed("cannot make", &temporary))?;
        let header = Header { source: source.clone(), fetched, min_confidence, validators };
        let mut writer = Self {
            file: Some(BufWriter::with_capacity(256 << 10, file)),
            path: folder.file(&source.feed, "entries"),
            folder: folder.path.clone(),
            header,
            crc: crc32fast::Hasher::new(),
            at: 0,
            lines: 0,
            line: Vec::new(),
            temporary,
        };
        writer.begin().map_err(failed("cannot write", &writer.temporary))?;
        Ok(writer)
    }

    fn begin(&mut self) -> io::Result<()> {
        let header = serde_json::to_string(&self.header)?;
        let begin = format!("{MAGIC}\n{header}\n");
        self.write(begin.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("it is closed"))?;
        file.write_all(bytes)?;
        self.crc.update(bytes);
        self.at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Writes an entry; returns where.
    pub(in crate::feed) fn entry(&mut self, entry: &Entry) -> io::Result<u32> {
        let row = u32::try_from(self.at).map_err(|_| io::Error::other("the copy is larger than 4 GiB"))?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        entry.write(&mut line);
        let written = self.write(&line);
        self.line = line;
        self.lines += 1;
        written.map(|()| row)
    }

    /// Puts the copy into its place.
    pub(in crate::feed) fn done(mut self, tally: &Tally) -> Result<LastGood, CopyError> {
        let crc = self.crc.clone().finalize();
        let file = self.finish(tally, crc).map_err(failed("cannot write", &self.path))?;
        Ok(LastGood {
            file,
            path: self.path.clone(),
            tally: tally.clone(),
            crc,
            checked: self.header.fetched,
            validators: self.header.validators.clone(),
            header: self.header.clone(),
        })
    }

    fn finish(&mut self, tally: &Tally, crc: u32) -> io::Result<File> {
        let end = serde_json::to_string(&End::of(tally, self.lines))?;
        self.write(format!("end\t{crc:08x}\t{end}\n").as_bytes())?;
        let file = self.file.take().ok_or_else(|| io::Error::other("it is closed"))?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After the rename there is nothing of that name; if it cannot be removed, the next start does.
        drop(fs::remove_file(&self.temporary));
    }
}
