//! Documents that are made from the code, and held to it. `make bless` writes them anew.

use std::fs;
use std::path::Path;

use mailward::telemetry::Metrics;

pub(crate) fn held(path: &str, made: &str) {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("MAILWARD_BLESS").is_some() {
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, made).unwrap();
    }
    let there = fs::read_to_string(&full).unwrap_or_default();
    assert_eq!(there, made, "{path} is not what the code says; `make bless` writes it anew");
}

#[test]
fn the_table_of_metrics_is_made_from_the_code() {
    held("docs/metrics.md", &Metrics::markdown());
}

#[test]
fn the_manual_page_is_made_from_the_command_line() {
    let mut page = Vec::new();
    mailward::cli::man_page(&mut page).unwrap();
    held("docs/mailward.8", &String::from_utf8(page).unwrap());
}

/// Where the links of a page lead, without those to other hosts.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|to| !to.contains("://"))
}

/// The anchors of a page, as they are made from its headings.
fn anchors(text: &str) -> Vec<String> {
    let heading = |line: &str| {
        let kept = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        Some(kept.collect::<String>().replace(' ', "-"))
    };
    text.lines().filter_map(heading).collect()
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(here.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut broken = Vec::new();
    for page in pages.chain([here.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let found = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap()).iter().any(|a| a == anchor));
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}
