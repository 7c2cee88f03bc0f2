//! The lists' and rspamd's part in the judgement.

use super::*;
use crate::model::{Action, Answer, Disposition, FieldWish, HeaderValue};
use crate::policy::{Config, Rspamd, name};

fn decided(case: &Case) -> (Disposition, String) {
    let verdict = case.verdict();
    (verdict.disposition, verdict.rule)
}

#[test]
fn each_action_of_rspamd_is_worth_what_the_configuration_says() {
    let by_default = |action| decided(&Case { advice: Some(advice(action)), ..Case::default() });
    let voice = |disposition| (disposition, name::RSPAMD.to_owned());
    let silent = (Disposition::Accept, name::ACCEPT.to_owned());
    assert_eq!(by_default(AdvisedAction::NoAction), silent);
    assert_eq!(by_default(AdvisedAction::Greylist), silent);
    assert_eq!(by_default(AdvisedAction::AddHeader), voice(Disposition::Tag));
    assert_eq!(by_default(AdvisedAction::RewriteSubject), voice(Disposition::Tag));
    assert_eq!(by_default(AdvisedAction::SoftReject), voice(Disposition::Tempfail));
    assert_eq!(by_default(AdvisedAction::Quarantine), voice(Disposition::Quarantine));
    assert_eq!(by_default(AdvisedAction::Discard), voice(Disposition::Quarantine));
    assert_eq!(by_default(AdvisedAction::Reject), voice(Disposition::Reject));

    let rspamd = Rspamd { greylist: Worth::Tempfail, reject: Worth::Tag, ..Rspamd::default() };
    let policy = Policy::new(&Config { rspamd, ..Config::default() }).unwrap();
    let by_ours =
        |action| decided(&Case { policy: policy.clone(), advice: Some(advice(action)), ..Case::default() });
    assert_eq!(by_ours(AdvisedAction::Greylist), voice(Disposition::Tempfail));
    assert_eq!(by_ours(AdvisedAction::Reject), voice(Disposition::Tag));
}

#[test]
fn rspamds_word_puts_mail_off_in_words_of_policy() {
    let case = Case { advice: Some(advice(AdvisedAction::SoftReject)), ..Case::default() };
    let Answer::Tempfail(reply) = case.decide_and_plan().answer else { panic!("not put off") };
    assert_eq!(
        reply.text(),
        "put off by policy, please try again later (id 01m7xe7et200000007); contact your postmaster"
    );
}

#[test]
fn rspamds_fields_are_added_below_ours_only_where_that_is_asked_for() {
    let mut advice = advice(AdvisedAction::AddHeader);
    let wish = |name: &str, value: &str| FieldWish { name: name.to_owned(), value: value.to_owned() };
    advice.add =
        vec![wish("X-Spamd-Bar", "++"), wish("x-spam-STATUS", "No"), wish("X-Rspamd-Id", "a\r\nTo: b")];
    advice.add.push(wish("DKIM-Signature", "v=1"));
    let mut case = Case { advice: Some(advice), ..Case::default() };
    let fields = |case: &Case| -> Vec<(String, String)> {
        let actions = case.decide_and_plan().actions;
        let inserted = actions.into_iter().filter_map(|action| match action {
            Action::InsertHeader { name, value, .. } => Some((name, value.unfolded())),
            _ => None,
        });
        inserted
            .filter(|(name, _)| !name.starts_with("X-Mailward-") && !name.starts_with("X-Spam-"))
            .collect()
    };
    let status = ("X-Virus-Status".to_owned(), "Clean".to_owned());
    assert_eq!(fields(&case), std::slice::from_ref(&status));
    let rspamd = Rspamd { headers: true, ..Rspamd::default() };
    case.policy = Policy::new(&Config { rspamd, ..Config::default() }).unwrap();
    let bar = ("X-Spamd-Bar".to_owned(), "++".to_owned());
    let id = ("X-Rspamd-Id".to_owned(), "a  To: b".to_owned());
    assert_eq!(fields(&case), [status, bar, id], "ours are not doubled, no value breaks out of its field");
    let signature = ("DKIM-Signature".to_owned(), "v=1".to_owned());
    assert_eq!(
        fields(&case.outbound()),
        [signature],
        "mail going out is signed, and not told what was thought of it"
    );
}

#[test]
fn a_blocked_sender_is_refused_in_words_that_say_so() {
    let case = Case { lists: ListHits(vec![block()]), ..Case::default() };
    let Answer::Reject(reply) = case.decide_and_plan().answer else { panic!("not refused") };
    assert_eq!(
        reply.text(),
        "refused because its sender is blocked here (id 01m7xe7et200000007); contact your postmaster"
    );
    assert_eq!(decided(&case.outbound()), (Disposition::Accept, name::ACCEPT.to_owned()));
}

#[test]
fn one_whose_link_or_file_is_blocked_is_not_told_that_he_is() {
    for on in [Matched::Header, Matched::Url, Matched::Attachment] {
        let lists = ListHits(vec![ListHit::new(List::Block, on, "evil.example")]);
        let Answer::Reject(reply) = (Case { lists, ..Case::default() }).decide_and_plan().answer else {
            panic!("not refused")
        };
        assert!(reply.text().starts_with("refused because of an entry of the block list (id "), "{reply}");
    }
}

#[test]
fn an_allow_entry_lets_no_malware_through_and_nothing_that_was_not_looked_at() {
    let authentication = Some(spf_passes());
    let allowed = |case: Case| {
        decided(&Case { lists: ListHits(vec![allow()]), authentication: authentication.clone(), ..case })
    };
    assert_eq!(allowed(Case::found(vec![eicar()])), (Disposition::Reject, name::MALWARE.to_owned()));
    let gap = Case::gap(Scanner::Clamd, timeout());
    assert_eq!(allowed(gap), (Disposition::Tempfail, name::INCOMPLETE.to_owned()));
    let spam = Case::found(vec![finding("SPAM", Category::Spam, Severity::Low, 50.0)]);
    assert_eq!(allowed(spam), (Disposition::Accept, name::ALLOW_LIST.to_owned()));
    let advised = Case { advice: Some(advice(AdvisedAction::Reject)), ..Case::default() };
    assert_eq!(allowed(advised), (Disposition::Accept, name::ALLOW_LIST.to_owned()));
}

#[test]
fn a_released_copy_carries_the_word_released_and_no_verdict() {
    let released = Some(MailId::from_parts(1_795_210_000_000, 9));
    let case = Case { released, subject: None, ..Case::found(vec![]) };
    let plan = case.decide_and_plan();
    assert_eq!(
        plan.actions,
        [
            Action::InsertHeader {
                index: 0,
                name: "X-Mailward-Id".to_owned(),
                value: HeaderValue::new("X-Mailward-Id", "01m7xe7et200000007"),
            },
            Action::InsertHeader {
                index: 1,
                name: "X-Mailward-Action".to_owned(),
                value: HeaderValue::new("X-Mailward-Action", "released"),
            },
        ]
    );
}
