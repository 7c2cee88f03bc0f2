//! Finds rule files and reads them, within bounds.
//!
//! Design note: a symbolic link counts as what it points to, wherever that is, because rule sets are
//! often checked out elsewhere and linked. What it points to must be as safe as the folder itself:
//! it and everything above it is checked in the same way. Loops end at the limit on depth.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::YaraError;
use super::error::shown;
use super::trust::Trust;
use crate::named_file;

/// Folders below folders.
const MAX_DEPTH: usize = 8;
/// Files and folders looked at.
const MAX_ENTRIES: usize = 20_000;
/// One file.
const MAX_FILE: u64 = 16 << 20;
/// All files together.
const MAX_TOTAL: u64 = 128 << 20;

/// One rule file.
#[derive(PartialEq, Eq)]
pub(super) struct Source {
    /// The namespace of its rules: the path below the configured folder.
    pub(super) name: String,
    /// Where it is, for people.
    pub(super) origin: String,
    /// Its bytes. yara-x says itself if they are not UTF-8.
    pub(super) text: Vec<u8>,
}

impl Source {
    /// A file that comes with mailward.
    pub(super) fn bundled(name: &str, text: &str) -> Self {
        let name = format!("bundled/{name}");
        Self { origin: name.clone(), name, text: text.as_bytes().to_vec() }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.text.len())
    }
}

/// A rule file that was found and not read yet.
struct Found {
    path: PathBuf,
    name: String,
    meta: Metadata,
}

/// Reads every rule file under `roots`, sorted by name.
pub(super) fn read(roots: &[PathBuf], trust: &Trust) -> Result<Vec<Arc<Source>>, YaraError> {
    let mut left = MAX_TOTAL;
    let mut sources = Vec::new();
    let (mut names, mut origins) = (BTreeSet::new(), BTreeSet::new());
    for found in find(roots, trust)? {
        let text = read_file(&found.path, trust, &mut left)?;
        let path = shown(&found.path);
        let numbered = (2..).map(|n| format!("{path} ({n})"));
        let mut ways = std::iter::once(path.clone()).chain(numbered);
        let origin = ways.find(|way| origins.insert(way.clone())).unwrap_or_default();
        // Two folders may hold files of the same name; a namespace must hold one file only.
        let plain = shown(Path::new(&found.name));
        let name = if names.insert(plain.clone()) { plain } else { origin.clone() };
        sources.push(Arc::new(Source { name, origin, text }));
    }
    Ok(sources)
}

/// A number that changes when a file under `roots` is added, removed, written, replaced or given other
/// permissions, or when a root appears or vanishes.
pub(super) fn fingerprint(roots: &[PathBuf], trust: &Trust) -> u64 {
    let mut hasher = DefaultHasher::new();
    match find(roots, trust) {
        Ok(files) => {
            for Found { path, meta, .. } in files {
                (
                    &path,
                    meta.len(),
                    meta.ino(),
                    meta.mtime(),
                    meta.mtime_nsec(),
                    meta.ctime(),
                    meta.ctime_nsec(),
                )
                    .hash(&mut hasher);
            }
        }
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}

fn find(roots: &[PathBuf], trust: &Trust) -> Result<Vec<Found>, YaraError> {
    let mut found = Vec::new();
    let mut seen = 0;
    for root in roots {
        let real = fs::canonicalize(root).map_err(|e| unreadable(root, e))?;
        trust.check_above(&real)?;
        let meta = fs::metadata(&real).map_err(|e| unreadable(root, e))?;
        trust.check(root, &meta)?;
        if meta.is_dir() {
            walk(root, root, trust, 0, &mut seen, &mut found)?;
        } else if meta.is_file() {
            let name = root.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            found.push(Found { path: root.clone(), name, meta });
        } else {
            let source = std::io::Error::other("it is neither a folder nor a file");
            return Err(YaraError::Unreadable { path: root.clone(), source });
        }
    }
    Ok(found)
}

fn walk(
    root: &Path,
    folder: &Path,
    trust: &Trust,
    depth: usize,
    seen: &mut usize,
    found: &mut Vec<Found>,
) -> Result<(), YaraError> {
    if depth > MAX_DEPTH {
        let what = format!("folders more than {MAX_DEPTH} deep, or a link that leads back into itself");
        return Err(YaraError::TooMuch { path: folder.to_owned(), what });
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        let entry = entry.map_err(|e| unreadable(folder, e))?;
        *seen += 1;
        if *seen > MAX_ENTRIES {
            let what = format!("more than {MAX_ENTRIES} files");
            return Err(YaraError::TooMuch { path: root.to_owned(), what });
        }
        // Hidden files are editors' and version control's.
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let is_link = fs::symlink_metadata(&path).map_err(|e| unreadable(&path, e))?.is_symlink();
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            // A dangling link to something that is no rule file is nobody's concern.
            Err(_) if is_link && !is_rule_file(&path) => continue,
            Err(e) => return Err(unreadable(&path, e)),
        };
        let is_rules = meta.is_dir() || (meta.is_file() && is_rule_file(&path));
        if !is_rules {
            continue;
        }
        trust.check(&path, &meta)?;
        if is_link {
            trust.check_above(&fs::canonicalize(&path).map_err(|e| unreadable(&path, e))?)?;
        }
        if meta.is_dir() {
            walk(root, &path, trust, depth + 1, seen, found)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Found { path, name, meta });
        }
    }
    Ok(())
}

