//! Rules of the admin's before the shipped ones: who decides, for whom, and what is asked for besides.

use super::*;
use crate::model::{Disposition, Timestamp, Treatment};
use crate::policy::{Config, RuleFile, Rules, early, name};

/// The policy with these rules; they have no fault.
fn policy(text: &str) -> Policy {
    let file: RuleFile = toml::from_str(text).unwrap();
    let (rules, faults) = Rules::new(&file, text);
    assert_eq!(
        faults.iter().filter(|fault| fault.is_error).collect::<Vec<_>>(),
        Vec::<&crate::policy::RuleFault>::new()
    );
    assert_eq!(rules.check(&Policy::default()), []);
    Policy::default().with_rules(rules)
}

fn rule(name: &str, when: &str, more: &str) -> String {
    format!("[[rule]]\nname = {name:?}\nwhen = '{when}'\n{more}\n")
}

fn decided(case: &Case) -> (Disposition, String) {
    let verdict = case.verdict();
    (verdict.disposition, verdict.rule)
}

fn ruled(text: &str, case: Case) -> Case {
    Case { policy: policy(text), ..case }
}

#[test]
fn the_first_rule_that_applies_decides() {
    let text = rule("one", "score > 2.0", "disposition = \"accept\"")
        + &rule("two", "score > 1.0", "disposition = \"reject\"")
        + &rule("three", "true", "disposition = \"tag\"");
    let at =
        |score| decided(&ruled(&text, Case::found(vec![finding("X", Category::Spam, Severity::Low, score)])));
    assert_eq!(at(20.0), (Disposition::Accept, "one".to_owned()));
    assert_eq!(at(1.5), (Disposition::Reject, "two".to_owned()));
    assert_eq!(at(0.5), (Disposition::Tag, "three".to_owned()));
}

#[test]
fn where_none_applies_the_shipped_rules_decide() {
    let text = rule("one", "score > 2.0", "disposition = \"accept\"");
    let case = Case::found(vec![finding("X", Category::Suspicious, Severity::Medium, 1.0)]);
    assert_eq!(decided(&ruled(&text, case.clone())), (Disposition::Tag, name::SUSPICIOUS.to_owned()));
    let alone = format!("shipped = false\n{text}");
    assert_eq!(decided(&ruled(&alone, case)), (Disposition::Accept, name::ACCEPT.to_owned()));
}

#[test]
fn a_milder_rule_does_not_outweigh_malware_nor_what_was_not_looked_at() {
    for disposition in ["accept", "tag"] {
        let text = rule("fine", "true", &format!("disposition = {disposition:?}"));
        let found = decided(&ruled(&text, Case::found(vec![eicar()])));
        assert_eq!(found, (Disposition::Reject, name::MALWARE.to_owned()));
        let gap = decided(&ruled(&text, Case::gap(Scanner::Clamd, timeout())));
        assert_eq!(gap, (Disposition::Tempfail, name::INCOMPLETE.to_owned()));
    }
    // A rule that asks for as much, or for more, decides itself.
    let text = rule("refused", "true", "disposition = \"reject\"");
    assert_eq!(
        decided(&ruled(&text, Case::found(vec![eicar()]))),
        (Disposition::Reject, "refused".to_owned())
    );
    let text = rule("samples", "true", "disposition = \"accept\"\neven_malware = true");
    assert_eq!(
        decided(&ruled(&text, Case::found(vec![eicar()]))),
        (Disposition::Accept, "samples".to_owned())
    );
}

#[test]
fn a_firm_rule_of_the_admins_is_not_outweighed_either() {
    let text = rule("fine", "score > 1.0", "disposition = \"accept\"")
        + &rule("never", "true", "firm = true\ndisposition = \"reject\"")
        + &rule("even", "true", "disposition = \"discard\"");
    let spam = Case::found(vec![finding("X", Category::Spam, Severity::Low, 2.0)]);
    assert_eq!(decided(&ruled(&text, spam)), (Disposition::Reject, "never".to_owned()));
}

