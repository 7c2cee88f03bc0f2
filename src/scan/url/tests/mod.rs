//! What the scanner says of a message, with feeds read from their real formats.

mod cost;
mod documented;
mod honest;
mod known;
mod limits;
mod records;
mod weighed;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use super::*;
use crate::feed::{Fetched, Folder, Format, Keyer, Source, Terms, Validators, take_in};
use crate::mail;
use crate::model::{
    Category, Direction, Envelope, Finding, MailId, Outcome, SeenUrl, Session, Severity, Timestamp,
};

const NOW: u64 = 1_795_000_000_000; // 2026-11-18

pub(super) struct Bench {
    _dir: tempfile::TempDir,
    index: Arc<Index>,
}

impl Bench {
    fn new(feeds: &[(&str, Format, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (folder, keyer) = (Folder::open(dir.path()).unwrap(), Keyer::new());
        let mut index = Index::new(keyer.clone());
        for (name, format, body) in feeds {
            let terms = Terms { max_size: 1 << 20, min_confidence: 0, max_shrink: 100 };
            let fetched = Fetched { at: Timestamp::from_millis(NOW), validators: Validators::default() };
            let source = Source::new(name, *format, "https://feeds.example/x");
            let body = Cursor::new(body.as_bytes());
            let fresh = take_in(body, &source, &terms, fetched, None, (&folder, &keyer)).unwrap();
            index = index.with(name, &fresh.keys, Arc::new(fresh.copy)).unwrap();
        }
        Self { _dir: dir, index: Arc::new(index) }
    }

    fn look(&self, config: &Config, raw: &[u8]) -> Report {
        self.report(config, input(raw))
    }

    fn report(&self, config: &Config, input: Arc<ScanInput>) -> Report {
        let urls = self.scanner(config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        runtime.block_on(urls.look(input, deadline))
    }

    pub(super) fn scanner(&self, config: &Config) -> Urls {
        let categories =
            [("urlhaus", Category::Malware), ("bazaar", Category::Malware), ("phish", Category::Phish)];
        let categories = categories.map(|(name, category)| (name.to_owned(), category)).into();
        let clock = Clock::held(Timestamp::from_millis(NOW));
        let known = Known::Still(Arc::clone(&self.index));
        Urls::new(Settings::new(config, categories), known, clock, Arc::new(Metrics::new()))
    }

    fn urls(&self, raw: &[u8]) -> Vec<SeenUrl> {
        self.look(&Config::default(), raw).urls.unwrap().shown(usize::MAX).0
    }
}

pub(super) fn input(raw: &[u8]) -> Arc<ScanInput> {
    let message = mail::header::parse(raw.to_vec());
    let parts = mail::walk(&message, &mail::Limits::default());
    Arc::new(ScanInput {
        id: MailId::from_parts(NOW, 1),
        session: Arc::new(Session::default()),
        envelope: Envelope::default(),
        direction: Direction::Inbound,
        attachments: mail::attachments(&parts),
        message,
        parts,
        share: None,
    })
}

pub(super) fn mail(links: &[&str]) -> Vec<u8> {
    format!("From: a@sender.example\nSubject: x\n\n{}\n", links.join("\n")).into_bytes()
}

const DAYS: &str = "# Dumpfile\n# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
    \"1\",\"2026-11-08 10:00:00\",\"http://evil.test/a.exe\",\"online\",\"2026-11-08\",\"malware_download\",\"elf,mirai\",\"https://urlhaus.test/1\",\"x\"\n\
    \"2\",\"2024-01-01 10:00:00\",\"http://old.test/b.exe\",\"online\",\"2026-11-08\",\"malware_download\",\"\",\"https://urlhaus.test/2\",\"x\"\n";

pub(super) fn feeds() -> Bench {
    Bench::new(&[
        ("urlhaus", Format::UrlhausCsv, DAYS),
        ("phish", Format::Openphish, "https://phish.test/login?x=1\nhttps://both.test/\n"),
        ("mine", Format::Domains, "bad.test\nboth.test\n"),
    ])
}

pub(super) fn no_feeds() -> Bench {
    Bench::new(&[])
}

/// Symbol, severity, category and score of each finding.
pub(super) fn told(report: &Report) -> Vec<(&str, Severity, Category, f64)> {
    report.findings.iter().map(|f| (f.symbol.as_str(), f.severity, f.category, f.score.value())).collect()
}
