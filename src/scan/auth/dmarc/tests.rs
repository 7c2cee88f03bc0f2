//! The sections of RFC 9989 one by one, and the examples that go with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::dns::{Resolver, Zone};
use crate::telemetry::Metrics;

fn inquiry(zone: &str) -> Inquiry {
    let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
    Inquiry::new(Arc::new(resolver), 100, Instant::now() + Duration::from_secs(5))
}

fn spf(result: AuthResult, domain: &str) -> Spf {
    Spf { result, domain: domain.to_owned(), ..Spf::default() }
}

fn dkim(result: AuthResult, domain: &str) -> Dkim {
    Dkim { result, domain: domain.to_owned(), ..Dkim::default() }
}

/// Result and policy.
async fn of(zone: &str, domain: &str, spf: Option<Spf>, dkim: &[Dkim]) -> (AuthResult, Option<DmarcPolicy>) {
    let found = check(&inquiry(zone), domain, spf.as_ref(), dkim).await;
    (found.result, found.policy)
}

const ZONE: &str = "
    _dmarc.example.com       TXT v=DMARC1; p=reject; sp=quarantine; np=reject
    mail.example.com         A   192.0.2.1
    _dmarc.strict.example    TXT v=DMARC1; p=reject; adkim=s; aspf=s
    _dmarc.gov.example       TXT v=DMARC1; p=none; np=reject; psd=y
    dept.gov.example         A   192.0.2.2
    _dmarc.own.corp.example  TXT v=DMARC1; p=reject; psd=n
    _dmarc.corp.example      TXT v=DMARC1; p=none
    _dmarc.down.example      FAIL
";

#[test]
fn a_walk_asks_the_domain_and_then_at_most_seven_labels_up() {
    assert_eq!(names("a.b.example"), ["a.b.example", "b.example", "example"]);
    let long = "a.b.c.d.e.f.g.h.i.j.example.com";
    assert_eq!(
        names(long),
        [
            long,
            "f.g.h.i.j.example.com",
            "g.h.i.j.example.com",
            "h.i.j.example.com",
            "i.j.example.com",
            "j.example.com",
            "example.com",
            "com"
        ]
    );
}

#[tokio::test]
async fn one_aligned_pass_is_enough() {
    use AuthResult::{Fail, None as Nothing, Pass};
    let reject = Some(DmarcPolicy::Reject);
    assert_eq!(of(ZONE, "example.com", Some(spf(Pass, "bounce.example.com")), &[]).await, (Pass, reject));
    assert_eq!(of(ZONE, "example.com", None, &[dkim(Pass, "example.com")]).await, (Pass, reject));
    let others =
        [dkim(Pass, "other.example"), dkim(Fail, "example.com"), dkim(AuthResult::Policy, "example.com")];
    assert_eq!(of(ZONE, "example.com", Some(spf(Pass, "notexample.com")), &others).await, (Fail, reject));
    assert_eq!(of(ZONE, "none.example", Some(spf(Pass, "none.example")), &[]).await, (Nothing, None));
}

#[tokio::test]
async fn strict_alignment_takes_the_very_domain_only() {
    use AuthResult::{Fail, Pass};
    let reject = Some(DmarcPolicy::Reject);
    assert_eq!(of(ZONE, "strict.example", Some(spf(Pass, "a.strict.example")), &[]).await, (Fail, reject));
    assert_eq!(of(ZONE, "strict.example", Some(spf(Pass, "strict.example")), &[]).await, (Pass, reject));
}

#[tokio::test]
async fn a_domain_below_gets_the_policy_for_those_that_exist_or_do_not() {
    let fails = |policy| (AuthResult::Fail, Some(policy));
    assert_eq!(of(ZONE, "mail.example.com", None, &[]).await, fails(DmarcPolicy::Quarantine));
    assert_eq!(of(ZONE, "made-up.example.com", None, &[]).await, fails(DmarcPolicy::Reject));
    // Below a public suffix each name is an organization of its own.
    assert_eq!(of(ZONE, "dept.gov.example", None, &[]).await, fails(DmarcPolicy::None));
    assert_eq!(of(ZONE, "made-up.gov.example", None, &[]).await, fails(DmarcPolicy::Reject));
    let other = Some(spf(AuthResult::Pass, "other.gov.example"));
    assert_eq!(of(ZONE, "dept.gov.example", other, &[]).await, fails(DmarcPolicy::None));
}

