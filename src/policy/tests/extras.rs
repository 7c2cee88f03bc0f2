//! What rules want besides a disposition: what of it becomes part of the plan.

use std::sync::Arc;

use super::*;
use crate::model::Disposition::{Accept, Discard, Quarantine, Reject, Tag, Tempfail};
use crate::model::{Abilities, Action, Also, Answer, Disposition, Extra, LeftOut, Redirected, Treatment};
use crate::policy::{Config, Rspamd};

fn verdict(disposition: Disposition, treatment: Treatment) -> Verdict {
    let verdict = Case::default().verdict();
    Verdict { disposition, treatment: Some(Arc::new(treatment)), ..verdict }
}

fn plain(disposition: Disposition) -> Verdict {
    Verdict { disposition, ..Case::default().verdict() }
}

fn to(recipients: &[&str]) -> Case {
    Case { envelope: envelope(recipients), ..Case::default() }
}

fn redirect(target: &str) -> Treatment {
    Treatment { redirect_to: Some(target.to_owned()), ..Treatment::default() }
}

fn copy(targets: &[&str]) -> Treatment {
    Treatment { copy_to: targets.iter().map(|t| (*t).to_owned()).collect(), ..Treatment::default() }
}

fn prefix(text: &str) -> Treatment {
    Treatment { subject_prefix: Some(text.to_owned()), ..Treatment::default() }
}

fn banner(text: &str) -> Treatment {
    Treatment { banner: Some(text.to_owned()), ..Treatment::default() }
}

fn fields(list: &[(&str, &str)]) -> Treatment {
    let headers = list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Treatment { headers, ..Treatment::default() }
}

fn hold() -> Treatment {
    Treatment { hold: true, ..Treatment::default() }
}

fn reply(text: &str) -> Treatment {
    Treatment { reply: Some(text.to_owned()), ..Treatment::default() }
}

/// `-<a@x>` and `+b@x`, in order.
fn envelope_edits(plan: &Plan) -> Vec<String> {
    let told = |action: &Action| match action {
        Action::DeleteRecipient(argument) => Some(format!("-{}", String::from_utf8_lossy(argument))),
        Action::AddRecipient(address) => Some(format!("+{address}")),
        _ => None,
    };
    plan.actions.iter().filter_map(told).collect()
}

fn field(plan: &Plan, wanted: &str) -> Option<String> {
    plan.actions.iter().find_map(|action| match action {
        Action::InsertHeader { name, value, .. } | Action::ChangeHeader { name, value, .. }
            if name == wanted =>
        {
            Some(value.unfolded())
        }
        _ => None,
    })
}

fn left_out(what: Extra, why: &str) -> Vec<LeftOut> {
    vec![LeftOut { what, why: why.to_owned() }]
}

#[test]
fn a_rule_says_why_mail_is_refused_or_put_off() {
    let case = to(&["<a@x>", "<b@x>"]);
    let told = |verdicts: &[Verdict]| match case.plan(verdicts).answer {
        Answer::Reject(reply) | Answer::Tempfail(reply) => reply.to_string(),
        other => panic!("{other:?}"),
    };
    let end = "(id 01m7xe7et200000007); contact your postmaster";
    assert_eq!(
        told(&[verdict(Reject, reply("100% no\r\n250 ok, é")), plain(Reject)]),
        format!("550 5.7.1 100% no  250 ok, ? {end}")
    );
    // The worst of the verdicts speaks.
    let worse = Verdict { category: Category::Spam, ..verdict(Reject, reply("no spam")) };
    assert_eq!(told(&[verdict(Reject, reply("no")), worse]), format!("550 5.7.1 no spam {end}"));
    assert_eq!(
        told(&[verdict(Reject, reply("not asked")), verdict(Tempfail, reply("later"))]),
        format!("451 4.7.1 later {end}")
    );
    assert_eq!(
        told(&[verdict(Reject, reply(" ")), plain(Reject)]),
        format!("550 5.7.1 refused by policy {end}")
    );
    assert!(told(&[verdict(Reject, reply(&"x".repeat(9000))), plain(Reject)]).ends_with(end));
}

