//! `tests/golden/policy/NAME.toml`, a file of rules, and beside it the whole report on it.
//! `MAILWARD_BLESS=1` writes the reports anew; read the difference before you commit it.

use super::super::policy_file;
use super::super::source::Source;
use super::*;

/// The report as `policy check` prints it.
fn report(bytes: &[u8]) -> String {
    let read = Source::from_bytes(Path::new("policy.toml"), bytes)
        .and_then(|source| policy_file::from_source(&source, &Config::default()));
    match read {
        Err(errors) => format!("{errors}\n"),
        Ok(read) if read.warnings.is_empty() => "no error\n".to_owned(),
        Ok(read) => {
            let warnings: Vec<String> = read.warnings.iter().map(|w| format!("{w:#}")).collect();
            format!("{}\nno error\n", warnings.join("\n"))
        }
    }
}

#[test]
fn each_report_on_rules_is_as_it_was_agreed() {
    let bless = std::env::var_os("MAILWARD_BLESS").is_some();
    let mut files: Vec<PathBuf> = std::fs::read_dir(in_tree("tests/golden/policy"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "only {} cases were found", files.len());
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
fn the_files_that_come_with_it_are_in_order() {
    for name in ["conf/policy.toml", "conf/shipped-policy.toml"] {
        let text = std::fs::read_to_string(in_tree(name)).unwrap();
        let text = match name {
            // What is shown is the shipped set, and two of a name are one too many.
            "conf/shipped-policy.toml" => format!("shipped = false\n{text}"),
            _ => text,
        };
        assert_eq!(report(text.as_bytes()), "no error\n", "{name}");
    }
}

#[test]
fn the_examples_of_the_policy_file_are_in_order() {
    let text = std::fs::read_to_string(in_tree("conf/policy.toml")).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.starts_with(' ') => example,
        _ => line,
    });
    let text: Vec<&str> = lines.collect();
    assert_eq!(report(text.join("\n").as_bytes()), "no error\n");
}

#[test]
fn rules_that_are_wrong_are_told_beside_what_else_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("policy.toml"),
        "[[rule]]\nname = \"x\"\nwhen = 'scroe'\ndisposition = \"tag\"\n",
    )
    .unwrap();
    let file = folder.path().join("mailward.toml");
    std::fs::write(&file, "[policy]\nrules = \"policy.toml\"\ndry_rnu = true\n").unwrap();
    let report = Config::load(Some(&file)).unwrap_err().to_string();
    assert!(report.contains("dry_rnu") && report.contains("unknown name \"scroe\""), "{report}");
    std::fs::write(&file, "[policy]\nrules = \"elsewhere.toml\"\n").unwrap();
    let report = Config::load(Some(&file)).unwrap_err().to_string();
    assert!(report.contains("elsewhere.toml, which cannot be read: no such file or directory"), "{report}");
    assert!(report.contains("mailward.toml:2:9"), "{report}");
}
