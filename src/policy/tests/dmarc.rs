//! What it is worth that mail fails DMARC.

use super::*;
use crate::model::authentication::{ArcChain, Dkim, Dmarc as Seen};
use crate::model::{Answer, Author, Disposition, DmarcPolicy};
use crate::policy::{Config, Dmarc, DmarcWorth, name};

const LIST: &str = "lists.example.net";
const BANK: &str = "bank.example";

/// From bank.example, which asks for reject, and nothing passes.
pub(super) fn fails() -> Authentication {
    failing(Some(DmarcPolicy::Reject), AuthResult::Fail)
}

fn failing(policy: Option<DmarcPolicy>, result: AuthResult) -> Authentication {
    let dmarc = Seen {
        result,
        domain: BANK.to_owned(),
        policy,
        reason: Some("neither SPF nor a signature passes for bank.example".to_owned()),
        ..Seen::default()
    };
    let mail_from = Spf { result: AuthResult::Fail, domain: BANK.to_owned(), ..Spf::default() };
    Authentication {
        client: Some([192, 0, 2, 1].into()),
        mail_from: Some(mail_from),
        dmarc: Some(dmarc),
        author: Author::Domain(BANK.to_owned()),
        ..Authentication::default()
    }
}

fn policy(change: impl FnOnce(&mut Dmarc)) -> Policy {
    let mut config = Config::default();
    change(&mut config.dmarc);
    Policy::new(&config).unwrap()
}

/// What the rule saw, and the disposition that it asked for.
fn step(case: &Case) -> (String, Option<Disposition>) {
    let verdict = case.verdict();
    let step = verdict.explanation.0.iter().find(|step| step.rule == name::DMARC).unwrap();
    (step.saw.clone(), step.wants)
}

fn wants(terms: &Policy, seen: Authentication) -> Option<Disposition> {
    step(&Case { policy: terms.clone(), authentication: Some(seen), ..Case::default() }).1
}

#[test]
fn each_word_does_what_it_says_for_each_wish_of_a_domain() {
    use DmarcWorth::{Honour, Ignore, Quarantine, Tag};
    let held = Some(Disposition::Quarantine);
    for (word, reject, quarantine) in [
        (Honour, Some(Disposition::Reject), held),
        (Quarantine, held, held),
        (Tag, Some(Disposition::Tag), Some(Disposition::Tag)),
        (Ignore, None, None),
    ] {
        let terms = policy(|dmarc| (dmarc.reject, dmarc.quarantine) = (word, word));
        for result in AuthResult::ALL {
            let of = |policy| wants(&terms, failing(policy, result));
            let fails = result == AuthResult::Fail;
            let expected = |wanted: Option<Disposition>| wanted.filter(|_| fails);
            assert_eq!(of(Some(DmarcPolicy::Reject)), expected(reject), "{word:?} {result}");
            assert_eq!(of(Some(DmarcPolicy::Quarantine)), expected(quarantine), "{word:?} {result}");
            assert_eq!((of(Some(DmarcPolicy::None)), of(None)), (None, None), "{word:?} {result}");
        }
    }
}

#[test]
fn by_default_what_asks_for_reject_is_held_as_suspicious_and_can_be_released() {
    let case = Case { authentication: Some(fails()), ..Case::default() };
    let verdict = case.verdict();
    assert_eq!(
        (verdict.disposition, verdict.category, verdict.rule.as_str(), verdict.reason.as_str()),
        (
            Disposition::Quarantine,
            Category::Suspicious,
            name::DMARC,
            "DMARC of bank.example fails, and it asks for reject"
        )
    );
}

#[test]
fn who_is_refused_is_told_that_it_is_for_dmarc() {
    let policy = policy(|dmarc| dmarc.reject = DmarcWorth::Honour);
    let case = Case { policy, authentication: Some(fails()), ..Case::default() };
    let Answer::Reject(reply) = case.decide_and_plan().answer else { panic!("not refused") };
    assert_eq!(
        reply.to_string(),
        "550 5.7.1 refused because it fails DMARC, as its author's domain asks for (id 01m7xe7et200000007); \
         contact your postmaster"
    );
}

