//! The table of ranks in `src/lib.rs` holds for every `crate::` path.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn ranks() -> BTreeMap<String, f64> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    lib.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("//! | ")?.split('|');
            let rank = cells.next()?.trim().parse().ok()?;
            let module = cells.next()?.trim().trim_matches(|c| "[`]".contains(c)).to_owned();
            Some((module, rank))
        })
        .collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules that `text` names as `crate::module` or in `crate::{module::{…}, module}`, over as many lines as it
/// takes, each with the number of the line.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let start = at + "crate::".len();
        let rest = &text[start..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((start, first_word(rest)));
            continue;
        };
        let start = start + 1;
        let (mut depth, mut begins) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.push((start + i, first_word(&group[i..])));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    found.into_iter().map(|(at, word)| (line(at), word)).collect()
}

#[test]
fn a_module_is_seen_however_its_import_is_written() {
    let text = "use crate::a::b;\nuse crate::{b, c::{d, e},\n    f::{\n        self, g},\n    h};\nlet x = crate::i(1, j);\n\
                pub use crate::{\n    k::l as m,\n    n,\n};\n";
    let expected = [(1, "a"), (2, "b"), (2, "c"), (3, "f"), (5, "h"), (6, "i"), (8, "k"), (9, "n")];
    assert_eq!(named(text), expected.map(|(line, word)| (line, word.to_owned())));
}

fn first_word(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_module_imports_only_modules_of_a_lower_rank() {
    let ranks = ranks();
    assert!(ranks.len() >= 14, "the table in src/lib.rs was not found: {ranks:?}");
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for file in all {
        let inside = file.strip_prefix(source()).unwrap();
        let module = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let Some(own) = ranks.get(&module) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for (line, other) in named(&text) {
            looked_at += 1;
            let Some(rank) = ranks.get(&other) else { continue };
            if other != module && rank >= own {
                wrong.push(format!("{}:{line}: {module} ({own}) uses {other} ({rank})", inside.display()));
            }
        }
    }
    assert!(looked_at > 50, "no crate:: paths were found; the test looks in the wrong place");
    assert!(wrong.is_empty(), "modules reach up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_top_level_module_has_a_rank() {
    let ranks = ranks();
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    for module in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        assert!(ranks.contains_key(module), "src/lib.rs has no rank for {module}");
    }
}
