//! `mailward doctor` on real parts: Postfix's own `postconf`, a running daemon and its socket; and in `neighbours`
//! a real clamd, rspamd and DNS server.

mod neighbours;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use serde_json::Value;

use super::mta::{self, Daemon, Options, Postfix, Site, guard};

/// A Postfix that is set up and does not run, around the places of a daemon: `queue_directory` is the site itself.
struct Setup {
    daemon: Daemon,
    config: PathBuf,
}

impl Setup {
    /// The lines that mailward comes with, on port 25, chrooted as Debian does it.
    fn new(more: &str) -> Self {
        let daemon = Daemon::start(more).unwrap();
        let site = daemon.site().path().to_owned();
        let config = site.join("postfix");
        std::fs::create_dir(&config).unwrap();
        let shipped = std::fs::read_to_string(repository().join("postfix/main.cf.mailward")).unwrap();
        let shipped = shipped.replace("unix:mailward/milter.sock", "unix:spool/milter.sock");
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = mx.example.org\nqueue_directory = {}\n{shipped}",
            site.display()
        );
        std::fs::write(config.join("main.cf"), main).unwrap();
        let checks = config.join("mailward_header_checks");
        std::fs::copy(repository().join("postfix/header_checks"), &checks).unwrap();
        let master = format!(
            "smtp inet n - y - - smtpd\n  -o cleanup_service_name=cleanup-inbound\n\
             submission inet n - y - - smtpd\n  -o milter_macro_daemon_name=ORIGINATING\n\
             cleanup unix n - y - 0 cleanup\n\
             cleanup-inbound unix n - y - 0 cleanup\n  -o header_checks=regexp:{}\n  -o mime_header_checks=\n  \
             -o nested_header_checks=\n",
            checks.display()
        );
        std::fs::write(config.join("master.cf"), master).unwrap();
        Self { daemon, config }
    }

    fn doctor(&self, topics: &[&str], more: &[&str]) -> (Option<i32>, String) {
        let mut arguments = vec!["--postfix-config", self.config.to_str().unwrap()];
        arguments.extend(more);
        doctor(self.daemon.site(), topics, &arguments)
    }

    /// What is not in order, `LEVEL CHECK: TEXT` and the line that mends it.
    fn faults(&self, topic: &str) -> Vec<Fault> {
        let (_, out) = self.doctor(&[topic], &["--json"]);
        let told: Value = serde_json::from_str(&out).unwrap();
        let checks = told["checks"].as_array().unwrap().iter().filter(|check| check["level"] != "ok");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        checks
            .map(|c| {
                let line = format!("{} {}: {}", text(&c["level"]), text(&c["check"]), text(&c["text"]));
                (line, c["mend"].as_str().map(str::to_owned))
            })
            .collect()
    }

    fn set(&self, how: &str, what: &str) {
        guard::run(guard::privileged("postconf").arg("-c").arg(&self.config).args([how, what])).unwrap();
    }

    /// Runs a line that mends, up to the reload: this Postfix does not run.
    fn mend(&self, line: &str) {
        let (change, reload) = line.rsplit_once(" && ").unwrap();
        assert!(reload.starts_with("postfix -c "), "{line}");
        guard::run(guard::privileged("sh").args(["-c", change])).unwrap();
    }

    /// What of the places differs between two runs.
    fn plain(&self, text: &str) -> String {
        let version = guard::run(guard::privileged("postconf").args(["-hd", "mail_version"])).unwrap();
        text.replace(self.daemon.site().path().to_str().unwrap(), "SITE")
            .replace(env!("CARGO_PKG_VERSION"), "VERSION")
            .replace(&format!("Postfix {}", version.trim()), "Postfix VERSION")
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn doctor(site: &Site, topics: &[&str], more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.arg("doctor").arg("--config").arg(site.config()).args(more);
    for topic in topics {
        command.args(["--only", topic]);
    }
    told(command.output().unwrap())
}

fn told(output: Output) -> (Option<i32>, String) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Compares with a file of tests/golden/doctor, or writes it where MAILWARD_BLESS is set.
fn golden(name: &str, text: &str) {
    let path = repository().join("tests/golden/doctor").join(name);
    if std::env::var_os("MAILWARD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

/// Whether the tests that ask Postfix can run.
fn is_ready(test: &str) -> bool {
    if !Uid::effective().is_root() {
        mta::not_run(test, "only root asks as Postfix's user", "run the tests as root");
        return false;
    }
    mta::not_run::postfix_ready(test)
}

/// What is wrong, and the line that mends it.
type Fault = (String, Option<String>);
const NONE: [Fault; 0] = [];
const OF_POSTFIX: [&str; 3] = ["daemon", "socket", "postfix"];

#[test]
fn a_machine_in_order_has_nothing_to_mend() {
    if !is_ready("a_machine_in_order_has_nothing_to_mend") {
        return;
    }
    let setup = Setup::new("");
    let (code, out) = setup.doctor(&OF_POSTFIX, &[]);
    golden("healthy.txt", &setup.plain(&out));
    assert_eq!(code, Some(0));
}

#[test]
fn a_sick_machine_is_told_all_at_once() {
    if !is_ready("a_sick_machine_is_told_all_at_once") {
        return;
    }
    let mut setup = Setup::new("");
    setup.set("-e", "milter_protocol = 4");
    setup.set("-e", "soft_bounce = yes");
    setup.set("-e", "message_size_limit = 0");
    setup.set("-e", "non_smtpd_milters =");
    setup.set("-P", "submission/inet/smtpd_milters=");
    setup.set("-e", "smtpd_milters = { unix:spool/milter.sock, content_timeout=20s, default_action=accept }");
    setup.set("-P", "smtp/inet/cleanup_service_name=cleanup");
    let spool = setup.daemon.site().path().join("spool");
    std::fs::set_permissions(&spool, std::fs::Permissions::from_mode(0o700)).unwrap();
    setup.daemon.kill().unwrap();
    let (code, out) = setup.doctor(&OF_POSTFIX, &[]);
    golden("sick.txt", &setup.plain(&out));
    assert_eq!(code, Some(1));
}

#[test]
fn each_mistake_in_postfix_is_mended_by_the_line_that_is_told() {
    if !is_ready("each_mistake_in_postfix_is_mended_by_the_line_that_is_told") {
        return;
    }
    let setup = Setup::new("");
    assert_eq!(setup.faults("postfix"), NONE);
    for (how, what, begins) in [
        (
            "-e",
            "smtpd_milters =",
            "error smtpd_milters: smtpd_milters of smtp/inet, submission/inet does not name",
        ),
        ("-e", "non_smtpd_milters =", "warning non_smtpd_milters: "),
        ("-e", "milter_protocol = 4", "error protocol: smtp/inet speaks milter protocol 4"),
        (
            "-e",
            "smtpd_milters = { unix:spool/milter.sock, content_timeout=20s }",
            "error content_timeout: smtp/inet, submission/inet waits only 20s",
        ),
        (
            "-e",
            "smtpd_milters = { unix:spool/milter.sock, default_action=accept }",
            "warning default_action: ",
        ),
        ("-e", "soft_bounce = yes", "warning soft_bounce: "),
        ("-e", "message_size_limit = 0", "warning message_size_limit: Postfix takes messages of any size"),
        ("-e", "smtpd_delay_reject = no", "note delay_reject: "),
        ("-e", "internal_mail_filter_classes = bounce", "warning internal_mail: "),
        ("-e", "receive_override_options = no_milters", "error no_milters: smtp/inet has"),
        ("-e", "smtpd_proxy_filter = 127.0.0.1:10024", "error proxy_filter: smtp/inet hands mail"),
        ("-P", "smtp/inet/smtpd_milters=", "error smtpd_milters: smtp/inet in master.cf has"),
        ("-P", "submission/inet/smtpd_milters=", "warning smtpd_milters: submission/inet in master.cf has"),
        (
            "-P",
            "submission/inet/receive_override_options=no_milters",
            "error no_milters: submission/inet has",
        ),
        ("-P", "smtp/inet/cleanup_service_name=cleanup", "note header_checks: "),
        ("-P", "smtp/inet/cleanup_service_name=nobody", "error header_checks: "),
        ("-P", "cleanup-inbound/unix/nested_header_checks=$header_checks", "warning nested_header_checks: "),
    ] {
        setup.set(how, what);
        let faults = setup.faults("postfix");
        assert!(faults.iter().any(|(line, _)| line.starts_with(begins)), "{what}: {faults:#?}");
        // One line may mend several; each is taken until nothing is left.
        for _ in 0..4 {
            let Some((line, mend)) = setup.faults("postfix").into_iter().next() else { break };
            setup.mend(&mend.unwrap_or_else(|| panic!("no line mends {line}")));
        }
        assert_eq!(setup.faults("postfix"), NONE, "{what}");
    }
}

#[test]
fn a_running_postfix_is_mended_and_reloaded() {
    if !is_ready("a_running_postfix_is_mended_and_reloaded") {
        return;
    }
    let daemon = Daemon::start("").unwrap();
    let options = Options::with_milter(daemon.endpoint()).set("milter_content_timeout", "20s");
    let postfix = Postfix::start(&options.set("message_size_limit", "1000000")).unwrap();
    let config = postfix.config_dir();
    let more = ["--postfix-config", config.to_str().unwrap(), "--json"];
    let (code, out) = doctor(daemon.site(), &["postfix"], &more);
    let told: Value = serde_json::from_str(&out).unwrap();
    let checks = told["checks"].as_array().unwrap();
    let fault =
        checks.iter().find(|check| check["check"] == "content_timeout" && check["level"] == "error").unwrap();
    assert_eq!(code, Some(1), "{out}");
    let reloads = || postfix.log().matches("reload -- version").count();
    let before = reloads();
    guard::run(guard::privileged("sh").arg("-c").arg(fault["mend"].as_str().unwrap())).unwrap();
    let (code, out) = doctor(daemon.site(), &["postfix"], &more);
    assert_eq!(code, Some(0), "{out}");
    mta::wait_until("the reload", mta::PATIENCE, || Ok((reloads() > before).then_some(()))).unwrap();

    // And the macros of a mail that came by it.
    let (_, out) = doctor(daemon.site(), &["macros"], &more);
    assert!(out.contains("no mail came since the daemon's start"), "{out}");
    let mut smtp = mta::Smtp::connect(postfix.smtp_port()).unwrap();
    let sent = smtp.send("a@host.invalid", &["alice@example.org"], b"Subject: x\r\n\r\ntext\r\n").unwrap();
    assert!(sent.taken());
    let (code, out) = doctor(daemon.site(), &["macros"], &more);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["checks"][0]["text"], "the macros that are needed came, in 1 messages");
    assert_eq!(code, Some(0));
}

#[test]
fn a_socket_that_postfix_may_not_open_is_mended_by_the_line_that_is_told() {
    if !is_ready("a_socket_that_postfix_may_not_open_is_mended_by_the_line_that_is_told") {
        return;
    }
    let setup = Setup::new("");
    let spool = setup.daemon.site().path().join("spool");
    assert_eq!(setup.faults("socket"), NONE);
    for (path, mode) in [(spool.clone(), 0o700), (spool.join("milter.sock"), 0o600)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let faults = setup.faults("socket");
        let (reach, mend) = &faults[0];
        let begins = format!(
            "error reach: the user postfix may not connect to {}",
            spool.join("milter.sock").display()
        );
        assert!(reach.starts_with(&begins) && reach.contains(path.to_str().unwrap()), "{faults:#?}");
        // Asked as postfix it is the same.
        assert!(
            faults[1].0.starts_with("error answers: ") && faults[1].0.contains("asked as postfix"),
            "{faults:#?}"
        );
        guard::run(guard::privileged("sh").args(["-c", mend.as_deref().unwrap()])).unwrap();
        assert_eq!(setup.faults("socket"), NONE);
    }
}

#[test]
fn who_is_not_root_is_told_what_was_not_looked_at() {
    if !is_ready("who_is_not_root_is_told_what_was_not_looked_at") {
        return;
    }
    let setup = Setup::new("");
    let mut command = guard::privileged("runuser");
    command.args(["-u", "nobody", "--", env!("CARGO_BIN_EXE_mailward"), "doctor", "--json"]);
    command.arg("--config").arg(setup.daemon.site().config()).arg("--postfix-config").arg(&setup.config);
    let (_, out) = told(command.output().unwrap());
    let told: Value = serde_json::from_str(&out).unwrap();
    let checks = told["checks"].as_array().unwrap();
    for (topic, check) in
        [("daemon", "running"), ("socket", "exists"), ("macros", "macros"), ("permissions", "keys")]
    {
        let found = checks.iter().find(|found| found["topic"] == topic && found["check"] == check);
        assert_eq!(found.unwrap()["level"], "not looked at", "{topic}: {out}");
    }
    let ok = checks.iter().any(|check| {
        check["topic"] == "postfix" && check["check"] == "smtpd_milters" && check["level"] == "ok"
    });
    assert!(ok, "main.cf is for everybody: {out}");
}

#[test]
fn a_daemon_that_hangs_keeps_nobody_waiting() {
    let daemon = Daemon::start("").unwrap();
    daemon.signal("STOP").unwrap();
    let began = Instant::now();
    let (code, out) = doctor(daemon.site(), &[], &["--postfix-config", "/nonexistent"]);
    daemon.signal("CONT").unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{out}");
    assert_eq!(code, Some(1));
    assert!(out.contains("mailward does not answer as it should"), "{out}");
    for topic in ["configuration", "socket", "postfix", "clamd", "disk", "permissions"] {
        assert!(out.lines().any(|line| line == topic), "{topic}: {out}");
    }
}

#[test]
fn a_configuration_on_disk_that_does_not_run_is_told() {
    let daemon = Daemon::start("").unwrap();
    let toml = std::fs::read_to_string(daemon.site().config()).unwrap();
    let (code, out) = doctor(daemon.site(), &["daemon"], &[]);
    assert!(code == Some(0) && out.contains("it runs with the configuration that is on disk"), "{out}");
    daemon.write_config(&format!("{toml}\n[limits]\ndeadline = \"50s\"\n")).unwrap();
    let (code, out) = doctor(daemon.site(), &["daemon"], &[]);
    assert!(out.contains("the configuration on disk is not the one that it runs with"), "{out}");
    assert!(out.contains("mend with:   mailward reload"), "{out}");
    assert_eq!(code, Some(1));
    assert!(daemon.cli(&["reload"]).unwrap().status.success());
    assert_eq!(doctor(daemon.site(), &["daemon"], &[]).0, Some(0));

    daemon.write_config("[nonsense]\n").unwrap();
    let (code, out) = doctor(daemon.site(), &["configuration", "clock"], &[]);
    assert_eq!(code, Some(78), "{out}");
    assert!(out.contains("error          ") && out.contains("unknown section [nonsense]"), "{out}");
    assert!(out.contains("clock\n  not looked at  the configuration has to be right first"), "{out}");
}