#[test]
fn the_step_says_what_was_seen_in_every_case() {
    let saw = |authentication: Option<Authentication>| step(&Case { authentication, ..Case::default() }).0;
    let of = |policy, result| saw(Some(failing(policy, result)));
    let because = "neither SPF nor a signature passes for bank.example";
    assert_eq!(saw(None), "nobody verified who sent it: [scanner.auth] is off");
    let skipped = Case::gap(Scanner::Auth, Outcome::Skipped(Skip::Relay));
    assert_eq!(step(&skipped).0, "nobody verified who sent it: auth=skipped(relay)");
    let gone = Case { fault: Some(Fault::NoMemory), ..Case::default() };
    assert_eq!(step(&gone).0, "the message is not here, so nobody verified who sent it");
    let author = |author| saw(Some(Authentication { author, ..Authentication::default() }));
    let unread =
        |author| saw(Some(Authentication { author, shown_in_part: true, ..Authentication::default() }));
    let none = "no DMARC, which is about one author's domain: ";
    assert_eq!(author(Author::Missing), format!("{none}there is no From field"));
    let may = "; From may show a domain that cannot be read; policy.dmarc.unreadable = quarantine";
    assert_eq!(author(Author::SeveralFields(2)), format!("{none}there are 2 From fields"));
    assert_eq!(unread(Author::SeveralFields(2)), format!("{none}there are 2 From fields{may}"));
    let domains = vec!["a.example".to_owned(), "b.example".to_owned()];
    assert_eq!(unread(Author::SeveralDomains(domains)), format!("{none}From names 2 domains{may}"));
    assert_eq!(
        unread(Author::Unreadable("it is too long".to_owned())),
        format!("{none}From cannot be read without doubt, it is too long{may}")
    );
    let mut passes = failing(Some(DmarcPolicy::Reject), AuthResult::Pass);
    passes.dmarc.iter_mut().for_each(|dmarc| (dmarc.dkim_aligned, dmarc.reason) = (true, None));
    assert_eq!(saw(Some(passes)), "DMARC of bank.example: pass, by a signature");
    assert_eq!(of(None, AuthResult::None), format!("DMARC of bank.example: none: {because}"));
    assert_eq!(
        of(Some(DmarcPolicy::Reject), AuthResult::TempError),
        format!(
            "DMARC of bank.example: temperror: {because}; that is no failure, and on_failure of [scanner.auth] \
             says what it is worth"
        )
    );
    assert_eq!(
        of(Some(DmarcPolicy::None), AuthResult::Fail),
        format!("DMARC of bank.example: fail, and the domain asks for nothing: {because}")
    );
    assert_eq!(
        of(Some(DmarcPolicy::Reject), AuthResult::Fail),
        format!(
            "DMARC of bank.example: fail, and the domain asks for reject: {because}; policy.dmarc.reject = quarantine"
        )
    );
}

#[test]
fn each_exception_is_said_beside_the_failure() {
    let terms = policy(|dmarc| {
        dmarc.forwarders = vec!["198.51.100.0/24".parse().unwrap()];
        dmarc.lists = vec!["Lists.Example.NET.".to_owned(), "bücher.example".to_owned()];
    });
    let told = |seen: Authentication| {
        let case = Case { policy: terms.clone(), authentication: Some(seen), ..Case::default() };
        let (saw, wants) = step(&case);
        (saw.split_once("; ").unwrap().1.to_owned(), wants)
    };
    let dkim = |domain: &str, result| Dkim { domain: domain.to_owned(), result, ..Dkim::default() };
    let spf = |domain: &str, result| Spf { domain: domain.to_owned(), result, ..Spf::default() };
    let signed = |domain: &str, result| Authentication { dkim: vec![dkim(domain, result)], ..fails() };
    let sent = |domain: &str, result| Authentication { mail_from: Some(spf(domain, result)), ..fails() };
    let sealed = |result, trusted: Option<&str>| {
        let trusted = trusted.map(str::to_owned);
        Authentication { arc: Some(ArcChain { result, trusted, ..ArcChain::default() }), ..fails() }
    };
    let (pass, fail) = (AuthResult::Pass, AuthResult::Fail);
    for (seen, told_so) in [
        (
            Authentication { client: Some("198.51.100.7".parse().unwrap()), ..fails() },
            "but the client 198.51.100.7 is one of policy.dmarc.forwarders",
        ),
        (
            Authentication { client: Some("::ffff:198.51.100.7".parse().unwrap()), ..fails() },
            "but the client 198.51.100.7 is one of policy.dmarc.forwarders",
        ),
        (signed(LIST, pass), "but it is signed by lists.example.net, one of policy.dmarc.lists"),
        (
            signed("a.lists.example.net", pass),
            "but it is signed by lists.example.net, one of policy.dmarc.lists",
        ),
        (
            signed("xn--bcher-kva.example", pass),
            "but it is signed by xn--bcher-kva.example, one of policy.dmarc.lists",
        ),
        (sent(LIST, pass), "but SPF shows that it was sent by lists.example.net, one of policy.dmarc.lists"),
        (
            sealed(pass, Some("sealer.example")),
            "but sealer.example, one of auth.trusted_sealers, says that it passed when it came there",
        ),
    ] {
        assert_eq!(told(seen), (told_so.to_owned(), None));
    }
    for seen in [
        fails(),
        signed(LIST, fail),
        signed(LIST, AuthResult::Policy),
        signed(LIST, AuthResult::TempError),
        signed("example.net", pass),
        signed("notlists.example.net", pass),
        sent(LIST, fail),
        sent(LIST, AuthResult::SoftFail),
        sealed(fail, Some("sealer.example")),
        sealed(pass, None),
    ] {
        let held = ("policy.dmarc.reject = quarantine".to_owned(), Some(Disposition::Quarantine));
        assert_eq!(told(seen), held);
    }
}

