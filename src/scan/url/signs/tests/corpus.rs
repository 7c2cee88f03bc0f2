//! The mail of other projects' tests: <MAILWARD_SUITES>/mime.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Context, Protected, goes_to_many, of};
use crate::feed::{Index, Keyer};
use crate::link::registrable;
use crate::mail::links::{self, Limits};
use crate::mail::{self, header};
use crate::model::authentication::Spf;
use crate::model::{
    AuthResult, Authentication, Coverage, Direction, Disposition, Envelope, Finding, MailId, Message,
    Outcome, Session, Severity, Timestamp, Verdict,
};
use crate::policy::{self, Facts, Policy, Thresholds};
use crate::scan::Scan as _;
use crate::scan::url::tests::input;
use crate::scan::url::{Config, Known, Settings, Urls};
use crate::telemetry::{Clock, Metrics};
use crate::testing;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// The domain of the first address of a field.
fn domain(message: &Message, field: &str) -> Option<String> {
    let address = header::addresses(message.values(field).next()?).into_iter().next()?.address;
    Some(address.rsplit_once('@')?.1.to_ascii_lowercase())
}

fn findings(raw: Vec<u8>) -> Vec<Finding> {
    let message = header::parse(raw);
    let parts = mail::walk(&message, &mail::Limits::default());
    let subject = message.values("Subject").next().map(header::decode_words).unwrap_or_default();
    let links = links::find(&parts, &subject, &Limits::default());
    let (author, recipient) = (domain(&message, "From"), domain(&message, "To"));
    let recipients: Vec<&str> =
        recipient.as_deref().into_iter().filter(|r| registrable(r).is_some()).collect();
    let is_newsletter = goes_to_many(&message);
    let protected = Protected::new(["paypal.com", "microsoft.com", "google.com"]);
    let context = Context {
        author: author.as_deref(),
        is_ours: false,
        recipients: &recipients,
        protected: &protected,
        is_newsletter,
    };
    of(&links, &context)
}

/// What is made to be caught, and what is no message.
const NO_HAM: [&str; 13] = [
    "spamassassin/spam/",
    "spamassassin/phishing/",
    "rspamd/phish",
    "rspamd/html_phishing",
    "rspamd/zerofont",
    "rspamd/url_suspect",
    "rspamd/url_obfuscated",
    "rspamd/sa_",
    // `spam3.pdf`, with a link to an address.
    "rspamd/content_url",
    "LICENSE",
    "COPYING",
    ".tsv",
    ".json",
];

#[test]
#[expect(clippy::print_stdout, reason = "for whoever changes a weight")]
fn no_ham_is_marked() {
    let Some(suite) = testing::suite("no_ham_is_marked", "mime") else { return };
    let mut all = Vec::new();
    files(&suite, &mut all);
    let mut fired: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut looked_at, mut marked) = (0, Vec::new());
    for path in all {
        let name = path.strip_prefix(&suite).unwrap().display().to_string();
        if NO_HAM.iter().any(|not| name.contains(not)) {
            continue;
        }
        looked_at += 1;
        let findings = findings(fs::read(&path).unwrap());
        let points: f64 = findings.iter().map(|f| f.score.value()).sum();
        if points >= Thresholds::default().tag || findings.iter().any(|f| f.severity >= Severity::Medium) {
            marked.push(format!("{name}: {findings:?}"));
        }
        for finding in findings {
            fired.entry(finding.symbol).or_default().push(format!("{name}: {}", finding.text));
        }
    }
    println!("{looked_at} messages, {} marked", marked.len());
    for (symbol, mails) in &fired {
        println!("{symbol} {}", mails.len());
        mails.iter().for_each(|mail| println!("    {mail}"));
    }
    assert!(looked_at >= 200, "{looked_at}");
    assert_eq!(marked, Vec::<String>::new());
}

/// Of those for other signs than links: programs that are attached, and links that lead elsewhere.
const MADE_TO_BE_HELD: [&str; 6] = [
    "rspamd/bad_ext.dotted_file_name.eml: dangerous-file",
    "rspamd/exe_attm.eml: dangerous-file",
    "rspamd/next2last-digits_in_brackets.eml: dangerous-file",
    "rspamd/next2last-digits_in_parens.eml: dangerous-file",
    "rspamd/url3.eml: weak-signals",
    "rspamd/url4.eml: weak-signals",
];

/// The verdict of the shipped rules on a message that SPF fails and nobody signed, which is the worst case.
fn judged(raw: Vec<u8>) -> Verdict {
    let findings = findings(raw.clone());
    let message = header::parse(raw);
    let attachments = mail::attachments(&mail::walk(&message, &mail::Limits::default()));
    let domain = "sender.example".to_owned();
    let spf = Spf { result: AuthResult::Fail, domain, ..Spf::default() };
    let client = Some([192, 0, 2, 1].into());
    let authentication = Authentication { mail_from: Some(spf), client, ..Authentication::default() };
    let (session, envelope, coverage) = (Session::default(), Envelope::default(), Coverage::default());
    let facts = Facts {
        id: MailId::from_parts(0, 0),
        recorded: None,
        direction: Direction::Inbound,
        time: Timestamp::from_millis(0),
        session: &session,
        envelope: &envelope,
        coverage: &coverage,
        findings: &findings,
        message: Some(&message),
        attachments: &attachments,
        urls: &[],
        advice: None,
        authentication: Some(&authentication),
        lists: None,
        exempt: &[],
        released: None,
        auth_results: None,
        received_spf: None,
        on_failure: &BTreeMap::new(),
        failures: 0,
        subject: None,
        fault: None,
    };
    policy::judge(&Policy::default(), &facts)
}

