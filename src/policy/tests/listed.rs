//! What proves an entry of the allow list, and what happens where nothing does.

use super::*;
use crate::model::authentication::{Dkim, Dmarc};
use crate::model::{Answer, Author, Disposition, DmarcPolicy};
use crate::policy::{Config, Dispositions, name};

fn hit(list: List, on: Matched, domain: &str) -> ListHit {
    let domain = Some(domain.to_owned());
    ListHit { domain, ..ListHit::new(list, on, "a@example.net") }
}

fn from() -> ListHit {
    hit(List::Allow, Matched::From, "example.net")
}

/// a@example.net on the allow list as the exception from example.net on the block list.
fn exception(on: Matched) -> ListHits {
    let block =
        ListHit { entry: "example.net".to_owned(), excepted: true, ..hit(List::Block, on, "example.net") };
    ListHits(vec![hit(List::Allow, on, "example.net"), block])
}

fn spf(result: AuthResult, domain: &str) -> Authentication {
    let mail_from = Some(Spf { result, domain: domain.to_owned(), ..Spf::default() });
    Authentication { mail_from, client: Some([192, 0, 2, 1].into()), ..Authentication::default() }
}

fn signed(result: AuthResult, domain: &str) -> Authentication {
    let dkim = vec![Dkim { result, domain: domain.to_owned(), ..Dkim::default() }];
    Authentication { dkim, client: Some([192, 0, 2, 1].into()), ..Authentication::default() }
}

fn dmarc(author: &str, result: AuthResult, aligned: bool) -> Authentication {
    let policy = (result != AuthResult::None).then_some(DmarcPolicy::Reject);
    let dmarc =
        Dmarc { result, domain: author.to_owned(), policy, dkim_aligned: aligned, ..Dmarc::default() };
    Authentication {
        dmarc: Some(dmarc),
        author: Author::Domain(author.to_owned()),
        client: Some([192, 0, 2, 1].into()),
        ..Authentication::default()
    }
}

/// A message that would be refused for its score.
fn spam(lists: ListHits, authentication: Option<Authentication>) -> Case {
    Case { lists, authentication, ..Case::found(vec![finding("SPAM", Category::Spam, Severity::Low, 50.0)]) }
}

fn saw(case: &Case, rule: &str) -> String {
    let verdict = case.verdict();
    verdict.explanation.0.iter().find(|step| step.rule == rule).unwrap().saw.clone()
}

/// Whether the entry counted, and what its step says behind the entry.
fn told(hit: ListHit, seen: Option<Authentication>) -> (bool, String) {
    let case = spam(ListHits(vec![hit]), seen);
    let verdict = case.verdict();
    let saw = saw(&case, name::ALLOW_LIST);
    let (_, rest) = saw.split_once("on the allow list").unwrap();
    (verdict.rule == name::ALLOW_LIST, rest.to_owned())
}

#[test]
fn a_sender_counts_where_spf_or_a_signature_proves_its_domain() {
    let sender = || hit(List::Allow, Matched::Sender, "example.net");
    use AuthResult::{Fail, Neutral, Pass, Policy, SoftFail};
    for (seen, how) in [
        (spf(Pass, "example.net"), "SPF passes for example.net"),
        (signed(Pass, "example.net"), "a signature of example.net passes"),
        (dmarc("example.net", Pass, true), "what passes is aligned with example.net"),
        (dmarc("example.net", AuthResult::None, true), "what passes is aligned with example.net"),
    ] {
        assert_eq!(told(sender(), Some(seen)), (true, format!(", proven: {how}")));
    }
    let below = hit(List::Allow, Matched::Sender, "news.example.net");
    let by = ", proven: a signature of example.net passes".to_owned();
    assert_eq!(told(below, Some(signed(Pass, "example.net"))), (true, by));
    for seen in [
        spf(SoftFail, "example.net"),
        spf(Neutral, "example.net"),
        spf(AuthResult::None, "example.net"),
        spf(Pass, "sub.example.net"),
        spf(Pass, "other.example"),
        signed(Fail, "example.net"),
        signed(Policy, "example.net"),
        signed(Pass, "notexample.net"),
        signed(Pass, "mail.example.net"),
        signed(Pass, ""),
        dmarc("other.example", Pass, true),
        dmarc("example.net", AuthResult::None, false),
    ] {
        let shown = format!("{seen:?}");
        let missing = " does not count: neither SPF nor a signature passes for example.net";
        assert_eq!(told(sender(), Some(seen)), (false, missing.to_owned()), "{shown}");
    }
}