#[test]
fn fields_of_the_rule_stand_below_ours_and_are_those_of_the_strictest() {
    let case = to(&["<a@x>", "<b@x>"]);
    let bad = [("X-A", "one\r\nBcc: x"), ("X-Mailward-Id", "1"), ("Received", "x")];
    let plan = case.plan(&[verdict(Accept, fields(&[("X-B", "no")])), verdict(Tag, fields(&bad))]);
    assert_eq!(field(&plan, "X-A").as_deref(), Some("one  Bcc: x"));
    assert_eq!((field(&plan, "X-B"), field(&plan, "Received")), (None, None));
    let names: Vec<&str> = plan
        .actions
        .iter()
        .filter_map(|a| if let Action::InsertHeader { name, .. } = a { Some(name.as_str()) } else { None })
        .collect();
    assert_eq!((names[0], names.last()), ("X-Mailward-Id", Some(&"X-A")));
    assert_eq!(plan.also.left_out.len(), 3, "{:?}", plan.also);
}

#[test]
fn a_prefix_needs_all_who_get_the_mail() {
    let mut case = to(&["<a@x>", "<b@x>", "<c@x>"]);
    let config = Config { subject_prefix: Some("[spam]".to_owned()), ..Config::default() };
    case.policy = Policy::new(&config).unwrap();
    let subject = |verdicts: [Verdict; 3]| {
        let plan = case.plan(&verdicts);
        (field(&plan, "Subject"), plan.also.left_out)
    };
    let asks = |text| verdict(Accept, prefix(text));
    assert_eq!(subject([asks("[x]"), asks("[x]"), asks("[x]")]), (Some("[x] Hello".to_owned()), vec![]));
    // Who does not get it has no say.
    assert_eq!(subject([asks("[x]"), asks("[x]"), plain(Quarantine)]).0.as_deref(), Some("[x] Hello"));
    let disagree = left_out(Extra::Prefix, "not all who get the message agree on it");
    assert_eq!(subject([asks("[x]"), asks("[y]"), asks("[x]")]), (None, disagree.clone()));
    assert_eq!(subject([asks("[x]"), plain(Tag), plain(Tag)]), (None, disagree));
    assert_eq!(subject([asks("[spam]"), plain(Tag), plain(Tag)]), (Some("[spam] Hello".to_owned()), vec![]));
    assert_eq!(subject([plain(Tag), plain(Tag), plain(Accept)]), (None, vec![]));
}

#[test]
fn a_redirected_recipient_goes_and_the_others_stay() {
    let case = to(&["<a@x>", "<\"b\"@x>", "<c@x>"]);
    let plan = case.plan(&[plain(Accept), verdict(Accept, redirect("d@y")), plain(Quarantine)]);
    assert_eq!(envelope_edits(&plan), ["-<\"b\"@x>", "-<c@x>", "+d@y"]);
    assert_eq!(plan.recipients, [Accept, Accept, Quarantine]);
    assert_eq!(plan.also.redirected, [Redirected { recipient: 1, to: "d@y".into() }]);
    // No field says where it went or from whom.
    let told = format!(
        "{:?}",
        plan.actions.iter().filter(|a| matches!(a, Action::InsertHeader { .. })).collect::<Vec<_>>()
    );
    assert!(!told.contains("d@y") && !told.contains("b\\\"@x"), "{told}");
}

#[test]
fn a_target_that_gets_the_mail_anyway_gets_it_once() {
    let case = to(&["<a@x>", "<b@x>"]);
    let plan = case.plan(&[plain(Accept), verdict(Accept, redirect("A@X"))]);
    assert_eq!(envelope_edits(&plan), ["-<b@x>"]);
    let plan = case.plan(&[verdict(Accept, redirect("c@x")), verdict(Accept, redirect("c@x"))]);
    assert_eq!(envelope_edits(&plan), ["-<a@x>", "-<b@x>", "+c@x"]);
    let plan = case.plan(&[verdict(Accept, redirect("a@x")), plain(Accept)]);
    assert_eq!((envelope_edits(&plan), plan.also), (vec![], Also::default()));
}

#[test]
fn redirections_lead_on_and_circles_are_not_followed() {
    let case = to(&["<a@x>", "<b@x>"]);
    let plan = case.plan(&[verdict(Accept, redirect("b@x")), verdict(Accept, redirect("c@x"))]);
    assert_eq!(envelope_edits(&plan), ["-<a@x>", "-<b@x>", "+c@x"]);
    let plan = case.plan(&[verdict(Accept, redirect("b@x")), verdict(Accept, redirect("a@x"))]);
    assert_eq!(envelope_edits(&plan), [""; 0]);
    assert_eq!(plan.also.left_out, left_out(Extra::Redirect, "redirections lead in a circle"));
}

