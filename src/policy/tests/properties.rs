//! What holds for every message.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::model::authentication::{ArcChain, Dkim, Dmarc};
use crate::model::{Action, Answer, Author, ByteSize, Disposition, DmarcPolicy};
use crate::policy::{Config, Dispositions, DmarcWorth, Thresholds, decide, name};

fn category() -> impl Strategy<Value = Category> {
    proptest::sample::select(&Category::ALL[..])
}

fn severity() -> impl Strategy<Value = Severity> {
    use Severity::{Critical, High, Info, Low, Medium};
    proptest::sample::select(&[Info, Low, Medium, High, Critical][..])
}

pub(super) fn scanner() -> impl Strategy<Value = Scanner> {
    proptest::sample::select(&Scanner::ALL[..])
}

pub(super) fn on_failure() -> impl Strategy<Value = Worth> {
    use Worth::{Ignore, Quarantine, Reject, Tag, Tempfail};
    proptest::sample::select(&[Ignore, Tag, Tempfail, Quarantine, Reject][..])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Clean),
        3 => Just(Outcome::Found),
        1 => Just(timeout()),
        1 => Just(too_large()),
        1 => Just(Outcome::Skipped(Skip::Relay)),
        1 => "\\PC{0,20}".prop_map(|s| Outcome::failed(&s, s.clone())),
    ]
}