#[test]
fn a_domain_that_asks_for_nothing_gets_nothing_done_unless_other_evidence_adds() {
    let mut case = Case {
        authentication: Some(failing(Some(DmarcPolicy::None), AuthResult::Fail)),
        ..Case::found(vec![finding("DMARC_FAIL_NONE", Category::Suspicious, Severity::Low, 0.5)])
    };
    assert_eq!(case.verdict().disposition, Disposition::Accept);
    case.findings.push(finding("SPAM_WORDS", Category::Spam, Severity::Low, 2.5));
    assert_eq!(
        (case.verdict().disposition, case.verdict().rule),
        (Disposition::Tag, name::SPAM_TAG.to_owned())
    );
}

#[test]
fn going_out_it_is_only_recorded() {
    let policy = policy(|dmarc| dmarc.reject = DmarcWorth::Honour);
    let case = Case { policy, authentication: Some(fails()), ..Case::default() }.outbound();
    assert_eq!(case.verdict().disposition, Disposition::Accept);
    assert!(step(&case).0.ends_with("; going out, so only recorded"));
}

#[test]
fn terms_that_contradict_themselves_or_name_no_domain_are_refused_each_by_name() {
    let errors = |change: fn(&mut Dmarc)| -> Vec<String> {
        let mut config = Config::default();
        change(&mut config.dmarc);
        let errors = Policy::new(&config).unwrap_err();
        errors.iter().map(|e| format!("{}: {e}", e.key())).collect()
    };
    assert_eq!(
        errors(|dmarc| dmarc.reject = DmarcWorth::Tag),
        [
            "dmarc.reject: dmarc.reject = \"tag\" is milder than dmarc.quarantine = \"honour\", so that who asks for \
          more gets less; make the first stricter or the second milder"
        ]
    );
    let found = errors(|dmarc| {
        let lists = [
            "lists.example.org",
            "192.0.2.1/24",
            "a@example.org",
            "com",
            "",
            "*.example.org",
            "a b.example",
            "Co.UK.",
        ];
        dmarc.lists = lists.map(str::to_owned).to_vec();
    });
    let none = |shown: &str| {
        format!(
            "dmarc.lists: dmarc.lists: {shown:?} is no domain; write the domain with which a mailing list signs or \
             sends, as in \"lists.example.org\" – clients go into dmarc.forwarders"
        )
    };
    let public = |shown: &str| {
        format!(
            "dmarc.lists: dmarc.lists: {shown:?} is a public suffix, below which anybody can have a name; write \
               the domain with which a mailing list signs or sends"
        )
    };
    let expected = [
        none("192.0.2.1/24"),
        none("a@example.org"),
        public("com"),
        none(""),
        none("*.example.org"),
        none("a b.example"),
        public("Co.UK."),
    ];
    assert_eq!(found, expected);
    let bad: Result<Dmarc, _> = toml::from_str("forwarders = [\"192.0.2.7/24\"]");
    assert!(bad.unwrap_err().to_string().contains("names a machine and a network"));
}

