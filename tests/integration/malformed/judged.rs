//! Mail through the whole pipeline as `mailward scan` goes it, with every scanner of its own and a feed.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use mailward::config::Config;
use mailward::daemon::{offline_engine, offline_feeds};
use mailward::dns::Zone;
use mailward::feed::{Fetched, Folder, Format, Keyer, Source, Terms, Validators, take_in};
use mailward::mail::header;
use mailward::model::{Answer, Disposition, Outcome, Scanner};
use mailward::pipeline::{Engine, Trial};
use mailward::telemetry::{Clock, Metrics};

use super::corpus;
use super::effort;
use super::mutation::{Campaign, touch};

const ZONE: &str = "sender.example TXT v=spf1 ip4:192.0.2.7 -all\n_dmarc.sender.example TXT v=DMARC1; p=reject\n\
    7.2.0.192.in-addr.arpa PTR mail.sender.example\nmail.sender.example A 192.0.2.7\n";

/// Everything on, and whatever fails holds the mail.
fn settings(state: &Path) -> Config {
    let url = "https://feeds.example/list";
    let mut text = format!("state_dir = {state:?}\n[feed.bad]\nformat = \"urls\"\nurl = \"{url}\"\n");
    for scanner in ["mime", "yara", "auth", "urls"] {
        text +=
            &format!("[scanner.{scanner}]\nenabled = true\ntimeout = \"20s\"\non_failure = \"quarantine\"\n");
    }
    text += "[limits]\ndeadline = \"60s\"\n";
    let config =
        Config::parse(Path::new("test.toml"), text.as_bytes()).unwrap_or_else(|e| panic!("{e}")).config;
    let folder = Folder::open(&config.feeds_dir()).unwrap();
    let source = Source::new("bad", Format::Urls, config.feed["bad"].url.as_str());
    let terms = Terms { max_size: 1 << 20, min_confidence: 0, max_shrink: 100 };
    let fetched = Fetched { at: Clock::system().now(), validators: Validators::default() };
    let body = Cursor::new(b"http://evil.test/\nhttp://news.example/a\nhttps://evil.test/qr\n");
    take_in(body, &source, &terms, fetched, None, (&folder, &Keyer::new())).unwrap();
    config
}

/// The engine of `mailward scan`, and the folder that it works in.
pub fn engine() -> (Engine, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let config = settings(state.path());
    let (known, notes) = offline_feeds(&config);
    assert!(!known.is_empty(), "{notes:?}");
    let metrics = Arc::new(Metrics::new());
    let engine = offline_engine(&config, &metrics, Some(Zone::parse(ZONE).unwrap()), known).unwrap();
    (engine, state)
}

#[test]
fn whole_messages_before_all_scanners() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let (engine, _state) = engine();
    let trial = Trial {
        ip: Some("192.0.2.7".parse().unwrap()),
        helo: Some("mail.sender.example".into()),
        from: "a@sender.example".into(),
        rcpt: vec!["alice@example.org".into(), "bob@example.org".into()],
    };
    let clock = Clock::system();
    let samples = corpus::messages().into_iter().step_by(effort(4, 1)).collect();
    let mut campaign = Campaign::new("judged", effort(100, 50_000), samples).words(&corpus::MAIL);
    campaign.memory = 512 << 20;
    campaign.run(|input| {
        let message = header::parse(input.to_vec());
        let id = clock.mail_id().unwrap();
        let record = runtime.block_on(trial.judge(&engine, id, clock.now(), message, None, None));
        for scanner in [Scanner::Mime, Scanner::Yara, Scanner::Auth, Scanner::Urls] {
            let outcome = record.coverage.0.get(&scanner);
            let outcome = outcome.unwrap_or_else(|| panic!("{scanner} is not in {}", record.coverage));
            assert!(
                !matches!(outcome, Outcome::Failed(failure) if failure.label == "panic"),
                "{}",
                record.coverage
            );
        }
        let dispositions = &record.plan.dispositions;
        assert_eq!(dispositions.len(), 2);
        let is_blind = record.coverage.0.values().any(Outcome::is_failure);
        if is_blind {
            let passes = |d: &Disposition| matches!(d, Disposition::Accept | Disposition::Tag);
            assert!(!dispositions.iter().any(passes), "{dispositions:?} with {}", record.coverage);
        }
        let is_taken = |d: &Disposition| !matches!(d, Disposition::Reject | Disposition::Tempfail);
        match &record.plan.answer {
            Answer::Accept | Answer::Discard => {
                assert!(dispositions.iter().any(is_taken), "{dispositions:?}")
            }
            refused => assert!(!dispositions.iter().all(is_taken), "{refused:?} for {dispositions:?}"),
        }
        for header in &record.plan.headers {
            assert!(header.value.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{header:?}");
        }
        for finding in &record.findings {
            assert!(finding.score.value().is_finite() && finding.text.len() < 10_000, "{finding:?}");
        }
        let all = record.verdicts.iter().flat_map(|shared| shared.recipients.iter()).count();
        assert_eq!(all, 2, "each has one verdict");
        let shown = mailward::pipeline::story::text(&record);
        assert!(!shown.contains(['\x1b', '\0', '\u{202e}']), "{shown:?}");
        touch(trial.object(&record));
    });
}
