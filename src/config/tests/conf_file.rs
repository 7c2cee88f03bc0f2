//! `conf/mailward.toml` is held to the code.
//!
//! Its form: `# text` is prose, `#key = value` (no space) is a key with its default, `#[section]` a
//! section that is off unless it is written. A key without a default is shown as `# key = …` in prose.

use std::collections::BTreeSet;

use super::super::read::known_beside;
use super::*;

fn shipped() -> String {
    std::fs::read_to_string(in_tree("conf/mailward.toml")).unwrap()
}

/// The file with every default in force.
pub(super) fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[' || c == ']') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every value, by its path. A table counts by what is in it.
fn leaves(table: &toml::Table, path: &str, into: &mut BTreeMap<String, toml::Value>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => leaves(inner, &path, into),
            value => {
                into.insert(path, value.clone());
            }
        }
    }
}

fn flat(table: &toml::Table) -> BTreeMap<String, toml::Value> {
    let mut all = BTreeMap::new();
    leaves(table, "", &mut all);
    all
}

#[test]
fn the_shipped_file_changes_nothing() {
    let loaded = parse(&shipped()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.warnings, []);
    let flat = |config: &Config| flat(&toml::Table::try_from(config).unwrap());
    assert_eq!(flat(&loaded.config), flat(&Config::default()));
}

#[test]
fn every_key_stands_in_the_shipped_file_with_its_default() {
    let text: toml::Table = uncommented(&shipped()).parse().unwrap_or_else(|e| panic!("{e}"));
    let (written, reference) = (flat(&text), flat(&toml::Table::try_from(Config::reference()).unwrap()));
    let missing: Vec<_> = reference.keys().filter(|key| !written.contains_key(*key)).collect();
    assert!(missing.is_empty(), "conf/mailward.toml does not explain {missing:?}");
    let unknown: Vec<_> = written.keys().filter(|key| !reference.contains_key(*key)).collect();
    assert!(unknown.is_empty(), "conf/mailward.toml gives a default to {unknown:?}, which has none");
    // "60s" and "1m" are the same, so values are compared as they are understood.
    let understood: Config = toml::from_str(&uncommented(&shipped())).unwrap_or_else(|e| panic!("{e}"));
    let understood = flat(&toml::Table::try_from(understood).unwrap());
    for (key, value) in &reference {
        assert_eq!(understood.get(key), Some(value), "the default of {key}");
    }
}

#[test]
fn every_key_without_a_default_stands_in_the_shipped_file() {
    let text = shipped();
    let reference = toml::Table::try_from(Config::reference()).unwrap();
    let mut sections = vec![(String::new(), BTreeSet::from_iter(reference.keys().cloned()))];
    tables(&reference, "", &mut sections);
    for (section, have) in sections {
        let known = keys_of(&section);
        assert!(have.is_empty() || !known.is_empty(), "no keys of [{section}] are known");
        for key in known.iter().filter(|key| !have.contains(*key)) {
            let shown = in_section(&text, &section).any(|line| line.starts_with(&format!("# {key} = ")));
            assert!(shown, "conf/mailward.toml does not show `# {key} = …` in [{section}]");
        }
    }
}

/// Each table with the keys that it has.
fn tables(table: &toml::Table, path: &str, into: &mut Vec<(String, BTreeSet<String>)>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let toml::Value::Table(inner) = value {
            into.push((path.clone(), BTreeSet::from_iter(inner.keys().cloned())));
            tables(inner, &path, into);
        }
    }
}

/// The keys that serde takes in a section: it names them when it meets one that it does not.
fn keys_of(section: &str) -> Vec<String> {
    if section == "notify" {
        return vec!["admin".to_owned()]; // any name is taken
    }
    if section == "feed" {
        return vec!["urlhaus".to_owned()]; // any name is taken
    }
    let bogus = if section.is_empty() {
        "no-such-key = 1".to_owned()
    } else {
        format!("[{section}]\nno-such-key = 1")
    };
    let table = toml::de::DeTable::parse(&bogus).unwrap().into_inner();
    known_beside::<Config>(table)
}

