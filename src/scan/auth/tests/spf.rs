//! SPF at its limits, by the sections of RFC 7208.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::spf;
use crate::dns::{Inquiry, Resolver, Zone};
use crate::model::AuthResult::{self, Fail, Neutral, None as Nothing, Pass, PermError, TempError};
use crate::model::authentication::Spf;
use crate::telemetry::Metrics;

const CLIENT: &str = "192.0.2.1";

async fn check(zone: &str, ip: &str, mail_from: &str, helo: &str) -> Option<Spf> {
    let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
    let inquiry = Inquiry::new(Arc::new(resolver), 500, Instant::now() + Duration::from_secs(5));
    spf::mail_from(&inquiry, ip.parse().unwrap(), mail_from, helo).await
}

async fn result(zone: &str) -> AuthResult {
    of_client(zone, CLIENT).await
}

async fn of_client(zone: &str, ip: &str) -> AuthResult {
    check(zone, ip, "joe@s.example", "h.example").await.unwrap().result
}

/// A record of these terms for the sender, and more lines.
async fn terms(terms: &str, zone: &str) -> AuthResult {
    result(&format!("s.example TXT v=spf1 {terms}\n{zone}")).await
}

fn repeated(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

#[tokio::test]
async fn section_2_4_the_null_sender_is_postmaster_at_helo() {
    let zone = "h.example TXT v=spf1 exists:%{l}.at.%{o}.is.%{s}.x.example -all
        postmaster.at.h.example.is.postmaster@h.example.x.example A 127.0.0.2";
    let spf = check(zone, CLIENT, "", "h.example").await.unwrap();
    assert_eq!((spf.result, &*spf.domain, &*spf.identity), (Pass, "h.example", "h.example"));
    for helo in ["[192.0.2.1]", "localhost", "", "192.0.2.1"] {
        assert_eq!(check(zone, CLIENT, "", helo).await, None, "{helo:?}");
    }
}

#[tokio::test]
async fn section_4_3_without_a_local_part_it_is_postmaster() {
    let zone = "s.example TXT v=spf1 exists:%{l}.x.example -all\npostmaster.x.example A 127.0.0.2";
    for mail_from in ["@s.example", "s.example"] {
        assert_eq!(check(zone, CLIENT, mail_from, "h.example").await.unwrap().result, Pass, "{mail_from}");
    }
    for mail_from in ["joe@", "joe@localhost", "joe@s..example", "joe@[192.0.2.1]"] {
        assert_eq!(check(zone, CLIENT, mail_from, "h.example").await.unwrap().result, Nothing, "{mail_from}");
    }
}

#[tokio::test]
async fn section_4_5_two_records_are_one_too_many() {
    assert_eq!(result("s.example TXT v=spf1 +all\ns.example TXT v=spf1 -all").await, PermError);
    assert_eq!(result("s.example TXT v=spf1 +all\ns.example TXT v=spf10 -all").await, Pass);
    assert_eq!(result("s.example TXT other").await, Nothing);
}

#[tokio::test]
async fn section_4_6_4_ten_look_ups_are_allowed() {
    for (count, expected) in [(10, Pass), (11, PermError)] {
        let list = repeated(count - 1, |n| format!("a:n{n}.example ")) + "exists:yes.example -all";
        let hosts = repeated(count, |n| format!("n{n}.example A 198.51.100.1\n")) + "yes.example A 127.0.0.2";
        assert_eq!(terms(&list, &hosts).await, expected, "{count} terms");
        // Through records that are included, and one that is led to.
        let mut zone = String::new();
        (1..count)
            .for_each(|n| writeln!(zone, "i{n}.example TXT v=spf1 include:i{}.example -all", n + 1).unwrap());
        writeln!(zone, "i{count}.example TXT v=spf1 ip4:{CLIENT} -all").unwrap();
        assert_eq!(terms("include:i1.example -all", &zone).await, expected, "{count} deep");
        let zone = zone.replace("include:", "redirect=").replace(" -all", "");
        assert_eq!(terms("redirect=i1.example", &zone).await, expected, "{count} redirected");
    }
    let zone = "i.example TXT v=spf1 include:s.example -all";
    assert_eq!(terms("include:i.example -all", zone).await, PermError, "it goes round");
}

#[tokio::test]
async fn section_4_6_4_what_needs_no_look_up_does_not_count() {
    let list = repeated(400, |n| format!("ip4:10.0.{}.{} ", n / 200, n % 200));
    assert_eq!(terms(&(list + "ip4:192.0.2.1 -all"), "").await, Pass);
}

#[tokio::test]
async fn section_4_6_4_two_questions_may_find_nothing() {
    for (count, expected) in [(2, Pass), (3, PermError)] {
        let list = repeated(count, |n| format!("a:void{n}.example ")) + "ip4:192.0.2.1 -all";
        assert_eq!(terms(&list, "").await, expected, "{count} names that do not exist");
        let there = repeated(count, |n| format!("void{n}.example TXT x\n"));
        assert_eq!(terms(&list, &there).await, expected, "{count} without such a record");
        let list = repeated(count, |n| format!("exists:void{n}.example ")) + "ip4:192.0.2.1 -all";
        assert_eq!(terms(&list, "").await, expected, "{count} that ought to exist");
        let hosts = repeated(count, |n| format!("s.example MX 10 void{n}.example\n"));
        assert_eq!(terms("mx ip4:192.0.2.1 -all", &hosts).await, expected, "{count} mail servers");
    }
}

#[tokio::test]
async fn section_4_6_4_ten_mail_servers_are_allowed() {
    for (count, expected) in [(10, Pass), (11, PermError)] {
        let last = count - 1;
        let zone =
            repeated(count, |n| format!("s.example MX {n} m{n}.example\nm{n}.example A 198.51.100.{n}\n"));
        let zone = zone.replace(&format!("A 198.51.100.{last}\n"), "A 192.0.2.1\n");
        assert_eq!(terms("mx -all", &zone).await, expected, "{count}");
    }
}

#[tokio::test]
async fn section_4_6_4_names_of_the_client_beyond_ten_are_not_looked_at() {
    for (count, expected) in [(10, Pass), (11, Fail)] {
        let last = count - 1;
        let mut zone = repeated(last, |n| {
            format!("1.2.0.192.in-addr.arpa PTR n{n}.other.example\nn{n}.other.example A {CLIENT}\n")
        });
        writeln!(zone, "1.2.0.192.in-addr.arpa PTR m.s.example\nm.s.example A {CLIENT}").unwrap();
        assert_eq!(terms("ptr -all", &zone).await, expected, "{count} names");
    }
}

#[tokio::test]
async fn section_5_2_what_is_included_must_be_there() {
    assert_eq!(terms("include:none.example +all", "").await, PermError);
    assert_eq!(terms("include:i.example +all", "i.example TXT other").await, PermError);
    assert_eq!(terms("include:i.example +all", "i.example FAIL").await, TempError);
    assert_eq!(terms("include:i.example ?all", "i.example TXT v=spf1 -all").await, Neutral);
    assert_eq!(terms("include:i.example +all", "i.example TXT v=spf1 bogus").await, PermError);
}

#[tokio::test]
async fn section_5_3_addresses_are_compared_by_their_prefix() {
    let zone = "s.example A 192.0.2.200\ns.example AAAA 2001:db8:0:1::1\n";
    for (term, ip, expected) in [
        ("a", "192.0.2.200", Pass),
        ("a", CLIENT, Fail),
        ("a/24", CLIENT, Pass),
        ("a/25", CLIENT, Fail),
        ("a/0", "203.0.113.1", Pass),
        ("a//64", CLIENT, Fail),
        ("a/24//64", CLIENT, Pass),
        ("a/24//64", "2001:db8:0:1::99", Pass),
        ("a/24//65", "2001:db8:0:1:8000::", Fail),
        ("a//0", "2001:db8:ffff::1", Pass),
        ("a/24", "2001:db8:0:1::99", Fail),
        ("a/33", CLIENT, PermError),
        ("a//129", CLIENT, PermError),
        ("ip6:2001:db8::/32", "2001:db8::1", Pass),
        ("ip6:2001:db8::/32", CLIENT, Fail),
        ("ip4:192.0.2.0/24", "::ffff:192.0.2.1", Pass),
        ("ip4:192.0.2.0/024", CLIENT, PermError),
    ] {
        let zone = format!("s.example TXT v=spf1 {term} -all\n{zone}");
        assert_eq!(of_client(&zone, ip).await, expected, "{term} {ip}");
    }
}

#[tokio::test]
async fn section_5_4_mail_servers_are_compared_by_their_prefix() {
    let zone = "s.example MX 10 m.example\nm.example A 192.0.2.200\nm.example AAAA 2001:db8::200\n";
    for (term, ip, expected) in [
        ("mx/24", CLIENT, Pass),
        ("mx/25", CLIENT, Fail),
        ("mx//120", "2001:db8::2ff", Pass),
        ("mx//120", "2001:db8::3ff", Fail),
        ("mx:s.example/24//120", CLIENT, Pass),
    ] {
        let zone = format!("s.example TXT v=spf1 {term} -all\n{zone}");
        assert_eq!(of_client(&zone, ip).await, expected, "{term} {ip}");
    }
}

#[tokio::test]
async fn section_5_5_an_error_on_the_way_from_a_name_is_no_name() {
    let zone = "1.2.0.192.in-addr.arpa PTR down.s.example\ndown.s.example FAIL\n";
    assert_eq!(terms("ptr -all", zone).await, Fail);
    let more = format!("{zone}1.2.0.192.in-addr.arpa PTR up.s.example\nup.s.example A {CLIENT}");
    assert_eq!(terms("ptr -all", &more).await, Pass);
    assert_eq!(terms("ptr -all", "1.2.0.192.in-addr.arpa FAIL").await, Fail);
}

#[tokio::test]
async fn section_5_7_that_something_exists_is_asked_by_its_ipv4_address() {
    let zone =
        "s.example TXT v=spf1 exists:%{ir}.%{v}.x.example -all\n1.2.0.192.in-addr.x.example A 127.0.0.2\n";
    assert_eq!(of_client(zone, CLIENT).await, Pass);
    assert_eq!(of_client(zone, "192.0.2.2").await, Fail);
    let zone = "s.example TXT v=spf1 exists:%{v}.x.example -all\nip6.x.example AAAA 2001:db8::1\n";
    assert_eq!(of_client(zone, "2001:db8::1").await, Fail);
    assert_eq!(of_client(&format!("{zone}ip6.x.example A 127.0.0.2"), "2001:db8::1").await, Pass);
}

#[tokio::test]
async fn section_6_1_a_redirect_must_lead_to_a_record() {
    assert_eq!(terms("redirect=none.example", "").await, PermError);
    assert_eq!(terms("redirect=r.example", "r.example TXT v=spf1 ip4:192.0.2.1 -all").await, Pass);
    assert_eq!(terms("?all redirect=none.example", "").await, Neutral, "all comes first");
    assert_eq!(terms("redirect=a.example redirect=b.example", "").await, PermError);
}

/// What `exists:` asks for `spec`: the only name that there is.
async fn asks(spec: &str, name: &str, ip: &str, mail_from: &str) -> bool {
    let zone = format!("s.example TXT v=spf1 exists:{spec} -all\n{name} A 127.0.0.2\n");
    check(&zone, ip, mail_from, "h.example").await.unwrap().result == Pass
}

#[tokio::test]
async fn section_7_3_macros_are_transformed() {
    for (spec, name) in [
        ("%{l-}.x.example", "a.b.c.x.example"),
        ("%{l1-}.x.example", "c.x.example"),
        ("%{lr-}.x.example", "c.b.a.x.example"),
        ("%{l1r-}.x.example", "a.x.example"),
        ("%{l2r-}.x.example", "b.a.x.example"),
        ("%{l99r-}.x.example", "c.b.a.x.example"),
        ("%{d1}.x.example", "example.x.example"),
        ("%{dr}.x.example", "example.s.x.example"),
        ("%{o}.%{h}", "s.example.h.example"),
        ("%{i}._spf.%{d2}", "192.0.2.1._spf.s.example"),
        ("%{ir}.%{v}.arpa.x.example", "1.2.0.192.in-addr.arpa.x.example"),
        ("%{S}.x.example", "a-b-c%40s.example.x.example"),
        ("a%%b.x.example", "a%b.x.example"),
        ("a%-b.x.example", "a%20b.x.example"),
    ] {
        assert!(asks(spec, name, CLIENT, "a-b-c@s.example").await, "{spec} asks for {name}");
    }
    let nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.x.example";
    assert!(asks("%{ir}.%{v}.x.example", nibbles, "2001:db8::1", "a@s.example").await);
    for bad in ["%{l0}.x.example", "%{x}.x.example", "%{c}.x.example", "%{l", "%.x.example", "%{d}%"] {
        assert_eq!(terms(&format!("exists:{bad} -all"), "").await, PermError, "{bad}");
    }
}

#[tokio::test]
async fn section_7_3_the_name_of_the_client_is_one_that_leads_back() {
    let reverse = |names: &[&str]| {
        names.iter().fold(String::new(), |zone, name| zone + &format!("1.2.0.192.in-addr.arpa PTR {name}\n"))
    };
    let leads_back = |name: &str| format!("{name} A {CLIENT}\n");
    let all = ["other.example", "sub.s.example", "s.example"];
    for (true_ones, expected) in [
        (&all[..], "s.example"),
        (&all[..2], "sub.s.example"),
        (&all[..1], "other.example"),
        (&[], "unknown"),
    ] {
        let zone: String = true_ones.iter().map(|name| leads_back(name)).collect();
        let zone = format!("{}{zone}{expected}.x.example A 127.0.0.2", reverse(&all));
        assert_eq!(terms("exists:%{p}.x.example -all", &zone).await, Pass, "{expected}");
    }
    assert_eq!(terms("exists:%{p}.x.example -all", "unknown.x.example A 127.0.0.2").await, Pass);
}

#[tokio::test]
async fn section_7_3_a_name_that_is_too_long_loses_labels_on_its_left() {
    // 240 and .x.example are three less than a name may have; with one label more the first one goes.
    let labels: Vec<String> = (0..4).map(|n| format!("{n}").repeat(59)).collect();
    let local = labels.join(".");
    for (more, name) in [
        ("", format!("{local}.x.example")),
        ("ab.", format!("{local}.x.example")),
        ("abc.", format!("abc.{local}.x.example")),
    ] {
        let mail_from = format!("{more}{local}@s.example");
        let fits = more.len() + local.len() + ".x.example".len() <= 253;
        let name = if fits { format!("{more}{local}.x.example") } else { name.replace("abc.", "") };
        assert!(asks("%{l}.x.example", &name, CLIENT, &mail_from).await, "{more:?} {}", name.len());
    }
    let mail_from = format!("first-label.{local}@s.example");
    assert!(asks("%{l}.x.example", &format!("{local}.x.example"), CLIENT, &mail_from).await);
}

/// §4.6.4 wants a limit of time: no record costs more than the message has.
#[tokio::test]
async fn section_4_6_4_the_time_of_all_has_a_limit() {
    // A server that hears and says nothing.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let settings = crate::dns::Settings {
        servers: vec![silent.local_addr().unwrap()],
        timeout: Duration::from_secs(60),
        attempts: 3,
        cache: 1 << 20,
    };
    let resolver = Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())));
    let begun = Instant::now();
    let inquiry = Inquiry::new(resolver, 100, begun + Duration::from_millis(300));
    let spf = spf::mail_from(&inquiry, CLIENT.parse().unwrap(), "joe@s.example", "h.example").await.unwrap();
    assert_eq!((spf.result, spf.over_budget), (TempError, false));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
