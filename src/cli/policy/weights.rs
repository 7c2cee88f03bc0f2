//! `mailward policy weights`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::super::output::{json, out};
use crate::config::Config;
use crate::model::{Category, Scanner, Severity, text};
use crate::policy::Family;
use crate::scan::weight::Weight;
use crate::scan::{auth, clamd, mime, url, yara};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One line.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    weight: Weight,
    /// The fact that others tell as well: of all of them the weightiest counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'static str>,
}

pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = super::load(config, None)?;
    let rows = rows(&config)?;
    if arguments.json {
        json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in told(&rows) {
        out(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// By scanner; what is switched off is left out. rspamd weighs its symbols itself, so it has none.
fn rows(config: &Config) -> anyhow::Result<Vec<Row>> {
    let mut weights: Vec<Weight> = Vec::new();
    for scanner in Scanner::ALL.into_iter().filter(|scanner| config.scanner.terms(*scanner).is_some()) {
        weights.extend(match scanner {
            Scanner::Auth => auth::table::weights(),
            Scanner::Clamd => clamd::weights(),
            Scanner::Mime => mime::weights(),
            Scanner::Rspamd => Vec::new(),
            Scanner::Urls => {
                let feeds: BTreeMap<String, Category> =
                    config.feed.iter().map(|(name, feed)| (name.clone(), feed.category())).collect();
                url::weights(&config.scanner.urls, &feeds)
            }
            Scanner::Yara => yara::weights(&config.scanner.yara).context("the YARA rules")?,
        });
    }
    let row = |weight: Weight| {
        let Weight { scanner, symbol, category, severity, .. } = &weight;
        let family = Family::told(*scanner, symbol.trim_end_matches('*'), *category, *severity);
        Row { family: family.map(Family::name), weight }
    };
    Ok(weights.into_iter().map(row).collect())
}

/// The columns, as wide as they need to be.
fn told(rows: &[Row]) -> Vec<String> {
    let head = ["SCANNER", "SYMBOL", "SEVERITY", "CATEGORY", "SCORE", "FAMILY", "CHANGED IN"];
    let mut table = vec![head.map(str::to_owned)];
    table.extend(rows.iter().map(|Row { weight, family }| {
        let case = weight.case.as_ref().map(|case| format!(" ({case})")).unwrap_or_default();
        [
            weight.scanner.to_string(),
            format!("{}{case}", text::line(&weight.symbol, 60)),
            Severity::name(weight.severity).to_owned(),
            weight.category.to_string(),
            format!("{:?}", weight.score.value()),
            family.unwrap_or("-").to_owned(),
            weight.set_in.as_ref().map_or_else(|| "-".to_owned(), |place| text::line(place, 200)),
        ]
    }));
    let own = ["rspamd", "*", "-", "-", "its own", "-", "rspamd's groups.conf"];
    table.push(own.map(str::to_owned));
    let mut width = [0; 7];
    for row in &table {
        for (width, cell) in width.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(width).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything switched on that has a table.
    const ALL_ON: &str = r#"
[scanner.clamd]
address = "unix:/run/clamav/clamd.ctl"
[scanner.urls.weight]
close = 4.5
[scanner.urls.lookups]
blocklists = ["dbl"]
[feed.openphish]
format = "openphish"
url = "https://openphish.com/feed.txt"
"#;

    fn shown(config: &Config) -> Vec<String> {
        told(&rows(config).unwrap())
    }

    #[test]
    fn every_scanner_has_its_rows_and_each_says_where_it_is_changed() {
        let config: Config = toml::from_str(ALL_ON).unwrap();
        let lines: Vec<String> =
            shown(&config).iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in [
            "auth DMARC_FAIL_REJECT low suspicious 1.0 dmarc -",
            "clamd Heuristics.Encrypted.* medium suspicious 3.0 encrypted -",
            "clamd * critical malware 20.0 - -",
            "mime MIME_NOT_INSPECTED medium suspicious 0.0 - -",
            "urls HTML_SMUGGLING medium malware 4.5 smuggling -",
            "urls FEED_OPENPHISH (same) high phish 6.0 openphish scanner.urls.weight.same",
            "urls FEED_OPENPHISH (close) medium phish 4.5 openphish scanner.urls.weight.close",
            "urls DNSBL_DBL (phishing) high phish 6.0 dbl scanner.urls.weight.same",
            "yara EICAR_TEST_FILE critical malware 100.0 eicar bundled/test_strings.yar",
            "yara SCRIPT_DROPPER high malware 8.0 malware bundled/scripts.yar",
            "rspamd * - - its own - rspamd's groups.conf",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} is not in\n{}", lines.join("\n"));
        }
    }

    #[test]
    fn a_scanner_that_is_off_has_no_rows() {
        let config: Config = toml::from_str("[scanner.yara]\nenabled = false\n").unwrap();
        assert!(!shown(&config).iter().any(|line| line.starts_with("yara") || line.starts_with("clamd")));
    }
}