/// Any finding whose score lies in `scores`.
pub(super) fn any_finding(scores: std::ops::Range<f64>) -> impl Strategy<Value = Finding> {
    let words = (".{0,30}", "(?s).{0,30}", proptest::option::of("(?s).{0,20}"));
    (scanner(), words, severity(), category(), scores).prop_map(
        |(scanner, (symbol, text, location), severity, category, score)| Finding {
            scanner,
            symbol,
            severity,
            category,
            score: Score::new(score),
            text,
            location,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    use Disposition::{Accept, Discard, Quarantine, Reject, Tag};
    let malware = proptest::sample::select(&[Tag, Quarantine, Reject, Discard][..]);
    let phish = proptest::sample::select(&[Accept, Tag, Quarantine, Reject, Discard][..]);
    let suspicious = proptest::sample::select(&[Accept, Tag, Quarantine, Reject][..]);
    let scores = (0.1f64..5.0, 0.1f64..5.0, 0.1f64..5.0);
    let prefix = proptest::option::of(Just("[spam]".to_owned()));
    (malware, phish, suspicious, scores, on_failure(), 1u32..5, prefix, dmarc_terms()).prop_map(
        |(malware, phish, suspicious, (a, b, c), on_skipped, repeat_limit, subject_prefix, dmarc)| {
            Policy::new(&Config {
                disposition: Dispositions { malware, phish, suspicious, ..Dispositions::default() },
                score: Thresholds { tag: a, quarantine: a + b, reject: a + b + c },
                on_skipped,
                repeat_limit,
                subject_prefix,
                postmaster: None,
                dmarc,
                rspamd: crate::policy::Rspamd::default(),
                rules: None,
                dry_run: false,
                split: false,
            })
            .unwrap()
        },
    )
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        18 => Just(None),
        1 => Just(Some(Fault::NoMemory)),
        1 => Just(Some(Fault::TooLarge(ByteSize(1000)))),
    ]
}

fn advice() -> impl Strategy<Value = Advice> {
    proptest::sample::select(&AdvisedAction::ALL[..]).prop_map(|action| Advice {
        action,
        score: 7.0,
        required: 15.0,
        reply: None,
        add: Vec::new(),
        remove: Vec::new(),
    })
}

fn list_hit() -> impl Strategy<Value = ListHit> {
    let list = prop_oneof![4 => Just(List::Allow), 1 => Just(List::Block)];
    let on = proptest::sample::select(&[Matched::Client, Matched::Sender, Matched::From][..]);
    let hit = |(list, on, domain, excepted)| ListHit {
        domain: (on != Matched::Client).then_some(domain),
        excepted: excepted && list == List::Block && on != Matched::Client,
        ..ListHit::new(list, on, "example.net")
    };
    (list, on, domain(), any::<bool>()).prop_map(hit)
}

/// Few, so that they meet.
fn domain() -> impl Strategy<Value = String> {
    proptest::sample::select(&["example.net", "sub.example.net", "bank.example"][..])
        .prop_map(|domain: &str| domain.to_owned())
}

fn result() -> impl Strategy<Value = AuthResult> {
    proptest::sample::select(&AuthResult::ALL[..])
}

fn authentication() -> impl Strategy<Value = Authentication> {
    let spf = (result(), domain()).prop_map(|(result, domain)| Spf { result, domain, ..Spf::default() });
    let dkim = (result(), domain()).prop_map(|(result, domain)| Dkim { result, domain, ..Dkim::default() });
    let asked = proptest::sample::select(
        &[None, Some(DmarcPolicy::None), Some(DmarcPolicy::Quarantine), Some(DmarcPolicy::Reject)][..],
    );
    let dmarc = (result(), domain(), asked, any::<bool>(), any::<bool>()).prop_map(
        |(result, domain, policy, spf_aligned, dkim_aligned)| Dmarc {
            result,
            domain,
            policy,
            spf_aligned: spf_aligned && result == AuthResult::Pass,
            dkim_aligned: dkim_aligned && result == AuthResult::Pass,
            ..Dmarc::default()
        },
    );
    let author = prop_oneof![
        3 => domain().prop_map(Author::Domain),
        1 => Just(Author::SeveralFields(2)),
        1 => Just(Author::SeveralDomains(vec!["example.net".to_owned(), "bank.example".to_owned()])),
    ];
    let arc = (result(), proptest::option::of(domain())).prop_map(|(result, trusted)| ArcChain {
        result,
        trusted,
        ..ArcChain::default()
    });
    let parts = (proptest::option::of(spf), vec(dkim, 0..3), proptest::option::of(dmarc), author);
    (parts, proptest::option::of(arc)).prop_map(|((mail_from, dkim, dmarc, author), arc)| Authentication {
        client: Some([192, 0, 2, 1].into()),
        mail_from,
        dkim,
        dmarc,
        arc,
        author,
        ..Authentication::default()
    })
}

fn dmarc_terms() -> impl Strategy<Value = crate::policy::Dmarc> {
    use DmarcWorth::{Honour, Ignore, Quarantine, Tag};
    // Reject at least as strict as quarantine.
    let pairs = [(Honour, Honour), (Honour, Ignore), (Quarantine, Tag), (Tag, Ignore), (Ignore, Ignore)];
    let lists = vec(domain(), 0..2);
    (proptest::sample::select(pairs.to_vec()), lists, any::<bool>()).prop_map(
        |((reject, quarantine), lists, forwards)| crate::policy::Dmarc {
            reject,
            quarantine,
            unreadable: Quarantine,
            lists,
            forwarders: forwards.then(|| "192.0.2.0/24".parse().unwrap()).into_iter().collect(),
        },
    )
}

prop_compose! {
    fn case()(
        policy in policy(),
        outbound in any::<bool>(),
        local in proptest::bool::weighted(0.3),
        findings in vec(any_finding(-5.0..10.0), 0..6),
        coverage in btree_map(scanner(), outcome(), 0..6),
        on_failure in btree_map(scanner(), on_failure(), 0..6),
        failures in 0u32..6,
        subject in proptest::option::of(vec(any::<u8>(), 0..100)),
        fault in fault(),
        (advice, authentication) in (
            proptest::option::weighted(0.3, advice()),
            proptest::option::weighted(0.7, authentication()),
        ),
        lists in vec(list_hit(), 0..3),
        exempt in vec(any::<bool>(), 0..3),
        files in vec(proptest::sample::select(vec!["a.pdf", "a.exe", "a.docm"]), 0..2),
    ) -> Case {
        Case {
            policy,
            advice,
            lists: ListHits(lists),
            exempt,
            released: None,
            auth_results: None,
            authentication,
            direction: if outbound { Direction::Outbound } else { Direction::Inbound },
            session: Session { local_submission: local, ..Session::default() },
            envelope: envelope(&["<a@x>", "<b@x>"]),
            coverage: Coverage(coverage),
            findings,
            attachments: files.iter().map(|name| file(name)).collect(),
            on_failure,
            failures,
            subject,
            fault,
        }
    }
}

/// Any message.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    case()
}