#[tokio::test]
async fn who_says_that_it_is_an_organization_is_one() {
    let pass = spf(AuthResult::Pass, "corp.example");
    let found = of(ZONE, "own.corp.example", Some(pass), &[]).await;
    assert_eq!(found, (AuthResult::Fail, Some(DmarcPolicy::Reject)));
    let pass = spf(AuthResult::Pass, "own.corp.example");
    let found = of(ZONE, "mail.own.corp.example", Some(pass), &[]).await;
    assert_eq!(found.0, AuthResult::Pass);
}

#[tokio::test]
async fn what_could_not_be_looked_up_is_neither_pass_nor_fail() {
    let nothing = (AuthResult::TempError, None);
    assert_eq!(of(ZONE, "down.example", Some(spf(AuthResult::Pass, "down.example")), &[]).await, nothing);
    let temp = [dkim(AuthResult::TempError, "example.com")];
    let uncertain = (AuthResult::TempError, Some(DmarcPolicy::Reject));
    assert_eq!(of(ZONE, "example.com", None, &temp).await, uncertain);
    let aligned = Some(spf(AuthResult::Pass, "example.com"));
    assert_eq!(of(ZONE, "example.com", aligned, &temp).await.0, AuthResult::Pass);
}

/// Where the walk from `domain` finds its organization.
async fn organization(zone: &str, domain: &str) -> String {
    walk(&inquiry(zone), domain).await.organization().to_owned()
}

/// §4.4: identifiers are aligned where their organizational domains are the same, in both directions.
#[tokio::test]
async fn section_4_4_relaxed_alignment_goes_up_down_and_sideways() {
    let zone = "_dmarc.example.com TXT v=DMARC1; p=reject";
    for (author, signer, aligned) in [
        ("example.com", "example.com", true),
        ("example.com", "a.b.example.com", true),
        ("a.b.example.com", "example.com", true),
        ("a.example.com", "b.example.com", true),
        ("a.example.com", "com", false),
        ("example.com", "example.org", false),
        ("example.com", "notexample.com", false),
        ("example.com", "example.com.evil.org", false),
        ("example.com", "", false),
    ] {
        let found = check(&inquiry(zone), author, None, &[dkim(AuthResult::Pass, signer)]).await;
        assert_eq!(found.dkim_aligned, aligned, "{author} {signer}");
        let spf = spf(AuthResult::Pass, signer);
        assert_eq!(
            check(&inquiry(zone), author, Some(&spf), &[]).await.spf_aligned,
            aligned,
            "{author} {signer}"
        );
    }
}

/// §4.4.1, §4.4.2: strictness is for each of the two by itself.
#[tokio::test]
async fn section_4_4_dkim_and_spf_are_strict_apart_from_each_other() {
    let below = "a.example.com";
    for (record, dkim_aligned, spf_aligned) in [
        ("adkim=s", false, true),
        ("aspf=s", true, false),
        ("adkim=r; aspf=r", true, true),
        ("adkim=S; aspf=S", false, false),
        ("adkim=x; aspf=", true, true),
    ] {
        let zone = format!("_dmarc.example.com TXT v=DMARC1; p=reject; {record}");
        let spf = spf(AuthResult::Pass, below);
        let found = check(&inquiry(&zone), "example.com", Some(&spf), &[dkim(AuthResult::Pass, below)]).await;
        assert_eq!((found.dkim_aligned, found.spf_aligned), (dkim_aligned, spf_aligned), "{record}");
    }
}