#[test]
fn mail_redirected_to_a_recipient_from_whom_it_is_kept_is_kept_as_well() {
    let case = to(&["<a@x>", "<b@x>", "<c@x>"]);
    let plan = case.plan(&[verdict(Accept, redirect("b@x")), plain(Reject), plain(Accept)]);
    assert_eq!(plan.recipients, [Quarantine, Quarantine, Accept]);
    assert_eq!(plan.quarantine.as_ref().map(|q| q.recipients.clone()), Some(vec![0, 1]));
    assert_eq!(envelope_edits(&plan), ["-<a@x>", "-<b@x>"]);
    // Nobody is left.
    let plan = case.plan(&[verdict(Accept, redirect("b@x")), plain(Discard), plain(Discard)]);
    assert_eq!((plan.answer, plan.recipients), (Answer::Discard, vec![Quarantine, Discard, Discard]));
}

#[test]
fn copies_are_of_what_is_delivered() {
    let case = to(&["<a@x>", "<b@x>"]);
    let plan = case.plan(&[verdict(Accept, copy(&["c@x", "B@x"])), verdict(Tag, copy(&["c@x", "d@x"]))]);
    assert_eq!(envelope_edits(&plan), ["+c@x", "+d@x"]);
    assert_eq!(plan.also.copies, ["c@x", "d@x"]);
    for disposition in [Quarantine, Reject, Discard, Tempfail] {
        let plan = case.plan(&[verdict(disposition, copy(&["c@x"])), verdict(disposition, copy(&["c@x"]))]);
        assert_eq!((envelope_edits(&plan), plan.also), (vec![], Also::default()));
    }
    let plan = case.plan(&[verdict(Accept, copy(&["b@x"])), plain(Quarantine)]);
    assert_eq!(envelope_edits(&plan), ["-<b@x>"]);
    let why = "the mail is kept from a recipient who was to get a copy";
    assert_eq!(plan.also.left_out, left_out(Extra::Copy, why));
}

#[test]
fn the_mta_holds_for_all_or_for_none() {
    let case = to(&["<a@x>", "<b@x>"]);
    let plan = case.plan(&[verdict(Quarantine, hold()), verdict(Quarantine, hold())]);
    assert_eq!(field(&plan, "X-Mailward-Action").as_deref(), Some("quarantine"));
    let Some(Action::Hold(told)) = plan.actions.last() else { panic!("{plan:?}") };
    assert!(told.starts_with("mailward 01m7xe7et200000007: ") && told.len() <= 100, "{told}");
    assert_eq!((plan.quarantine, plan.answer, plan.recipients), (None, Answer::Accept, vec![Quarantine; 2]));
    assert!(plan.also.held_by_mta);

    for other in [plain(Quarantine), verdict(Accept, hold()), verdict(Reject, hold())] {
        let plan = case.plan(&[verdict(Quarantine, hold()), other]);
        assert!(plan.quarantine.is_some() && !plan.actions.iter().any(|a| matches!(a, Action::Hold(_))));
        let why = "the MTA holds a message for all its recipients or for none";
        assert_eq!(plan.also, Also { left_out: left_out(Extra::Hold, why), ..Also::default() });
    }
}

#[test]
fn a_banner_needs_all_who_get_the_mail_and_no_signature_of_ours() {
    let mut case = to(&["<a@x>", "<b@x>"]);
    let asks = || verdict(Accept, banner("Beware"));
    assert_eq!(case.plan(&[asks(), asks()]).banner.as_deref(), Some("Beware"));
    assert_eq!(case.plan(&[asks(), plain(Quarantine)]).banner.as_deref(), Some("Beware"));
    let plan = case.plan(&[asks(), plain(Accept)]);
    assert_eq!(plan.also.left_out, left_out(Extra::Banner, "not all who get the message agree on it"));
    assert_eq!((plan.banner, case.plan(&[plain(Accept), plain(Accept)]).also), (None, Also::default()));
    let mut signs = advice(AdvisedAction::NoAction);
    signs.add = vec![crate::model::FieldWish { name: "DKIM-Signature".into(), value: "v=1".into() }];
    case.advice = Some(signs);
    let rspamd = Rspamd { headers: true, ..Rspamd::default() };
    case.policy = Policy::new(&Config { rspamd, ..Config::default() }).unwrap();
    let plan = case.outbound().plan(&[asks(), asks()]);
    assert_eq!(
        plan.also.left_out,
        left_out(Extra::Banner, "the message gets a signature that it would break")
    );
}

