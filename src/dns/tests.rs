//! Questions answered from a file, and the budget. Servers that misbehave: `tests/integration/dns.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::telemetry::Metrics;

const ZONE: &str = r#"
# what a message may ask about
example.org      TXT  "v=spf1 " "-all"
example.org      TXT  second text
example.org      MX   20 b.example.org
Example.ORG.     MX   10 A.example.org
a.example.org    A    192.0.2.1
a.example.org    AAAA 2001:db8::1
www.example.org  CNAME a.example.org
1.2.0.192.in-addr.arpa PTR a.example.org
slow.example.org TIMEOUT
half.example.org FAIL TXT
half.example.org A 192.0.2.9
round.example.org CNAME round.example.org
deep.below.example.net A 192.0.2.3
"#;

fn inquiry(zone: &str, allowed: u32) -> Inquiry {
    let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
    Inquiry::new(Arc::new(resolver), allowed, Instant::now() + Duration::from_secs(5))
}

#[tokio::test]
async fn a_file_answers_as_servers_would() {
    let ask = inquiry(ZONE, 100);
    assert_eq!(ask.txt("example.org").await.unwrap(), [b"v=spf1 -all".to_vec(), b"second text".to_vec()]);
    assert_eq!(ask.mx("EXAMPLE.org.").await.unwrap(), ["a.example.org.", "b.example.org."]);
    assert_eq!(ask.a("www.example.org").await.unwrap(), [std::net::Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(ask.ptr([192, 0, 2, 1].into()).await.unwrap(), ["a.example.org."]);
    assert_eq!(ask.a("half.example.org").await.unwrap().len(), 1);
    assert_eq!(ask.txt("half.example.org").await, Err(DnsError::Failed("as the zone file says".to_owned())));
    assert_eq!(ask.txt("slow.example.org").await, Err(DnsError::TimedOut));
    assert_eq!(ask.a("round.example.org").await, Err(DnsError::Failed("the aliases go round".to_owned())));
    assert_eq!(ask.txt("a.example.org").await, Err(DnsError::NoRecords));
    assert_eq!(ask.txt("below.example.net").await, Err(DnsError::NoRecords), "an empty non-terminal exists");
    assert_eq!(ask.txt("none.example.org").await, Err(DnsError::NoName));
    assert_eq!(ask.txt("a\tb").await, Err(DnsError::NotAName));
    assert_eq!(ask.spent(), Spent { questions: 11, allowed: 100 });
}

#[tokio::test]
async fn a_message_asks_no_more_than_it_may() {
    let ask = inquiry(ZONE, 2);
    let other = ask.clone();
    assert!(ask.txt("example.org").await.is_ok());
    assert!(other.mx("example.org").await.is_ok());
    assert_eq!(ask.txt("www.example.org").await, Err(DnsError::TooMany));
    assert!(other.txt("Example.org").await.is_ok(), "what was asked before costs nothing");
    assert_eq!(ask.spent(), Spent { questions: 2, allowed: 2 });
    assert!(DnsError::TooMany.is_temporary());
}

#[test]
fn a_line_that_is_no_record_is_named() {
    let error = |text: &str| Zone::parse(text).unwrap_err().to_string();
    assert_eq!(error("\na A 192.0.2.1\na A 300.0.0.1"), "line 3: \"300.0.0.1\" is no IPv4 address");
    assert_eq!(error("a"), "line 1: a record is NAME TYPE VALUE");
    assert_eq!(error("a NS b"), "line 1: \"NS\" is no type of record that is asked for here");
    assert_eq!(error("a..b A 192.0.2.1"), "line 1: \"a..b\" is no domain name");
    assert_eq!(error("a TXT \"x"), "line 1: the quotation marks do not end");
    assert_eq!(error("a MX mx"), "line 1: MX is PREFERENCE HOST");
}

#[tokio::test]
async fn what_dig_prints_is_a_zone() {
    let dig = "; <<>> DiG 9.18 <<>> example.org TXT
        example.org.\t\t300\tIN\tTXT\t\"v=spf1 \" \"ip4:192.0.2.1\" \" -all\"
        example.org.\t\tIN 300 MX\t10 a.example.org.
        a.example.org.\t300 A\t192.0.2.1
        a.example.org.\tin\tAAAA\t2001:db8::1
        1.2.0.192.in-addr.arpa. 86400 IN PTR a.example.org.
        www.example.org. 60 IN CNAME a.example.org.
        300.example.org TXT 300 IN TXT";
    let ask = inquiry(dig, 100);
    assert_eq!(ask.txt("example.org").await.unwrap(), [b"v=spf1 ip4:192.0.2.1 -all".to_vec()]);
    assert_eq!(ask.mx("example.org").await.unwrap(), ["a.example.org."]);
    assert_eq!(ask.a("www.example.org").await.unwrap(), [std::net::Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(ask.aaaa("a.example.org").await.unwrap().len(), 1);
    assert_eq!(ask.ptr([192, 0, 2, 1].into()).await.unwrap(), ["a.example.org."]);
    assert_eq!(ask.txt("300.example.org").await.unwrap(), [b"300 IN TXT".to_vec()]);
    let error = |text: &str| Zone::parse(text).unwrap_err().to_string();
    assert_eq!(error("a 300 300 A 192.0.2.1"), "line 1: \"300\" is no type of record that is asked for here");
    assert_eq!(error("a IN IN A 192.0.2.1"), "line 1: \"IN\" is no type of record that is asked for here");
    assert_eq!(error("a CH TXT x"), "line 1: \"CH\" is no type of record that is asked for here");
}

#[tokio::test]
async fn a_share_takes_no_more_than_its_part_and_what_it_was_told_all_are() {
    let ask = inquiry(ZONE, 3);
    let share = ask.share(1, 1);
    assert!(share.txt("example.org").await.is_ok());
    assert_eq!(share.mx("example.org").await, Err(DnsError::TooMany));
    assert!(ask.mx("example.org").await.is_ok());
    assert!(share.mx("example.org").await.is_ok(), "what another asked costs nothing");
    assert!(ask.txt("example.org").await.is_ok());
    let other = ask.share(5, 1);
    assert!(other.a("a.example.org").await.is_ok());
    assert_eq!(other.aaaa("a.example.org").await, Err(DnsError::TooMany), "nor than is left of all");
    assert_eq!(ask.spent(), Spent { questions: 3, allowed: 3 });
}

proptest! {
    /// Any text is a zone or has a line that is named; whatever it says, questions have an answer.
    #[test]
    fn any_text_is_a_zone_or_is_refused(
        text in proptest::collection::vec(
            ("[a-c.\\\\]{1,9}", "(A|MX|TXT|CNAME|PTR|FAIL|TIMEOUT|X)", "[a-c0-9. \"\\\\]{0,12}"), 0..6
        ),
        odd in any::<String>(),
    ) {
        let lines = |rows: &[(String, String, String)]| {
            rows.iter().map(|(a, b, c)| format!("{a} {b} {c}\n")).collect::<String>()
        };
        drop(Zone::parse(&odd));
        if let Ok(zone) = Zone::parse(&lines(&text)) {
            for (owner, ..) in &text {
                for kind in Kind::ALL {
                    let found = zone.records(&question(owner).unwrap(), kind);
                    prop_assert!(found != Ok(Vec::new()));
                }
            }
        }
    }
}