#[test]
fn an_author_counts_where_his_domain_passes_in_alignment() {
    use AuthResult::{Fail, Pass};
    let proven = ", proven: what passes is aligned with example.net".to_owned();
    assert_eq!(told(from(), Some(dmarc("example.net", Pass, true))), (true, proven.clone()));
    assert_eq!(told(from(), Some(dmarc("example.net", AuthResult::None, true))), (true, proven));
    let unproven = " does not count: neither SPF nor a signature passes in alignment with example.net";
    assert_eq!(told(from(), Some(dmarc("example.net", Fail, false))), (false, unproven.to_owned()));
    let not_one = " does not count: the mail does not have exactly one author's domain, example.net";
    let several = Authentication {
        author: Author::SeveralDomains(vec!["example.net".to_owned(), "x.example".to_owned()]),
        ..dmarc("example.net", Pass, true)
    };
    for seen in
        [spf(Pass, "example.net"), signed(Pass, "example.net"), dmarc("x.example", Pass, true), several]
    {
        assert_eq!(told(from(), Some(seen)), (false, not_one.to_owned()));
    }
}

#[test]
fn where_nobody_looked_the_step_says_what_to_do() {
    let sender = || hit(List::Allow, Matched::Sender, "example.net");
    let off = " does not count: nobody verified who sent it: [scanner.auth] is off; turn it on, or allow the address \
               of the client instead";
    assert_eq!(told(sender(), None), (false, off.to_owned()));
    assert_eq!(told(from(), None), (false, off.to_owned()));
    let mut case = spam(ListHits(vec![sender()]), None);
    case.coverage.0.insert(Scanner::Auth, Outcome::Skipped(Skip::Relay));
    let relay = "sender a@example.net on the allow list does not count: nobody verified who sent it: \
                 auth=skipped(relay); allow the address of the client instead";
    assert_eq!(saw(&case, name::ALLOW_LIST), relay);
    let unknown = Authentication { client: None, ..spf(AuthResult::None, "") };
    let no_client = " does not count: the client is not known, and no signature passes for example.net";
    assert_eq!(told(sender(), Some(unknown)), (false, no_client.to_owned()));
}

#[test]
fn a_client_needs_no_proof() {
    let client = ListHit { list: List::Allow, domain: None, ..block() };
    for seen in [None, Some(dmarc("example.net", AuthResult::Fail, false))] {
        assert_eq!(told(client.clone(), seen), (true, String::new()));
    }
}

#[test]
fn of_several_entries_the_first_that_is_proven_counts() {
    let lists = ListHits(vec![hit(List::Allow, Matched::Sender, "forged.example"), from()]);
    let case = spam(lists, Some(dmarc("example.net", AuthResult::Pass, true)));
    assert_eq!(case.verdict().reason, "allowed: From a@example.net on the allow list");
}

#[test]
fn a_proven_sender_opens_no_door_to_a_forged_author() {
    let mut seen = dmarc("bank.example", AuthResult::Fail, false);
    seen.mail_from = spf(AuthResult::Pass, "example.net").mail_from;
    let lists = || ListHits(vec![hit(List::Allow, Matched::Sender, "example.net")]);
    let mut case = Case { lists: lists(), authentication: Some(seen.clone()), ..Case::default() };
    assert_eq!(
        (case.verdict().disposition, case.verdict().rule.as_str()),
        (Disposition::Quarantine, name::DMARC)
    );
    assert_eq!(
        saw(&case, name::ALLOW_LIST),
        "sender a@example.net on the allow list does not count, though SPF passes for example.net: DMARC of \
         bank.example, the author's domain, fails; mailing lists and forwarders are for policy.dmarc.lists"
    );
    // Named as a mailing list, its failure is excepted, and the entry counts again.
    let mut config = Config::default();
    config.dmarc.lists = vec!["example.net".to_owned()];
    case.policy = Policy::new(&config).unwrap();
    assert_eq!(case.verdict().rule, name::ALLOW_LIST);
    // A client is whom the admin knows.
    let client = ListHits(vec![ListHit { list: List::Allow, domain: None, ..block() }]);
    let case = Case { lists: client, authentication: Some(seen), ..Case::default() };
    assert_eq!(case.verdict().rule, name::ALLOW_LIST);
}

