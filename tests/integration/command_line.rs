//! The command line from outside: what it prints, where, and what it ends with.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::mta::samples::eicar;
use super::mta::{self, Daemon, Options, Postfix, Site};

fn mailward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.env_remove("MAILWARD_CONFIG").stdin(Stdio::null());
    command
}

/// Runs a command on the configuration of `site`.
fn run(site: &Site, arguments: &[&str]) -> Output {
    mailward().args(arguments).arg("--config").arg(site.config()).output().unwrap()
}

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn site(toml: &str) -> Site {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), toml).unwrap();
    site
}

fn mail(subject: &str, body: &str) -> String {
    format!("From: a@sender.example\r\nTo: alice@example.org\r\nSubject: {subject}\r\n\r\n{body}\r\n")
}

#[test]
fn check_config_counts_rules_and_keys_together() {
    let site = Site::new().unwrap();
    let nowhere = site.path().join("nowhere");
    let toml = site.defaults(&format!("[scanner.yara]\nrules = [{nowhere:?}]\n[nonsense]\n"));
    std::fs::write(site.config(), toml).unwrap();
    let (code, out, err) = told(&run(&site, &["check-config"]));
    assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
    assert!(err.contains("error: unknown section [nonsense]"), "{err}");
    assert!(err.contains(&format!("error: {} cannot be read", nowhere.display())), "{err}");
    assert!(err.trim_end().ends_with(": 2 errors"), "{err}");
}

