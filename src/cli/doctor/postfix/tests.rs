//! Each mistake in Postfix's settings, its sentence, and the line that mends it.

use std::io;
use std::path::Path;

use super::*;
use crate::cli::doctor::sheet::Topic;

const MAIN: &str = "mail_version = 3.7.11
config_directory = /etc/postfix
queue_directory = /q
mail_owner = postfix
myhostname = mx.example.org
milter_default_action = tempfail
milter_content_timeout = 300s
milter_connect_timeout = 30s
milter_command_timeout = 30s
milter_protocol = 6
message_size_limit = 10240000
smtpd_milters = { unix:mailward/milter.sock, connect_timeout=30s, command_timeout=30s, content_timeout=300s, default_action=tempfail }
non_smtpd_milters = $smtpd_milters
cleanup_service_name = cleanup
mime_header_checks = $header_checks
nested_header_checks = $header_checks
header_checks =
content_filter =
";

const MASTER: &str = "smtp inet n - y - - smtpd
submission inet n - y - - smtpd
cleanup unix n - y - 0 cleanup
cleanup-inbound unix n - y - 0 cleanup
";

const OPTIONS: &str = "smtp/inet/cleanup_service_name = cleanup-inbound
cleanup-inbound/unix/header_checks = regexp:/etc/postfix/mailward_header_checks
cleanup-inbound/unix/mime_header_checks =
cleanup-inbound/unix/nested_header_checks =
";

const OURS: &str = "{ unix:mailward/milter.sock, connect_timeout=30s, command_timeout=30s, content_timeout=300s, default_action=tempfail }";

fn file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/etc/postfix/mailward_header_checks") => Ok("/^X-Mailward-[^:]*:/ IGNORE\n".to_owned()),
        Some("/etc/opendkim.conf") => Ok("Socket local:/q/opendkim/s\nMode sv\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn all(main: &str, master: &str, options: &str, toml: &str) -> Vec<String> {
    let toml = format!("[milter]\nlisten = [\"unix:/q/mailward/milter.sock\"]\n{toml}");
    let config = Config::parse(Path::new("x"), toml.as_bytes()).unwrap().config;
    let text = format!("{MAIN}{main}");
    let master = format!("{MASTER}{master}");
    let postfix = Postfix::read(&text, main, &master, &format!("{OPTIONS}{options}"));
    let mut sheet = Sheet::new(Topic::Postfix);
    judge(&mut sheet, &postfix, &config, &file);
    sheet.told()
}

/// With these lines of main.cf and `-o` lines: what is not ok.
fn faults(main: &str, options: &str) -> Vec<String> {
    all(main, "", options, "").into_iter().filter(|line| !line.starts_with("ok ")).collect()
}

#[test]
fn the_shipped_lines_are_in_order() {
    assert_eq!(
        all("", "", "", ""),
        [
            "ok version: Postfix 3.7.11",
            "ok smtpd_milters: smtp/inet, submission/inet asks mailward at unix:mailward/milter.sock",
            "ok content_timeout: smtp/inet, submission/inet waits 300s for an answer, longer than limits.deadline",
            "ok default_action: while mailward does not answer, smtp/inet, submission/inet asks senders to come back \
             (tempfail)",
            "ok non_smtpd_milters: mail from sendmail(1) passes mailward too",
            "ok message_size_limit: Postfix takes messages up to 10.2 MB, mailward judges up to 52.4 MB",
            "ok other_milters: no other milter writes Authentication-Results as mx.example.org",
            "ok header_checks: smtp/inet drops X-Mailward-* that strangers wrote",
            "ok content_filter: no content filter hands mail back",
        ]
    );
}

#[test]
fn nobody_asks_us() {
    assert_eq!(
        faults("smtpd_milters =\nnon_smtpd_milters =\n", ""),
        [
            format!(
                "error smtpd_milters: smtpd_milters of smtp/inet, submission/inet does not name mailward's socket: mail \
                 that comes in there is not filtered | postconf -e 'smtpd_milters = {OURS}' && postfix reload"
            ),
            format!(
                "warning non_smtpd_milters: non_smtpd_milters does not name mailward: what programs on this machine send \
                 (cron, web forms) is not filtered, and a broken-in web form sends what it likes | postconf -e \
                 'non_smtpd_milters = {OURS}' && postfix reload"
            ),
        ]
    );
    // An absolute name means another place inside the chroot.
    assert!(
        faults("smtpd_milters = unix:/q/mailward/milter.sock\n", "")[0].starts_with("error smtpd_milters: ")
    );
}

#[test]
fn one_server_has_a_list_of_its_own() {
    assert_eq!(
        faults("", "submission/inet/smtpd_milters =\n"),
        [
            "warning smtpd_milters: submission/inet in master.cf has a smtpd_milters of its own, which does not name \
          mailward: mail that comes in there is not filtered | postconf -PX submission/inet/smtpd_milters && postfix reload"
        ]
    );
    assert!(
        faults("", "smtp/inet/smtpd_milters =\n")[0]
            .starts_with("error smtpd_milters: smtp/inet in master.cf")
    );
}

#[test]
fn postfix_does_not_wait_long_enough() {
    assert_eq!(
        faults("milter_content_timeout = 30s\nsmtpd_milters = unix:mailward/milter.sock\n", ""),
        [
            "error content_timeout: smtp/inet, submission/inet waits only 30s for the answer to a message, and mailward may \
          take 1m (limits.deadline) and 10 s for its effects: Postfix then goes on without the verdict | postconf -e \
          'smtpd_milters = { unix:mailward/milter.sock, content_timeout=300s }' && postfix reload"
        ]
    );
}

