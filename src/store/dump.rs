//! Trees as text and back: one record a line, its key in base64, its value as the JSON that it is.

use std::io::{self, BufRead, Write};

use super::{Store, StoreError, value};

/// What a tree gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Records.
    pub records: u64,
    /// Records that are damaged, and so left out.
    pub damaged: u64,
}

/// Why a tree could not be written out or filled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is written to, or read from.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is no record.
    #[error("line {0} of the records of tree {1} is no record")]
    Line(u64, String),
}

/// The longest line: a value is below 64 KiB, its key short.
const MAX_LINE: u64 = 1 << 20;
/// Records that are written in one step.
const STEP: usize = 500;

impl Store {
    /// Writes all records of the tree `name`, in the order of their keys.
    ///
    /// # Errors
    /// If the tree cannot be read to its end, or `out` cannot be written.
    pub fn dump(&self, name: &'static str, out: &mut dyn Write) -> Result<Dumped, DumpError> {
        let failed = |source| self.handle.failed(name, "read", source);
        let tree = self.handle.db(name, "read", |db| db.open_tree(name))?;
        let mut dumped = Dumped::default();
        for item in tree.iter() {
            let (key, bytes) = item.map_err(failed)?;
            match value::payload(&key, &bytes) {
                Ok(payload) => {
                    write!(out, "{{\"key\":\"{}\",\"value\":", data_encoding::BASE64.encode(&key))?;
                    out.write_all(payload)?;
                    out.write_all(b"}\n")?;
                    dumped.records += 1;
                }
                Err(_) => dumped.damaged += 1,
            }
        }
        Ok(dumped)
    }

    /// Makes the tree `name` exactly these records. Not synced.
    ///
    /// # Errors
    /// If a line is no record, or the database cannot be written.
    pub fn fill(&self, name: &'static str, from: &mut dyn BufRead) -> Result<u64, DumpError> {
        let failed = |source| self.handle.failed(name, "write to", source);
        let tree = self.handle.db(name, "write to", |db| db.open_tree(name))?;
        tree.clear().map_err(failed)?;
        let (mut records, mut batch, mut line) = (0, sled::Batch::default(), Vec::new());
        loop {
            line.clear();
            if io::Read::take(&mut *from, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let (key, payload) =
                record(&line).ok_or_else(|| DumpError::Line(records + 1, name.to_owned()))?;
            let bytes = value::sealed(&key, payload);
            batch.insert(key, bytes);
            records += 1;
            if records.is_multiple_of(STEP as u64) {
                tree.apply_batch(std::mem::take(&mut batch)).map_err(failed)?;
            }
        }
        tree.apply_batch(batch).map_err(failed)?;
        Ok(records)
    }
}

fn record(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let rest = line.strip_suffix(b"}\n")?.strip_prefix(b"{\"key\":\"")?;
    let at = memchr::memchr(b'"', rest)?;
    let payload = rest.get(at..)?.strip_prefix(b"\",\"value\":")?;
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).ok()?;
    Some((data_encoding::BASE64.decode(rest.get(..at)?).ok()?, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_and_what_is_no_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&dir.path().join("a"), &Default::default()).unwrap();
        let tree: super::super::Tree<String> = store.tree("lists").unwrap();
        for n in 0..1234 {
            tree.insert(format!("key \"{n}\n").as_bytes(), &format!("value\n\"}} {n}")).unwrap();
        }
        let mut text = Vec::new();
        assert_eq!(store.dump("lists", &mut text).unwrap(), Dumped { records: 1234, damaged: 0 });
        assert_eq!(text.iter().filter(|b| **b == b'\n').count(), 1234);
        let (other, _) = Store::open(&dir.path().join("b"), &Default::default()).unwrap();
        let filled: super::super::Tree<String> = other.tree("lists").unwrap();
        filled.insert(b"old", &"old".to_owned()).unwrap();
        assert_eq!(other.fill("lists", &mut text.as_slice()).unwrap(), 1234);
        let all = |tree: &super::super::Tree<String>| tree.iter().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all(&filled), all(&tree));
        for bad in [
            &b"x\n"[..],
            b"{\"key\":\"eA==\",\"value\":1",
            b"{\"key\":\"?\",\"value\":1}\n",
            b"{\"key\":\"eA==\",\"value\":}\n",
        ] {
            assert!(matches!(other.fill("lists", &mut &bad[..]), Err(DumpError::Line(1, _))));
        }
    }
}