/// From without one author's domain, each of these domains shown by some.
fn shown(author: Author, of: &[(&str, DmarcPolicy, AuthResult)]) -> Authentication {
    let dmarc = |&(domain, policy, result): &(&str, DmarcPolicy, AuthResult)| Seen {
        result,
        domain: domain.to_owned(),
        policy: Some(policy),
        ..Seen::default()
    };
    Authentication { dmarc: None, author, shown: of.iter().map(dmarc).collect(), ..fails() }
}

#[test]
fn of_several_domains_that_could_be_shown_the_strictest_that_fails_counts() {
    use AuthResult::{Fail, Policy as Refused, TempError};
    use DmarcPolicy::{None as Nothing, Quarantine, Reject};
    let terms = policy(|dmarc| (dmarc.reject, dmarc.quarantine) = (DmarcWorth::Honour, DmarcWorth::Tag));
    for (of, expected) in [
        (&[("evil.example", Nothing, Refused), (BANK, Reject, Fail)][..], Some(Disposition::Reject)),
        (&[("a.example", Quarantine, Fail), (BANK, Reject, Fail)], Some(Disposition::Reject)),
        (&[(BANK, Reject, Fail), ("a.example", Quarantine, Fail)], Some(Disposition::Reject)),
        (&[("a.example", Quarantine, Fail), (BANK, Reject, TempError)], Some(Disposition::Tag)),
        (&[("a.example", Nothing, Fail), (BANK, Reject, Refused)], None),
        (&[(BANK, Reject, AuthResult::None)], None),
    ] {
        for author in [Author::SeveralFields(2), Author::Unreadable("odd".to_owned())] {
            assert_eq!(wants(&terms, shown(author, of)), expected, "{of:?}");
        }
    }
    let case = Case {
        authentication: Some(shown(
            Author::SeveralFields(2),
            &[("evil.example", Quarantine, TempError), (BANK, Reject, Fail)],
        )),
        ..Case::default()
    };
    assert_eq!(case.verdict().reason, "DMARC of bank.example fails, and it asks for reject");
    assert_eq!(
        step(&case).0,
        "no DMARC, which is about one author's domain: there are 2 From fields; DMARC of evil.example: temperror; \
         that is no failure, and on_failure of [scanner.auth] says what it is worth; DMARC of bank.example: fail, \
         and the domain asks for reject; policy.dmarc.reject = quarantine"
    );
}

#[test]
fn lists_and_forwarders_are_excepted_for_domains_that_could_be_shown_as_well() {
    let terms = policy(|dmarc| dmarc.forwarders = vec!["192.0.2.0/24".parse().unwrap()]);
    let two = shown(Author::SeveralFields(2), &[(BANK, DmarcPolicy::Reject, AuthResult::Fail)]);
    assert_eq!(wants(&terms, two.clone()), None);
    assert_eq!(wants(&terms, shown(Author::Unreadable("odd".to_owned()), &[])), None);
    assert_eq!(wants(&Policy::default(), two), Some(Disposition::Quarantine));
}

#[test]
fn a_from_field_that_shows_nobody_who_could_be_asked_is_worth_what_the_key_says() {
    let several = Author::SeveralDomains(vec!["a.example".to_owned(), "b.example".to_owned()]);
    let refused = [("a.example", DmarcPolicy::Reject, AuthResult::Policy)];
    let in_part = Authentication { shown_in_part: true, ..shown(several, &refused) };
    for (word, expected) in [
        (DmarcWorth::Quarantine, Some(Disposition::Quarantine)),
        (DmarcWorth::Tag, Some(Disposition::Tag)),
        (DmarcWorth::Ignore, None),
    ] {
        let terms = policy(|dmarc| dmarc.unreadable = word);
        let unread = |author| Authentication { shown_in_part: true, ..shown(author, &[]) };
        assert_eq!(wants(&terms, unread(Author::Unreadable("odd".to_owned()))), expected);
        assert_eq!(wants(&terms, unread(Author::SeveralFields(2))), expected);
        assert_eq!(wants(&terms, in_part.clone()), expected);
        assert_eq!(wants(&terms, shown(Author::Unreadable("root".to_owned()), &[])), None, "nobody's domain");
        assert_eq!(wants(&terms, shown(Author::Missing, &[])), None, "a finding only");
    }
    let mut config = Config::default();
    config.dmarc.unreadable = DmarcWorth::Honour;
    let errors = Policy::new(&config).unwrap_err();
    assert!(errors.iter().any(|error| error.key() == "dmarc.unreadable"), "{errors:?}");
}