#[test]
fn check_config_says_warning_once_and_counts() {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults("[policy]\ndry_run = true\n")).unwrap();
    let (code, out, err) = told(&run(&site, &["check-config"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("warning: policy.dry_run is on"), "{err}");
    assert!(!err.contains("warning: warning:"), "{err}");
    let warnings = err.lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(out, format!("{} is in order, with {warnings} warning\n", site.config().display()));
}

#[test]
fn what_the_configuration_prevents_ends_with_78_and_anything_else_with_1() {
    let site = Site::new().unwrap();
    let nowhere = site.path().join("nowhere");
    let toml = site.defaults(&format!("[scanner.yara]\nrules = [{nowhere:?}]\n"));
    std::fs::write(site.config(), toml).unwrap();
    let (code, _, err) = told(&run(&site, &["serve"]));
    assert_eq!(code, Some(78), "{err}");
    // The cause is part of the sentence and not said again.
    assert_eq!(err.matches("No such file or directory").count(), 1, "{err}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen =
        format!("[{:?}, {:?}]", format!("unix:{}", site.admin_socket().display()), address.to_string());
    let toml = site.defaults("").replace(
        &format!("[admin]\nlisten = [{:?}]", format!("unix:{}", site.admin_socket().display())),
        &format!("[admin]\nlisten = {listen}"),
    );
    assert!(toml.contains(&address.to_string()), "{toml}");
    std::fs::write(site.config(), toml).unwrap();
    let (code, _, err) = told(&run(&site, &["serve"]));
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(err.matches("in use").count(), 1, "{err}");
}

#[test]
fn the_daemon_is_asked_also_while_the_configuration_is_wrong() {
    let daemon = Daemon::start("").unwrap();
    let config = daemon.site().config();
    let good = std::fs::read_to_string(&config).unwrap();
    let ask = |arguments: &[&str]| told(&run(daemon.site(), arguments));
    std::fs::write(&config, format!("{good}\n[nonsense]\n")).unwrap();
    for arguments in [&["audit", "list"][..], &["quarantine", "list"], &["log", "level"], &["token", "list"]]
    {
        let (code, out, err) = ask(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        assert!(err.contains("unknown section [nonsense]"), "{err}");
        assert!(err.trim_end().ends_with("what could be read of it is used"), "{err}");
    }
    // The reload itself is refused, by the daemon.
    let (code, _, err) = ask(&["reload"]);
    assert_eq!(code, Some(78), "{err}");
    // What acts on the configuration itself does not begin.
    for arguments in
        [&["check-config"][..], &["scan", "/dev/null"], &["restore", "/nowhere"], &["setup", "postfix"]]
    {
        assert_eq!(ask(arguments).0, Some(78), "{arguments:?}");
    }
}

#[test]
fn warnings_are_one_line_each_in_the_log() {
    let daemon = Daemon::start("[policy]\ndry_run = true\n").unwrap();
    let line = daemon.wait_for_log("mail is judged and recorded, and let through").unwrap();
    assert!(line.contains("mailward.toml:") && line.contains("; mail is judged"), "{line}");
}

#[test]
fn an_empty_mailward_config_is_none() {
    let site = site("[nonsense]\n");
    let code = |value: &str| {
        mailward().arg("check-config").env("MAILWARD_CONFIG", value).output().unwrap().status.code()
    };
    assert_eq!(code(site.config().to_str().unwrap()), Some(78));
    if !Path::new("/etc/mailward/mailward.toml").exists() {
        assert_eq!(code(""), Some(0), "the defaults hold");
    }
    // What is given beats what is set.
    let mut given = mailward();
    given.env("MAILWARD_CONFIG", "/nowhere").args(["check-config", "--config"]).arg(site.config());
    let (_, _, err) = told(&given.output().unwrap());
    assert!(err.contains("[nonsense]"), "{err}");
}

#[test]
fn what_does_not_get_out_is_a_failure_and_a_reader_that_left_is_none() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let output = mailward().arg("man").stdout(full).stderr(Stdio::piped()).output().unwrap();
    let (code, _, err) = told(&output);
    assert_eq!(code, Some(1));
    assert!(err.contains("standard output could not be written"), "{err}");

    let mut child = mailward().arg("man").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, err) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn a_file_that_is_scanned_has_no_recipient_and_no_client_name_unless_given() {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults("")).unwrap();
    let file = site.path().join("mail.eml");
    std::fs::write(&file, mail("scan me", &eicar())).unwrap();
    let file = file.to_str().unwrap();

    let (code, out, err) = told(&run(&site, &["scan", file]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("verdict   reject: malware"), "{out}");
    assert!(!out.contains("for       "), "{out}");

    let (_, out, _) = told(&run(&site, &["scan", "--json", "--helo", "mx.sender.example", file]));
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["disposition"], "reject");
    assert_eq!(object["envelope"]["recipients"], serde_json::json!([]));
    assert_eq!(object["plan"]["dispositions"], serde_json::json!([]));

    let (_, out, _) = told(&run(&site, &["scan", "--rcpt", "alice@example.org", file]));
    assert!(out.contains("for       alice@example.org"), "{out}");
    let (_, out, _) = told(&run(&site, &["scan", "--json", "--rcpt", "alice@example.org", file]));
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["envelope"]["recipients"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_no_single_mail_is_told_of() {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults("")).unwrap();
    let (mbox, text) = (site.path().join("mbox"), site.path().join("notes.txt"));
    let one = "From a@sender.example Mon Jan  5 10:11:12 2026\nSubject: one\n\ntext\n\n";
    std::fs::write(&mbox, one.repeat(3)).unwrap();
    std::fs::write(&text, "just some text\n").unwrap();
    let (code, _, err) = told(&run(&site, &["scan", mbox.to_str().unwrap(), text.to_str().unwrap()]));
    assert_eq!(code, Some(0));
    assert!(err.contains("is an mbox with 3 messages and is judged as one message; split it first"), "{err}");
    assert!(err.contains("notes.txt has no header field at all"), "{err}");

    let (code, out, err) = told(&run(&site, &["scan", "/nowhere.eml", text.to_str().unwrap()]));
    assert_eq!(code, Some(1));
    assert!(err.contains("/nowhere.eml cannot be opened"), "{err}");
    assert!(out.contains("verdict   accept"), "the other one is judged all the same: {out}");

    let help = told(&mailward().args(["scan", "--help"]).output().unwrap()).1;
    assert!(help.contains("Exit status: 0 when every file was judged"), "{help}");
}

#[test]
fn the_journal_is_verified_offline_only_while_nobody_writes_it() {
    let mut daemon = Daemon::start("").unwrap();
    let (code, _, err) = told(&daemon.cli(&["audit", "verify", "--offline"]).unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains("a daemon answers on"), "{err}");
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(mta::PATIENCE).unwrap();
    let (code, out, err) = told(&daemon.cli(&["audit", "verify", "--offline"]).unwrap());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("the chain is whole"), "{out}");

    let journal = daemon.site().state_dir().join("audit");
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    let (code, _, err) = told(&daemon.cli(&["audit", "verify", "--offline"]).unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains(&journal.display().to_string()), "{err}");
}

/// Runs a command that must come to its end; what it said on standard error.
fn ends(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = mta::wait_until("the command's end", mta::PATIENCE, || Ok(child.try_wait()?));
    if ended.is_err() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    (ended.unwrap_or_else(|error| panic!("{error}: {command:?}")).code(), told(&output).2)
}

#[test]
fn no_file_that_a_setting_names_holds_up_who_checks_it() {
    let site = Site::new().unwrap();
    let fifo = site.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let folder = site.path().join("rules");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/proc/kmsg", folder.join("kernel.yar")).unwrap();
    let kernels = "it is no file on a disk: the kernel makes it up while it is read";
    let secret = |file: &str| {
        format!("[scanner.rspamd]\nurl = \"http://127.0.0.1:1\"\npassword = {{ file = {file:?} }}\n")
    };
    for (settings, why) in [
        ("[policy]\nrules = \"/proc/kmsg\"\n".to_owned(), kernels),
        (format!("[policy]\nrules = {fifo:?}\n"), "it is no regular file"),
        ("[scanner.yara]\nrules = [\"/proc/kmsg\"]\n".to_owned(), kernels),
        (format!("[scanner.yara]\nrules = [{folder:?}]\n"), kernels),
        (secret("/proc/kmsg"), kernels),
        (secret(fifo.to_str().unwrap()), "it is no regular file"),
    ] {
        std::fs::write(site.config(), site.defaults(&settings)).unwrap();
        let (code, err) = ends(mailward().args(["check-config", "--config"]).arg(site.config()));
        assert!(
            code == Some(78) && err.contains(&format!("cannot be read: {why}")),
            "{settings}: {code:?} {err}"
        );
    }
    for (config, why) in [("/proc/kmsg".into(), kernels), (fifo, "it is no regular file")] {
        let (code, err) = ends(mailward().args(["serve", "--config"]).arg(&config));
        assert_eq!(code, Some(78), "{err}");
        assert!(err.starts_with(&format!("error: the configuration cannot be read: {why}\n")), "{err}");
    }
}

#[test]
fn what_is_wrong_on_the_command_line_cannot_act_on_the_terminal() {
    let evil = "x\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}2J\u{202e}\u{7f}y\r";
    for arguments in [
        &[evil][..],
        &["--", evil],
        &["quarantine", "show", evil],
        &["token", "create", "name", "--role", evil],
        &["scan", evil],
        &["list", evil],
    ] {
        let (code, out, err) = told(&mailward().args(arguments).output().unwrap());
        assert!(code.is_some_and(|code| code != 0) && out.is_empty(), "{arguments:?}: {code:?} {out}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(err.len() > 20 && !err.contains(acts), "{arguments:?}: {err:?}");
    }
    let (code, _, err) = told(&mailward().args(["status", "--nonsense"]).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: unexpected argument '--nonsense' found\n\n"), "{err}");
    let (code, out, _) = told(&mailward().arg("--version").output().unwrap());
    assert!(code == Some(0) && out.starts_with("mailward "), "{out}");
}

#[test]
fn slips_on_the_command_line_are_told() {
    let site = site("");
    for (arguments, part) in [
        (&["audit", "list", "--limit", "0"][..], "0 rows would show nothing"),
        (&["audit", "list", "--limit", "10001"], "at most 10000 rows"),
        (&["audit", "list", "--client", "192.0.2.0/33"], "is no address, network or part of a host name"),
        (&["audit", "export", "--client", ""], "is no address, network or part of a host name"),
        (&["quarantine", "list", "--limit", "1001"], "at most 1000 rows"),
        (&["quarantine", "list", "--limit", "0"], "0 rows would show nothing"),
    ] {
        let (code, out, err) = told(&run(&site, arguments));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
}

#[test]
fn the_admin_socket_says_errors_in_json() {
    let daemon = Daemon::start("").unwrap();
    for (path, status, part) in [
        ("/api/v1/audit?limit=many", 400, "the query cannot be read"),
        ("/api/v1/audit?nonsense=1", 400, "nonsense"),
        ("/api/v1/audit/export?format=pdf", 400, "the query cannot be read"),
        ("/api/v1/audit/export?format=csv&since=yesterday", 400, "the query cannot be read"),
        ("/api/v1/quarantine?category=bad", 400, "the query cannot be read"),
        ("/api/v1/audit/no-id", 400, "no-id"),
        ("/api/v1/audit/%ff", 400, "the path cannot be read"),
        ("/api/v1/nonsense", 404, "there is nothing at"),
        ("/api/v1/reload", 405, "takes no GET"),
    ] {
        let (found, body) = daemon.get(path).unwrap();
        assert_eq!(found, status, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"));
        assert!(body["error"].as_str().unwrap().contains(part), "{path}: {body}");
    }
}

#[test]
fn status_says_what_waits_for_a_restart() {
    let daemon = Daemon::start("").unwrap();
    assert!(!told(&daemon.cli(&["status"]).unwrap()).1.contains("restart"));
    daemon.write_config(&daemon.site().defaults("[audit]\nretention = \"30d\"\n")).unwrap();
    let (code, out, err) = told(&daemon.cli(&["reload"]).unwrap());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("a restart is needed for [audit]"), "{out}");
    let (_, out, _) = told(&daemon.cli(&["status"]).unwrap());
    assert!(out.contains("restart     is needed for [audit]\n"), "{out}");
}

#[test]
fn the_admin_socket_has_the_mode_that_was_asked_for() {
    let site = Site::new().unwrap();
    let toml = site.defaults("").replace("[quarantine]", "socket_mode = \"0600\"\n[quarantine]");
    let daemon = site.start(&toml).unwrap();
    let mode = std::fs::metadata(daemon.site().admin_socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// The mail of the demo with a form that asks for a password.
fn phish() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/demo/4-phish.eml");
    let text = std::fs::read_to_string(path).unwrap();
    mta::smtp::crlf(
        &text.replace("@ID@", "p1@remote.example").replace("@DATE@", "Mon, 5 Jan 2026 10:11:12 +0000"),
    )
}

fn held(daemon: &Daemon) -> Vec<Value> {
    let output = daemon.cli(&["quarantine", "list", "--json"]).unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    listed["entries"].as_array().unwrap().clone()
}

#[test]
fn held_mail_gets_out_as_the_readme_says() {
    if !mta::not_run::postfix_ready("held_mail_gets_out_as_the_readme_says") {
        return;
    }
    let daemon = Daemon::start("").unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let sent =
        mta::smtp::send(postfix.smtp_port(), "security@remote.example", &["alice@example.org"], &phish())
            .unwrap();
    assert!(sent.taken(), "{sent:?}");
    let entries = held(&daemon);
    assert_eq!(entries.len(), 1, "{}", daemon.log());
    let id = entries[0]["id"].as_str().unwrap();

    // One row and a limit of one: there may be more.
    let (_, out, err) = told(&daemon.cli(&["quarantine", "list", "--limit", "1"]).unwrap());
    assert!(out.contains(id) && err.contains(&format!("--before {id}")), "{out}{err}");

    let raw = daemon.cli(&["quarantine", "show", "--raw", id]).unwrap();
    postfix.sendmail("security@remote.example", &["alice@example.org"], &raw.stdout).unwrap();
    let mail = postfix.wait_for_mail("alice@example.org", 1).unwrap();
    assert!(mail[0].value("X-Mailward-Id").is_some());
    assert_eq!(mail[0].value("X-Mailward-Verdict"), None);
    assert_eq!(held(&daemon).len(), 1, "it was not held again");

    // Malware is: `mail_from_sendmail_is_held_and_never_refused` in spine.rs shows it.
    let (code, out, _) = told(&daemon.cli(&["audit", "verify"]).unwrap());
    assert_eq!(code, Some(0));
    assert!(out.contains(" records in 1 file: the chain is whole"), "{out}");
}

#[test]
fn standard_input_is_scanned() {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults("")).unwrap();
    let mut child = mailward()
        .args(["scan", "--json", "-", "--config"])
        .arg(site.config())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(mail("from a pipe", "text").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["verdict"], "clean");
}