#[test]
fn what_happens_to_mail_for_its_circumstances_holds_for_rules_as_well() {
    let text = rule("refused", "true", "disposition = \"reject\"\ncategory = \"spam\"");
    let local = ruled(&text, Case::default()).local().verdict();
    assert_eq!((local.disposition, local.category), (Disposition::Quarantine, Category::Spam));
    let tagged = rule("marked", "true", "disposition = \"tag\"");
    assert_eq!(
        decided(&ruled(&tagged, Case::default()).outbound()),
        (Disposition::Accept, name::OUTBOUND.to_owned())
    );
    let recorded = rule("refused", "true", "disposition = \"reject\"\noutbound = \"record\"");
    assert_eq!(
        decided(&ruled(&recorded, Case::default()).outbound()),
        (Disposition::Accept, name::ACCEPT.to_owned())
    );
    let released = Case { released: Some(MailId::from_parts(1, 2)), ..Case::default() };
    assert_eq!(decided(&ruled(&text, released)), (Disposition::Accept, name::RELEASED.to_owned()));
    let lost = Case { fault: Some(Fault::NoMemory), ..Case::default() };
    let accept = rule("fine", "true", "disposition = \"accept\"\neven_malware = true");
    assert_eq!(decided(&ruled(&accept, lost)), (Disposition::Tempfail, name::NOT_COLLECTED.to_owned()));
}

#[test]
fn a_rule_on_trial_changes_nothing_but_the_explanation() {
    let text = rule("trial", "true", "mode = \"shadow\"\ndisposition = \"reject\"");
    let case = Case::found(vec![finding("X", Category::Suspicious, Severity::Medium, 1.0)]);
    let (before, after) = (case.verdict(), ruled(&text, case).verdict());
    let step = &after.explanation.0[1];
    assert_eq!((step.rule.as_str(), step.wants, step.shadow), ("trial", Some(Disposition::Reject), true));
    let mut steps = (*after.explanation.0).clone();
    steps.remove(1);
    assert_eq!(steps, *before.explanation.0);
    assert_eq!(
        (before.disposition, before.rule, before.reason),
        (after.disposition, after.rule, after.reason)
    );
}

