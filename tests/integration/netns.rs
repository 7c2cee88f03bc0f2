//! A network namespace of a test's own: addresses as they are on the net, and no way out.
//!
//! What must not connect to loopback cannot be tested on loopback. So a test that needs other addresses runs a
//! second time, alone in a new process, whose namespace has them on its loopback device and no route.

use std::process::{Command, Stdio};

use super::mta;

/// Set in the process within, to the test's name.
const INSIDE: &str = "MAILWARD_TEST_NETNS";

/// Whether this process is the one within, which then has `addresses`. Where it is not, `test`, by its path in this
/// program, is run in such a process, or it is told why it cannot be; the caller returns either way.
///
/// `environment` is what the process within finds in its own.
pub fn entered(test: &str, addresses: &[&str], environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == test) {
        ip(&["link", "set", "lo", "up"]);
        for address in addresses {
            ip(&["addr", "add", address, "dev", "lo"]);
        }
        return true;
    }
    let missing = "no network namespace can be made (unshare -n, ip)";
    let remedy = "install util-linux and iproute2, and run the tests as root";
    within(test, namespace(), (missing, remedy), environment)
}

/// The same for a namespace of any kind: whether this process is within. `command` runs a program there; `None`: it cannot
/// be made, and what is `missing` is told.
#[expect(clippy::print_stdout, reason = "what the process within says is said by this test")]
pub fn within(
    test: &str,
    command: Option<Command>,
    (missing, remedy): (&str, &str),
    environment: &[(&str, &str)],
) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == test) {
        return true;
    }
    let Some(mut within) = command else {
        mta::not_run::not_run(test, missing, remedy);
        return false;
    };
    within.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = within.env(INSIDE, test).envs(environment.iter().copied()).output().unwrap();
    let told = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).join("\n");
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{test} is no test of this program: {told}");
    print!("{told}");
    false
}

/// What runs a command in a new namespace, if that can be done here: as root, or as root of a new user namespace.
fn namespace() -> Option<Command> {
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(arguments).arg("--");
        command
    };
    [&["--net"][..], &["--map-root-user", "--net"]].into_iter().find_map(|arguments| {
        let mut probe = unshare(arguments);
        probe.args(["ip", "link", "set", "lo", "up"]).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success()).then(|| unshare(arguments))
    })
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}
