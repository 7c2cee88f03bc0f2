//! The Debian package, made from the binary under test.
//!
//! **Contract.** [`Package::built`] makes it once for all tests below cargo's target folder, anew when the binary or a file
//! that is packed has changed. [`Package::with_version`] is the same package under another version.
//!
//! **Failures.** With all that `debian/build` wrote. [`missing`] says which tool is not installed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::guard::{self, Dir};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// What is packed, or says how.
const SOURCES: [&str; 9] =
    ["README.md", "SECURITY.md", "conf", "debian", "docs", "dovecot-sieve", "postfix", "rules", "systemd"];

/// The tool that is not here, if there is one.
pub(crate) fn missing() -> Option<String> {
    let lacks = ["dpkg-buildpackage", "dh", "lintian"].into_iter().find(|program| !guard::installed(program));
    lacks.map(|program| format!("{program} is not installed"))
}

/// A package file.
#[derive(Clone, Debug)]
pub(crate) struct Package(PathBuf);

impl Package {
    /// The one of this tree.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn built(binary: &str) -> anyhow::Result<Self> {
        let folder = Path::new(super::machine::TARGET_TMP).join("package");
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.with_extension("lock"))?;
        lock.lock()?;
        let stamp = stamp(binary)?;
        let made = folder.join("made");
        if fs::read_to_string(&made).ok().as_deref() != Some(&stamp) {
            let mut build = Command::new("debian/build");
            build.arg(&folder).current_dir(HERE).env("MAILWARD_BINARY", binary);
            // Quick rather than small.
            build.env("DEB_BUILD_OPTIONS", "noautodbgsym").env("DPKG_DEB_COMPRESSOR_TYPE", "gzip");
            build.env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
            guard::run(&mut build)?;
            fs::write(&made, stamp)?;
        }
        let found = fs::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path());
        let mut debs = found.filter(|path| path.extension().is_some_and(|end| end == "deb"));
        Ok(Self(debs.next().context("no package was made")?))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The same under another version, with a line more in its configuration if `changed`; made in `folder`.
    ///
    /// # Errors
    /// If it cannot be packed.
    pub(crate) fn with_version(
        &self,
        version: &str,
        changed: bool,
        folder: &Path,
    ) -> anyhow::Result<PathBuf> {
        let dir = Dir::new("repack")?;
        let tree = dir.path().join("tree");
        guard::run(Command::new("dpkg-deb").arg("-R").args([&self.0, &tree]))?;
        let control = tree.join("DEBIAN/control");
        let text = fs::read_to_string(&control)?;
        let version_line = |line: &str| {
            if line.starts_with("Version: ") { format!("Version: {version}") } else { line.to_owned() }
        };
        let text: Vec<_> = text.lines().map(version_line).collect();
        fs::write(&control, text.join("\n") + "\n")?;
        if changed {
            let conf = tree.join("etc/mailward/mailward.toml");
            fs::write(&conf, fs::read_to_string(&conf)? + "\n# a line of the new version\n")?;
        }
        let to = folder.join(format!("mailward_{version}.deb"));
        let mut pack = Command::new("dpkg-deb");
        pack.args(["--root-owner-group", "-Zgzip", "-z1", "-b"]).args([&tree, &to]);
        guard::run(&mut pack)?;
        Ok(to)
    }
}

/// Changes when anything does that is packed.
fn stamp(binary: &str) -> anyhow::Result<String> {
    let mut all = String::new();
    let mut waiting: Vec<PathBuf> = SOURCES.iter().map(|name| Path::new(HERE).join(name)).collect();
    waiting.push(binary.into());
    while let Some(path) = waiting.pop() {
        let meta = fs::metadata(&path).with_context(|| format!("{} is missing", path.display()))?;
        if meta.is_dir() {
            let mut inner: Vec<_> = fs::read_dir(&path)?.filter_map(Result::ok).map(|e| e.path()).collect();
            inner.sort();
            waiting.extend(inner);
        } else {
            writeln!(all, "{} {} {}.{}", path.display(), meta.len(), meta.mtime(), meta.mtime_nsec())?;
        }
    }
    Ok(all)
}
