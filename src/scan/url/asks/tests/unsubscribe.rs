//! Links that are never asked for, in whole mails as they come: what is found in them is what is asked about.

use std::fmt::Write as _;
use std::time::Instant as Now;

use super::dns::Dns;
use super::shortener::{Shortener, moved};
use super::*;
use crate::mail::links::{self, Limits};
use crate::scan::url::Config;
use crate::scan::url::tests::{input, no_feeds};
use crate::scan::{Scan as _, ScanInput};

/// Between two links that have nothing to do with each other.
const APART: &str = "Here is a paragraph that has nothing to do with what stands before it or behind it, and \
                     that is long enough to keep both of them well apart from each other in every way.";

fn plain(body: &str) -> Vec<u8> {
    format!("From: a@sender.example\nContent-Type: text/plain; charset=utf-8\n\n{body}\n").into_bytes()
}

fn page(body: &str) -> Vec<u8> {
    format!(
        "From: a@sender.example\nContent-Type: text/html; charset=utf-8\n\n<html><body>{body}</body></html>\n"
    )
    .into_bytes()
}

/// All links of a mail, and what it spares.
fn spared(input: &ScanInput) -> (Vec<Found>, Spared) {
    let found = links::find(&input.parts, "", &Limits::default()).list;
    let beside = Written::of(&found).map(|written| written.beside(input)).unwrap_or_default();
    (found, Spared::of(&input.message).and(beside))
}

/// The short links of a mail that are not asked for because of what stands beside them, without scheme.
fn left_alone(raw: &[u8]) -> Vec<String> {
    let (found, spared) = spared(&input(raw));
    let mut left: Vec<String> = found
        .iter()
        .filter(|found| spared.why(&found.link, &found.shown) == Some(Why::Unsubscribe))
        .map(|found| found.link.as_str().split_once("//").unwrap().1.to_owned())
        .collect();
    left.sort();
    left.dedup();
    left
}

#[tokio::test]
async fn links_to_unsubscribe_by_and_what_loads_with_the_page_are_never_asked_for() {
    let server = Shortener::start(|head| {
        Some(match head.split(' ').nth(1).unwrap_or_default() {
            "/hop" => moved("http://t.co/token-4Fk20x9ab"),
            _ => moved("http://evil.example/"),
        })
    })
    .await;
    let dns = Dns::serving("bit.ly A 127.0.0.1\nt.co A 127.0.0.1").unwrap();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    let body = [
        "<a href=https://bit.ly/leave>Our shop</a>",
        "<a href=http://bit.ly/word>More</a>",
        "<a href=http://bit.ly/word>Unsubscribe</a>",
        "<a href=http://bit.ly/c/token-4Fk20x9ab>x</a>",
        "<a href=http://bit.ly/hop>x</a>",
        "<img src=http://bit.ly/pixel><a href=http://bit.ly/>x</a><a href=ftp://bit.ly/x>x</a>",
    ]
    .join(&format!("<p>{APART}</p>"));
    let header = b"List-Unsubscribe: <https://bit.ly/leave>, <https://news.example/u/token-4Fk20x9ab>\n";
    let (found, spared) = spared(&input(&[header, page(&body).as_slice()].concat()));
    let followed = asking.asks.follow(&found, &spared, soon()).await;
    assert_eq!(followed.steps, [step("http://bit.ly/hop", "http://t.co/token-4Fk20x9ab")]);
    let not = |text: &str, why: Why| NotFollowed { link: link(text), why };
    let expected = [
        not("https://bit.ly/leave", Why::Unsubscribe),
        not("http://bit.ly/word", Why::Unsubscribe),
        not("http://bit.ly/c/token-4Fk20x9ab", Why::Personal),
        not("http://t.co/token-4Fk20x9ab", Why::Personal),
    ];
    assert_eq!(followed.unasked, expected);
    assert!(followed.unasked.iter().all(|not| !not.why.is_gap()));
    assert_eq!(server.asked(), ["HEAD /hop HTTP/1.1"]);
}

#[tokio::test]
async fn the_scanner_leaves_alone_what_words_beside_a_link_call_so() {
    let server = Shortener::redirecting(&[]).await;
    let dns = Dns::serving("bit.ly A 127.0.0.1").unwrap();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    let asks = Arc::new(asking.asks);
    let urls = no_feeds().scanner(&Config::default()).asking(Some(asks));
    for raw in [
        plain("Unsubscribe: https://bit.ly/abc"),
        page("<p>To unsubscribe <a href=https://bit.ly/abc>click here</a>"),
    ] {
        let report = urls.scan(input(&raw), soon()).await;
        assert_eq!(report.outcome, crate::model::Outcome::Found, "{report:?}");
        assert_eq!(server.asked(), Vec::<String>::new());
    }
    urls.scan(input(&plain("Read on: http://bit.ly/abc")), soon()).await;
    assert_eq!(server.asked(), ["HEAD /abc HTTP/1.1"]);
}