fn is_rule_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yar") || e.eq_ignore_ascii_case("yara"))
}

fn read_file(path: &Path, trust: &Trust, left: &mut u64) -> Result<Vec<u8>, YaraError> {
    let file = named_file::open(path).map_err(|e| unreadable(path, e))?;
    // Asked of the open file: nobody can swap it between the check and the reading.
    let meta = file.metadata().map_err(|e| unreadable(path, e))?;
    trust.check(path, &meta)?;
    let mut text = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(|e| unreadable(path, e))?;
    let size = text.len() as u64;
    if size > MAX_FILE || size > *left {
        let what = format!("more than {} MiB in one file or {} MiB in all", MAX_FILE >> 20, MAX_TOTAL >> 20);
        return Err(YaraError::TooMuch { path: path.to_owned(), what });
    }
    *left -= size;
    Ok(text)
}

fn unreadable(path: &Path, source: std::io::Error) -> YaraError {
    YaraError::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(roots: &[&Path]) -> Vec<String> {
        let roots: Vec<PathBuf> = roots.iter().map(|r| r.to_path_buf()).collect();
        read(&roots, &Trust::nobody()).unwrap().iter().map(|s| s.name.clone()).collect()
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "rule r { condition: false }").unwrap();
        }
        dir
    }

    #[test]
    fn rule_files_are_found_in_all_folders_below() {
        let dir = folder(&["b.yara", "a.yar", "sub/deeper/c.YAR", "readme.md", ".hidden.yar", ".git/x.yar"]);
        assert_eq!(names(&[dir.path()]), ["a.yar", "b.yara", "sub/deeper/c.YAR"]);
        let single = dir.path().join("b.yara");
        assert_eq!(names(&[&single]), ["b.yara"]);
    }

    #[test]
    fn files_of_the_same_name_keep_namespaces_of_their_own() {
        let (one, two) = (folder(&["a.yar"]), folder(&["a.yar"]));
        let full = two.path().join("a.yar").display().to_string();
        assert_eq!(names(&[one.path(), two.path()]), ["a.yar".to_owned(), full]);
    }

    #[test]
    fn names_of_files_are_shown_safely_and_stay_apart() {
        let dir = folder(&["a\n<0>b\u{1b}[2J.yar", "a\r<0>b\u{1}[2J.yar", "a\t<0>b\u{7f}[2J.yar"]);
        let sources = read(&[dir.path().to_owned()], &Trust::nobody()).unwrap();
        let plain = "a <0>b?[2J.yar";
        let full = dir.path().join(plain).display().to_string();
        let told: Vec<[&str; 2]> = sources.iter().map(|source| [&*source.name, &*source.origin]).collect();
        let [second, third] = [2, 3].map(|n| format!("{full} ({n})"));
        assert_eq!(told, [[plain, full.as_str()], [&second, &second], [&third, &third]]);
    }

    #[test]
    fn a_link_counts_as_what_it_points_to() {
        let (one, two) = (folder(&["a.yar"]), folder(&["b.yar"]));
        symlink(two.path(), one.path().join("linked")).unwrap();
        symlink("/nowhere", one.path().join("dangling.txt")).unwrap();
        assert_eq!(names(&[one.path()]), ["a.yar", "linked/b.yar"]);
        symlink(one.path(), one.path().join("loop")).unwrap();
        let error = read(&[one.path().to_owned()], &Trust::nobody()).unwrap_err();
        assert!(matches!(error, YaraError::TooMuch { .. }), "{error}");
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error_that_says_what_to_do() {
        let error = read(&[PathBuf::from("/nonexistent/rules")], &Trust::nobody()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nonexistent/rules cannot be read: No such file or directory (os error 2); create it, correct \
             scanner.yara.rules, or leave `rules` out to use the rules that come with mailward"
        );
    }

    #[test]
    fn one_writable_file_deep_inside_refuses_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let dir = folder(&["a.yar", "sub/b.yar"]);
        let bad = dir.path().join("sub/b.yar");
        fs::set_permissions(&bad, fs::Permissions::from_mode(0o666)).unwrap();
        match read(&[dir.path().to_owned()], &Trust::nobody()).unwrap_err() {
            YaraError::Writable { path, why } => {
                assert_eq!((path, why.as_str()), (bad, "everybody can write it"));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_fingerprint_follows_content_names_and_permissions() {
        let dir = folder(&["a.yar"]);
        let roots = [dir.path().to_owned()];
        let now = || fingerprint(&roots, &Trust::nobody());
        let first = now();
        assert_eq!(first, now());
        fs::write(dir.path().join("a.yar"), "rule other { condition: false }").unwrap();
        let second = now();
        assert_ne!(first, second);
        fs::rename(dir.path().join("a.yar"), dir.path().join("b.yar")).unwrap();
        let third = now();
        assert_ne!(second, third);
        fs::remove_dir_all(dir.path()).unwrap();
        assert_ne!(third, now());
    }
}