#[test]
#[expect(clippy::print_stdout, reason = "for whoever changes a rule")]
fn ham_whose_sender_nothing_proves_is_not_held() {
    let Some(suite) = testing::suite("ham_whose_sender_nothing_proves_is_not_held", "mime") else { return };
    let mut all = Vec::new();
    files(&suite, &mut all);
    let (mut looked_at, mut marked, mut held) = (0, Vec::new(), Vec::new());
    for path in all {
        let name = path.strip_prefix(&suite).unwrap().display().to_string();
        if NO_HAM.iter().any(|not| name.contains(not)) {
            continue;
        }
        looked_at += 1;
        let verdict = judged(fs::read(&path).unwrap());
        let line = format!("{name}: {} {}", verdict.rule, verdict.reason);
        match verdict.disposition {
            Disposition::Accept => {}
            Disposition::Tag => marked.push(line),
            _ => held.push(line),
        }
    }
    println!("{looked_at} messages, {} marked, {} held: {held:#?} {marked:#?}", marked.len(), held.len());
    assert!(looked_at >= 200, "{looked_at}");
    assert_eq!(marked, Vec::<String>::new());
    let is_made = |line: &&String| MADE_TO_BE_HELD.iter().any(|made| line.contains(made));
    assert_eq!(held.iter().filter(|line| !is_made(line)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(held.len(), MADE_TO_BE_HELD.len());
}

/// Two say base64 and hold something else, three are or hold pieces of messages; no limit of links is passed by any.
const NOT_ALL_SEEN: [(&str, &str); 12] = [
    ("mail-parser/malformed/017.eml", NO_PICTURE),
    (
        "mail-parser/thirdparty/002.eml",
        "Partial { found: false, missing: \"links were not all looked at: Part 4 is encoded in a way that cannot be \
         undone with certainty.\" }",
    ),
    (
        "mail-parser/thirdparty/009.eml",
        "Partial { found: false, missing: \"links were not all looked at: Part 3 is a piece of a message; the whole is \
         put together only where it is read.\" }",
    ),
    ("mail-parser/thirdparty/013.eml", NO_PICTURE),
    ("mimekit/messages/rfc2060.txt", NO_PICTURE),
    ("mimekit/partial/rfc2046.0.eml", A_PIECE),
    ("mimekit/partial/rfc2046.1.eml", A_PIECE),
    (
        "mimekit/partial/rfc2046.eml",
        "Partial { found: false, missing: \"links were not all looked at: Part 1 is encoded in a way that cannot be \
         undone with certainty.\" }",
    ),
    ("rspamd/alternative-related.eml", NO_PICTURE),
    ("ruby-mail/attachment_emails/attachment_content_location.eml", NO_PICTURE),
    ("ruby-mail/mime_emails/raw_email12.eml", NO_PICTURE),
    ("ruby-mail/mime_emails/raw_email_with_binary_encoded.eml", NO_PICTURE),
];

const A_PIECE: &str = "Partial { found: false, missing: \"links were not all looked at: Part 1 is a piece of a message; the \
     whole is put together only where it is read.\" }";

/// Of parts that call themselves pictures and are none: `dummy`, a sentence, rubbish.
const NO_PICTURE: &str =
    "Partial { found: false, missing: \"links were not all looked at: picture-unreadable\" }";

#[test]
fn what_is_not_looked_at_in_honest_mail_is_known() {
    let Some(suite) = testing::suite("what_is_not_looked_at_in_honest_mail_is_known", "mime") else { return };
    let mut all = Vec::new();
    files(&suite, &mut all);
    let settings = Settings::new(&Config::default(), BTreeMap::new());
    let known = Known::Still(Arc::new(Index::new(Keyer::new())));
    let urls = Urls::new(settings, known, Clock::system(), Arc::new(Metrics::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut looked_at, mut not_all) = (0, Vec::new());
    for path in all {
        let name = path.strip_prefix(&suite).unwrap().display().to_string();
        if NO_HAM.iter().any(|not| name.contains(not)) {
            continue;
        }
        looked_at += 1;
        let raw = fs::read(&path).unwrap();
        let raw = if name.ends_with(".html") {
            [b"Content-Type: text/html\n\n", raw.as_slice()].concat()
        } else {
            raw
        };
        let report = runtime.block_on(urls.scan(input(&raw), Instant::now() + Duration::from_secs(120)));
        match report.outcome {
            Outcome::Clean | Outcome::Found => {}
            other => not_all.push((name, format!("{other:?}"))),
        }
    }
    let not_all: Vec<(&str, &str)> =
        not_all.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    assert!(looked_at >= 200, "{looked_at}");
    assert_eq!(not_all, NOT_ALL_SEEN);
}

#[test]
fn what_others_know_as_phishing_is_told() {
    let Some(suite) = testing::suite("what_others_know_as_phishing_is_told", "mime") else { return };
    for (file, expected) in [("phishing1.eml", "LINK_TEXT_MISMATCH"), ("zerofont.eml", "HIDDEN_IN_WORDS")] {
        let found = findings(fs::read(suite.join("rspamd").join(file)).unwrap());
        assert!(found.iter().any(|f| f.symbol == expected), "{file}: {found:?}");
    }
    for file in ["phishing_query_nested.eml", "phishing_query_safe.eml", "phishing_same_label_cross_tld.eml"]
    {
        let found = findings(fs::read(suite.join("rspamd").join(file)).unwrap());
        assert!(!found.iter().any(|f| f.symbol.starts_with("LINK_TEXT")), "{file}: {found:?}");
    }
}