/// §4.10 steps 2 and 6: what is no record, or one of several, is as if it was not there.
#[tokio::test]
async fn section_4_10_several_records_at_a_name_are_none() {
    let zone = "
        _dmarc.a.example  TXT v=DMARC1; p=reject; psd=n
        _dmarc.a.example  TXT v=DMARC1; p=none; psd=n
        _dmarc.b.example  TXT v=DMARC1; p=reject
        _dmarc.b.example  TXT v=spf1 -all
        _dmarc.example    TXT v=DMARC1; p=quarantine
    ";
    assert_eq!(of(zone, "a.example", None, &[]).await, (AuthResult::Fail, Some(DmarcPolicy::Quarantine)));
    assert_eq!(of(zone, "b.example", None, &[]).await, (AuthResult::Fail, Some(DmarcPolicy::Reject)));
}

/// §4.10: eight questions and no more, whatever the name.
#[tokio::test]
async fn section_4_10_a_walk_asks_at_most_eight_names() {
    let long = format!("{}example.com", "a.".repeat(100));
    let inquiry = inquiry("x.example A 192.0.2.1");
    walk(&inquiry, &long).await;
    assert_eq!(inquiry.spent().questions, 8);
    let illustrated = names("a.b.c.d.e.f.g.h.i.j.mail.example.com");
    assert_eq!(illustrated[1..3], ["g.h.i.j.mail.example.com", "h.i.j.mail.example.com"]);
    assert_eq!((illustrated.len(), illustrated[7]), (8, "com"));
    assert_eq!(names("a.b.c.d.e.f.g.h").len(), 8);
}

/// §4.10.1: the author's own record, else the organization's, else the public suffix's.
#[tokio::test]
async fn section_4_10_1_the_record_nearest_to_the_author_applies() {
    let zone = "
        _dmarc.bank        TXT v=DMARC1; p=none; sp=quarantine; psd=y
        _dmarc.x.bank      TXT v=DMARC1; p=none; sp=reject
        _dmarc.own.x.bank  TXT v=DMARC1; p=quarantine; sp=none
        www.y.bank         A 192.0.2.1
        www.x.bank         A 192.0.2.1
    ";
    let wanted = async |domain| of(zone, domain, None, &[]).await.1.unwrap();
    assert_eq!(wanted("own.x.bank").await, DmarcPolicy::Quarantine);
    assert_eq!(wanted("www.x.bank").await, DmarcPolicy::Reject);
    // Not the one between: sp is of the organization, not of any name on the way (§4.7).
    assert_eq!(wanted("a.own.x.bank").await, DmarcPolicy::Reject);
    assert_eq!(wanted("x.bank").await, DmarcPolicy::None);
    assert_eq!(wanted("www.y.bank").await, DmarcPolicy::Quarantine);
    assert_eq!(wanted("bank").await, DmarcPolicy::None);
}

/// §4.10.1: without any record DMARC is not applied; alignment is told all the same.
#[tokio::test]
async fn section_4_10_1_without_a_record_there_is_no_result() {
    let pass = [dkim(AuthResult::Pass, "none.example")];
    let found = check(&inquiry("x.example A 192.0.2.1"), "none.example", None, &pass).await;
    assert_eq!((found.result, found.policy, found.dkim_aligned), (AuthResult::None, None, true));
    let faulty = "_dmarc.none.example TXT v=DMARC1; p=reject; sp=rejekt";
    let found = check(&inquiry(faulty), "none.example", None, &[]).await;
    assert_eq!((found.result, found.policy), (AuthResult::None, None));
}

/// §4.10.2, the three examples, and §4.10.2 "if this process does not determine".
#[tokio::test]
async fn section_4_10_2_the_examples_of_organizations() {
    let two = "_dmarc.mail.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=none";
    assert_eq!(organization(two, "a.mail.example.com").await, "example.com");
    let itself =
        "_dmarc.mail.example.com TXT v=DMARC1; psd=n; p=none\n_dmarc.example.com TXT v=DMARC1; p=none";
    assert_eq!(organization(itself, "a.mail.example.com").await, "mail.example.com");
    let suffix = "_dmarc.com TXT v=DMARC1; p=none; psd=y";
    assert_eq!(organization(suffix, "a.mail.example.com").await, "example.com");
    assert_eq!(organization("x.example A 192.0.2.1", "a.mail.example.com").await, "a.mail.example.com");
    // A suffix that sends mail itself is its own organization.
    assert_eq!(organization(suffix, "com").await, "com");
    let inner = "_dmarc.gov.example TXT v=DMARC1; psd=y; p=none\n_dmarc.example TXT v=DMARC1; p=none";
    assert_eq!(organization(inner, "gov.example").await, "gov.example");
}

