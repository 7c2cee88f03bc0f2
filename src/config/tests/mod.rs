//! Tests of the whole: golden reports, the shipped file, hostile bytes.

mod conf_file;
mod golden;
mod hostile;
mod loading;
mod notify;
mod policy_doc;
mod rules;

use std::path::{Path, PathBuf};

use super::*;

/// A configuration from text.
fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    Config::parse(Path::new("mailward.toml"), text.as_bytes())
}

/// A file of the source tree.
fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
