//! Writing a backup, member after member, in bounded memory.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use super::manifest::{FOLDER, MANIFEST, Manifest, SUMS};

/// A backup that is being written.
pub(super) struct Archive<W: Write> {
    tar: tar::Builder<W>,
    sums: String,
    seconds: u64,
}

impl<W: Write> Archive<W> {
    /// Begins with the manifest.
    pub(super) fn begin(to: W, manifest: &Manifest) -> io::Result<Self> {
        let seconds = manifest.time.millis() / 1000;
        let mut archive = Self { tar: tar::Builder::new(to), sums: String::new(), seconds };
        let json = serde_json::to_vec_pretty(manifest)?;
        archive.add(MANIFEST, json.len() as u64, json.as_slice())?;
        Ok(archive)
    }

    /// Adds a member of so many bytes. A source that has fewer is an error; more are not read.
    pub(super) fn add(&mut self, name: &str, size: u64, from: impl Read) -> io::Result<()> {
        let mut exact = Exact { from, left: size, sum: Sha256::new() };
        self.put(name, size, &mut exact)?;
        let sum = data_encoding::HEXLOWER.encode(&exact.sum.finalize());
        self.sums.push_str(&format!("{sum}  {name}\n"));
        Ok(())
    }

    fn put(&mut self, name: &str, size: u64, from: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.seconds);
        header.set_entry_type(tar::EntryType::Regular);
        self.tar.append_data(&mut header, format!("{FOLDER}{name}"), from)
    }

    /// Ends with the sums.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let sums = std::mem::take(&mut self.sums);
        self.put(SUMS, sums.len() as u64, sums.as_bytes())?;
        let mut to = self.tar.into_inner()?;
        to.flush()?;
        Ok(to)
    }
}

/// So many bytes and no fewer, summed up on their way.
struct Exact<R> {
    from: R,
    left: u64,
    sum: Sha256,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || into.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let n = self.from.read(&mut into[..most])?;
        if n == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was read",
            ));
        }
        self.sum.update(&into[..n]);
        self.left -= n as u64;
        Ok(n)
    }
}