#[test]
fn what_happens_while_we_are_silent() {
    for (action, what) in [
        ("accept", "mail is delivered unfiltered, malware as well"),
        ("reject", "mail is refused for good and bounces to its sender"),
        ("quarantine", "mail stays in Postfix's hold queue, and is delivered unfiltered when it is freed"),
    ] {
        let main = format!("smtpd_milters = {{ unix:mailward/milter.sock, default_action={action} }}\n");
        assert_eq!(
            faults(&main, ""),
            [format!(
                "warning default_action: default_action of smtp/inet, submission/inet is {action}: while mailward does not \
                 answer, {what} | postconf -e 'smtpd_milters = {{ unix:mailward/milter.sock, default_action=tempfail }}' \
                 && postfix reload"
            )]
        );
    }
}

#[test]
fn other_settings_of_main_cf() {
    let of = |main: &str| faults(main, "").remove(0);
    assert!(of("soft_bounce = yes\n").ends_with("| postconf -e 'soft_bounce = no' && postfix reload"));
    assert!(
        of("message_size_limit = 0\n")
            .ends_with("| postconf -e 'message_size_limit = 52428800' && postfix reload")
    );
    assert!(
        of("internal_mail_filter_classes = bounce\n")
            .ends_with("postconf -X internal_mail_filter_classes && postfix reload")
    );
    assert!(of("smtpd_delay_reject = no\n").starts_with("note delay_reject: "));
    assert!(
        of("header_checks = regexp:/etc/postfix/mailward_header_checks\n")
            .starts_with("warning header_checks: header_checks in main.cf")
    );
    let two = faults("milter_protocol = 4\n", "");
    assert_eq!(two.len(), 2, "{two:?}");
    assert!(two[0].ends_with("| postconf -e 'milter_protocol = 6' && postfix reload"), "{two:?}");
    assert!(
        of("smtpd_proxy_filter = 127.0.0.1:10024\n")
            .starts_with("error proxy_filter: smtp/inet hands mail to")
    );
    let none = faults("", "smtp/inet/receive_override_options = no_milters,no_address_mappings\n").remove(0);
    assert!(
        none.ends_with(
            "postconf -P smtp/inet/receive_override_options=no_address_mappings && postfix reload"
        ),
        "{none}"
    );
}

#[test]
fn a_signer_before_us_and_one_with_our_name() {
    let main = "smtpd_milters = unix:opendkim/s, unix:mailward/milter.sock\n";
    let told = faults(main, "");
    assert_eq!(
        told[0],
        "error order: opendkim stands before mailward in smtpd_milters of smtp/inet, submission/inet and signs: what \
         mailward adds and removes breaks its signatures | postconf -e 'smtpd_milters = unix:mailward/milter.sock, \
         unix:opendkim/s' && postfix reload"
    );
    assert_eq!(
        told[1],
        "warning authserv_id: opendkim writes Authentication-Results as mx.example.org, which is mailward's name as well: \
         mailward takes such fields for forged and removes them, or readers find two that differ | in \
         /etc/opendkim.conf: Mode s"
    );
    let unknown = faults("smtpd_milters = unix:mailward/milter.sock, inet:localhost:9999\n", "");
    assert!(unknown[0].starts_with("note other_milters: "), "{unknown:?}");
}

#[test]
fn rspamd_is_asked_twice() {
    let main = "smtpd_milters = unix:mailward/milter.sock, inet:localhost:11332\n";
    let told = all(main, "", "", "[scanner.rspamd]\n");
    assert!(
        told.iter().any(|line| line.starts_with("warning rspamd_milter: ")
            && line.ends_with("| postconf -e 'smtpd_milters = unix:mailward/milter.sock' && postfix reload")),
        "{told:?}"
    );
    assert!(faults(main, "")[0].starts_with("note rspamd_milter: "));
}

#[test]
fn fields_that_strangers_write_are_not_dropped() {
    let told = faults("", "smtp/inet/cleanup_service_name = cleanup\n");
    assert!(
        told[0].starts_with("note header_checks: header_checks of smtp/inet do not drop X-Mailward-*"),
        "{told:?}"
    );
    assert!(told[0].contains("| printf '%s\\n' '/^X-Mailward-[^:]*:/ IGNORE'"), "{told:?}");
    let told = faults("", "smtp/inet/cleanup_service_name = nobody\n");
    assert!(
        told[0].starts_with("error header_checks: smtp/inet hands mail to the cleanup service nobody"),
        "{told:?}"
    );
    let told = faults("", "cleanup-inbound/unix/mime_header_checks = $header_checks\n");
    assert!(
        told[0].ends_with("postconf -P cleanup-inbound/unix/mime_header_checks= && postfix reload"),
        "{told:?}"
    );
}

#[test]
fn a_content_filter_that_goes_round_or_comes_back_to_us() {
    let master = "127.0.0.1:10025 inet n - n - - smtpd\n";
    let main = "content_filter = smtp:[127.0.0.1]:10024\n";
    let told = all(main, master, "", "");
    assert!(
        told.iter().any(|line| line.starts_with("error content_filter: 127.0.0.1:10025/inet takes back")
            && line.ends_with("| postconf -P 127.0.0.1:10025/inet/content_filter= && postfix reload")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("warning reinjection: 127.0.0.1:10025/inet")
            && line.ends_with(
                "| postconf -P 127.0.0.1:10025/inet/receive_override_options=no_milters && postfix reload"
            )),
        "{told:?}"
    );
    let options =
        "127.0.0.1:10025/inet/content_filter =\n127.0.0.1:10025/inet/receive_override_options = no_milters\n";
    let told = all(main, master, options, "");
    assert!(told.iter().all(|line| line.starts_with("ok ")), "{told:?}");
}
