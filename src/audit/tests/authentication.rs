//! What was verified, in a record: every text of it is the sender's or his DNS's.

use super::*;
use crate::model::authentication::{ArcChain, Dkim, Dmarc, Iprev, Method, Spf};
use crate::model::{AuthResult, Authentication, Author};

/// Everything as long as it can be told.
fn huge(long: &str) -> Authentication {
    let text = || long.to_owned();
    let spf = Spf {
        result: AuthResult::Fail,
        domain: text(),
        identity: text(),
        reason: Some(text()),
        steps: vec![text(); 500],
        ..Spf::default()
    };
    let dkim = Dkim {
        domain: text(),
        selector: text(),
        algorithm: text(),
        identity: Some(text()),
        signature: text(),
        reason: Some(text()),
        ..Dkim::default()
    };
    Authentication {
        helo: Some(spf.clone()),
        mail_from: Some(spf),
        dkim: vec![dkim; 500],
        arc: Some(ArcChain {
            sealers: vec![text(); 500],
            trusted: Some(text()),
            reason: Some(text()),
            ..ArcChain::default()
        }),
        dmarc: Some(Dmarc { domain: text(), record: Some(text()), reason: Some(text()), ..Dmarc::default() }),
        shown: vec![
            Dmarc { domain: text(), record: Some(text()), reason: Some(text()), ..Dmarc::default() };
            500
        ],
        iprev: Some(Iprev { name: Some(text()), ..Iprev::default() }),
        author: Author::SeveralDomains(vec![text(); 500]),
        told_by: Some(text()),
        told: vec![Method::Spf],
        ..Authentication::default()
    }
}

/// The longest text anywhere in a value.
fn longest(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.chars().count(),
        serde_json::Value::Array(list) => list.iter().map(longest).max().unwrap_or_default(),
        serde_json::Value::Object(map) => map.values().map(longest).max().unwrap_or_default(),
        _ => 0,
    }
}

#[tokio::test]
async fn what_was_verified_takes_no_more_room_than_other_things() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut record = bench.record();
    record.authentication = Some(huge(&"\u{1F600}".repeat(5000)));
    let id = judge(&audit, record).await;
    let kept = audit.find(id).unwrap().unwrap().record;
    let seen = kept.authentication.unwrap();
    assert_eq!(longest(&serde_json::to_value(&seen).unwrap()), 120, "each text is cut");
    let steps = |spf: &Option<Spf>| spf.as_ref().map_or(0, |spf| spf.steps.len());
    let Author::SeveralDomains(domains) = &seen.author else { panic!("{:?}", seen.author) };
    let sealers = seen.arc.map_or(0, |chain| chain.sealers.len());
    assert_eq!(
        [
            steps(&seen.helo),
            steps(&seen.mail_from),
            seen.dkim.len(),
            sealers,
            domains.len(),
            seen.shown.len()
        ],
        [12; 6],
        "and each list"
    );
    let told = kept.left_out.join("; ");
    for what in [
        "signatures",
        "steps of SPF",
        "sealers",
        "domains of authors",
        "domains that could be shown",
        "long texts",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
}

#[tokio::test]
async fn what_is_of_a_usual_size_is_kept_as_it_is() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut record = bench.record();
    let mut seen = huge("sender.example");
    for spf in seen.helo.iter_mut().chain(&mut seen.mail_from) {
        spf.steps.truncate(40);
    }
    seen.dkim.truncate(10);
    seen.shown.truncate(5);
    seen.author = Author::Domain("sender.example".to_owned());
    seen.arc.iter_mut().for_each(|chain| chain.sealers.truncate(50));
    record.authentication = Some(seen.clone());
    let id = judge(&audit, record).await;
    let kept = audit.find(id).unwrap().unwrap().record;
    assert_eq!((kept.authentication, kept.left_out), (Some(seen), Vec::new()));
}