/// §3.2: np is for names that do not exist (NXDOMAIN); one without addresses exists.
#[tokio::test]
async fn a_name_with_any_record_or_with_names_below_exists() {
    let zone = "
        _dmarc.example.com  TXT v=DMARC1; p=none; np=reject
        txt.example.com     TXT hello
        a.tree.example.com  A 192.0.2.1
    ";
    let wanted = async |domain| of(zone, domain, None, &[]).await.1.unwrap();
    assert_eq!(wanted("txt.example.com").await, DmarcPolicy::None);
    assert_eq!(wanted("tree.example.com").await, DmarcPolicy::None);
    assert_eq!(wanted("none.example.com").await, DmarcPolicy::Reject);
}

/// Who keeps us from asking whether a name exists must not get the milder policy by that.
#[tokio::test]
async fn where_it_is_not_known_whether_a_name_exists_the_stricter_policy_counts() {
    let zone = "
        _dmarc.example.com  TXT v=DMARC1; p=none; np=reject
        _dmarc.strict.org   TXT v=DMARC1; p=reject; np=none
        slow.example.com    TIMEOUT A
        down.strict.org     FAIL
    ";
    for domain in ["slow.example.com", "down.strict.org"] {
        let found = check(&inquiry(zone), domain, None, &[]).await;
        let expected = (AuthResult::Fail, Some(DmarcPolicy::Reject), true);
        assert_eq!((found.result, found.policy, found.policy_uncertain), expected, "{domain}");
        assert!(found.reason.is_some_and(|why| why.contains("not known whether it exists")));
    }
    // A budget that is used up: the walk has its three questions, and there is no fourth.
    let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
    let spent = Inquiry::new(Arc::new(resolver), 3, Instant::now() + Duration::from_secs(5));
    let found = check(&spent, "made-up.example.com", None, &[]).await;
    assert_eq!((found.policy, found.policy_uncertain), (Some(DmarcPolicy::Reject), true));
    // It is asked ahead, so what others ask later does not matter.
    let inquiry = inquiry(zone);
    ask_ahead(&inquiry, "made-up.example.com").await;
    assert_eq!(inquiry.spent().questions, 4);
    let found = check(&inquiry, "made-up.example.com", None, &[]).await;
    assert_eq!((found.policy, inquiry.spent().questions), (Some(DmarcPolicy::Reject), 4));
}

/// A server of the names above that does not answer makes nothing uncertain that does not depend on it.
#[tokio::test]
async fn a_domains_own_record_applies_although_the_names_above_do_not_answer() {
    let zone = "_dmarc.own.example TXT v=DMARC1; p=reject\n_dmarc.example TIMEOUT";
    let reject = Some(DmarcPolicy::Reject);
    let with = async |domain: &str| of(zone, "own.example", None, &[dkim(AuthResult::Pass, domain)]).await;
    assert_eq!(with("own.example").await, (AuthResult::Pass, reject));
    assert_eq!(with("other.org").await, (AuthResult::Fail, reject));
    assert_eq!(with("a.own.example").await, (AuthResult::TempError, reject));
    assert_eq!(with("other.example").await, (AuthResult::TempError, reject));
    assert_eq!(of(zone, "a.own.example", None, &[]).await, (AuthResult::TempError, None));
}

#[tokio::test]
async fn many_signatures_of_others_do_not_hide_the_authors() {
    let mut signatures: Vec<Dkim> =
        (0..9).map(|n| dkim(AuthResult::Pass, &format!("s{n}.other.example"))).collect();
    signatures.extend((0..9).map(|n| dkim(AuthResult::Fail, &format!("s{n}.example.com"))));
    signatures.push(dkim(AuthResult::Pass, "example.com"));
    let reject = Some(DmarcPolicy::Reject);
    assert_eq!(of(ZONE, "example.com", None, &signatures).await, (AuthResult::Pass, reject));
    // Of those that have to be looked up, five are; what was asked already is not asked again.
    let zone = "_dmarc.example.com TXT v=DMARC1; p=reject\n_dmarc.example TXT v=DMARC1; p=none";
    let own = (0..9).map(|n| format!("_dmarc.s{n}.example.com TXT v=DMARC1; p=none; psd=n\n"));
    let zone = own.collect::<String>() + zone;
    let strangers: Vec<Dkim> = (0..9).map(|n| dkim(AuthResult::Pass, &format!("s{n}.example.com"))).collect();
    let inquiry = inquiry(&zone);
    let found = check(&inquiry, "example.com", None, &strangers).await;
    assert_eq!((found.result, inquiry.spent().questions), (AuthResult::Fail, 2 + 5));
}

