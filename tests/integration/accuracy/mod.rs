//! How often what ships is wrong: honest mail that is diverted, bad mail that is not.
//!
//! Judged by the built-in policy and the bundled rules with nothing configured: no feed, no neighbour, no net; a zone in
//! the test answers for the DNS. `docs/accuracy.md` is made of it, and held to it; `make bless` writes it anew. What comes
//! from other projects is read where `MAILWARD_SUITES` names it; of it only file names and figures stand in the page.

mod ham;
mod judge;
mod known;
mod mail;
mod missed;
mod own;
mod page;
mod suite;

use std::fs;
use std::path::Path;

use judge::{Judge, Judged};
use page::{Count, HEAD};

use super::mta;

/// Mails of each shape.
const EACH: u64 = 4;

/// Stands in the page before what needs the suites.
const SUITES: &str = "<!-- from here on: other projects' mail -->\n";

const PAGE: &str = "docs/accuracy.md";

/// A message that is known to be what it is.
pub struct Sample {
    /// What it is, in a few words.
    pub kind: &'static str,
    pub name: String,
    pub raw: Vec<u8>,
}

/// The page as it stands.
fn written() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap_or_default()
}

/// At most one in a thousand, so none of fewer.
fn bar(count: &Count, what: &str, told: &str) {
    assert!(
        count.diverted() * 1000 <= count.all,
        "{what}: {} of {} diverted\n{told}",
        count.diverted(),
        count.all
    );
}

/// Honest mail, as it was sent and as if nothing proved the sender.
fn honest(name: &str, sent: &[(String, Judged)], unproven: &[(String, Judged)]) -> String {
    let told = |judged: &[(String, Judged)]| {
        page::explained(judged.iter().map(|(name, judged)| (name.as_str(), judged)))
    };
    let counts = [sent, unproven].map(|judged| Count::of(judged.iter().map(|(_, judged)| judged)));
    bar(&counts[0], name, &told(sent));
    bar(&counts[1], name, &told(unproven));
    format!(
        "{HEAD}{}{}\nMarked or diverted as it was sent:\n\n{}\nMarked or diverted where nothing proves the sender:\n\n{}",
        counts[0].row("as it was sent"),
        counts[1].row("nothing proves the sender"),
        told(sent),
        told(unproven)
    )
}

fn bad(judge: &Judge, samples: &[Sample], why: &mut missed::Reasons) -> String {
    let judged: Vec<_> =
        samples.iter().map(|s| (s.kind, s.name.as_str(), judge.as_mallory(&s.raw))).collect();
    page::caught(&judged, |name| why.of(name))
}

#[test]
fn of_honest_mail_at_most_one_in_a_thousand_is_diverted_and_the_page_says_what_was_caught() {
    let test = "of_honest_mail_at_most_one_in_a_thousand_is_diverted_and_the_page_says_what_was_caught";
    let drawn = ham::drawn(EACH);
    let suite = mta::not_run::suite(test, "mime").map(|mime| suite::Suite::read(mime.parent().unwrap()));
    let ham = suite.iter().flat_map(|suite| suite.ham.iter().chain(&suite.odd));
    let mut domains: Vec<String> = ham.filter_map(|sample| suite::author(&sample.raw)).collect();
    domains.extend(["sender.example", "remote.example"].map(str::to_owned));
    let judge = Judge::shipped(&judge::zone(&drawn, &domains));
    let bare = Judge::shipped("");
    let mut why = missed::Reasons::default();

    let (cases, bad_cases) = own::cases();
    let (demo, bad_demo) = own::demo();
    let kept: Vec<_> = cases.into_iter().chain(demo).collect();
    let mut sent: Vec<_> = drawn.iter().map(|mail| (mail.shape.to_owned(), judge.sent(mail))).collect();
    let mut unproven: Vec<_> =
        drawn.iter().map(|mail| (mail.shape.to_owned(), bare.unproven(mail))).collect();
    sent.extend(kept.iter().map(|s| (format!("`{}`", s.name), judge.as_domain(&s.raw, "sender.example"))));
    unproven.extend(kept.iter().map(|s| (format!("`{}`", s.name), bare.as_domain(&s.raw, "sender.example"))));
    let known = known::mails();
    let as_known: Vec<_> = known.iter().map(|s| judge.as_domain(&s.raw, "sender.example")).collect();
    let samples: Vec<_> = bad_cases.into_iter().chain(bad_demo).chain(own::rules()).collect();
    let own = format!(
        "{}\n## Our own honest mail\n\n{} mails drawn from a seed in {} shapes, {} cases and the demo.\n\n{}\n{}{}\n\
         ## Our own bad mail\n\n{}\n",
        include_str!("intro.md"),
        drawn.len(),
        drawn.len() as u64 / EACH,
        kept.len() - 1,
        honest("our own", &sent, &unproven),
        include_str!("known.md"),
        page::explained(known.iter().map(|sample| sample.kind).zip(&as_known)),
        bad(&judge, &samples, &mut why)
    );
    let Some(suite) = suite else {
        let there = written();
        let (head, tail) = there.split_once(SUITES).unwrap_or((&there, ""));
        if std::env::var_os("MAILWARD_BLESS").is_some() {
            super::docs::held(PAGE, &format!("{own}{SUITES}{tail}"));
        }
        assert_eq!(head, own, "{PAGE} is not what was judged; `make bless` writes it anew");
        return;
    };
    let judged = |samples: &[Sample], judge: &Judge| -> Vec<Judged> {
        let from = |s: &Sample| suite::author(&s.raw).unwrap_or_else(|| "sender.example".to_owned());
        samples.iter().map(|s| judge.as_domain(&s.raw, &from(s))).collect()
    };
    let named = |samples: &[Sample], judge: &Judge| -> Vec<(String, Judged)> {
        samples.iter().map(|s| format!("`{}`", s.name)).zip(judged(samples, judge)).collect()
    };
    let (sent, unproven) = (named(&suite.ham, &judge), named(&suite.ham, &bare));
    let odd = judged(&suite.odd, &judge);
    let odd_told = page::explained(suite.odd.iter().map(|s| s.kind).zip(&odd));
    let theirs = format!(
        "## Other projects' honest mail\n\n{}\n## Broken on purpose\n\n{HEAD}{}\n{odd_told}\n## Other projects' bad mail\n\n{}",
        honest("other projects'", &sent, &unproven),
        Count::of(&odd).row("as it was sent"),
        bad(&judge, &suite.bad, &mut why)
    );
    super::docs::held(PAGE, &format!("{own}{SUITES}\n{theirs}"));
    assert_eq!(why.unused(), Vec::<&str>::new(), "reasons for what is caught by now");
}
