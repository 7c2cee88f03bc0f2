//! At home with Dovecot: what `dovecot-sieve/` does with mail that mailward judged, and what mailward is told when users
//! move it.

mod filed;
mod learning;
mod relayed;
mod reports;
mod scripts;

use std::net::{Ipv4Addr, SocketAddr};

use super::mta::dovecot::{self, Dovecot};
use super::mta::{self, Daemon, Options, Postfix, Site};

/// Rules by which the subject says what becomes of a mail.
const POLICY: &str = r#"
[[rule]]
name = "to-be-spam"
when = 'message.subject == "spam"'
disposition = "tag"
category = "spam"
[[rule]]
name = "to-be-phish"
when = 'message.subject == "phish"'
disposition = "tag"
category = "phish"
[[rule]]
name = "to-be-malware"
when = 'message.subject == "malware"'
disposition = "tag"
category = "malware"
[[rule]]
name = "to-be-suspicious"
when = 'message.subject == "suspicious"'
disposition = "tag"
category = "suspicious"
[[rule]]
name = "to-be-held"
when = 'message.subject == "held"'
disposition = "quarantine"
category = "phish"
"#;

/// Sender to mailbox: Postfix, which asks mailward and delivers to Dovecot.
struct Chain {
    daemon: Daemon,
    port: u16,
    dovecot: Dovecot,
    postfix: Postfix,
}

impl Chain {
    /// With `more` in mailward's configuration.
    fn start(more: &str, options: &dovecot::Options) -> Self {
        let (daemon, port) = daemon(more);
        let dovecot = Dovecot::start(options).unwrap();
        dovecot.reports_to(&daemon, port).unwrap();
        let mut postfix = Options::with_milter(daemon.endpoint())
            .set("virtual_transport", format!("lmtp:unix:{}", dovecot.lmtp_socket().display()));
        postfix.master_cf.push("lmtp unix - - n - - lmtp".to_owned());
        let postfix = Postfix::start(&postfix).unwrap();
        Self { daemon, port, dovecot, postfix }
    }

    fn send(&self, to: &str, raw: &[u8]) {
        let to = format!("{to}@example.org");
        let sent = mta::smtp::send(self.postfix.smtp_port(), "a@sender.example", &[&to], raw).unwrap();
        assert!(sent.taken(), "{sent:?}");
    }
}

/// A daemon that judges by [`POLICY`], with a TCP port.
fn daemon(more: &str) -> (Daemon, u16) {
    let site = Site::new().unwrap();
    let rules = site.path().join("policy.toml");
    std::fs::write(&rules, POLICY).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, mta::free_port().unwrap()));
    let socket = format!("{:?}", format!("unix:{}", site.admin_socket().display()));
    let toml = site.defaults(&format!("[policy]\nrules = {:?}\n{more}", rules.display().to_string()));
    let both = toml.replace(&format!("[{socket}]"), &format!("[{socket}, \"{address}\"]"));
    assert_ne!(both, toml);
    (site.start(&both).unwrap(), address.port())
}

/// Whether all of it can run here; says what is missing where not.
fn ready(test: &str) -> bool {
    if let Some(missing) = dovecot::missing() {
        mta::not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    mta::not_run::postfix_ready(test)
}

/// The value of the first field of this name in a message.
fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
