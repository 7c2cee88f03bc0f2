//! `mailward setup postfix` on a machine with Debian's Postfix, which is configured by nobody else.

use super::deb::machine;
use super::machine::MAIL;
use super::mta::{self, Machine};

/// What Postfix makes of its configuration.
const ALL: &str = "postconf -n; postconf -M; postconf -P";

fn installed() -> Machine {
    let machine = machine("mail", MAIL);
    machine.told("cd /host && apt-get install -q -y ./mailward_*.deb 2>&1").unwrap();
    machine
}

#[test]
fn what_is_printed_does_the_same_as_what_is_applied() {
    if !mta::not_run::package_ready("what_is_printed_does_the_same_as_what_is_applied") {
        return;
    }
    let machine = installed();
    let before = machine.told(ALL).unwrap();
    machine.told("mailward setup postfix > /host/lines").unwrap();
    assert_eq!(machine.told(ALL).unwrap(), before, "printing changed something");
    machine.told("sh -e /host/lines").unwrap();
    let by_hand = machine.told(ALL).unwrap();
    assert_ne!(by_hand, before);
    machine
        .told("cmp /etc/postfix/mailward_header_checks /usr/share/mailward/postfix/header_checks")
        .unwrap();
    machine.told("mailward setup postfix --undo > /host/lines && sh -e /host/lines").unwrap();
    assert_eq!(machine.told(ALL).unwrap(), before);
    machine.told("mailward setup postfix --apply").unwrap();
    assert_eq!(machine.told(ALL).unwrap(), by_hand);
}

#[test]
fn other_settings_stay_and_a_second_time_nothing_is_done() {
    if !mta::not_run::package_ready("other_settings_stay_and_a_second_time_nothing_is_done") {
        return;
    }
    let machine = installed();
    let own = "postconf -e 'smtpd_milters = inet:127.0.0.1:8893, { unix:x/y, default_action=accept }' \
               'non_smtpd_milters = inet:127.0.0.1:8893' 'header_checks = regexp:/etc/postfix/own' && \
               touch /etc/postfix/own && \
               postconf -Me 'submission/inet = submission inet n - y - - smtpd -o syslog_name=postfix/submission'";
    machine.told(own).unwrap();
    let before = machine.told(ALL).unwrap();
    machine.told("mailward setup postfix --apply").unwrap();
    let milters = machine.told("postconf -h smtpd_milters non_smtpd_milters").unwrap();
    let shipped = include_str!("../../postfix/main.cf.mailward");
    let shipped = shipped.lines().find_map(|line| line.strip_prefix("smtpd_milters = ")).unwrap();
    let ours = format!("{shipped}, inet:127.0.0.1:8893");
    assert_eq!(milters, format!("{ours}, {{ unix:x/y, default_action=accept }}\n{ours}\n"));
    let checks = machine.told("postconf -Ph cleanup-inbound/unix/header_checks").unwrap();
    assert_eq!(checks, "regexp:/etc/postfix/mailward_header_checks, regexp:/etc/postfix/own\n");
    let files = "md5sum /etc/postfix/*; ls /etc/postfix";
    let once = machine.told(files).unwrap();
    let again = machine.run("mailward setup postfix --apply").unwrap();
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to do"), "{again:?}");
    assert_eq!(machine.told(files).unwrap(), once);
    machine.told("mailward setup postfix --undo --apply").unwrap();
    let after =
        machine.told(ALL).unwrap().replace("submission/inet/milter_macro_daemon_name = ORIGINATING\n", "");
    assert_eq!(after.replace(" -o milter_macro_daemon_name=ORIGINATING", ""), before);
}

#[test]
fn postfix_is_not_touched_while_nobody_would_answer_it() {
    if !mta::not_run::package_ready("postfix_is_not_touched_while_nobody_would_answer_it") {
        return;
    }
    let machine = installed();
    machine.told("systemctl stop 'mailward*.socket' mailward.service").unwrap();
    let before = machine.told("find /etc/postfix -type f | sort | xargs md5sum").unwrap();
    let said = machine.run("mailward setup postfix --apply").unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("systemctl start mailward"), "{said:?}");
    assert_eq!(machine.told("find /etc/postfix -type f | sort | xargs md5sum").unwrap(), before);
}

#[test]
fn where_postfix_does_not_like_the_outcome_all_is_as_it_was() {
    if !mta::not_run::package_ready("where_postfix_does_not_like_the_outcome_all_is_as_it_was") {
        return;
    }
    let machine = installed();
    // Somebody else's mistake, which a reload would have brought to light.
    machine.told("postconf -e 'inet_protocols = nonsense'").unwrap();
    let files = "md5sum /etc/postfix/main.cf /etc/postfix/master.cf";
    let before = machine.told(files).unwrap();
    let said = machine.run("mailward setup postfix --apply").unwrap();
    assert_eq!(said.status.code(), Some(1));
    let why = String::from_utf8_lossy(&said.stderr);
    assert!(why.contains("Postfix has its configuration from before again"), "{why}");
    assert!(why.contains("postfix check failed"), "{why}");
    assert_eq!(machine.told(files).unwrap(), before);
}