#[test]
fn an_mta_that_offers_less_gets_what_it_can_do() {
    let mut case = to(&["<a@x>", "<b@x>"]);
    case.session.abilities = Abilities { add_recipient: false, change_body: false, hold: false };
    let no_more = "this MTA does not let recipients be added";
    // A redirection cannot be made up for: the mail must not go to whom it was not to go.
    let plan = case.plan(&[plain(Accept), verdict(Accept, redirect("c@x"))]);
    assert!(
        matches!(&plan.answer, Answer::Tempfail(r) if r.text().starts_with("message cannot be passed on now"))
    );
    assert_eq!((plan.quarantine, plan.actions, plan.recipients), (None, vec![], vec![Tempfail; 2]));
    assert_eq!(plan.also.left_out, left_out(Extra::Redirect, no_more));
    // The others can.
    let plan = case.plan(&[plain(Accept), verdict(Accept, copy(&["c@x"]))]);
    assert_eq!((plan.answer, plan.also.left_out), (Answer::Accept, left_out(Extra::Copy, no_more)));
    let plan = case.plan(&[verdict(Accept, banner("x")), verdict(Accept, banner("x"))]);
    let why = "this MTA does not let a body be replaced";
    assert_eq!((plan.banner, plan.also.left_out), (None, left_out(Extra::Banner, why)));
    let plan = case.plan(&[verdict(Quarantine, hold()), verdict(Quarantine, hold())]);
    assert_eq!((plan.answer, plan.quarantine.map(|q| q.recipients)), (Answer::Discard, Some(vec![0, 1])));
    assert_eq!(plan.also.left_out, left_out(Extra::Hold, "this MTA does not offer to hold messages"));
}

proptest::proptest! {
    /// Whatever rules ask for, nobody gets mail that is kept from them, nobody gets it twice, and no recipient
    /// is lost: he gets it, somebody gets it in his place, or his fate says why not.
    #[test]
    fn nobody_is_lost_or_served_twice(
        picks in proptest::collection::vec((0_usize..5, proptest::option::of(0_usize..6), proptest::option::of(0_usize..6)), 1..6)
    ) {
        let dispositions = [Accept, Tag, Quarantine, Reject, Discard];
        let address = |i: usize| format!("{}@x", ["a", "b", "c", "d", "e", "f"][i]);
        let recipients: Vec<String> = (0..picks.len()).map(|i| format!("<{}>", address(i))).collect();
        let case = to(&recipients.iter().map(String::as_str).collect::<Vec<_>>());
        let verdicts: Vec<Verdict> = picks.iter().map(|(disposition, redirect_to, copy_to)| verdict(
            dispositions[*disposition],
            Treatment { redirect_to: redirect_to.map(address), copy_to: copy_to.iter().map(|i| address(*i)).collect(), ..Treatment::default() },
        )).collect();
        let plan = case.plan(&verdicts);
        if plan.answer == Answer::Accept {
            let edits = envelope_edits(&plan);
            let added: Vec<&str> = edits.iter().filter_map(|e| e.strip_prefix('+')).collect();
            let mut served: Vec<String> = (0..picks.len()).map(address).filter(|a| !edits.contains(&format!("-<{a}>"))).collect();
            for address in added {
                proptest::prop_assert!(!served.iter().any(|s| s == address), "{} twice", address);
                served.push(address.to_owned());
            }
            for (i, fate) in plan.recipients.iter().enumerate() {
                let gets_it = served.contains(&address(i));
                let moved = plan.also.redirected.iter().find(|r| r.recipient == i);
                match fate {
                    Accept | Tag => match moved {
                        Some(moved) => proptest::prop_assert!(served.contains(&moved.to)),
                        None => proptest::prop_assert!(gets_it),
                    },
                    Quarantine => {
                        proptest::prop_assert!(!gets_it);
                        proptest::prop_assert!(plan.quarantine.as_ref().unwrap().recipients.contains(&i));
                    }
                    _ => proptest::prop_assert!(!gets_it),
                }
            }
        }
    }
}
