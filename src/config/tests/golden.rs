//! `tests/golden/config/NAME.toml` and, beside it, the whole report on it.
//! `MAILWARD_BLESS=1` writes the reports anew; read the difference before you commit it.

use super::*;

/// The report as `check-config` prints it.
fn report(bytes: &[u8]) -> String {
    match Config::parse(Path::new("mailward.toml"), bytes) {
        Err(errors) => format!("{errors}\n"),
        Ok(loaded) if loaded.warnings.is_empty() => "no error\n".to_owned(),
        Ok(loaded) => {
            let warnings: Vec<String> = loaded.warnings.iter().map(|w| format!("{w:#}")).collect();
            format!("{}\nno error\n", warnings.join("\n"))
        }
    }
}

#[test]
fn each_report_is_as_it_was_agreed() {
    let bless = std::env::var_os("MAILWARD_BLESS").is_some();
    let mut files: Vec<PathBuf> = std::fs::read_dir(in_tree("tests/golden/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 25, "only {} cases were found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let said = report(&std::fs::read(&file).unwrap());
        let expected = file.with_extension("txt");
        if bless {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("== {}\n{said}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "other than agreed:\n{}", wrong.join("\n"));
}

#[test]
fn no_report_shows_what_a_terminal_would_obey() {
    for entry in std::fs::read_dir(in_tree("tests/golden/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let said = report(&std::fs::read(&path).unwrap());
            let odd = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(odd, None, "{}", path.display());
            assert!(!said.contains("hunter2") && !said.contains("staple"), "{}", path.display());
        }
    }
}
