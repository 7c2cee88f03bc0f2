//! Figures for people.

use std::time::{Duration, Instant};

use super::super::{Context, Protected, of};
use crate::link::Link;
use crate::mail::links::{Found, Links, Place, Source};

fn found(at: usize, host: &str, shown: String) -> Found {
    let written = format!("https://{host}/{at}");
    let link = Link::parse(&written).unwrap();
    Found { link, place: Place::Part(0), source: Source::Href, shown, written }
}

/// What one look takes at best, as other programs take their time of it.
fn best(links: &Links, context: &Context<'_>) -> Duration {
    let once = || {
        let began = Instant::now();
        std::hint::black_box(of(links, context));
        began.elapsed()
    };
    (0..50).map(|_| once()).min().unwrap()
}

/// `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib measure_the_signs -- --ignored --nocapture`
#[test]
#[ignore = "figures for people; they say something in an optimised build alone"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_the_signs_of_many_links() {
    // A story in eight shows the site that it is of.
    let story = |at: usize| match at % 8 {
        0 => format!("www.paper-{at}.com"),
        _ => format!("Story number {at}. What came of it, and why"),
    };
    let newsletter = |at| found(at, "click.shop-mail.com", story(at));
    let named = |at| found(at, &format!("click.shop-{}.com", at % 20), format!("www.shop-{at}.com"));
    let (labels, above) = ("a-".repeat(20), "x-y.".repeat(40));
    let hostile = |at| {
        let host = format!("{above}{labels}{at:04}-{}.com", "b".repeat(8));
        found(at, &host, format!("www.shop-{at}.com"))
    };
    let alike = |at| found(at, &format!("our-company-{at:04}-login.com"), format!("our-company-{at}.com"));
    for protected in [5, 1_000] {
        let names: Vec<String> = (0..protected).map(|at| format!("our-company-{at}.com")).collect();
        let began = Instant::now();
        let protected = Protected::new(names.iter().map(String::as_str));
        println!("{} protected domains: {:?}", names.len(), began.elapsed());
        let context = Context {
            author: Some("shop-1.com"),
            is_ours: false,
            recipients: &["our-company.org"],
            protected: &protected,
            is_newsletter: true,
        };
        for (name, list) in [
            ("newsletter of 250 links", (0..250).map(newsletter).collect::<Vec<_>>()),
            ("250 links that each show another domain", (0..250).map(named).collect()),
            ("1,000 hostile links", (0..1_000).map(hostile).collect()),
            ("1,000 links that look alike", (0..1_000).map(alike).collect()),
        ] {
            println!("{name}: {:?}", best(&Links { list, ..Links::default() }, &context));
        }
    }
}
