//! The Debian machines that other tests use.

use crate::mta::{self, Machine, Root};

#[test]
fn a_debian_machine_boots_systemd_and_has_loopback_alone() {
    if !mta::not_run::machine_ready("a_debian_machine_boots_systemd_and_has_loopback_alone") {
        return;
    }
    let root = Root::debian("mail", MAIL).unwrap();
    let machine = Machine::boot(&root).unwrap();
    assert_eq!(machine.told("cat /proc/1/comm").unwrap(), "systemd\n");
    assert_eq!(machine.told("ip -o addr | cut -d' ' -f2 | sort -u").unwrap(), "lo\n");
    assert_eq!(machine.told("systemctl is-active postfix@-.service").unwrap(), "active\n");
}

/// Postfix and systemd: the machine that a new admin of mailward has.
pub(crate) const MAIL: &[&str] = &["systemd", "systemd-sysv", "dbus", "postfix", "iproute2", "swaks"];
