//! What tests of the whole daemon share: a mail, having it judged, asking the command line.

use serde_json::Value;

use super::milter_client::{Answer, MilterClient, Peer};
use super::mta::{self, Daemon, PATIENCE, Site, wait_until};

/// A plain mail.
pub fn mail(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: {subject}\r\nMessage-ID: <{}@sender.example>\r\n\r\n{body}\r\n",
        subject.replace(' ', "-")
    )
    .into_bytes()
}

/// Has a message judged as a stranger's, over the milter's unix socket.
pub fn judge(daemon: &Daemon, raw: &[u8]) -> Answer {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
    let answer = client.message(raw);
    client.quit();
    answer
}

/// What a command of the binary prints; it must succeed.
pub fn stdout(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.cli(arguments).unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The audit's chain is whole.
pub fn verify(daemon: &Daemon) {
    let told = stdout(daemon, &["audit", "verify"]);
    assert!(told.contains("the chain is whole"), "{told}");
}

/// The id of the newest message on record.
pub fn newest(daemon: &Daemon) -> String {
    wait_until("a record", PATIENCE, || {
        let text = stdout(daemon, &["audit", "list"]);
        Ok(text.lines().nth(1).and_then(|row| row.split_whitespace().next()).map(str::to_owned))
    })
    .unwrap()
}

/// All entries of the quarantine.
pub fn quarantine(daemon: &Daemon) -> Vec<Value> {
    let listed = stdout(daemon, &["quarantine", "list", "--limit", "1000", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["entries"].as_array().unwrap().clone()
}

/// Rules of this test's own, in a folder that nobody but root can write.
pub fn rules(site: &Site, name: &str, text: &str) -> String {
    let folder = site.path().join("rules");
    let written = site.path().join(name);
    std::fs::write(&written, text).unwrap();
    let mut install = mta::guard::privileged("install");
    install.args(["-D", "-m", "0644", "-o", "root", "-g", "root"]).arg(written).arg(folder.join(name));
    mta::guard::run(&mut install).unwrap();
    mta::guard::run(mta::guard::privileged("chown").arg("root:root").arg(&folder)).unwrap();
    format!("[scanner.yara]\nrules = [{folder:?}]\n")
}

/// Whether a text names this address; that a pseudonym ends like it is no name.
pub fn names(text: &str, address: &str) -> bool {
    let mut found = text.match_indices(address);
    found.any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
}
