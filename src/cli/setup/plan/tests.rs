use std::path::Path;

use super::*;

fn address() -> Address {
    let listen = ["unix:/var/spool/postfix/mailward/milter.sock".parse().unwrap()];
    Address::of(&listen, Path::new("/var/spool/postfix")).unwrap()
}

/// As it is shipped.
fn entry() -> String {
    milters::entry(&address())
}

/// Debian's Postfix as it is installed, with these lines of main.cf and master.cf besides.
fn postfix(main: &[(&str, &str)], master: &[&str]) -> State {
    let mut all = BTreeMap::from([
        ("milter_protocol".to_owned(), "6".to_owned()),
        ("mime_header_checks".to_owned(), "$header_checks".to_owned()),
        ("nested_header_checks".to_owned(), "$header_checks".to_owned()),
    ]);
    all.extend(main.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let services = ["smtp inet n - y - - smtpd", "cleanup unix n - y - 0 cleanup"];
    let services = services.iter().chain(master).filter_map(|line| Service::read(line)).collect();
    let expanded = all.clone();
    State { folder: "/etc/postfix".to_owned(), main: all, expanded, services, ..State::default() }
}

fn said(plan: &Plan) -> Vec<String> {
    let one = |step: &Step| match step {
        Step::Postconf(words) => words.join(" "),
        Step::Checks(path) => format!("write {path}"),
        Step::NoChecks(path) => format!("remove {path}"),
    };
    plan.steps.iter().map(one).collect()
}

#[test]
fn a_fresh_postfix_gets_all_of_it() {
    let plan = set_up(&postfix(&[], &["submission inet n - y - - smtpd"]), &address());
    assert_eq!(
        said(&plan),
        [
            "write /etc/postfix/mailward_header_checks".to_owned(),
            "-Me cleanup-inbound/unix=cleanup-inbound unix n - y - 0 cleanup \
             -o header_checks=regexp:/etc/postfix/mailward_header_checks -o mime_header_checks= \
             -o nested_header_checks="
                .to_owned(),
            "-Pe smtp/inet/cleanup_service_name=cleanup-inbound".to_owned(),
            "-Pe submission/inet/milter_macro_daemon_name=ORIGINATING".to_owned(),
            format!("-e smtpd_milters = {}", entry()),
            "-e non_smtpd_milters = $smtpd_milters".to_owned(),
        ]
    );
    assert_eq!(plan.by_hand, Vec::<String>::new());
}

#[test]
fn other_milters_and_header_checks_stay_and_no_milter_gets_other_mail() {
    let entry = entry();
    let main = [("smtpd_milters", "inet:127.0.0.1:8893"), ("header_checks", "pcre:/etc/postfix/own")];
    let said = said(&set_up(&postfix(&main, &[]), &address())).join("\n");
    assert!(said.contains(&format!("-e smtpd_milters = {entry}, inet:127.0.0.1:8893\n")), "{said}");
    assert!(said.ends_with(&format!("-e non_smtpd_milters = {entry}")), "{said}");
    let checks = "-o { header_checks = regexp:/etc/postfix/mailward_header_checks, pcre:/etc/postfix/own } \
                  -o mime_header_checks=pcre:/etc/postfix/own -o nested_header_checks=pcre:/etc/postfix/own";
    assert!(said.contains(checks), "{said}");
}

#[test]
fn behind_postscreen_the_smtpd_that_it_passes_to_is_meant() {
    let mut state = postfix(&[], &["smtpd pass - - y - - smtpd"]);
    state.services[0].program = "postscreen".to_owned();
    let said = said(&set_up(&state, &address())).join("\n");
    assert!(said.contains("-Pe smtpd/pass/cleanup_service_name=cleanup-inbound"), "{said}");
    assert!(!said.contains("smtp/inet"), "{said}");
}

#[test]
fn what_only_a_person_can_decide_is_said() {
    let mut state = postfix(&[], &[]);
    state.options.insert("smtp/inet/cleanup_service_name".to_owned(), "mine".to_owned());
    state.options.insert("smtp/inet/smtpd_milters".to_owned(), String::new());
    let plan = set_up(&state, &address());
    assert_eq!(plan.by_hand.len(), 2, "{:?}", plan.by_hand);
    assert!(plan.by_hand[0].contains("mine: add regexp:/etc/postfix/mailward_header_checks"));
    assert!(plan.by_hand[1].contains("smtp/inet in master.cf has smtpd_milters of its own"));
}

/// The state after a set-up.
fn done(before: &str) -> State {
    let list = milters::with(before, &address());
    let main = [("smtpd_milters", &*list), ("non_smtpd_milters", "$smtpd_milters")];
    let mut state = postfix(&main, &["cleanup-inbound unix n - y - 0 cleanup"]);
    state.expanded.insert("non_smtpd_milters".to_owned(), list.clone());
    state.options.insert("smtp/inet/cleanup_service_name".to_owned(), CLEANUP.to_owned());
    (state.has_checks, state.is_ours) = (true, true);
    state
}

#[test]
fn a_second_time_there_is_nothing_to_do() {
    assert_eq!(set_up(&done(""), &address()), Plan::default());
}

#[test]
fn it_is_taken_out_again_and_the_rest_stays() {
    let rest = [
        "-PX smtp/inet/cleanup_service_name",
        "-MX cleanup-inbound/unix",
        "remove /etc/postfix/mailward_header_checks",
    ];
    let alone = said(&take_out(&done(""), &address()));
    assert_eq!(alone[..2], ["-X smtpd_milters", "-X non_smtpd_milters"]);
    assert_eq!(alone[2..], rest);
    let beside = said(&take_out(&done("inet:127.0.0.1:8893"), &address()));
    assert_eq!(beside[0], "-e smtpd_milters = inet:127.0.0.1:8893");
    assert_eq!(beside[1..], rest);
    assert_eq!(take_out(&postfix(&[], &[]), &address()), Plan::default());
}
