//! From the package to a filtered mail by the README alone: its commands are run as they stand there.

use std::time::Duration;

use super::deb::machine;
use super::machine::MAIL;
use super::mta::{self, Machine, wait_until};

/// What Postfix makes of its configuration.
const POSTFIX: &str = "postconf -n; postconf -M; postconf -P";

/// The commands of the chapter, in their order.
fn commands() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, chapter) = text.split_once("\n## From the package to a filtered mail\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    chapter.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

/// The mailbox of root, once it holds a mail with this text.
fn mailbox(machine: &Machine, text: &str) -> String {
    let read = || machine.told("cat /var/mail/root 2>/dev/null || true");
    wait_until("the mail to be delivered", Duration::from_secs(60), || {
        Ok(Some(read()?).filter(|mail: &String| mail.contains(text)))
    })
    .unwrap()
}

/// The machine has no network: what asks the DNS has to say so. All else is in order, or a note.
fn only_the_network_is_missing(machine: &Machine) -> bool {
    let said = machine.run("mailward doctor --json").unwrap().stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let text = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let offline = |check: &serde_json::Value| {
        text(check, "topic") == "dns"
            || text(check, "check") == "ntp"
            || text(check, "text").contains("the DNS")
    };
    let wrong = |check: &serde_json::Value| matches!(&*text(check, "level"), "warning" | "error");
    let checks = said["checks"].as_array().unwrap();
    let others: Vec<_> = checks.iter().filter(|check| wrong(check) && !offline(check)).collect();
    assert!(others.is_empty(), "{others:?}");
    true
}

#[test]
fn the_commands_of_the_readme_lead_from_the_package_to_a_filtered_mail() {
    if !mta::not_run::package_ready("the_commands_of_the_readme_lead_from_the_package_to_a_filtered_mail") {
        return;
    }
    let machine = machine("mail", MAIL);
    let before = machine.told(POSTFIX).unwrap();
    // apt asks whether to go on, and the admin says yes.
    machine.told("echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/90yes").unwrap();
    let mut said = String::new();
    for command in commands() {
        let ran = machine.run(&format!("cd /host && {command}")).unwrap();
        let out = String::from_utf8_lossy(&ran.stdout);
        said.push_str(&format!("$ {command}\n{out}"));
        // The machine has no network, and so no DNS: `status` has to say that, and nothing else.
        let offline = command == "mailward status"
            && out.contains(" takes mail")
            && out.lines().filter(|line| line.starts_with("degraded")).all(|line| line.contains("the DNS"));
        let offline = offline || (command == "mailward doctor" && only_the_network_is_missing(&machine));
        assert!(ran.status.success() || offline, "{said}{}", String::from_utf8_lossy(&ran.stderr));
    }
    let listed = machine.told("mailward audit list").unwrap();
    let id = |list: &str| list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let held = machine.told("mailward quarantine list").unwrap();
    let held = id(&held);
    let passed = listed.lines().filter_map(|line| line.split_whitespace().next());
    let passed = passed.skip(1).find(|id| **id != held).unwrap_or_else(|| panic!("{said}"));
    let mail = mailbox(&machine, "X-Mailward-Id");
    assert!(mail.contains(&format!("X-Mailward-Id: {passed}\n")), "{mail}");
    assert!(mail.contains("X-Mailward-Verdict: "), "{mail}");
    assert!(!mail.contains("setup.exe"), "{mail}");
    assert!(machine.told(&format!("mailward explain {passed}")).unwrap().contains(passed));
    // A held mail is let go, as the text says.
    machine.told(&format!("mailward quarantine release {held}")).unwrap();
    let mail = mailbox(&machine, "setup.exe");
    assert!(mail.contains("X-Mailward-Action: released"), "{mail}");
    // And out again.
    machine.told("mailward setup postfix --undo --apply").unwrap();
    assert_eq!(machine.told(POSTFIX).unwrap(), before);
}

#[test]
fn a_forged_verdict_is_dropped_also_while_mailward_is_down() {
    if !mta::not_run::package_ready("a_forged_verdict_is_dropped_also_while_mailward_is_down") {
        return;
    }
    let machine = machine("mail", MAIL);
    machine
        .told("cd /host && apt-get install -q -y ./mailward_*.deb && mailward setup postfix --apply")
        .unwrap();
    let send = "swaks --server 127.0.0.1 --from test@host.invalid --to root@localhost";
    machine.told("systemctl stop 'mailward*.socket' mailward.service").unwrap();
    let put_off = machine.run(send).unwrap();
    assert!(!put_off.status.success(), "it was taken without mailward");
    assert!(String::from_utf8_lossy(&put_off.stdout).contains(" 451 4.7.1 "), "{put_off:?}");
    machine
        .told("postconf -e 'smtpd_milters = { unix:mailward/milter.sock, default_action=accept }'")
        .unwrap();
    machine.told("postfix reload && sleep 1").unwrap();
    machine.told(&format!("{send} --h-X-Mailward-Verdict clean --h-Subject unseen")).unwrap();
    let mail = mailbox(&machine, "Subject: unseen");
    assert!(!mail.contains("X-Mailward"), "{mail}");
}
