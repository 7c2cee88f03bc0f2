//! Documents that are made from the code, and held to it. `make bless` writes them anew.

use std::fs;
use std::path::Path;

use mailward::telemetry::Metrics;

fn held(path: &str, made: &str) {
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