/// The lines of the list's own test, with each suffix saying of itself what the list says of it. RFC 9989 has
/// no list: "the Organizational Domain is the domain one label below this one" (§4.10.2), and for a suffix
/// itself, for which the list has null, "the initial target domain is the Organizational Domain".
#[tokio::test]
async fn every_line_of_the_public_suffix_test_has_its_organization() {
    use super::super::author::a_label;
    let Some(folder) =
        crate::testing::suite("every_line_of_the_public_suffix_test_has_its_organization", "psl")
    else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("test_psl.txt")).unwrap();
    let lines: Vec<(&str, Option<&str>)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("checkPublicSuffix(")?.strip_suffix(");")?.split_once(", "))
        .map(|(domain, expected)| (domain.trim_matches('\''), expected))
        .map(|(domain, expected)| (domain, (expected != "null").then(|| expected.trim_matches('\''))))
        .collect();
    let suffixes = lines.iter().filter_map(|(_, expected)| a_label((*expected)?));
    let mut suffixes: Vec<String> =
        suffixes.filter_map(|name| name.split_once('.').map(|(_, suffix)| suffix.to_owned())).collect();
    suffixes.sort();
    suffixes.dedup();
    let zone: String = suffixes.iter().map(|s| format!("_dmarc.{s} TXT v=DMARC1; p=none; psd=y\n")).collect();
    let (mut with, mut without) = (0, 0);
    for (domain, expected) in &lines {
        match (a_label(domain), expected) {
            (Some(domain), Some(expected)) => {
                assert_eq!(Some(organization(&zone, &domain).await), a_label(expected), "{domain}");
                with += 1;
            }
            (Some(domain), None) => {
                assert_eq!(organization(&zone, &domain).await, domain);
                without += 1;
            }
            // Of one label, or with an empty one: no domain of an author.
            (None, None) => without += 1,
            (None, Some(_)) => panic!("{domain}"),
        }
    }
    // The four others are commented out.
    assert_eq!((lines.len(), with + without), (78, 78));
    assert_eq!(text.lines().filter(|line| line.starts_with("//checkPublicSuffix")).count(), 4);
}

/// Who reads the explanation is told which record it was, and what it asks of alignment.
#[tokio::test]
async fn the_record_that_applies_and_its_strictness_are_told() {
    let told = async |zone: &str, domain: &str| {
        let found = check(&inquiry(zone), domain, None, &[]).await;
        (found.record, found.reason)
    };
    let at = |name: &str| Some(name.to_owned());
    let (record, reason) = told(ZONE, "mail.example.com").await;
    assert_eq!(record, at("_dmarc.example.com"));
    assert_eq!(reason, at("neither SPF nor a signature passes for mail.example.com"));
    assert_eq!(told(ZONE, "dept.gov.example").await.0, at("_dmarc.gov.example"));
    assert_eq!(told(ZONE, "none.org").await.0, None);
    for (tags, ending) in [
        ("aspf=s", " (aspf=s: SPF for itself)"),
        ("adkim=s", " (adkim=s: a signature for itself)"),
        ("aspf=s; adkim=s", " itself (aspf=s, adkim=s)"),
    ] {
        let zone = format!("_dmarc.x.example TXT v=DMARC1; p=reject; {tags}");
        let expected = format!("neither SPF nor a signature passes for x.example{ending}");
        assert_eq!(told(&zone, "x.example").await, (at("_dmarc.x.example"), Some(expected)), "{tags}");
    }
}
