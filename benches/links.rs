//! What links cost: a newsletter of 80 kB with 250 of them, read and looked up in feeds of 200,000 entries; and the
//! whole way of it through Postfix, with a domain list beside the list of links.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use mailward::feed::{Fetched, Folder, Format, Index, Keyer, Source, Terms, Validators, take_in};
use mailward::link::Link;
use mailward::mail;
use mailward::mail::links;
use mailward::model::{Outcome, Parts};
use mailward::scan::url::{Config, Known, Settings, Urls};
use mailward::scan::{Scan as _, ScanInput};
use mailward::telemetry::{Clock, Metrics};
use markup5ever_rcdom::RcDom;

use super::auth;
use super::mails::Template;
use super::mta::guard::Dir;
use super::mta::{Daemon, Site};
use super::process::thread_time;
use super::table::Spread;

/// What reading and looking up may take of a processor, in milliseconds.
const ALLOWED: f64 = 0.4;
/// Entries of the list of links.
const ENTRIES: usize = 200_000;
/// Messages of one round.
const MESSAGES: u32 = 500;

/// A link that nobody sends. One in eight has a query, and so two keys; hosts have a hundred links each.
pub(crate) fn link(n: usize) -> String {
    let query = if n.is_multiple_of(8) { "?id=7f3a" } else { "" };
    let (host, domain) = (n / 100, n % 97);
    format!("https://host{host}.evil{domain}.example/path/{n:07x}/file.bin{query}")
}

/// A list of them.
pub(crate) fn list(entries: usize) -> String {
    (0..entries).fold(String::with_capacity(entries * 64), |list, n| list + &link(n) + "\n")
}

/// A body taken in as a feed of links: its folder, which must stay, and the index.
///
/// # Errors
/// If it is refused.
pub(crate) fn index_of(body: &str) -> anyhow::Result<(Dir, Source, Keyer, Index)> {
    let dir = Dir::new("feeds")?;
    let (folder, keyer) = (Folder::open(&dir.path().join("feeds"))?, Keyer::new());
    let source = Source::new("mine", Format::Urls, "https://feeds.example/list");
    let terms = Terms { max_size: 1 << 30, min_confidence: 0, max_shrink: 100 };
    let fetched = Fetched { at: Clock::system().now(), validators: Validators::default() };
    let fresh = take_in(Cursor::new(body), &source, &terms, fetched, None, (&folder, &keyer))?;
    let index = Index::new(keyer.clone()).with("mine", &fresh.keys, Arc::new(fresh.copy))?;
    Ok((dir, source, keyer, index))
}

/// Each step by itself, in this thread.
///
/// # Errors
/// If the newsletter does not come out as it should.
pub(crate) fn report(mail: &Template, rounds: usize) -> anyhow::Result<()> {
    let (_dir, _, _, index) = index_of(&list(ENTRIES))?;
    let index = Arc::new(index);
    let read = auth::input(mail);
    let parts = mail::walk(&read.message, &mail::Limits::default());
    let input = Arc::new(ScanInput { parts: again(&parts), ..read });
    let limits = Config::default().limits();
    let looked_up = |find: &dyn Fn() -> Vec<Link>| {
        let links = find();
        let mut known = 0;
        index.look_up_links(links.iter(), |_, _| known += 1);
        (links.len(), known)
    };
    let find = || links::find(&parts, "", &limits).list;
    let found: Vec<Link> = find().into_iter().map(|found| found.link).collect();
    anyhow::ensure!(looked_up(&|| found.clone()) == (250, 0), "the newsletter has {} links", found.len());
    let settings = Settings::new(&Config::default(), [].into());
    let known = Known::Still(Arc::clone(&index));
    let scanner = Urls::new(settings, known, Clock::system(), Arc::new(Metrics::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scan = || {
        let deadline = Instant::now() + Duration::from_secs(10);
        runtime.block_on(scanner.scan(Arc::clone(&input), deadline))
    };
    let first = scan();
    anyhow::ensure!(first.outcome == Outcome::Clean, "it should be clean: {:?}", first.outcome);
    println!("A newsletter of {} bytes with 250 links, {ENTRIES} entries; ms CPU a message:\n", mail.len());
    println!("| step | ms | wanted |\n|---|---|---|");
    let row = |what: &str, wanted: &str, step: &dyn Fn()| -> anyhow::Result<()> {
        println!("| {what} | {:.3} | {wanted} |", spread(rounds, step)?);
        Ok(())
    };
    row("links found", "", &|| drop(std::hint::black_box(find())))?;
    let page = parts.list.first().map(|part| part.content.as_ref()).unwrap_or_default();
    row("for comparison: the page by html5ever, to a tree", "", &|| {
        let tree = parse_document(RcDom::default(), ParseOpts::default()).from_utf8().one(page);
        std::hint::black_box(tree);
    })?;
    row("found and looked up", &format!("≤ {ALLOWED}"), &|| {
        let links = find();
        index.look_up_links(links.iter().map(|found| &found.link), |_, _| {});
        std::hint::black_box(links);
    })?;
    row("the whole scanner: signs of links and pages, too", "", &|| drop(std::hint::black_box(scan())))
}

/// What a step costs in each round; the first is thrown away.
fn spread(rounds: usize, step: &dyn Fn()) -> anyhow::Result<Spread> {
    let mut each = Vec::new();
    for round in 0..=rounds {
        let before = thread_time()?;
        (0..MESSAGES).for_each(|_| step());
        let took = thread_time()?.saturating_sub(before).as_secs_f64() * 1e3 / f64::from(MESSAGES);
        if round > 0 {
            each.push(took);
        }
    }
    Ok(Spread::of(each.into_iter()))
}

/// The same parts; they cannot be cloned because nobody but a bench would.
fn again(parts: &Parts) -> Parts {
    Parts { list: parts.list.clone(), not_inspected: parts.not_inspected.clone() }
}

/// A daemon with a list of links and one of domains, both read.
///
/// # Errors
/// If it does not start or does not read them.
pub(crate) fn daemon(entries: usize) -> anyhow::Result<Daemon> {
    daemon_with(entries, "")
}

/// The same with more sections of configuration.
///
/// # Errors
/// As [`daemon`].
pub(crate) fn daemon_with(entries: usize, more: &str) -> anyhow::Result<Daemon> {
    let site = Site::new()?;
    let (links, domains) = (site.path().join("links.txt"), site.path().join("domains.txt"));
    std::fs::write(&links, list(entries))?;
    let names = (0..entries / 10).map(|n| format!("bad{n}.domains.example\n"));
    std::fs::write(&domains, names.collect::<String>())?;
    let config = site.defaults(&format!(
        "[feed.links]\nformat = \"urls\"\nurl = \"file://{}\"\n\
         [feed.domains]\nformat = \"domains\"\nurl = \"file://{}\"\n{more}",
        links.display(),
        domains.display()
    ));
    let daemon = site.start(&config)?;
    for feed in ["links", "domains"] {
        let done = daemon.cli(&["feed", "refresh", feed, "--force"])?;
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        anyhow::ensure!(told.contains(" entries"), "the feed {feed} was not read: {done:?}");
    }
    daemon.cli(&["status"]).context("status")?;
    Ok(daemon)
}