#[test]
fn words_beside_a_link_in_a_text_are_seen() {
    for sentence in [
        "Unsubscribe: https://bit.ly/abc",
        "Unsubscribe\n\n  <https://bit.ly/abc>",
        "https://bit.ly/abc\n(to unsubscribe)",
        "If you no longer wish\nto receive these letters: bit.ly/abc",
        "You may opt\u{2011}out at any time at HTTPS://bit.ly/abc?x=1&y=2 or by post.",
        "Newsletter abbestellen: https://bit.ly/abc",
        "Wenn Sie keine weiteren E-Mails von uns wünschen: https://bit.ly/abc",
        "Pour vous désinscrire : https://bit.ly/abc",
        "Si ya no desea recibir nuestros correos, darse de baja aquí: https://bit.ly/abc",
        "Чтобы отписаться: https://bit.ly/abc",
        "取消订阅:https://bit.ly/abc",
        "配信停止はこちら https://bit.ly/abc",
    ] {
        let raw = plain(&format!("Read https://bit.ly/news\n{APART}\n{sentence}\n{APART}\nhttps://t.co/x\n"));
        let left = left_alone(&raw);
        assert!(left.len() == 1 && left[0].starts_with("bit.ly/abc"), "{sentence}: {left:?}");
    }
    // Beside another one, and of another address that begins alike.
    let raw =
        plain(&format!("Unsubscribe: https://bit.ly/abcde\n{APART}\nhttps://bit.ly/abc and bit.ly/abcd"));
    assert_eq!(left_alone(&raw), ["bit.ly/abcde"]);
    // At one of two places.
    let raw = plain(&format!("https://bit.ly/abc\n{APART}\n{APART}\nto unsubscribe, see https://bit.ly/abc"));
    assert_eq!(left_alone(&raw), ["bit.ly/abc"]);
    let nearly = |between: usize| plain(&format!("unsubscribe {} https://bit.ly/abc", "é".repeat(between)));
    assert_eq!(left_alone(&nearly(80)), ["bit.ly/abc"]);
    assert_eq!(left_alone(&nearly(100)), Vec::<String>::new());
}

#[test]
fn words_beside_a_link_in_a_page_are_seen() {
    let style = "font-family:Arial,Helvetica,sans-serif;font-size:11px;line-height:16px;color:#999999;\
                 text-decoration:underline;mso-line-height-rule:exactly;padding:0 0 0 0;margin:0";
    for sentence in [
        "<p>To unsubscribe <a href=https://bit.ly/abc>click here</a>".to_owned(),
        "<p><a href=https://bit.ly/abc>Click here</a> to unsubscribe.".to_owned(),
        // What stands between them is not shown.
        format!("<td style='{style}'>To unsubscribe, <span style='{style}'><a style='{style}' target=_blank href='https://bit.ly/abc'>click here</a>"),
        format!("<a href='https://bit.ly/abc' style='{style}'><span style='{style}'>here</span></a></td><td style='{style}'>to opt out"),
        // References to letters.
        format!("Se d&eacute;s&#x61;bonner&nbsp;: <a style='{style}' href=\"https:&#x2F;&#x2F;bit.ly&#x2F;abc?a=1&amp;b=2\">ici</a>"),
        "un&shy;sub&zwnj;scribe <a href='//bit.ly/abc'>here</a>".to_owned(),
        // Nobody sees it and it tells.
        "<a href='https://bit.ly/abc' class='footer unsubscribe-link'>here</a>".to_owned(),
        // Another filter wrapped it.
        "To unsubscribe <a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fbit.ly%2Fabc&amp;data=05'>click here</a>".to_owned(),
        // Within a page within the page.
        "<iframe srcdoc=\"&lt;p&gt;To unsubscribe &lt;a href='https://bit.ly/abc'&gt;click here&lt;/a&gt;\"></iframe>".to_owned(),
    ] {
        let body = format!(
            "<a href=https://bit.ly/news>News</a><p>{APART}</p>{sentence}<p>{APART}</p><a href=https://t.co/x>x</a>"
        );
        let left = left_alone(&page(&body));
        assert!(left.len() == 1 && left[0].starts_with("bit.ly/abc"), "{sentence}: {left:?}");
    }
}

#[test]
fn words_beside_a_link_in_a_subject_a_calendar_and_a_saved_page_are_seen() {
    let calendar = "From: a@b.example\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\n\
                    DESCRIPTION:No more of it\\nUnsubscribe: https://bit.\n ly/abc\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(left_alone(calendar.as_bytes()), ["bit.ly/abc"]);
    let saved = "From: a@b.example\nContent-Type: application/octet-stream; name=\"news.mht\"\n\
                 Content-Disposition: attachment; filename=\"news.mht\"\n\n\
                 Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n\
                 To unsub=\nscribe <a href=3Dhttps://bit=\n.ly/abc>click here</a>\n";
    assert_eq!(left_alone(saved.as_bytes()), ["bit.ly/abc"]);
    let message = input(b"Subject: =?utf-8?q?Unsubscribe_at_https=3A//bit.ly/abc?=\n\nx\n");
    let found = Found { place: Place::Subject, ..one("https://bit.ly/abc", Source::Subject, "") };
    let beside = Written::of(&[found]).unwrap().beside(&message);
    assert_eq!(beside, [(link("https://bit.ly/abc"), Why::Unsubscribe)].into());
}

#[test]
fn a_mail_full_of_short_links_costs_little_and_none_is_asked_for_unread() {
    let mut body = String::new();
    for n in 0..900 {
        writeln!(body, "{} https://bit.ly/n{n:03} {}", "abmeld ".repeat(20), "t.co/a ".repeat(100)).unwrap();
    }
    let raw = plain(&body);
    let input = input(&raw);
    let began = Now::now();
    let (found, spared) = spared(&input);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let whys = found.iter().map(|found| spared.why(&found.link, &found.shown));
    let mut count = [0; 2];
    for why in whys {
        match why {
            Some(Why::Unsubscribe) => count[0] += 1,
            Some(Why::Budget) => count[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count, [100, 801]);
}