/// The strictness of what was decided, before the circumstances that put something else in its
/// place: mail from sendmail(1) is held where it would be refused, the third failure is held.
pub(super) fn strictness(verdict: &Verdict) -> u8 {
    let asked = match verdict.rule.as_str() {
        name::LOCAL_SUBMISSION => Disposition::Reject,
        name::REPEAT => Disposition::Tempfail,
        name::OUTBOUND => Disposition::Tag,
        _ => verdict.disposition,
    };
    asked.strictness()
}

/// Recipients of which some are the same address, each with any disposition.
fn parted() -> impl Strategy<Value = (Vec<String>, Vec<Disposition>)> {
    let address = proptest::sample::select(&["<a@x>", "<b@x>", "<c@x>", "<\"c\"@x>", "d@x"][..]);
    let disposition = proptest::sample::select(&Disposition::ALL[..]);
    // Tempfail decides alone: seldom enough that the rest is tried as well.
    let weaker = proptest::sample::select(&Disposition::ALL[..5]);
    let any_of = prop_oneof![1 => vec(disposition, 5), 4 => vec(weaker, 5)];
    (vec(address, 1..6), any_of).prop_map(|(addresses, mut dispositions)| {
        dispositions.truncate(addresses.len());
        (addresses.into_iter().map(str::to_owned).collect(), dispositions)
    })
}

