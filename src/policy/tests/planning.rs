//! The table from verdicts to one answer, the edits, and the texts that leave us.

use super::*;
use crate::model::Disposition::{Accept, Discard, Quarantine, Reject, Tag, Tempfail};
use crate::model::{Action, Answer, ByteSize, Disposition, HeaderValue, QuarantineOrder};
use crate::policy::{Config, plan};

/// Verdicts of these dispositions, as the rules give them.
fn verdicts(list: &[Disposition]) -> Vec<Verdict> {
    list.iter().map(|d| verdict(*d)).collect()
}

fn verdict(disposition: Disposition) -> Verdict {
    let spam =
        |score| Case::found(vec![finding("SPAM_WORDS", Category::Spam, Severity::Low, score)]).verdict();
    match disposition {
        Accept => Case::default().verdict(),
        Tag => spam(4.0),
        Quarantine => spam(7.5),
        Reject => Case::found(vec![eicar()]).verdict(),
        Discard => Verdict { disposition: Discard, ..spam(7.5) },
        Tempfail => Case::gap(Scanner::Clamd, timeout()).verdict(),
    }
}

fn to(recipients: &[&str]) -> Case {
    Case { envelope: envelope(recipients), ..Case::default() }
}

/// Name and value of the fields that are inserted, in order.
fn inserted(actions: &[Action]) -> Vec<(String, String)> {
    let field = |action: &Action| match action {
        Action::InsertHeader { name, value, .. } => Some((name.clone(), value.unfolded())),
        _ => None,
    };
    actions.iter().filter_map(field).collect()
}

fn deleted(actions: &[Action]) -> Vec<&[u8]> {
    actions
        .iter()
        .filter_map(|action| if let Action::DeleteRecipient(a) = action { Some(a.as_slice()) } else { None })
        .collect()
}

#[test]
fn any_tempfail_puts_the_whole_message_off_without_side_effects() {
    let case = to(&["<a@x>", "<b@x>", "<c@x>"]);
    for list in [[Tempfail, Quarantine, Accept], [Reject, Tempfail, Reject], [Discard, Tag, Tempfail]] {
        let plan = case.plan(&verdicts(&list));
        assert!(matches!(&plan.answer, Answer::Tempfail(r) if r.code() == 451), "{plan:?}");
        assert_eq!((plan.quarantine, plan.actions, plan.recipients), (None, vec![], vec![Tempfail; 3]));
    }
}

#[test]
fn all_reject_is_a_5xx_with_reason_id_and_contact() {
    let mut case = Case::found(vec![eicar()]);
    let config = Config { postmaster: Some("postmaster@example.org".to_owned()), ..Config::default() };
    case.policy = Policy::new(&config).unwrap();
    let plan = case.decide_and_plan();
    let Answer::Reject(reply) = &plan.answer else { panic!("{plan:?}") };
    assert_eq!(
        reply.to_string(),
        "550 5.7.1 refused as malware: Eicar_Test_File (id 01m7xe7et200000007); contact postmaster@example.org"
    );
    assert_eq!((plan.quarantine, plan.actions, plan.recipients), (None, vec![], vec![Reject; 2]));
}

