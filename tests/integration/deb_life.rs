//! The package's life on a machine: upgrade, reinstall, remove, purge, and machines that are not as expected.

use super::deb::{machine, package};
use super::machine::MAIL;
use super::mta::{self, Machine};

const INSTALL: &str = "cd /host && apt-get install -q -y ./mailward_*.deb 2>&1";
const SEND: &str = "swaks --server 127.0.0.1 --from test@host.invalid --to root@localhost";
/// What Postfix makes of its configuration.
const POSTFIX: &str = "postconf -n; postconf -M; postconf -P";
/// Owner, group and mode.
const FOLDER: &str = "stat -c '%U:%G %a' /var/spool/postfix/mailward";

fn installed(name: &str) -> Machine {
    let machine = machine(name, MAIL);
    machine.told(INSTALL).unwrap();
    machine
}

#[test]
fn installing_starts_the_service_and_leaves_postfix_alone() {
    if !mta::not_run::package_ready("installing_starts_the_service_and_leaves_postfix_alone") {
        return;
    }
    let machine = machine("mail", MAIL);
    let postfix = "md5sum /etc/postfix/main.cf /etc/postfix/master.cf; cat /var/spool/postfix/pid/master.pid";
    let before = machine.told(postfix).unwrap();
    machine.told(INSTALL).unwrap();
    assert_eq!(machine.told(postfix).unwrap(), before);
    assert_eq!(
        machine.told("systemctl is-active mailward; systemctl is-enabled mailward").unwrap(),
        "active\nenabled\n"
    );
    assert_eq!(machine.told(FOLDER).unwrap(), "mailward:postfix 2750\n");
    assert_eq!(
        machine.told("stat -c '%U:%G %a' /etc/mailward /etc/mailward/rules").unwrap(),
        "root:root 755\nroot:root 755\n"
    );
    assert_eq!(machine.told("stat -c '%U:%G %a' /var/lib/mailward").unwrap(), "mailward:mailward 700\n");
    assert_eq!(machine.told("dpkg --verify mailward; mailward check-config").unwrap().lines().count(), 1);
    let user = machine.told("getent passwd mailward | cut -d: -f1,6,7").unwrap();
    assert_eq!(user, "mailward:/var/lib/mailward:/usr/sbin/nologin\n");
}

#[test]
fn an_upgrade_keeps_what_was_edited_and_takes_mail_again_at_once() {
    if !mta::not_run::package_ready("an_upgrade_keeps_what_was_edited_and_takes_mail_again_at_once") {
        return;
    }
    let machine = installed("mail");
    machine.told("mailward setup postfix --apply").unwrap();
    // Unchanged here, changed there: taken over without a question.
    package().with_version("0.1.90", true, &machine.host()).unwrap();
    machine.told("apt-get install -q -y /host/mailward_0.1.90.deb 2>&1").unwrap();
    machine.told("grep -q 'line of the new version' /etc/mailward/mailward.toml").unwrap();
    assert_eq!(machine.told("systemctl is-active mailward").unwrap(), "active\n");
    machine.told(SEND).unwrap();
    // Edited here, the same there: kept without a question.
    machine.told("sed -i 's/^#tag = 3.0/tag = 2.5/' /etc/mailward/mailward.toml").unwrap();
    package().with_version("0.1.91", true, &machine.host()).unwrap();
    let said = machine.told("apt-get install -q -y /host/mailward_0.1.91.deb 2>&1").unwrap();
    assert!(!said.contains("Configuration file"), "{said}");
    machine.told("grep -q '^tag = 2.5' /etc/mailward/mailward.toml && mailward check-config").unwrap();
    // And kept when the same version is installed again.
    machine.told("apt-get install -q -y --reinstall /host/mailward_0.1.91.deb 2>&1").unwrap();
    machine.told("grep -q '^tag = 2.5' /etc/mailward/mailward.toml").unwrap();
    machine.told(SEND).unwrap();
    assert_eq!(machine.told("mailward audit list | tail -n +2 | wc -l").unwrap(), "2\n");
}