#[test]
fn shipped_rules_can_be_on_trial_or_off() {
    let case = Case::found(vec![finding("X", Category::Suspicious, Severity::Medium, 1.0)]);
    let off = ruled("mode = { suspicious = \"off\" }", case.clone()).verdict();
    assert_eq!(off.rule, name::ACCEPT);
    assert!(off.explanation.0.iter().all(|step| step.rule != name::SUSPICIOUS));
    let trial = ruled("mode = { suspicious = \"shadow\" }", case).verdict();
    let step = trial.explanation.0.iter().find(|step| step.rule == name::SUSPICIOUS).unwrap();
    assert_eq!((trial.rule.as_str(), step.wants, step.shadow), (name::ACCEPT, Some(Disposition::Tag), true));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_worth_what_on_error_says() {
    let when = "envelope.recipients[7] == \"x\"";
    for (on_error, disposition, expected) in [
        ("quarantine", "reject", Some(Disposition::Quarantine)),
        ("quarantine", "tag", Some(Disposition::Tag)),
        ("quarantine", "accept", None),
        ("tempfail", "reject", Some(Disposition::Tempfail)),
        ("tag", "discard", Some(Disposition::Tag)),
        ("skip", "reject", None),
    ] {
        let text = format!("on_error = {on_error:?}\n")
            + &rule("wrong", when, &format!("disposition = {disposition:?}"));
        let verdict = ruled(&text, Case::default()).verdict();
        let step = verdict.explanation.0.iter().find(|step| step.rule == "wrong").unwrap();
        assert!(step.failed, "{step:?}");
        assert_eq!(step.wants, expected, "{on_error} {disposition}");
        assert_eq!(verdict.disposition, expected.unwrap_or_default(), "{on_error} {disposition}");
    }
}

#[test]
fn a_group_has_thresholds_and_a_name_of_its_own() {
    let text = "[group.sales]\nrecipients = [\"@example.org\"]\nscore = { quarantine = 9.0, reject = 10.0 }\n\
                [group.boss]\nrecipients = [\"B@EXAMPLE.org\"]\nscore = { tag = 0.5 }\n"
        .to_owned()
        + &rule("for-the-boss", "\"boss\" in recipient.groups && score > 6.0", "disposition = \"discard\"");
    let at = |score| {
        let case = ruled(&text, Case::found(vec![finding("X", Category::Spam, Severity::Low, score)]));
        super::super::decide(&case.policy, &case.facts())
            .into_iter()
            .map(|v| (v.disposition, v.rule))
            .collect::<Vec<_>>()
    };
    let voice = |disposition, rule: &str| (disposition, rule.to_owned());
    // Of several groups with thresholds those of the first by name hold.
    assert_eq!(at(2.0), [voice(Disposition::Accept, "accept"), voice(Disposition::Tag, "spam-tag")]);
    assert_eq!(at(7.0), [voice(Disposition::Tag, "spam-tag"), voice(Disposition::Discard, "for-the-boss")]);
    assert_eq!(
        at(12.0),
        [voice(Disposition::Reject, "spam-reject"), voice(Disposition::Discard, "for-the-boss")]
    );
}

#[test]
fn the_fields_name_the_threshold_of_the_group_of_whoever_gets_the_mail() {
    let text = "[group.all]\nrecipients = [\"@example.org\"]\nscore = { tag = 1.0 }\n";
    let status = |score| {
        let case = ruled(text, Case::found(vec![finding("X", Category::Suspicious, Severity::Low, score)]));
        let fields = case.decide_and_plan().actions.into_iter().filter_map(|action| match action {
            crate::model::Action::InsertHeader { name, value, .. } => Some((name, value.unfolded())),
            _ => None,
        });
        fields.filter(|(name, _)| name.starts_with("X-Spam-")).collect::<Vec<_>>()
    };
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // Below the policy's own 3.0.
    let expected = field("X-Spam-Status", "Yes, score=1.5 required=1.0 tests=X");
    assert_eq!(status(1.5), [field("X-Spam-Flag", "YES"), expected]);
}

#[test]
fn what_a_rule_wants_besides_is_filled_with_what_is_known() {
    let text = rule(
        "marked",
        "score >= 1.0",
        "disposition = \"tag\"\ncategory = \"phish\"\nreason = \"{size(findings)} findings, {score} points\"\n\
         subject_prefix = \"[!]\"\ncopy_to = [\"abuse@example.org\"]\nnotify = [\"admin\"]\n\
         headers = { X-From = \"{envelope.sender}\" }",
    );
    let verdict = ruled(&text, Case::found(vec![finding("X", Category::Spam, Severity::Low, 1.5)])).verdict();
    let expected = Treatment {
        headers: vec![("X-From".to_owned(), "s@example.net".to_owned())],
        subject_prefix: Some("[!]".to_owned()),
        copy_to: vec!["abuse@example.org".to_owned()],
        notify: vec!["admin".to_owned()],
        ..Treatment::default()
    };
    assert_eq!(verdict.treatment.as_deref(), Some(&expected));
    assert_eq!((verdict.category, verdict.reason.as_str()), (Category::Phish, "1 findings, 1.5 points"));
}

#[test]
fn in_a_dry_run_everything_is_let_through_and_told() {
    let policy = Policy::new(&Config { dry_run: true, ..Config::default() }).unwrap();
    for (case, would) in [
        (Case::found(vec![eicar()]), "dry run, would be reject: malware: Eicar_Test_File (yara)"),
        (
            Case::gap(Scanner::Clamd, timeout()),
            "dry run, would be tempfail: not fully inspected: clamd=timeout",
        ),
        (
            Case { fault: Some(Fault::NoMemory), ..Case::default() },
            "dry run, would be tempfail: no memory left for it",
        ),
    ] {
        let verdict = Case { policy: policy.clone(), ..case }.verdict();
        let found = (verdict.disposition, verdict.rule.as_str(), verdict.reason.as_str());
        assert_eq!(found, (Disposition::Accept, name::DRY_RUN, would));
    }
    assert_eq!(decided(&Case { policy, ..Case::default() }), (Disposition::Accept, name::ACCEPT.to_owned()));
}

#[test]
fn early_rules_are_judged_by_what_is_known_at_rcpt() {
    let text = rule("late", "true", "disposition = \"reject\"")
        + &rule(
            "closed",
            "recipient.address == \"a@example.org\"",
            "early = true\ndisposition = \"reject\"\nreply = \"closed\"",
        );
    let case = ruled(&text, Case::default());
    let (facts, recipients) = (case.facts(), &case.envelope.recipients);
    let verdict = early(&case.policy, &facts, &recipients[0]).unwrap();
    assert_eq!((verdict.disposition, verdict.rule.as_str()), (Disposition::Reject, "closed"));
    assert_eq!(verdict.treatment.unwrap().reply.as_deref(), Some("closed"));
    assert_eq!(early(&case.policy, &facts, &recipients[1]), None);
    assert_eq!(early(&Policy::default(), &facts, &recipients[0]), None);
}

#[test]
fn a_rule_that_a_sender_makes_expensive_keeps_no_shipped_rule_from_being_heard() {
    for mode in ["enforce", "shadow"] {
        for on_error in ["skip", "tag", "quarantine", "tempfail"] {
            let when = "findings.all(f, findings.all(g, findings.all(h, f.text != g.text + h.text)))";
            let text = format!("on_error = {on_error:?}\n")
                + &rule("slow", when, &format!("mode = {mode:?}\ndisposition = \"tag\""));
            let mut many = vec![finding("X", Category::Suspicious, Severity::Low, 0.0); 300];
            many.push(eicar());
            let case = ruled(&text, Case::found(many));
            let verdict = case.verdict();
            let step = verdict.explanation.0.iter().find(|step| step.rule == "slow").unwrap();
            assert!(step.failed, "{step:?}");
            let found = (verdict.disposition, verdict.category, verdict.rule.as_str());
            assert_eq!(found, (Disposition::Reject, Category::Malware, name::MALWARE), "{mode} {on_error}");
        }
    }
}

#[test]
fn many_recipients_keep_no_shipped_rule_from_being_heard() {
    let text = "on_error = \"skip\"\n".to_owned()
        + &rule(
            "slow",
            "recipient.local != \"boss\" && findings.all(f, f.text != \"x\")",
            "disposition = \"tag\"",
        );
    let mut many = vec![finding("X", Category::Suspicious, Severity::Low, 0.0); 1000];
    many.push(eicar());
    let mut case = ruled(&text, Case::found(many));
    let names: Vec<String> = (0..500).map(|n| format!("<user{n}@example.org>")).collect();
    case.envelope = envelope(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let verdicts = super::super::decide(&case.policy, &case.facts());
    assert!(verdicts.last().unwrap().explanation.0.iter().any(|step| step.failed), "the fuel ran out");
    assert!(verdicts.iter().all(|v| v.rule == name::MALWARE && v.disposition == Disposition::Reject));
}

#[test]
fn a_recipient_is_known_however_he_is_written() {
    let text = "[group.sales]\nrecipients = [\"a@example.org\"]\n".to_owned()
        + &rule(
            "closed",
            "recipient.address == \"a@example.org\" || \"sales\" in recipient.groups",
            "disposition = \"reject\"",
        );
    for written in [
        "<A@Example.ORG>",
        "<\"a\"@example.org>",
        "<@x.y:a@example.org>",
        "<a@example.org.>",
        "<a+b@example.org>",
    ] {
        let mut case = ruled(&text, Case::default());
        case.envelope = envelope(&[written]);
        assert_eq!(super::super::decide(&case.policy, &case.facts())[0].rule, "closed", "{written}");
    }
    let mut case = ruled(&text, Case::default());
    case.envelope.recipients = vec![
        Recipient::new("<a%example.org@localhost>").resolved("a@example.org"),
        Recipient::new("<c@example.org>"),
    ];
    let verdicts = super::super::decide(&case.policy, &case.facts());
    assert_eq!([&*verdicts[0].rule, &*verdicts[1].rule], ["closed", "accept"]);
}

#[test]
fn many_rules_that_do_not_apply_are_told_by_their_number() {
    let text: String =
        (0..500).map(|i| rule(&format!("r{i}"), "score > 90.0", "disposition = \"tag\"")).collect();
    let steps = ruled(&text, Case::default()).verdict().explanation.0;
    assert!(steps.len() < 60, "{}", steps.len());
    assert!(steps.iter().any(|step| step.saw == "and 480 more rules that do not apply"), "{steps:#?}");
}

#[test]
fn the_time_of_a_message_can_be_asked_for() {
    let text = rule("night", "time.hour >= 22 || time.hour < 6", "disposition = \"tag\"");
    let case = ruled(&text, Case::default());
    let at = |millis| {
        let facts = Facts { time: Timestamp::from_millis(millis), ..case.facts() };
        super::super::judge(&case.policy, &facts).rule
    };
    assert_eq!((at(3 * 3_600_000).as_str(), at(12 * 3_600_000).as_str()), ("night", "accept"));
}

#[test]
fn each_extension_that_windows_runs_is_held_and_only_where_mail_comes_in() {
    let dangerous = [
        "exe", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "lnk", "scr", "pif", "com",
        "hta", "msi", "reg", "jar", "msp", "mst", "cpl", "inf", "sys", "dll", "scf", "url", "jnlp", "msc",
        "ps2", "iso", "img", "vhd", "vhdx", "one",
    ];
    for extension in dangerous {
        let case = Case { attachments: vec![file(&format!("A.{extension}"))], ..Case::default() };
        assert_eq!(decided(&case), (Disposition::Quarantine, "dangerous-file".to_owned()), "{extension}");
        assert_eq!(decided(&case.outbound()).0, Disposition::Accept, "{extension}");
    }
    for extension in ["docm", "xlsm", "pptm", "dotm"] {
        let case = Case { attachments: vec![file(&format!("A.{extension}"))], ..Case::default() };
        assert_eq!(decided(&case), (Disposition::Tag, "macro-document".to_owned()), "{extension}");
    }
    let honest = ["pdf", "docx", "xlsx", "zip", "png", "ics", "html", "p7s", "", "json", "txt", "one1"];
    let attachments = honest.map(|extension| file(&format!("a.{extension}"))).to_vec();
    assert_eq!(decided(&Case { attachments, ..Case::default() }).0, Disposition::Accept);
}

#[test]
fn a_file_is_judged_by_each_of_its_names() {
    let both = |name: &str, other: &str| Attachment { other_names: vec![other.to_owned()], ..file(name) };
    let of = |files: Vec<Attachment>| decided(&Case { attachments: files, ..Case::default() });
    assert_eq!(of(vec![file("a.pdf"), both("a.txt", "a.js")]).1, "dangerous-file");
    assert_eq!(of(vec![both("a.js", "a.txt")]).1, "dangerous-file");
    assert_eq!(of(vec![both("a.txt", "a.docm")]).1, "macro-document");
    assert_eq!(of(vec![both("a.txt", "a.pdf")]).0, Disposition::Accept);
}

#[test]
fn two_weak_signals_hold_mail_and_one_does_not() {
    let weak = |symbols: &[&str], authentication| {
        let findings = symbols.iter().map(|s| finding(s, Category::Spam, Severity::Low, 0.3)).collect();
        decided(&Case { authentication, ..Case::found(findings) })
    };
    let (proven, unproven) = (Some(spf_passes()), Some(nothing_passes()));
    let expected = |disposition, rule: &str| (disposition, rule.to_owned());
    let held = expected(Disposition::Quarantine, "weak-signals");
    let marked = expected(Disposition::Tag, "unproven-sender");
    let accepted = expected(Disposition::Accept, "accept");
    assert_eq!(weak(&["HIDDEN_FONT"], unproven.clone()), held);
    assert_eq!(weak(&["HIDDEN_FONT", "LINK_TEXT_MISMATCH"], proven.clone()), held);
    assert_eq!(weak(&["HIDDEN_FONT", "LINK_TEXT_MISMATCH"], None), held);
    assert_eq!(weak(&["HIDDEN_FONT", "HIDDEN_IN_WORDS"], proven.clone()), accepted);
    assert_eq!(weak(&["LOOKALIKE_TYPO"], proven.clone()), accepted);
    assert_eq!(weak(&["HIDDEN_TEXT"], unproven.clone()), marked);
    assert_eq!(weak(&["HIDDEN_TEXT", "LINK_IP"], unproven.clone()), marked);
    assert_eq!(weak(&["IPREV_FAIL", "SPF_FAIL"], unproven.clone()), accepted);
    assert_eq!(weak(&["HIDDEN_TEXT", "LINK_IP"], proven), accepted);
    assert_eq!(weak(&["HIDDEN_TEXT", "LINK_IP"], None), accepted);
    assert_eq!(weak(&[], unproven), accepted);
}

#[test]
fn each_rule_on_files_and_signals_can_be_turned_off() {
    let exe = Case { attachments: vec![file("a.exe")], ..Case::default() };
    let docm = Case { attachments: vec![file("a.docm")], ..Case::default() };
    let smuggled = Case::found(vec![finding("HTML_SMUGGLING", Category::Malware, Severity::Low, 1.0)]);
    for (rule, case) in [("dangerous-file", exe), ("macro-document", docm), ("smuggling", smuggled)] {
        assert_eq!(decided(&case).1, rule);
        let text = format!("[mode]\n{rule} = \"off\"\n");
        assert_eq!(decided(&ruled(&text, case)), (Disposition::Accept, "accept".to_owned()), "{rule}");
    }
}

#[test]
fn at_rcpt_an_entry_counts_for_its_recipient_alone() {
    let more = "early = true\ndisposition = \"reject\"";
    let mut case = ruled(&rule("no-such", "listed(\"block\", \"sender\")", more), Case::default());
    let mut hit = ListHit::new(List::Block, Matched::Sender, "example.net");
    hit.scope = Some("a@example.org".to_owned());
    case.lists = ListHits(vec![hit]);
    let at_rcpt = |position: usize| {
        let recipient = &case.envelope.recipients[position];
        early(&case.policy, &case.facts(), recipient).map(|verdict| verdict.rule)
    };
    assert_eq!((at_rcpt(0), at_rcpt(1)), (Some("no-such".to_owned()), None));
}

#[test]
fn who_is_put_off_by_policy_is_not_told_that_something_failed() {
    let told = |case: &Case| match case.decide_and_plan().answer {
        crate::model::Answer::Tempfail(reply) => reply.text().to_owned(),
        other => panic!("{other:?}"),
    };
    let end = "please try again later (id 01m7xe7et200000007); contact your postmaster";
    let later = rule("later", "recipient.local == \"b\"", "disposition = \"tempfail\"");
    assert_eq!(told(&ruled(&later, Case::default())), format!("put off by policy, {end}"));
    let inspected = format!("message could not be inspected now, {end}");
    let gap = Case::gap(Scanner::Clamd, timeout());
    assert_eq!(told(&gap), inspected);
    assert_eq!(told(&ruled(&later, gap)), inspected, "for the other it failed");
    let wrong = "on_error = \"tempfail\"\n".to_owned()
        + &rule("wrong", "envelope.recipients[7] == \"x\"", "disposition = \"reject\"");
    assert_eq!(told(&ruled(&wrong, Case::default())), inspected);
}

#[test]
fn a_reply_that_names_a_recipient_is_told_to_him_alone() {
    let text = rule(
        "named",
        "true",
        "disposition = \"reject\"\nreply = \"{recipient.address} of {size(envelope.recipients)} is closed\"",
    );
    let told = |to: &[&str]| {
        let case = ruled(&text, Case { envelope: envelope(to), ..Case::default() });
        match case.decide_and_plan().answer {
            crate::model::Answer::Reject(reply) => reply.text().split(" (id ").next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(&["<a@example.org>"]), "a@example.org of 1 is closed");
    assert_eq!(told(&["<a@example.org>", "<b@example.org>"]), "refused by policy");
}

#[test]
fn a_reason_that_names_a_recipient_is_not_shown_to_the_others() {
    let text = rule(
        "named",
        "recipient.local == \"b\"",
        "disposition = \"tag\"\nreason = \"for {recipient.local} at home\"",
    );
    let shown = |to: &[&str]| {
        let case = ruled(&text, Case { envelope: envelope(to), ..Case::default() });
        let reason = |action: &crate::model::Action| match action {
            crate::model::Action::InsertHeader { name, value, .. } if name == "X-Mailward-Reason" => {
                Some(value.unfolded())
            }
            _ => None,
        };
        case.decide_and_plan().actions.iter().find_map(reason)
    };
    assert_eq!(shown(&["<b@example.org>"]).as_deref(), Some("for b at home"));
    assert_eq!(shown(&["<a@example.org>", "<b@example.org>"]).as_deref(), Some("rule named"));
    // What the lists say names for whom an entry is.
    let mut case = Case { lists: ListHits(vec![block()]), ..Case::default() };
    case.lists.0[0].scope = Some("b@example.org".to_owned());
    let verdict = Verdict { disposition: Disposition::Tag, ..case.verdict() };
    let verdict = Verdict { reason: case.lists.0[0].to_string(), ..verdict };
    assert!(
        case.plan(&[verdict.clone(), verdict])
            .actions
            .iter()
            .all(|action| { !format!("{action:?}").contains("b@example.org") })
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_does_not_let_malware_through() {
    let text =
        rule("samples", "envelope.recipients[7] == \"x\"", "disposition = \"tag\"\neven_malware = true");
    let case = ruled(&text, Case::found(vec![eicar()]));
    assert_eq!(decided(&case), (Disposition::Reject, name::MALWARE.to_owned()));
    let text = "decide = \"strictest\"\n".to_owned()
        + &rule("refused", "true", "disposition = \"reject\"")
        + &rule("fine", "envelope.recipients[7] == \"x\"", "disposition = \"tag\"\noutweighs = true");
    assert_eq!(decided(&ruled(&text, Case::default())), (Disposition::Reject, "refused".to_owned()));
}

#[test]
fn recipients_share_a_verdict_only_where_nothing_in_a_rule_tells_them_apart() {
    let wanted = "disposition = 'recipient.local == \"a\" ? reject : accept'";
    let case = ruled(&rule("by-name", "true", wanted), Case::default());
    let verdicts = super::super::decide(&case.policy, &case.facts());
    let found: Vec<_> = verdicts.iter().map(|verdict| verdict.disposition).collect();
    assert_eq!(found, [Disposition::Reject, Disposition::Accept]);
    let told = "disposition = \"tag\"\nreason = \"for {recipient.local}\"";
    let case = ruled(&rule("told", "true", told), Case::default());
    let verdicts = super::super::decide(&case.policy, &case.facts());
    assert_eq!([&verdicts[0].reason, &verdicts[1].reason], ["for a", "for b"]);
}

#[test]
fn a_rule_that_only_adds_never_decides_and_adds_to_what_is_delivered() {
    let more =
        |key: &str| format!("adds = true\nsubject_prefix = \"[{key}]\"\nheaders = {{ X-{key} = \"yes\" }}\n");
    let text = rule("external", "inbound", &more("external"))
        + &rule("second", "inbound", &(more("second") + "copy_to = [\"a@example.org\"]\n"))
        + &rule("trial", "inbound", &(more("trial") + "mode = \"shadow\"\n"))
        + &rule("other", "outbound", &more("other"));
    let verdict =
        |score| ruled(&text, Case::found(vec![finding("X", Category::Spam, Severity::Low, score)])).verdict();
    let added = Treatment {
        headers: vec![("X-external".into(), "yes".into()), ("X-second".into(), "yes".into())],
        subject_prefix: Some("[external]".into()),
        copy_to: vec!["a@example.org".into()],
        ..Treatment::default()
    };
    let (clean, spam, refused) = (verdict(0.5), verdict(4.0), verdict(50.0));
    assert_eq!((clean.rule.as_str(), clean.treatment.as_deref()), (name::ACCEPT, Some(&added)));
    assert_eq!((spam.rule.as_str(), spam.treatment.as_deref()), ("spam-tag", Some(&added)), "{spam:?}");
    assert_eq!((refused.rule.as_str(), refused.treatment), ("spam-reject", None));
    assert!(clean.explanation.0.iter().any(|s| s.rule == "external" && s.wants.is_none() && !s.decided));

    let own = rule("mine", "true", "disposition = \"tag\"\nsubject_prefix = \"[mine]\"") + &text;
    let mine = ruled(&own, Case::default()).verdict();
    let kept = Treatment { subject_prefix: Some("[mine]".into()), ..added };
    assert_eq!((mine.rule.as_str(), mine.treatment.as_deref()), ("mine", Some(&kept)));
    let malware = ruled(&text, Case::found(vec![eicar()])).verdict();
    assert_eq!((malware.rule.as_str(), malware.treatment), (name::MALWARE, None));
}
