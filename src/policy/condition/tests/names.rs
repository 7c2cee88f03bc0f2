//! Every name and what it gives.

use super::super::check;
use super::super::eval::Run;
use super::super::names::{FUNCTIONS, NAMES};
use super::*;

/// What each name gives for the sample.
fn given() -> String {
    let sample = Sample::new();
    let mut out = String::new();
    sample.look(|view| {
        for name in NAMES.iter() {
            let (before, record) = match name.record {
                "finding" => ("findings[0]", "finding"),
                "url" => ("urls[1]", "url"),
                "attachment" => ("attachments[0]", "attachment"),
                "entry" => ("lists[0]", "entry"),
                record => (record, record),
            };
            let text =
                if before.is_empty() { name.name.to_owned() } else { format!("{before}.{}", name.name) };
            let wanted =
                (!matches!(name.ty.base, crate::policy::condition::types::Base::Anything)).then_some(name.ty);
            let (node, uses) = check::compile(&text, wanted).unwrap();
            let mut fuel = Fuel::of_a_message();
            let value = Run::new(Some(view), &mut fuel).eval(&node).unwrap();
            let early = if uses.is_early() { " early" } else { "" };
            out.push_str(&format!("{record}.{} = {}{early}\n", name.name, value.quoted(120)));
        }
    });
    out
}

#[test]
fn every_name_gives_what_the_message_holds() {
    let golden = include_str!("golden/names.txt");
    let given = given();
    if std::env::var_os("MAILWARD_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy/condition/tests/golden/names.txt");
        std::fs::write(path, &given).unwrap();
        return;
    }
    assert_eq!(given, golden);
}

#[test]
fn every_name_and_function_is_described_once() {
    let mut seen = std::collections::BTreeSet::new();
    for name in NAMES.iter() {
        assert!(seen.insert((name.record, name.name)), "{} {}", name.record, name.name);
        assert!(name.doc.ends_with('.') && name.doc.len() > 10, "{}", name.doc);
    }
    for function in FUNCTIONS {
        assert!(function.shape.contains(function.name) && function.doc.ends_with('.'), "{function:?}");
    }
}

#[test]
fn what_nobody_looked_at_is_empty() {
    let sample = Sample {
        authentication: None,
        advice: None,
        session: Session::default(),
        envelope: Envelope::default(),
        findings: Vec::new(),
        urls: Vec::new(),
        attachments: Vec::new(),
        lists: None,
        ..Sample::new()
    };
    for text in [
        "auth.spf == \"\" && auth.dkim == \"\" && auth.dmarc == \"\" && auth.arc == \"\" && auth.iprev == \"\"",
        "!auth.aligned && auth.spf_domain == \"\" && auth.dkim_domains == [] && auth.dmarc_policy == \"\" && auth.author == \"\"",
        "!rspamd.said && rspamd.action == \"\" && rspamd.score == 0.0 && rspamd.required == 0",
        "session.client_ip == \"\" && session.helo == \"\" && !session.tls && session.tls_version == \"\"",
        "envelope.null_sender && envelope.sender_domain == \"\" && envelope.recipients == []",
        "recipient.address == \"\" && recipient.domain == \"\"",
        "findings.all(f, false) && !urls.exists(u, true) && attachments.size() == 0 && score == 0",
        "lists.size() == 0 && !listed(\"allow\") && !listed(\"block\", \"client\")",
    ] {
        assert_eq!(sample.holds(text), Ok(true), "{text}");
    }
}
