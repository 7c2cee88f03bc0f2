//! A copy read from the disk, and held to its checksum.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{End, Header, LastGood, MAGIC, MAX_LINE, Source};
use crate::feed::index::{Collector, FeedKeys};
use crate::feed::keys::Keyer;

/// Why it was not read.
pub(super) enum Fault {
    Read(io::Error),
    Damaged(String),
}

/// `None`: it is of another source.
pub(super) fn load(
    file: File,
    path: &Path,
    source: &Source,
    keyer: &Keyer,
) -> Result<Option<(LastGood, FeedKeys)>, Fault> {
    let damaged = |why: &str| Fault::Damaged(why.to_owned());
    let mut reader = BufReader::with_capacity(1 << 20, &file);
    let mut line = Vec::with_capacity(4096);
    let mut crc = crc32fast::Hasher::new();
    let mut header: Option<Header> = None;
    let mut collector = Collector::new(keyer);
    let (mut at, mut number) = (0_u64, 0_u64);
    let end: End = loop {
        line.clear();
        let count = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(Fault::Read)?;
        let Some((b'\n', content)) = line.split_last() else {
            return Err(damaged("it has no end"));
        };
        let content = std::str::from_utf8(content).map_err(|_| damaged("it is not UTF-8"))?;
        if let Some(rest) = content.strip_prefix("end\t") {
            let (sum, rest) = rest.split_once('\t').ok_or_else(|| damaged("its last line is broken"))?;
            if u32::from_str_radix(sum, 16) != Ok(crc.clone().finalize()) {
                return Err(damaged("its checksum is wrong"));
            }
            break serde_json::from_str(rest).map_err(|_| damaged("its last line is broken"))?;
        }
        number += 1;
        crc.update(&line);
        match number {
            1 if content == MAGIC => {}
            1 => return Err(damaged("it does not begin as one")),
            2 => {
                let read: Header =
                    serde_json::from_str(content).map_err(|_| damaged("its header is broken"))?;
                if read.source != *source {
                    return Ok(None);
                }
                header = Some(read);
            }
            _ => {
                let row = u32::try_from(at).map_err(|_| damaged("it is too large"))?;
                collector
                    .add_line(content, row)
                    .ok_or_else(|| damaged(&format!("line {number} is broken")))?;
            }
        }
        at += u64::try_from(count).unwrap_or(u64::MAX);
    };
    if end.lines + 2 != number {
        return Err(damaged("lines are missing"));
    }
    let header = header.ok_or_else(|| damaged("it has no header"))?;
    drop(reader);
    let crc = crc.finalize();
    let copy = LastGood {
        file,
        path: path.to_owned(),
        tally: end.tally(),
        crc,
        checked: header.fetched,
        validators: header.validators.clone(),
        header,
    };
    Ok(Some((copy, collector.done())))
}