#[test]
fn replies_say_why_and_do_not_help_who_tries_until_it_fits() {
    let reply = |case: Case| match case.decide_and_plan().answer {
        Answer::Reject(reply) | Answer::Tempfail(reply) => reply.to_string(),
        other => panic!("{other:?}"),
    };
    let spam = Case::found(vec![finding("SPAM_WORDS", Category::Spam, Severity::Low, 16.0)]);
    let mut closed = Case::gap(Scanner::Yara, timeout());
    closed.on_failure.insert(Scanner::Yara, Worth::Reject);
    let faulty = |fault| Case { fault: Some(fault), ..Case::default() };
    let large = Fault::TooLarge(ByteSize(50_000_000));
    let told = [
        reply(spam),
        reply(closed),
        reply(Case::gap(Scanner::Yara, timeout())),
        reply(faulty(large)),
        reply(faulty(large).local()),
        reply(faulty(Fault::NoMemory)),
    ];
    let tail = "(id 01m7xe7et200000007); contact your postmaster";
    let expected = [
        format!("550 5.7.1 refused as spam {tail}"),
        format!("550 5.7.1 refused because it could not be inspected {tail}"),
        format!("451 4.7.1 message could not be inspected now, please try again later {tail}"),
        format!("552 5.3.4 message is larger than 50MB {tail}"),
        format!("452 4.3.4 message is larger than 50MB {tail}"),
        format!("452 4.3.1 too much mail in work, please try again later {tail}"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_hostile_symbol_and_a_long_contact_still_leave_the_id_in_the_reply() {
    let mut wild = eicar();
    wild.symbol = "é\r\n%s".repeat(200);
    let mut case = Case::found(vec![wild]);
    let config = Config { postmaster: Some("p".repeat(120)), ..Config::default() };
    case.policy = Policy::new(&config).unwrap();
    let Answer::Reject(reply) = case.decide_and_plan().answer else { panic!() };
    assert!(reply.text().contains("(id 01m7xe7et200000007); contact ppp"), "{reply}");
    assert!(reply.text().ends_with('p') && reply.text().is_ascii(), "{reply}");
}

#[test]
fn reject_beside_others_is_held_and_never_bounced() {
    let case = to(&["<a@x>", "<b@x>", "<c@x>"]);
    let plan = case.plan(&verdicts(&[Reject, Accept, Tag]));
    assert_eq!(plan.answer, Answer::Accept);
    assert_eq!(plan.recipients, [Quarantine, Accept, Tag]);
    assert_eq!(
        plan.quarantine,
        Some(QuarantineOrder {
            recipients: vec![0],
            category: Category::Malware,
            reason: "malware: Eicar_Test_File (yara)".to_owned(),
        })
    );
    assert_eq!(deleted(&plan.actions), [b"<a@x>"]);

    let plan = case.plan(&verdicts(&[Reject, Discard, Discard]));
    assert_eq!(plan.answer, Answer::Discard);
    assert_eq!(plan.recipients, [Quarantine, Discard, Discard]);
    assert_eq!(plan.quarantine.map(|q| q.recipients), Some(vec![0]));
}

#[test]
fn all_held_is_one_copy_and_a_discard() {
    let plan = to(&["<a@x>", "<b@x>", "<c@x>"]).plan(&verdicts(&[Quarantine, Discard, Quarantine]));
    assert_eq!(
        plan,
        Plan {
            quarantine: Some(QuarantineOrder {
                recipients: vec![0, 2],
                category: Category::Spam,
                reason: "spam: score 7.5 reaches 6.0".to_owned(),
            }),
            actions: vec![],
            answer: Answer::Discard,
            recipients: vec![Quarantine, Discard, Quarantine],
            refusals: Default::default(),
            banner: None,
            also: Default::default(),
        }
    );
}

#[test]
fn all_dropped_keeps_no_copy() {
    let plan = to(&["<a@x>", "<b@x>"]).plan(&verdicts(&[Discard, Discard]));
    assert_eq!((plan.quarantine, plan.answer), (None, Answer::Discard));
}

#[test]
fn recipients_are_taken_off_by_their_exact_bytes_once_each() {
    let case = to(&["<A@x>", "<b@x>", "<A@x>", "<\"c d\"@x>"]);
    let plan = case.plan(&verdicts(&[Quarantine, Accept, Quarantine, Discard]));
    assert_eq!(deleted(&plan.actions), [b"<A@x>".as_slice(), b"<\"c d\"@x>"]);
    assert_eq!(plan.quarantine.map(|q| q.recipients), Some(vec![0, 2]));
}

#[test]
fn one_address_never_stands_on_both_sides() {
    let case = to(&["<a@x>", "<\"a\"@x>", "<b@x>"]);
    let plan = case.plan(&verdicts(&[Accept, Quarantine, Accept]));
    assert_eq!(plan.recipients, [Quarantine, Quarantine, Accept]);
    assert_eq!(deleted(&plan.actions), [b"<a@x>".as_slice(), b"<\"a\"@x>"]);
}

#[test]
fn verdicts_that_do_not_fit_the_envelope_put_the_mail_off() {
    assert!(matches!(to(&[]).decide_and_plan().answer, Answer::Tempfail(_)));
    assert!(matches!(to(&["<a@x>", "<b@x>"]).plan(&verdicts(&[Accept])).answer, Answer::Tempfail(_)));
    let missing = Case { fault: Some(Fault::NoMemory), ..to(&["<a@x>", "<b@x>"]) };
    assert!(matches!(missing.plan(&verdicts(&[Quarantine, Reject])).answer, Answer::Tempfail(_)));
}

#[test]
fn clean_mail_gets_five_fields_and_mail_going_out_one() {
    let fields = |case: Case| inserted(&case.decide_and_plan().actions);
    let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    };
    let id = ("X-Mailward-Id", "01m7xe7et200000007");
    assert_eq!(
        fields(Case::default()),
        own(&[
            id,
            ("X-Mailward-Verdict", "clean"),
            ("X-Mailward-Action", "accept"),
            ("X-Mailward-Score", "0.0"),
            ("X-Mailward-Coverage", "mime=ok; yara=ok"),
        ])
    );
    let spam = vec![finding("SPAM_WORDS", Category::Spam, Severity::Low, 20.0)];
    assert_eq!(fields(Case::found(spam).outbound()), own(&[id]));
    assert_eq!(fields(Case::default().local()).len(), 5);
}

#[test]
fn tagged_mail_says_so_in_the_fields_that_filters_know() {
    let case = Case::found(vec![
        finding("SPAM WORDS", Category::Spam, Severity::Low, 3.5),
        finding("HTML_ONLY", Category::Suspicious, Severity::Low, 0.75),
    ]);
    let fields = inserted(&case.decide_and_plan().actions);
    let lines: Vec<_> = fields.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    assert_eq!(
        lines,
        [
            "X-Mailward-Id: 01m7xe7et200000007",
            "X-Mailward-Verdict: spam",
            "X-Mailward-Action: tag",
            "X-Mailward-Score: 4.25",
            "X-Mailward-Reason: spam: score 4.25 reaches 3.0",
            "X-Mailward-Coverage: mime=ok; yara=found",
            "X-Spam-Flag: YES",
            "X-Spam-Status: Yes, score=4.25 required=3.0 tests=HTML_ONLY,SPAM_WORDS",
            "X-Virus-Status: Clean",
        ]
    );
}

#[test]
fn odd_or_uninspected_mail_is_marked_but_not_flagged_as_spam_or_free_of_viruses() {
    let mut case = Case::gap(Scanner::Clamd, timeout());
    case.on_failure.insert(Scanner::Clamd, Worth::Tag);
    let fields = inserted(&case.decide_and_plan().actions);
    let lines: Vec<_> = fields.iter().skip(4).map(|(n, v)| format!("{n}: {v}")).collect();
    assert_eq!(
        lines,
        [
            "X-Mailward-Reason: not fully inspected: clamd=timeout",
            "X-Mailward-Coverage: clamd=timeout; mime=ok; yara=ok",
            "X-Spam-Status: No, score=0.0 required=3.0 tests=none",
        ]
    );
}

#[test]
fn fields_show_the_strictest_tag_of_those_who_get_it_and_nothing_of_the_others() {
    let case = to(&["<a@x>", "<b@x>", "<c@x>"]);
    let plan = case.plan(&verdicts(&[Accept, Reject, Tag]));
    let fields = inserted(&plan.actions);
    assert_eq!(fields[1].1, "spam");
    assert_eq!(fields[2].1, "tag");
    assert!(fields.iter().all(|(_, v)| !v.contains("Eicar") && !v.contains("@x")), "{fields:?}");
}

/// The header of a message inside Postfix, with its own Received on top, edited as cleanup(8) does.
struct Header(Vec<(String, String)>);

impl Header {
    fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::InsertHeader { index, name, value } => {
                    // The index counts all fields as they stand now; past the end is the end.
                    let at = (*index as usize).min(self.0.len());
                    self.0.insert(at, (name.clone(), value.unfolded()));
                }
                Action::ChangeHeader { name, index, value } => {
                    let at = self.find(name, *index).unwrap();
                    self.0[at] = (name.clone(), value.unfolded());
                }
                Action::DeleteHeader { name, index } => {
                    let at = self.find(name, *index).unwrap();
                    self.0.remove(at);
                }
                Action::DeleteRecipient(_)
                | Action::AddRecipient(_)
                | Action::ReplaceBody(_)
                | Action::Hold(_) => {}
            }
        }
    }

    /// The `index`-th field of that name, the topmost field skipped whatever it is.
    fn find(&self, name: &str, index: u32) -> Option<usize> {
        let named = |(_, (n, _)): &(usize, &(String, String))| n.eq_ignore_ascii_case(name);
        self.0.iter().enumerate().skip(1).filter(named).nth(index as usize - 1).map(|(at, _)| at)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

#[test]
fn fields_end_up_above_the_mtas_received_and_forged_ones_are_gone() {
    let mut case = Case::found(vec![finding("S", Category::Spam, Severity::Low, 4.0)]);
    let config = Config { subject_prefix: Some("[spam]".to_owned()), ..Config::default() };
    case.policy = Policy::new(&config).unwrap();
    let received = [
        ("Received", "by us"),
        ("X-Mailward-Verdict", "clean"),
        ("Received", "by them"),
        ("Subject", "Hello"),
        ("x-mailward-verdict", "clean"),
        ("Subject", "second"),
    ];
    let mut header = Header(received.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec());
    let removals = vec![
        Action::DeleteHeader { name: "x-mailward-verdict".to_owned(), index: 2 },
        Action::DeleteHeader { name: "X-Mailward-Verdict".to_owned(), index: 1 },
    ];
    let verdicts = crate::policy::decide(&case.policy, &case.facts());
    let plan = plan(&case.policy, &case.facts(), &verdicts, removals.clone());
    assert_eq!(plan.actions[..2], removals);
    header.apply(&plan.actions);
    assert_eq!(
        header.names(),
        [
            "X-Mailward-Id",
            "X-Mailward-Verdict",
            "X-Mailward-Action",
            "X-Mailward-Score",
            "X-Mailward-Reason",
            "X-Mailward-Coverage",
            "X-Spam-Flag",
            "X-Spam-Status",
            "X-Virus-Status",
            "Received",
            "Received",
            "Subject",
            "Subject",
        ]
    );
    assert_eq!(header.0[1].1, "spam");
    assert_eq!(header.0[9].1, "by us");
    assert_eq!(header.0[11].1, "[spam] Hello");
    assert_eq!(header.0[12].1, "second");
}

#[test]
fn a_missing_subject_is_inserted_below_the_mtas_received() {
    let mut case = Case::found(vec![finding("S", Category::Spam, Severity::Low, 4.0)]);
    let config = Config { subject_prefix: Some("[spam]".to_owned()), ..Config::default() };
    case.policy = Policy::new(&config).unwrap();
    case.subject = None;
    let mut header = Header(vec![("Received".to_owned(), String::new()), ("To".to_owned(), String::new())]);
    header.apply(&case.decide_and_plan().actions);
    assert_eq!(header.names()[9..], ["Received", "Subject", "To"]);
    assert_eq!(header.0[10].1, "[spam]");
}

#[test]
fn the_subject_is_touched_only_if_all_who_get_it_agree() {
    let config = Config { subject_prefix: Some("[spam]".to_owned()), ..Config::default() };
    let case = Case { policy: Policy::new(&config).unwrap(), ..to(&["<a@x>", "<b@x>"]) };
    let change = |list: &[Disposition]| {
        let actions = case.plan(&verdicts(list)).actions;
        actions.into_iter().find(|a| matches!(a, Action::ChangeHeader { .. }))
    };
    assert_eq!(change(&[Tag, Accept]), None);
    let value = HeaderValue::new("Subject", "[spam] Hello");
    let expected = Action::ChangeHeader { name: "Subject".to_owned(), index: 1, value };
    assert_eq!(change(&[Tag, Tag]), Some(expected.clone()));
    assert_eq!(change(&[Quarantine, Tag]), Some(expected));
}

#[test]
fn out_of_a_queue_nobody_is_refused() {
    let case = Case::found(vec![eicar()]).by_lmtp(false);
    let plan = case.decide_and_plan();
    assert_eq!((&plan.answer, &plan.recipients), (&Answer::Discard, &vec![Quarantine; 2]));
    assert_eq!(plan.refusals.len(), 0);
    assert_eq!(plan.quarantine.unwrap().recipients, [0, 1]);
    // Whoever made the verdicts.
    let plan = case.plan(&verdicts(&[Reject, Accept]));
    assert_eq!(
        (plan.answer, plan.recipients, plan.refusals.len()),
        (Answer::Accept, vec![Quarantine, Accept], 0)
    );
    // There is nothing to hold: the queue keeps it.
    let case = Case { fault: Some(Fault::TooLarge(ByteSize(1))), ..Case::default() }.by_lmtp(false);
    assert!(matches!(case.decide_and_plan().answer, Answer::Tempfail(_)));
}

#[test]
fn in_front_of_a_queue_each_recipient_is_refused_alone() {
    let case = to(&["<a@x>", "<b@x>", "<c@x>"]).by_lmtp(true);
    let plan = case.plan(&verdicts(&[Reject, Accept, Quarantine]));
    assert_eq!((&plan.answer, &plan.recipients), (&Answer::Accept, &vec![Reject, Accept, Quarantine]));
    assert_eq!(plan.refusals.keys().copied().collect::<Vec<_>>(), [0]);
    assert!(plan.refusals[&0].to_string().starts_with("550 5.7.1 "), "{:?}", plan.refusals);
    assert_eq!(plan.quarantine.as_ref().unwrap().recipients, [2]);
    let plan = case.plan(&verdicts(&[Reject, Discard, Quarantine]));
    assert_eq!((plan.answer, plan.refusals.len()), (Answer::Discard, 1));
    let plan = case.plan(&verdicts(&[Reject; 3]));
    assert!(matches!(plan.answer, Answer::Reject(_)));
    assert_eq!((plan.quarantine, plan.refusals.len()), (None, 3));
    // Put off for one is put off for all.
    let plan = case.plan(&verdicts(&[Reject, Tempfail, Accept]));
    assert!(matches!(plan.answer, Answer::Tempfail(_)));
    assert_eq!((plan.quarantine, plan.refusals.len()), (None, 0));
}

#[test]
fn a_bounce_by_lmtp_is_held_where_it_would_be_refused() {
    let mut case = Case::found(vec![eicar()]).by_lmtp(true);
    assert!(matches!(case.decide_and_plan().answer, Answer::Reject(_)));
    case.envelope.reverse_path = ReversePath(Recipient::new(*b"<>"));
    assert_eq!(case.decide_and_plan().recipients, [Quarantine; 2]);
    case.session.handover = Default::default();
    assert!(matches!(case.decide_and_plan().answer, Answer::Reject(_)));
}

#[test]
fn a_milter_refuses_nobody_alone() {
    let plan = to(&["<a@x>", "<b@x>"]).plan(&verdicts(&[Reject, Accept]));
    assert_eq!((plan.refusals.len(), plan.recipients), (0, vec![Quarantine, Accept]));
}
