//! Following short links: what is asked, how often, and what comes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::dns::Dns;
use super::shortener::{Shortener, answer, moved};
use super::*;

/// All shorteners of the tests are at 127.0.0.1.
fn zone() -> Dns {
    Dns::serving("bit.ly A 127.0.0.1\nt.co A 127.0.0.1\ntinyurl.com A 127.0.0.1\nis.gd A 127.0.0.1").unwrap()
}

fn not(link_: &str, why: Why) -> NotFollowed {
    NotFollowed { link: link(link_), why }
}

#[tokio::test]
async fn a_short_link_is_followed_from_shortener_to_shortener_and_never_to_its_target() {
    let server = Shortener::redirecting(&[
        ("/a", "http://t.co/b"),
        ("/b", "http://evil.example/login?x=1#frag"),
        ("/rel", "/a"),
    ])
    .await;
    let dns = zone();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    let followed = asking.follow(&["http://bit.ly/a", "http://honest.example/", "http://bit.ly/a"]).await;
    let steps = vec![
        step("http://bit.ly/a", "http://t.co/b"),
        step("http://t.co/b", "http://evil.example/login?x=1#frag"),
    ];
    assert_eq!(followed, Followed { steps: steps.clone(), unasked: vec![] });
    assert_eq!(server.asked(), ["HEAD /a HTTP/1.1", "HEAD /b HTTP/1.1"]);
    let head = server.heads()[0].to_ascii_lowercase();
    assert!(head.contains("host: bit.ly\r\n") && head.contains("user-agent: mailward/"), "{head}");
    assert!(!head.contains("cookie") && !head.contains("referer") && !head.contains("accept-encoding"));
    let names: Vec<_> = asking.dns.asked().into_iter().map(|question| question.name).collect();
    assert!(!names.iter().any(|name| name.contains("example")), "a target is not even resolved: {names:?}");
    // A second copy of the mail asks nobody.
    assert_eq!(asking.follow(&["http://bit.ly/a"]).await.steps, steps);
    assert_eq!(server.asked().len(), 2);
    assert_eq!(asking.counted("shortener", "cached"), 2);
    // What is kept does not hold for ever.
    asking.clock.advance(Duration::from_hours(1));
    assert_eq!(
        asking.follow(&["http://bit.ly/rel"]).await.steps[0],
        step("http://bit.ly/rel", "http://bit.ly/a")
    );
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn a_server_without_head_is_asked_for_the_page_and_its_body_is_not_read() {
    let server = Shortener::start(|head| {
        Some(match head.split(' ').next().unwrap_or_default() {
            "HEAD" if head.contains("/a") => answer("405 Method Not Allowed", &[]),
            "HEAD" => answer("501 Not Implemented", &[]),
            _ => {
                let mut page =
                    b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 99999999\r\n\r\n"
                        .to_vec();
                page.resize(1 << 20, b'x');
                page
            }
        })
    })
    .await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    for path in ["a", "b"] {
        let link = format!("http://bit.ly/{path}");
        assert_eq!(asking.follow(&[&link]).await.steps, [step(&link, "http://evil.example/")]);
    }
    let expected = ["HEAD /a HTTP/1.1", "GET /a HTTP/1.1", "HEAD /b HTTP/1.1", "GET /b HTTP/1.1"];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn who_refuses_for_another_reason_than_head_is_not_asked_for_the_page() {
    let server = Shortener::start(|head| {
        Some(match head.split(' ').nth(1).unwrap_or_default() {
            "/400" => answer("400 Bad Request", &[]),
            "/403" => answer("403 Forbidden", &[]),
            _ => answer("404 Not Found", &[]),
        })
    })
    .await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    let links = ["http://bit.ly/400", "http://bit.ly/403", "http://bit.ly/404"];
    let followed = asking.follow(&links).await;
    let expected = [(links[0], 400), (links[1], 403), (links[2], 404)];
    assert_eq!(followed.unasked, expected.map(|(link, status)| not(link, Why::NoRedirect(status))));
    // What it would have said to a browser is not known; what is not there leads nowhere.
    let gaps: Vec<bool> = followed.unasked.iter().map(|not| not.why.is_gap()).collect();
    assert_eq!(gaps, [true, true, false]);
    let mut asked = server.asked();
    asked.sort();
    assert_eq!(asked, ["HEAD /400 HTTP/1.1", "HEAD /403 HTTP/1.1", "HEAD /404 HTTP/1.1"]);
}

#[tokio::test]
async fn a_refresh_is_a_redirect_and_what_shows_a_page_is_not() {
    let server = Shortener::start(|head| {
        Some(match head.split(' ').nth(1).unwrap_or_default() {
            "/refresh" => answer("200 OK", &["Refresh: 0; url=http://evil.example/"]),
            "/page" => answer("200 OK", &[]),
            "/gone" => answer("410 Gone", &[]),
            "/app" => moved("intent://scan/#Intent;end"),
            "/long" => moved(&format!("http://evil.example/{}", "a".repeat(9000))),
            _ => answer("302 Found", &[]),
        })
    })
    .await;
    let settings = Settings { links: 10, ..unshortening() };
    let asking = asking(settings, zone(), Guard::allowing(server.address));
    let followed = asking
        .follow(&[
            "http://bit.ly/refresh",
            "http://bit.ly/page",
            "http://bit.ly/gone",
            "http://bit.ly/app",
            "http://bit.ly/long",
            "http://bit.ly/nowhere",
        ])
        .await;
    assert_eq!(followed.steps, [step("http://bit.ly/refresh", "http://evil.example/")]);
    let location =
        |why: &str| Why::Web(WebError::Location { host: "bit.ly".to_owned(), why: why.to_owned() });
    let expected = [
        not("http://bit.ly/page", Why::NoRedirect(200)),
        not("http://bit.ly/gone", Why::NoRedirect(410)),
        not("http://bit.ly/app", location("its scheme does not lead to the web")),
        not("http://bit.ly/long", location("the address is too long")),
        not("http://bit.ly/nowhere", Why::NoRedirect(302)),
    ];
    assert_eq!(followed.unasked, expected);
}

#[tokio::test]
async fn the_budget_bounds_links_and_hops_and_says_what_is_beyond() {
    let server = Shortener::start(|head| {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Some(match path.as_str() {
            "/round" => moved("http://t.co/round2"),
            "/round2" => moved("http://bit.ly/round"),
            "/self" => moved("/self"),
            _ => moved(&format!("http://t.co{path}x")),
        })
    })
    .await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    let endless = asking.follow(&["http://bit.ly/e"]).await;
    assert_eq!(endless.steps.len(), 3);
    assert_eq!(endless.unasked, [not("http://t.co/exxx", Why::Hops)]);
    assert_eq!(server.asked().len(), 3);
    let round = asking.follow(&["http://bit.ly/round", "http://bit.ly/self"]).await;
    assert_eq!(
        round.unasked,
        [not("http://bit.ly/round", Why::Circle), not("http://bit.ly/self", Why::Circle)]
    );
    let before = server.asked().len();
    let many: Vec<String> = (0..7).map(|n| format!("http://bit.ly/self?{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let beyond = asking.follow(&many).await.unasked;
    let budget: Vec<_> =
        beyond.iter().filter(|not| not.why == Why::Budget).map(|not| not.link.clone()).collect();
    assert_eq!(budget, [link("http://bit.ly/self?5"), link("http://bit.ly/self?6")]);
    assert!(server.asked().len() <= before + 15);
    assert_eq!(asking.counted("shortener", "budget"), 2);
}

#[tokio::test]
async fn a_shortener_that_fails_is_left_alone_and_the_others_are_not() {
    let server = Shortener::start(|head| {
        Some(match head.contains("host: is.gd") {
            true => answer("503 Service Unavailable", &[]),
            false => moved("http://evil.example/"),
        })
    })
    .await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    for n in 0..5 {
        let failed = asking.follow(&[&format!("http://is.gd/{n}")]).await;
        let why = Why::Web(WebError::Status { host: "is.gd".to_owned(), status: 503 });
        assert_eq!(failed.unasked, [not(&format!("http://is.gd/{n}"), why)]);
    }
    let left = asking.follow(&["http://is.gd/9", "http://bit.ly/9"]).await;
    assert_eq!(left.steps, [step("http://bit.ly/9", "http://evil.example/")]);
    assert!(matches!(left.unasked.as_slice(), [NotFollowed { why: Why::LeftAlone(_), .. }]), "{left:?}");
    assert_eq!(server.asked().len(), 6);
    assert_eq!(asking.metrics.breaker_open.with_label_values(&["is.gd"]).get(), 1);
}

#[tokio::test]
async fn no_mail_can_have_a_shortener_left_alone() {
    let server =
        Shortener::redirecting(&[("/a", "http://evil.example/"), ("/j", "javascript:alert(1)")]).await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    for n in 0..6 {
        let bad =
            [&*format!("http://bit.ly:8080/{n}"), &*format!("http://no{n}.bit.ly/x"), "http://bit.ly/j"];
        assert_eq!(asking.follow(&bad).await.unasked.len(), 3);
    }
    assert_eq!(
        asking.follow(&["http://bit.ly/a"]).await.steps,
        [step("http://bit.ly/a", "http://evil.example/")]
    );
}

#[tokio::test]
async fn silence_ends_with_the_time_that_there_is() {
    let server = Shortener::start(|_| None).await;
    let asking = asking(
        Settings { timeout: Duration::from_secs(1), ..unshortening() },
        zone(),
        Guard::allowing(server.address),
    );
    let followed = asking.follow(&["http://bit.ly/a"]).await;
    let why = Why::Web(WebError::TooSlow { host: "bit.ly".to_owned() });
    assert_eq!(followed, Followed { steps: vec![], unasked: vec![not("http://bit.ly/a", why)] });
    // The caller's deadline holds as well, and nothing is begun that cannot end.
    let late = asking.asks.follow(&found(&["http://t.co/a"]), &Spared::default(), Instant::now()).await;
    assert_eq!(late.unasked, [not("http://t.co/a", Why::NoTime)]);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn many_copies_of_one_mail_at_once_ask_little() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Shortener::start(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Some(moved("http://evil.example/"))
    })
    .await;
    let asking = asking(unshortening(), zone(), Guard::allowing(server.address));
    let copies = (0..100).map(|_| asking.follow(&["http://bit.ly/a"]));
    let all = futures_util::future::join_all(copies).await;
    assert!(all.iter().all(|followed| followed.steps == [step("http://bit.ly/a", "http://evil.example/")]));
    assert!(count.load(Ordering::Relaxed) <= 16, "{count:?}");
}

#[tokio::test]
async fn nothing_is_asked_unless_it_is_turned_on() {
    let server = Shortener::redirecting(&[("/a", "http://evil.example/")]).await;
    let dns = zone();
    let asking = asking(Settings::default(), dns, Guard::allowing(server.address));
    assert_eq!(asking.follow(&["http://bit.ly/a"]).await, Followed::default());
    let listed = asking.asks.listed(&["evil.example".to_owned()], &[], soon()).await;
    assert_eq!(listed, Listed::default());
    assert!(asking.dns.asked().is_empty() && server.asked().is_empty());
    assert!(!asking.asks.follows() && !asking.asks.has_lists());
    assert_eq!(asking.asks.health(), Health::Up);
}
