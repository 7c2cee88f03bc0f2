//! The ARC test suite of ValiMail.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yaml_rust2::{Yaml, YamlLoader};

use super::super::arc;
use super::super::dkim::body::BodyHashes;
use super::super::keys::Keys;
use super::super::signed::Terms;
use crate::dns::{Inquiry, Resolver, Zone};
use crate::mail::header;
use crate::model::AuthResult;
use crate::telemetry::Metrics;
use crate::testing;

/// What a chain comes to; without one, `none`.
async fn result(zone: &str, message: &str) -> AuthResult {
    let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
    let inquiry = Inquiry::new(Arc::new(resolver), 100, Instant::now() + Duration::from_secs(20));
    let message = header::parse(message.to_owned());
    let terms = Terms { signatures: 10, trusted_sealers: Vec::new(), author: None, now: 1_800_000_000 };
    let keys = Keys::fetch([(&inquiry, arc::keys_of(&message))]).await;
    let bodies = BodyHashes::new(message.body());
    arc::verify(&message, &bodies, &keys, &terms).map(|chain| chain.result).unwrap_or_default()
}

fn zone(records: &Yaml) -> String {
    let mut out = String::new();
    for (name, text) in records.as_hash().unwrap() {
        let text: String = text.as_str().unwrap().split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "{} TXT {text}", name.as_str().unwrap()).unwrap();
    }
    out
}

#[tokio::test]
async fn every_validation_case_of_the_arc_suite_ends_as_the_suite_says() {
    let name = "every_validation_case_of_the_arc_suite_ends_as_the_suite_says";
    let Some(folder) = testing::suite(name, "arc") else { return };
    let text = std::fs::read_to_string(folder.join("arc-validation-selected.yml")).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in YamlLoader::load_from_str(&text).unwrap() {
        let zone = zone(&scenario["txt-records"]);
        for (name, case) in scenario["tests"].as_hash().unwrap() {
            count += 1;
            let result = result(&zone, case["message"].as_str().unwrap()).await;
            let expected = match case["cv"].as_str() {
                Some("None") => AuthResult::None,
                Some("Pass") => AuthResult::Pass,
                // Empty in the one case whose newest seal says cv=fail (§4.1.3). RFC 8617 §5.2 step 2: "If the Chain
                // Validation Status of the highest instance value ARC Set is "fail", then the Chain Validation
                // Status is "fail", and the algorithm stops here."
                Some("Fail" | "") | None => AuthResult::Fail,
                Some(other) => panic!("{other}"),
            };
            if result != expected {
                wrong.push(format!("{}: {result} instead of {expected}", name.as_str().unwrap()));
            }
        }
    }
    assert_eq!(count, 33);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the suite says should be sealed is what a verifier should accept.
#[tokio::test]
async fn what_the_sealing_cases_of_the_arc_suite_expect_is_verified() {
    let name = "what_the_sealing_cases_of_the_arc_suite_expect_is_verified";
    let Some(folder) = testing::suite(name, "arc") else { return };
    let text = std::fs::read_to_string(folder.join("arc-sign-selected.yml")).unwrap();
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    for scenario in YamlLoader::load_from_str(&text).unwrap() {
        let zone = zone(&scenario["txt-records"]);
        for (name, case) in scenario["tests"].as_hash().unwrap() {
            let name = name.as_str().unwrap();
            seen.push(name.to_owned());
            // The seals were made over signatures that are not folded.
            let text = |key: &str| {
                let tags = case[key].as_str().unwrap().split(';');
                let tag = |tag: &str| match tag.trim().starts_with("b=") {
                    true => tag.split_ascii_whitespace().collect(),
                    false => tag.trim().replace('\n', "\n  "),
                };
                tags.map(tag).collect::<Vec<String>>().join("; ")
            };
            let fields = format!(
                "ARC-Seal: {}\nARC-Message-Signature: {}\nARC-Authentication-Results: {}\n",
                text("AS"),
                text("AMS"),
                text("AAR")
            );
            let result = result(&zone, &(fields + case["message"].as_str().unwrap())).await;
            // This one seals a chain that fails already, and says so.
            let expected = if name == "i1_base_fail" { AuthResult::Fail } else { AuthResult::Pass };
            if result != expected {
                wrong.push(format!("{name}: {result} instead of {expected}"));
            }
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