#[test]
fn removing_warns_where_postfix_still_asks_mailward_and_says_the_lines() {
    if !mta::not_run::package_ready("removing_warns_where_postfix_still_asks_mailward_and_says_the_lines") {
        return;
    }
    let machine = installed("mail");
    let before = machine.told(POSTFIX).unwrap();
    machine.told("mailward setup postfix --apply").unwrap();
    machine.told(SEND).unwrap();
    // The lines that it says are the lines that help.
    let lines = |said: &str| {
        assert!(said.contains("NO MAIL COMES IN"), "{said}");
        let lines = said.split_once("run these lines as root:\n").unwrap().1;
        lines.trim_start().lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    // Also where the program does not run any more.
    let hidden = "mv /usr/bin/mailward /root/ && sh /var/lib/dpkg/info/mailward.prerm remove 2>&1; mv /root/mailward /usr/bin/";
    let said = machine.told(hidden).unwrap();
    std::fs::write(machine.host().join("undo"), lines(&said)).unwrap();
    machine.told("sh -e /host/undo").unwrap();
    assert_eq!(machine.told(POSTFIX).unwrap(), before, "{said}");
    machine
        .told("systemctl start mailward-milter.socket mailward && mailward setup postfix --apply")
        .unwrap();
    // Or its configuration is wrong by now.
    machine.told("echo 'nonsense = 1' >>/etc/mailward/mailward.toml").unwrap();
    let said = machine.told("apt-get remove -q -y mailward 2>&1").unwrap().replace('\r', "");
    let lines = lines(&said);
    assert!(!machine.run(SEND).unwrap().status.success());
    std::fs::write(machine.host().join("undo"), lines).unwrap();
    machine.told("sh -e /host/undo && sleep 1").unwrap();
    assert_eq!(machine.told(POSTFIX).unwrap(), before);
    machine.told(SEND).unwrap();
    // Removed is not purged.
    machine.told("test -e /etc/mailward/mailward.toml && test -d /var/lib/mailward/audit").unwrap();
    assert!(!machine.run("systemctl is-active mailward").unwrap().status.success());
}

#[test]
fn purging_keeps_held_mail_and_the_record_and_takes_the_rest() {
    if !mta::not_run::package_ready("purging_keeps_held_mail_and_the_record_and_takes_the_rest") {
        return;
    }
    let machine = installed("mail");
    machine.told("mailward setup postfix --apply").unwrap();
    machine.told(&format!("{SEND} --attach-name setup.exe --attach 'no program'")).unwrap();
    machine.told("touch /etc/mailward/policy.toml; mailward setup postfix --undo --apply").unwrap();
    let said = machine.told("apt-get purge -q -y mailward 2>&1").unwrap();
    assert!(said.contains("rm -rf /var/lib/mailward") && !said.contains("NO MAIL COMES IN"), "{said}");
    assert_eq!(machine.told("ls -I backup /var/lib/mailward").unwrap(), "audit\nkeys\nquarantine\n");
    machine
        .told("test ! -e /etc/mailward && test ! -e /var/spool/postfix/mailward && test ! -e /run/mailward")
        .unwrap();
    // Installed again it knows what was held.
    machine.told(INSTALL).unwrap();
    assert_eq!(machine.told("mailward quarantine list | tail -n +2 | wc -l").unwrap(), "1\n");
    assert_eq!(machine.told("mailward audit list | tail -n +2 | wc -l").unwrap(), "1\n");
    machine.told("mailward audit verify").unwrap();
}

#[test]
fn purging_what_never_saw_a_mail_leaves_nothing_but_the_user() {
    if !mta::not_run::package_ready("purging_what_never_saw_a_mail_leaves_nothing_but_the_user") {
        return;
    }
    let machine = machine("mail", MAIL);
    let files = "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /run -prune -o -path /host -prune -o \
                 -path /tmp -prune -o -path /dev -prune -o -path /var/log -prune -o -path /var/cache -prune -o \
                 -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -path /var/lib/systemd -prune -o -print | sort";
    let before = machine.told(files).unwrap();
    machine.told(INSTALL).unwrap();
    // What the daemon's user could have put there does not hold up root.
    machine.told("su mailward -s /bin/sh -c 'mkfifo /var/lib/mailward/audit/x.log'").unwrap();
    machine.told("timeout 60 apt-get purge -q -y mailward 2>&1").unwrap();
    let after = machine.told(files).unwrap();
    let more: Vec<_> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    // Of the user's entry, by those who keep the list of users.
    let accounts = ["/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/etc/.pwd.lock"];
    let more: Vec<_> = more.into_iter().filter(|line| !accounts.contains(line)).collect();
    assert_eq!(more, Vec::<&str>::new());
    assert_eq!(
        machine
            .told("getent passwd mailward | cut -d: -f1; systemctl list-unit-files 'mailward*' --no-legend || true")
            .unwrap(),
        "mailward\n"
    );
    machine.told(INSTALL).unwrap();
    assert_eq!(machine.told("systemctl is-active mailward").unwrap(), "active\n");
}

#[test]
fn a_folder_with_other_rights_is_put_right() {
    if !mta::not_run::package_ready("a_folder_with_other_rights_is_put_right") {
        return;
    }
    let machine = machine("mail", MAIL);
    machine.told("install -d -o root -g root -m 0700 /var/spool/postfix/mailward").unwrap();
    machine.told(INSTALL).unwrap();
    assert_eq!(machine.told(FOLDER).unwrap(), "mailward:postfix 2750\n");
    machine.told("mailward setup postfix --apply").unwrap();
    machine.told(SEND).unwrap();
}

#[test]
fn without_postfix_the_package_installs_and_what_is_missing_is_said() {
    if !mta::not_run::package_ready("without_postfix_the_package_installs_and_what_is_missing_is_said") {
        return;
    }
    let machine = machine("bare", &["systemd", "systemd-sysv", "dbus"]);
    let said = machine
        .told("cd /host && apt-get install -q -y --no-install-recommends ./mailward_*.deb 2>&1")
        .unwrap();
    assert_eq!(machine.told("dpkg-query -W -f '${Status}' mailward").unwrap(), "install ok installed");
    let runs = machine.run("systemctl is-active mailward").unwrap().status.success();
    assert!(runs || said.contains("Postfix is not installed here"), "{said}");
    let setup = machine.run("mailward setup postfix").unwrap();
    assert!(String::from_utf8_lossy(&setup.stderr).contains("is Postfix installed?"), "{setup:?}");
    // With a listener of its own it needs none.
    machine
        .told("printf '[milter]\\nlisten = [\"inet:127.0.0.1:8891\"]\\n' > /etc/mailward/mailward.toml")
        .unwrap();
    machine.told("systemctl restart mailward").unwrap();
    assert_eq!(machine.told("systemctl is-active mailward").unwrap(), "active\n");
    machine.told("apt-get purge -q -y mailward 2>&1").unwrap();
}

#[test]
fn a_configuration_at_fault_is_told_of_and_does_not_fail_the_installation() {
    if !mta::not_run::package_ready("a_configuration_at_fault_is_told_of_and_does_not_fail_the_installation")
    {
        return;
    }
    let machine = installed("mail");
    machine.told("echo nonsense >> /etc/mailward/mailward.toml").unwrap();
    package().with_version("0.1.90", false, &machine.host()).unwrap();
    let said = machine.told("apt-get install -q -y /host/mailward_0.1.90.deb 2>&1").unwrap();
    assert!(said.contains("mailward: installed, but it does not run"), "{said}");
    assert_eq!(machine.told("dpkg-query -W -f '${Status}' mailward").unwrap(), "install ok installed");
}

#[test]
fn a_postfix_that_comes_later_finds_the_folder_and_the_service() {
    if !mta::not_run::package_ready("a_postfix_that_comes_later_finds_the_folder_and_the_service") {
        return;
    }
    let machine = installed("mail");
    machine
        .told("systemctl stop 'mailward*.socket' mailward.service; rm -rf /var/spool/postfix/mailward")
        .unwrap();
    // What dpkg does when Postfix's files are unpacked.
    machine
        .told("dpkg-trigger --no-await --by-package=postfix /usr/sbin/postfix && dpkg --configure -a")
        .unwrap();
    assert_eq!(machine.told(FOLDER).unwrap(), "mailward:postfix 2750\n");
    assert_eq!(machine.told("systemctl is-active mailward").unwrap(), "active\n");
}