fn verdict_lines_are_whole(actions: &[Action]) -> Result<(), TestCaseError> {
    for action in actions {
        if let Action::InsertHeader { value, .. } | Action::ChangeHeader { value, .. } = action {
            let value = value.as_str();
            prop_assert!(!value.contains('\r'), "{value:?}");
            prop_assert!(value.split('\n').skip(1).all(|rest| rest.starts_with('\t')), "{value:?}");
            prop_assert!(value.is_ascii());
            prop_assert!(value.split('\n').all(|l| l.len() < 998), "{value:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_in_which_scanners_finished_changes_nothing(
        (case, shuffled) in case().prop_flat_map(|case| {
            let shuffled = Just(case.findings.clone()).prop_shuffle();
            (Just(case), shuffled)
        })
    ) {
        let other = Case { findings: shuffled, ..case.clone() };
        prop_assert_eq!(case.verdict(), other.verdict());
        prop_assert_eq!(case.decide_and_plan(), other.decide_and_plan());
    }

    #[test]
    fn one_more_bad_finding_never_softens(case in case(), more in any_finding(0.0..10.0)) {
        let before = case.verdict();
        let mut worse = case;
        worse.findings.push(more);
        let after = worse.verdict();
        prop_assert!(strictness(&after) >= strictness(&before), "{before:?} became {after:?}");
    }

    #[test]
    fn a_failed_scanner_makes_it_no_better_than_its_on_failure(
        case in case(), scanner in scanner(), worth in on_failure()
    ) {
        let mut case = case;
        // Where authentication fails, who claims to be excepted from a block is put off and not refused.
        case.lists.0.retain(|hit| !hit.excepted);
        case.coverage.0.insert(scanner, timeout());
        case.on_failure.insert(scanner, worth);
        let verdict = case.verdict();
        let floor = worth.disposition().unwrap_or_default().strictness();
        prop_assert!(strictness(&verdict) >= floor, "{verdict:?}");
        let mut whole = case.clone();
        whole.coverage.0.insert(scanner, Outcome::Clean);
        prop_assert!(strictness(&verdict) >= strictness(&whole.verdict()));
    }

    #[test]
    fn an_allow_entry_outweighs_all_but_malware_and_what_was_not_looked_at(case in case()) {
        let mut case = Case { lists: ListHits::default(), direction: Direction::Inbound, ..case };
        case.session.local_submission = false;
        case.authentication = Some(spf_passes());
        let before = case.verdict();
        case.lists = ListHits(vec![allow()]);
        let after = case.verdict();
        prop_assert!(after.disposition.strictness() <= before.disposition.strictness(), "{:?} {:?}", before, after);
        let firm = [name::NOT_COLLECTED, name::MALWARE, name::MALWARE_SUSPECTED, name::INCOMPLETE];
        if firm.contains(&before.rule.as_str()) {
            prop_assert_eq!((after.disposition, after.rule), (before.disposition, before.rule));
        } else if after.disposition != Disposition::Accept {
            let asked = |rule: &&crate::model::Step| rule.wants == Some(after.disposition);
            prop_assert!(after.explanation.0.iter().filter(asked).any(|s| firm.contains(&s.rule.as_str()) || s.rule == name::REPEAT), "{:?}", after);
        }
    }

    #[test]
    fn nothing_that_is_proven_or_listed_lets_malware_through(case in case()) {
        let mut case = case;
        case.findings.push(eicar());
        let wanted = case.policy.disposition.malware.strictness();
        let verdict = case.verdict();
        prop_assert!(strictness(&verdict) >= wanted, "{:?}", verdict);
        prop_assert_ne!(verdict.disposition, Disposition::Accept);
    }

    #[test]
    fn an_entry_that_nothing_proves_is_as_though_it_were_not_there(case in case()) {
        let mut case = Case { direction: Direction::Inbound, fault: None, ..case };
        let mut seen = case.authentication.take().unwrap_or_default();
        let harmless = |result| match result {
            AuthResult::Pass | AuthResult::TempError => AuthResult::Fail,
            other => other,
        };
        seen.mail_from.iter_mut().for_each(|spf| spf.result = harmless(spf.result));
        seen.dkim.iter_mut().for_each(|dkim| dkim.result = harmless(dkim.result));
        if let Some(dmarc) = &mut seen.dmarc {
            dmarc.result = harmless(dmarc.result);
            (dmarc.spf_aligned, dmarc.dkim_aligned) = (false, false);
        }
        case.authentication = Some(seen);
        let mut without = case.clone();
        let claims = |on| case.lists.0.iter().any(|hit| hit.on == on && hit.list == List::Allow);
        without.lists.0.retain(|hit| hit.list == List::Block || hit.on == Matched::Client);
        // A block that is excepted from a claim stands alone without it.
        without.lists.0.iter_mut().for_each(|hit| hit.excepted &= !claims(hit.on));
        let shown = |case: &Case| {
            let verdict = case.verdict();
            (verdict.disposition, verdict.category, verdict.rule)
        };
        prop_assert_eq!(shown(&case), shown(&without));
    }

    #[test]
    fn mail_going_out_is_not_held_against_dmarc(case in case()) {
        let case = Case { direction: Direction::Outbound, ..case };
        let nobody_looked = Case { authentication: None, ..case.clone() };
        let shown = |case: &Case| (case.verdict().disposition, case.verdict().rule);
        prop_assert_eq!(shown(&case), shown(&nobody_looked));
    }

    #[test]
    fn what_could_not_be_looked_up_is_no_failure(case in case()) {
        let with = |result| {
            let mut case = case.clone();
            for dmarc in case.authentication.iter_mut().flat_map(|seen| &mut seen.dmarc) {
                dmarc.result = result;
                (dmarc.spf_aligned, dmarc.dkim_aligned) = (false, false);
            }
            case.lists = ListHits::default();
            case.verdict().disposition
        };
        prop_assert_eq!(with(AuthResult::TempError), with(AuthResult::None));
    }

    #[test]
    fn what_a_person_released_is_let_through(case in case()) {
        let case = Case { released: Some(MailId::from_parts(1, 2)), fault: None, ..case };
        let verdict = case.verdict();
        prop_assert_eq!((verdict.disposition, verdict.category, verdict.rule.as_str()), (Disposition::Accept, Category::Clean, name::RELEASED));
    }

    #[test]
    fn every_verdict_names_one_rule_that_decided_and_a_reason(case in case()) {
        let verdict = case.verdict();
        let deciding: Vec<_> = verdict.explanation.0.iter().filter(|s| s.decided).collect();
        prop_assert_eq!(deciding.len(), 1);
        prop_assert_eq!(&deciding[0].rule, &verdict.rule);
        prop_assert_eq!(deciding[0].wants, Some(verdict.disposition));
        prop_assert!(!verdict.reason.trim().is_empty());
        prop_assert!(verdict.explanation.0.iter().all(|s| !s.saw.is_empty() && !s.saw.contains(['\r', '\n'])));
        if case.direction == Direction::Inbound && verdict.disposition != Disposition::Accept {
            prop_assert!(verdict.category > Category::Clean, "{:?}", verdict);
        }
    }

    #[test]
    fn mail_from_sendmail_is_never_refused(case in case()) {
        prop_assert_ne!(case.local().verdict().disposition, Disposition::Reject);
    }

    #[test]
    fn mail_that_is_not_here_is_never_held_or_let_through(case in case()) {
        let mut case = case;
        case.fault = case.fault.or(Some(Fault::NoMemory));
        let plan = case.decide_and_plan();
        prop_assert!(matches!(plan.answer, Answer::Reject(_) | Answer::Tempfail(_)), "{plan:?}");
        prop_assert_eq!(plan.quarantine, None);
    }

    #[test]
    fn what_is_written_into_mail_and_replies_is_whole(case in case()) {
        let plan = case.decide_and_plan();
        verdict_lines_are_whole(&plan.actions)?;
        if let Answer::Reject(reply) | Answer::Tempfail(reply) = plan.answer {
            prop_assert!(reply.text().contains("(id 01m7xe7et200000007); contact your postmaster"));
        }
    }

    #[test]
    fn every_recipient_is_in_exactly_one_place(case in case(), (addresses, dispositions) in parted()) {
        let mut case = Case { fault: None, ..case };
        case.envelope = envelope(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let shared = decide(&case.policy, &case.facts());
        let verdicts: Vec<_> = shared
            .into_iter()
            .zip(&dispositions)
            .map(|(verdict, disposition)| Verdict { disposition: *disposition, ..verdict })
            .collect();
        let plan = case.plan(&verdicts);
        prop_assert_eq!(plan.recipients.len(), addresses.len());

        let all = |d| dispositions.iter().all(|x| *x == d);
        if dispositions.contains(&Disposition::Tempfail) {
            prop_assert!(matches!(plan.answer, Answer::Tempfail(_)));
            prop_assert_eq!((&plan.quarantine, &plan.actions), (&None, &vec![]));
            return Ok(());
        }
        if all(Disposition::Reject) {
            prop_assert!(matches!(plan.answer, Answer::Reject(_)));
            prop_assert_eq!((&plan.quarantine, &plan.actions), (&None, &vec![]));
            return Ok(());
        }
        let at = |wanted: &[Disposition]| -> Vec<usize> {
            let fates = plan.recipients.iter().enumerate();
            fates.filter(|(_, d)| wanted.contains(d)).map(|(i, _)| i).collect()
        };
        let delivered = at(&[Disposition::Accept, Disposition::Tag]);
        let held = at(&[Disposition::Quarantine]);
        let dropped = at(&[Disposition::Discard]);
        prop_assert_eq!(delivered.len() + held.len() + dropped.len(), addresses.len());
        let not_softer = plan.recipients.iter().zip(&dispositions).all(|(fate, asked)| {
            let asked = if *asked == Disposition::Reject { Disposition::Quarantine } else { *asked };
            fate.strictness() >= asked.strictness()
        });
        prop_assert!(not_softer);

        let listed = plan.quarantine.as_ref().map_or(&[][..], |q| &q.recipients);
        prop_assert_eq!(listed, &held);
        prop_assert_eq!(plan.answer == Answer::Accept, !delivered.is_empty());
        let mut gone: Vec<Vec<u8>> = Vec::new();
        for action in &plan.actions {
            if let Action::DeleteRecipient(argument) = action {
                prop_assert!(!gone.contains(argument), "twice");
                gone.push(argument.clone());
            }
        }
        let bytes = |i: &usize| case.envelope.recipients[*i].argument().to_vec();
        let mut expected: Vec<_> = held.iter().chain(&dropped).map(bytes).collect();
        expected.sort();
        expected.dedup();
        gone.sort();
        if delivered.is_empty() {
            prop_assert_eq!((&plan.answer, &plan.actions), (&Answer::Discard, &vec![]));
        } else {
            prop_assert_eq!(&gone, &expected);
            prop_assert!(delivered.iter().all(|i| !gone.contains(&bytes(i))));
        }
        verdict_lines_are_whole(&plan.actions)?;
    }
}
