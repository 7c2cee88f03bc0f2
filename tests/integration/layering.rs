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

/// The modules that a line names as `crate::module` or in `crate::{module::…, module}`.
fn named(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group.split([',', '}']).map(|p| first_word(p.trim())));
        } else {
            found.push(first_word(rest));
        }
    }
    found
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
        for (number, line) in text.lines().enumerate() {
            for other in named(line) {
                looked_at += 1;
                let Some(rank) = ranks.get(&other) else { continue };
                if other != module && rank >= own {
                    wrong.push(format!(
                        "{}:{}: {module} ({own}) uses {other} ({rank})",
                        inside.display(),
                        number + 1
                    ));
                }
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