#[test]
fn a_forged_exception_falls_back_to_the_block() {
    for (on, word) in [(Matched::Sender, "sender"), (Matched::From, "From")] {
        let proven = match on {
            Matched::From => dmarc("example.net", AuthResult::Pass, true),
            _ => spf(AuthResult::Pass, "example.net"),
        };
        let case = |seen| Case { lists: exception(on), authentication: seen, ..Case::default() };
        let alice = case(Some(proven)).verdict();
        assert_eq!((alice.disposition, alice.rule.as_str()), (Disposition::Accept, name::ALLOW_LIST));
        let forged = case(Some(dmarc("example.net", AuthResult::None, false)));
        let verdict = forged.verdict();
        assert_eq!((verdict.disposition, verdict.rule.as_str()), (Disposition::Reject, name::BLOCK_LIST));
        let start = format!(
            "{word} example.net on the block list, with an exception; {word} a@example.net on the allow list does not \
             count: neither SPF nor a signature passes"
        );
        let told = saw(&forged, name::BLOCK_LIST);
        assert!(told.starts_with(&start), "{told}");
        assert_eq!(case(None).verdict().rule, name::BLOCK_LIST, "nobody looked");
    }
}

#[test]
fn who_takes_mail_from_the_blocked_takes_that_of_a_forged_exception_too() {
    let seen = Some(spf(AuthResult::Fail, "example.net"));
    let case = Case {
        lists: exception(Matched::Sender),
        authentication: seen,
        exempt: vec![true, false],
        ..Case::default()
    };
    let verdicts = crate::policy::decide(&case.policy, &case.facts());
    let rules: Vec<&str> = verdicts.iter().map(|v| v.rule.as_str()).collect();
    assert_eq!(rules, [name::ACCEPT, name::BLOCK_LIST]);
}

#[test]
fn an_exception_that_cannot_be_looked_up_now_is_put_off_and_in_the_end_held() {
    let temp = AuthResult::TempError;
    let mut gap = Case::gap(Scanner::Auth, timeout());
    (gap.lists, gap.on_failure) = (exception(Matched::Sender), [(Scanner::Auth, Worth::Ignore)].into());
    let with = |on, seen| Case { lists: exception(on), authentication: Some(seen), ..Case::default() };
    for mut case in [
        with(Matched::Sender, spf(temp, "example.net")),
        with(Matched::Sender, signed(temp, "example.net")),
        with(Matched::From, dmarc("example.net", temp, false)),
        gap,
    ] {
        assert!(matches!(case.decide_and_plan().answer, Answer::Tempfail(_)), "{case:?}");
        assert!(saw(&case, name::BLOCK_LIST).ends_with("; put off until it can"), "{case:?}");
        case.failures = 2;
        assert_eq!(
            (case.verdict().disposition, case.verdict().rule.as_str()),
            (Disposition::Quarantine, name::REPEAT)
        );
    }
    // What a stranger signed has nothing to do with it.
    let stranger = with(Matched::Sender, signed(temp, "stranger.example"));
    assert_eq!(stranger.verdict().disposition, Disposition::Reject);
    // What is held can be released, so there is no need to wait.
    let disposition = Dispositions { blocked: Disposition::Quarantine, ..Dispositions::default() };
    let policy = Policy::new(&Config { disposition, ..Config::default() }).unwrap();
    let case = Case { policy, ..with(Matched::Sender, spf(temp, "example.net")) };
    assert_eq!(
        (case.verdict().disposition, case.verdict().rule.as_str()),
        (Disposition::Quarantine, name::BLOCK_LIST)
    );
}

#[test]
fn an_allowed_message_that_is_not_here_is_put_off_and_not_refused() {
    let case = Case { lists: exception(Matched::Sender), fault: Some(Fault::NoMemory), ..Case::default() };
    assert!(matches!(case.decide_and_plan().answer, Answer::Tempfail(_)));
}

#[test]
fn a_field_counts_where_the_author_is_proven_in_alignment() {
    use AuthResult::{Fail, Pass};
    let field = || ListHit::new(List::Allow, Matched::Header, "header:list-id:*.lists.example");
    let proven = ", proven: what passes is aligned with example.net".to_owned();
    assert_eq!(told(field(), Some(dmarc("example.net", Pass, true))), (true, proven));
    let claim = " does not count: anybody can write a field, and";
    let unproven = format!("{claim} neither SPF nor a signature passes in alignment with example.net");
    assert_eq!(told(field(), Some(dmarc("example.net", Fail, false))), (false, unproven));
    let nobody = format!("{claim} the mail does not have exactly one author's domain");
    assert_eq!(told(field(), Some(spf(Pass, "example.net"))), (false, nobody));
}

#[test]
fn a_link_or_file_that_is_allowed_lets_nothing_through() {
    for on in [Matched::Url, Matched::Attachment] {
        let hit = ListHit::new(List::Allow, on, "x");
        let told = told(hit, Some(dmarc("example.net", AuthResult::Pass, true)));
        assert_eq!(told, (false, ", which lets no message through by itself".to_owned()));
    }
}
