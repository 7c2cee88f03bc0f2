//! mailward as a service of a real systemd, beside a real Postfix.

mod traffic;
mod units;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::MAIL;
use crate::mta::{self, Machine, PATIENCE, Root, wait_until};
use traffic::{Told, Traffic};

/// The configuration of the machine. What asks other servers is off: there are none.
const CONFIG: &str = "\
[scanner.auth]
enabled = false
[scanner.rspamd]
url = \"http://127.0.0.1:9\"
on_failure = \"ignore\"
password = { credential = \"rspamd\" }
";

/// What `systemctl edit mailward` would write.
const DROP_IN: &str = "[Service]\nLoadCredential=rspamd:/etc/mailward/credentials/rspamd\n";

/// As the package would do it: user, files, units; and Postfix with the shipped lines.
const INSTALL: &str = r#"
set -e
cp /host/mailward /usr/bin/mailward
adduser --system --group --home /var/lib/mailward --no-create-home --quiet mailward
useradd --create-home you
install -d -m 0755 /etc/mailward
install -d -m 0700 /etc/mailward/credentials
printf 'hunter2\n' >/etc/mailward/credentials/rspamd
chmod 0600 /etc/mailward/credentials/rspamd
install -o root -g mailward -m 0640 /host/mailward.toml /etc/mailward/mailward.toml
install -d /etc/systemd/system/mailward.service.d
cp /host/drop-in.conf /etc/systemd/system/mailward.service.d/local.conf
cp /host/systemd/* /lib/systemd/system/
cp /host/postfix/header_checks /etc/postfix/mailward_header_checks
postconf -e mydestination=example.org home_mailbox=Maildir/ smtpd_tls_security_level=none mynetworks= \
    inet_interfaces=127.0.0.1 inet_protocols=ipv4 smtpd_relay_restrictions=reject_unauth_destination \
    smtpd_client_connection_count_limit=0 smtpd_client_connection_rate_limit=0 in_flow_delay=0 \
    smtpd_error_sleep_time=0 disable_dns_lookups=yes smtpd_peername_lookup=no
cat /host/postfix/main.cf.mailward >>/etc/postfix/main.cf
newaliases
postconf -M# smtp/inet
sed -n '/^smtp /,/^# Submission/p' /host/postfix/master.cf.mailward >>/etc/postfix/master.cf
systemctl daemon-reload
systemctl restart postfix
"#;

/// A machine on which mailward is installed and not started yet.
fn installed() -> Machine {
    let machine = Machine::boot(&Root::debian("mail", MAIL).unwrap()).unwrap();
    let (host, ours) = (machine.host(), Path::new(env!("CARGO_MANIFEST_DIR")));
    std::fs::copy(env!("CARGO_BIN_EXE_mailward"), host.join("mailward")).unwrap();
    std::fs::write(host.join("mailward.toml"), CONFIG).unwrap();
    std::fs::write(host.join("drop-in.conf"), DROP_IN).unwrap();
    for folder in ["systemd", "postfix"] {
        std::fs::create_dir(host.join(folder)).unwrap();
        for file in std::fs::read_dir(ours.join(folder)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), host.join(folder).join(file.file_name())).unwrap();
        }
    }
    machine.told(INSTALL).unwrap();
    machine
}

fn property(machine: &Machine, name: &str) -> String {
    machine.told(&format!("systemctl show --value -p {name} mailward")).unwrap().trim().to_owned()
}

fn status(machine: &Machine) -> Value {
    // Degraded (rspamd is not there) is exit code 1.
    let output = machine.run("mailward status --json").unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Kind, address and whether systemd's, of each socket.
fn sockets(machine: &Machine) -> Vec<(String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |s: &Value| (text(&s["kind"]), text(&s["address"]), s["inherited"].as_bool().unwrap());
    // The door is open before mail is taken.
    let ready = || Ok(Some(status(machine)).filter(|status| status["ready"] == true));
    let status = wait_until("mail to be taken", PATIENCE, ready).unwrap();
    status["sockets"].as_array().unwrap().iter().map(one).collect()
}

const SOCKET: &str = "unix:/var/spool/postfix/mailward/milter.sock";
const DOOR: &str = "unix:/run/mailward/admin.sock";
const TCP_DOOR: &str = "127.0.0.1:8890";

fn expected(milter: bool, door: bool) -> Vec<(String, String, bool)> {
    let socket = |kind: &str, address: &str, inherited| (kind.to_owned(), address.to_owned(), inherited);
    vec![socket("admin", DOOR, door), socket("admin", TCP_DOOR, false), socket("milter", SOCKET, milter)]
}

/// Each message of a 250, as often as it is in the mailbox or in quarantine.
fn arrived(machine: &Machine) -> BTreeMap<String, usize> {
    let quiet = || {
        let waiting = machine.told("postqueue -j | wc -l")?;
        Ok((waiting.trim() == "0").then_some(()))
    };
    wait_until("Postfix to deliver all", 2 * PATIENCE, quiet).unwrap();
    let cases = |folder: &str| -> Vec<String> {
        let found = machine.told(&format!("grep -rhi '^X-Case:' {folder} || true")).unwrap();
        found.lines().map(|line| line[7..].trim().to_owned()).collect()
    };
    let mut count = BTreeMap::new();
    for case in cases("/home/you/Maildir/new") {
        *count.entry(case).or_insert(0) += 1;
    }
    // Copies for a second look of what was delivered are there as well.
    for case in cases("/var/lib/mailward/quarantine/new") {
        count.entry(case).or_insert(1);
    }
    count
}

fn nothing_is_lost(machine: &Machine, taken: &[String]) {
    let arrived = arrived(machine);
    for case in taken {
        assert_eq!(arrived.get(case), Some(&1), "{case} was answered with 250");
    }
    assert_eq!(arrived.len(), taken.len(), "what was refused did not arrive");
}

/// Nobody who was in a message, or came, heard a 4xx; who slept between messages, and was closed, no more than told.
fn restarted_well(told: &Told) {
    assert_eq!(told.lost, Vec::<String>::new());
    for kind in ["quick", "pausing", "slow"] {
        assert_eq!(told.refused.get(kind), None, "{told:?}");
    }
    for session in told.refused.values().flatten() {
        assert_eq!(session, &["MAIL 421 4.7.0 Server closing connection"]);
    }
}

#[expect(clippy::print_stderr, reason = "the figures are for who asked for them")]
fn figures(what: &str, told: &Told, took: &[Duration]) {
    let refused: usize = told.refused.values().flatten().map(Vec::len).sum();
    eprintln!(
        "{what}: {} sessions, {} messages taken, {refused} refused {:?}, the slowest {:?}, took {took:?}",
        told.sessions,
        told.taken.len(),
        told.refused,
        told.slowest,
    );
}

/// Waits until the state of the unit is this.
fn becomes(machine: &Machine, unit: &str, state: &str) {
    let active = || {
        let output = machine.run(&format!("systemctl is-active {unit}"))?;
        Ok((String::from_utf8_lossy(&output.stdout).trim() == state).then_some(()))
    };
    wait_until(&format!("{unit} to be {state}"), PATIENCE, active).unwrap();
}

const FLOWS: &str = "systemd::mail_flows_through_restarts_and_reloads_of_the_service";

#[test]
fn mail_flows_through_restarts_and_reloads_of_the_service() {
    if traffic::sends()
        || !mta::not_run::machine_ready("mail_flows_through_restarts_and_reloads_of_the_service")
    {
        return;
    }
    let machine = installed();
    // The first start, without state, and what "enable" brings with it.
    machine.told("systemctl enable --quiet --now mailward.service && systemctl is-active mailward").unwrap();
    assert_eq!(machine.told("systemctl is-enabled mailward-milter.socket").unwrap(), "enabled\n");
    machine.told("systemctl restart mailward").unwrap();
    assert_eq!(property(&machine, "StatusText"), "takes mail");
    assert_eq!(sockets(&machine), expected(true, false));

    let traffic = Traffic::begin(&machine, FLOWS, "restarts");
    let mut took = Vec::new();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(3));
        let begin = Instant::now();
        machine.told("systemctl restart mailward").unwrap();
        took.push(begin.elapsed());
    }
    let told = traffic.end();
    figures("restarts", &told, &took);
    assert!(took.iter().all(|took| *took < Duration::from_secs(25)), "{took:?}");
    assert!(told.taken.len() > 30, "{told:?}");
    restarted_well(&told);
    nothing_is_lost(&machine, &told.taken);
    let mut taken = told.taken;
    let log = machine.told("journalctl -o cat -u mailward").unwrap();
    assert!(!log.contains("were cut") && !log.contains("are cut"), "{log}");

    let traffic = Traffic::begin(&machine, FLOWS, "reloads");
    let mut took = Vec::new();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(1));
        let begin = Instant::now();
        machine.told("systemctl reload mailward").unwrap();
        took.push(begin.elapsed());
    }
    let told = traffic.end();
    figures("reloads", &told, &took);
    assert_eq!((&told.refused, &told.lost), (&BTreeMap::new(), &Vec::new()));
    taken.extend(told.taken);
    nothing_is_lost(&machine, &taken);
}

#[test]
fn the_service_tells_systemd_how_it_is_and_is_mended_by_it() {
    if !mta::not_run::machine_ready("the_service_tells_systemd_how_it_is_and_is_mended_by_it") {
        return;
    }
    let machine = installed();
    // Without any socket unit the plain service works.
    machine.told("systemctl start mailward.service").unwrap();
    assert_eq!(sockets(&machine), expected(false, false));
    let file = |path: &str| machine.told(&format!("stat -c '%U %G %a' {path}")).unwrap();
    assert_eq!(file("/var/spool/postfix/mailward/milter.sock"), "mailward postfix 660\n");
    assert_eq!(file("/var/lib/mailward"), "mailward mailward 700\n");
    machine.told("systemctl stop mailward && ! test -e /run/mailward/admin.sock").unwrap();

    // With them, also those that are enabled while it runs; stop and start leave them as they were.
    machine.told("systemctl start mailward").unwrap();
    machine.told("systemctl enable --quiet mailward-milter.socket mailward-admin.socket").unwrap();
    machine.told("systemctl restart mailward").unwrap();
    assert_eq!(sockets(&machine), expected(true, true));
    let names = ["/var/spool/postfix/mailward/milter.sock", "/run/mailward/admin.sock"];
    let before = names.map(|name| machine.told(&format!("stat -c '%i %U %G %a' {name}")).unwrap());
    machine.told("systemctl stop mailward.service 2>/dev/null").unwrap();
    let after = names.map(|name| machine.told(&format!("stat -c '%i %U %G %a' {name}")).unwrap());
    assert_eq!(before, after);
    assert!(before[0].ends_with("mailward postfix 660\n") && before[1].ends_with("mailward mailward 660\n"));
    // What asks it meanwhile starts it, and is answered.
    assert_eq!(sockets(&machine), expected(true, true));

    // A configuration that is wrong: the reload fails, the old one stays, the status says so.
    machine.told("echo 'nonsense = 1' >>/etc/mailward/mailward.toml").unwrap();
    assert!(!machine.run("systemctl reload mailward").unwrap().status.success());
    let said = property(&machine, "StatusText");
    assert!(said.starts_with("takes mail; the last reload was refused"), "{said}");
    assert_eq!(property(&machine, "ActiveState"), "active");
    // So do the commands that ask it.
    machine.told("mailward quarantine list && mailward log level").unwrap();
    machine.told("cp /host/mailward.toml /etc/mailward/ && systemctl reload mailward").unwrap();
    assert_eq!(property(&machine, "StatusText"), "takes mail");
    // One that only root may read is refused as well, and root is told so before.
    machine
        .told("chown root:root /etc/mailward/mailward.toml && chmod 0600 /etc/mailward/mailward.toml")
        .unwrap();
    let checked = machine.run("mailward check-config").unwrap();
    let help = "chown root:mailward /etc/mailward/mailward.toml && chmod 640 /etc/mailward/mailward.toml";
    assert_eq!(checked.status.code(), Some(78), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains(help), "{checked:?}");
    assert!(!machine.run("systemctl reload mailward").unwrap().status.success());
    assert_eq!(property(&machine, "ActiveState"), "active");
    machine.told(help).unwrap();
    machine.told("mailward check-config && systemctl reload mailward").unwrap();
    assert_eq!(property(&machine, "StatusText"), "takes mail");

    // A daemon that hangs is ended and started again.
    machine.told("printf '[Service]\\nWatchdogSec=2s\\nRestartSec=100ms\\n' >/etc/systemd/system/mailward.service.d/w.conf; systemctl daemon-reload; systemctl restart mailward").unwrap();
    let first = property(&machine, "MainPID");
    // Twice the time of the watchdog shows that it is fed.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(property(&machine, "MainPID"), first);
    machine.told(&format!("kill -STOP {first}")).unwrap();
    let again = || Ok(Some(property(&machine, "MainPID")).filter(|pid| *pid != first && pid != "0"));
    wait_until("the watchdog to start it again", PATIENCE, again).unwrap();
    becomes(&machine, "mailward", "active");
    assert_eq!(sockets(&machine), expected(true, true));

    // One that cannot start is not started by each mail for ever; mended, all is as before.
    machine
        .told("echo 'nonsense = 1' >>/etc/mailward/mailward.toml; systemctl restart mailward || true")
        .unwrap();
    machine.told("perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(q(/var/spool/postfix/mailward/milter.sock)); sleep 1' || true").unwrap();
    becomes(&machine, "mailward-milter.socket", "failed");
    machine.told("cp /host/mailward.toml /etc/mailward/ && systemctl restart mailward").unwrap();
    assert_eq!(sockets(&machine), expected(true, true));
}
