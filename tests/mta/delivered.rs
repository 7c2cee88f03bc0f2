//! A delivered message, as the mailbox holds it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// One file of a Maildir. Lines end in LF; Postfix has put Return-Path, X-Original-To and Delivered-To above.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

impl Delivered {
    /// All messages in a folder, oldest first. A folder that does not exist holds none.
    pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
        files.sort();
        files
            .into_iter()
            .map(|(_, path)| {
                let bytes =
                    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Self { path, bytes })
            })
            .collect()
    }

    /// Header fields in order, as written, without the final line end; folds kept.
    pub(crate) fn fields(&self) -> Vec<String> {
        fields(&self.bytes)
    }

    /// Values of all fields of this name, without the space after the colon; folds kept.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.fields().iter().filter_map(|field| value_of(field, name)).collect()
    }

    /// Value of the first field of this name.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.values(name).into_iter().next()
    }

    /// Everything after the empty line.
    pub(crate) fn body(&self) -> &[u8] {
        split(&self.bytes).1
    }
}

/// Header fields of a message whose lines end in LF or CRLF.
pub(crate) fn fields(message: &[u8]) -> Vec<String> {
    let header = String::from_utf8_lossy(split(message).0).replace("\r\n", "\n");
    let mut fields: Vec<String> = Vec::new();
    for line in header.lines() {
        match fields.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push('\n');
                last.push_str(line);
            }
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

fn value_of(field: &str, name: &str) -> Option<String> {
    let (found, value) = field.split_once(':')?;
    found.trim_end().eq_ignore_ascii_case(name).then(|| value.strip_prefix(' ').unwrap_or(value).to_owned())
}

fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let lf = memchr::memmem::find(message, b"\n\n").map(|at| (at + 1, at + 2));
    let crlf = memchr::memmem::find(message, b"\r\n\r\n").map(|at| (at + 2, at + 4));
    let (header_end, body) = match (lf, crlf) {
        (Some(lf), Some(crlf)) => lf.min(crlf),
        (one, other) => one.or(other).unwrap_or((message.len(), message.len())),
    };
    (message.get(..header_end).unwrap_or_default(), message.get(body..).unwrap_or_default())
}
