//! The SPF test suite that goes with RFC 7208.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yaml_rust2::{Yaml, YamlLoader};

use super::super::spf;
use crate::dns::{Inquiry, Resolver, Zone};
use crate::telemetry::Metrics;
use crate::testing;

#[tokio::test]
async fn every_case_of_the_spf_suite_ends_as_the_suite_says() {
    let Some(folder) = testing::suite("every_case_of_the_spf_suite_ends_as_the_suite_says", "spf") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("rfc7208-tests.yml")).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in YamlLoader::load_from_str(&text).unwrap() {
        let zone = Zone::parse(&zone(&scenario["zonedata"])).unwrap();
        let resolver = Arc::new(Resolver::of_zone(zone, Arc::new(Metrics::new())));
        for (name, case) in scenario["tests"].as_hash().unwrap() {
            count += 1;
            let inquiry = Inquiry::new(Arc::clone(&resolver), 100, Instant::now() + Duration::from_secs(20));
            let text = |key: &str| case[key].as_str().unwrap_or_default();
            let ip = text("host").parse().unwrap();
            let found = spf::mail_from(&inquiry, ip, text("mailfrom"), text("helo")).await;
            let result = found.as_ref().map_or("none", |spf| spf.result.name());
            let expected = match &case["result"] {
                Yaml::Array(any) => any.iter().filter_map(Yaml::as_str).map(str::to_owned).collect(),
                one => vec![one.as_str().unwrap_or_default().to_owned()],
            };
            if !expected.iter().any(|e| e == result) {
                let scenario = scenario["description"].as_str().unwrap_or_default();
                wrong.push(format!("{scenario}: {name:?}: {result} instead of {expected:?}: {found:?}"));
            }
        }
    }
    assert_eq!(count, 203);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The suite's data as a zone file. A name with records of type SPF and none of type TXT has them as TXT
/// as well; `TXT: NONE` says that it has not.
fn zone(data: &Yaml) -> String {
    let mut out = String::new();
    for (owner, records) in data.as_hash().unwrap() {
        let owner = &owner.as_str().unwrap().replace(' ', "\\032");
        // Names that the DNS could not have are only ever asked in vain.
        if crate::dns::question(&owner.replace("\\032", " ")).is_err() {
            continue;
        }
        let records = records.as_vec().unwrap();
        let has_txt = records.iter().any(|r| !r["TXT"].is_badvalue());
        for record in records {
            if record.as_str() == Some("TIMEOUT") {
                writeln!(out, "{owner} TIMEOUT").unwrap();
                continue;
            }
            for (kind, value) in record.as_hash().unwrap() {
                let kind = kind.as_str().unwrap();
                match (kind, value) {
                    (_, Yaml::String(value)) if value == "NONE" => {}
                    (_, Yaml::String(value)) if value == "TIMEOUT" => {
                        writeln!(out, "{owner} TIMEOUT {kind}").unwrap()
                    }
                    ("SPF", _) if has_txt => {}
                    ("SPF" | "TXT", value) => writeln!(out, "{owner} TXT {}", quoted(value)).unwrap(),
                    ("MX", Yaml::Array(mx)) => {
                        let host = mx[1].as_str().unwrap();
                        let host = if host.is_empty() { "." } else { host };
                        writeln!(out, "{owner} MX {} {host}", mx[0].as_i64().unwrap()).unwrap();
                    }
                    (kind, value) => writeln!(out, "{owner} {kind} {}", value.as_str().unwrap()).unwrap(),
                }
            }
        }
    }
    out
}

fn quoted(value: &Yaml) -> String {
    let byte = |b: u8| match b {
        b'"' | b'\\' | 0..=31 | 127.. => format!("\\{b:03}"),
        plain => char::from(plain).to_string(),
    };
    let one = |text: &str| format!("\"{}\"", text.bytes().map(byte).collect::<String>());
    match value {
        Yaml::Array(strings) => {
            strings.iter().filter_map(Yaml::as_str).map(one).collect::<Vec<_>>().join(" ")
        }
        text => one(text.as_str().unwrap()),
    }
}