/// The lines of one section.
fn in_section<'t>(text: &'t str, section: &str) -> impl Iterator<Item = &'t str> {
    let mut here = section.is_empty();
    let header = format!("[{section}]");
    text.lines().filter(move |line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with('[') && line.ends_with(']') {
            here = line == header;
        }
        here
    })
}

#[test]
fn each_default_on_its_own_is_taken() {
    // Whoever removes one `#` must get a file that works.
    let text = shipped();
    for (i, line) in text.lines().enumerate() {
        if !line.starts_with('#')
            || uncommented(line) == line
            || line.starts_with("#[")
            || !line.contains(" = ")
        {
            continue;
        }
        let mut section = None;
        for above in text.lines().take(i) {
            let above = uncommented(above);
            if above.starts_with('[') && above.ends_with(']') {
                section = Some(above);
            }
        }
        let needed = match section.as_deref() {
            Some("[feed.urlhaus]") => "format = \"urlhaus-csv\"\nurl = \"https://feeds.example/\"\n",
            Some("[notify.admin]") => "kind = \"mail\"\nto = [\"postmaster@example.org\"]\n",
            _ => "",
        };
        let key = uncommented(line);
        if needed.contains(key.split(' ').next().unwrap_or_default()) {
            continue;
        }
        let one = format!("{}\n{needed}{key}\n", section.unwrap_or_default());
        if let Err(errors) = parse(&one) {
            panic!("{errors}");
        }
    }
}

/// Sections and keys that a running daemon does not take over. `*` stands for each key.
const NEEDS_RESTART: [&str; 26] = [
    "state_dir",
    "milter.*",
    "lmtp.enabled",
    "lmtp.listen",
    "lmtp.allow",
    "lmtp.socket_mode",
    "lmtp.socket_group",
    "lmtp.max_connections",
    "lmtp.command_timeout",
    "lmtp.data_timeout",
    "scanner.yara.enabled",
    "scanner.yara.rules",
    "scanner.yara.bundled",
    "scanner.yara.timeout",
    "scanner.yara.max_size",
    "scanner.yara.threads",
    "scanner.yara.max_matches",
    "quarantine.path",
    "quarantine.group",
    "audit.*",
    "store.*",
    "limits.messages",
    "limits.held",
    "admin.*",
    "log.format",
    "log.pseudonymise",
];

/// Each key that is shown with its default, and each section, with the prose in front of it and, for a
/// key, the prose in front of its section.
fn explained() -> Vec<(String, String)> {
    let (mut section, mut above, mut block) = (String::new(), String::new(), String::new());
    let mut all = Vec::new();
    for line in shipped().lines() {
        let plain = uncommented(line);
        if line.is_empty() {
            block.clear();
        } else if plain.starts_with('[') && plain.ends_with(']') {
            section = plain.trim_matches(['[', ']']).to_owned();
            above = std::mem::take(&mut block);
            all.push((section.clone(), above.clone()));
        } else if plain != line && plain.contains(" = ") {
            let key = plain.split(' ').next().unwrap();
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            all.push((path, format!("{above} {block}")));
        } else {
            block.push_str(line.trim_start_matches('#'));
        }
    }
    all
}

fn is_named(patterns: &[&str], path: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix(".*") {
        Some(section) => path.rsplit_once('.').is_some_and(|(parent, _)| parent == section),
        None => *pattern == path,
    })
}

#[test]
fn what_needs_a_restart_says_so_and_nothing_else_does() {
    let reference = flat(&toml::Table::try_from(Config::reference()).unwrap());
    let mut seen = 0;
    for (path, prose) in explained().into_iter().filter(|(path, _)| reference.contains_key(path)) {
        let told = prose.to_lowercase().contains("needs a restart");
        assert_eq!(told, is_named(&NEEDS_RESTART, &path), "{path}: {prose}");
        seen += usize::from(told);
    }
    assert!(seen > 20, "only {seen} keys were found");
}

#[test]
fn lines_of_the_shipped_file_fit_a_terminal() {
    let long: Vec<_> = shipped().lines().filter(|l| l.chars().count() > 100).map(str::to_owned).collect();
    assert_eq!(long, Vec::<String>::new());
}
