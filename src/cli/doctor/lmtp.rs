//! `[lmtp]`: whether a refusal would bounce, and whether mail gets on from there.

use std::time::{Duration, Instant};

use super::look::{Look, block};
use super::postfix::leads_to_lmtp;
use super::sheet::Sheet;
use crate::config::{Listen, Lmtp, LmtpReject, Server};
use crate::net::connect;

/// How long the next server may take to take a connection.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let Some(lmtp) = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled) else {
        return sheet.ok("configured", "nothing is taken over LMTP: there is no [lmtp]");
    };
    match look.postfix() {
        Ok(postfix) => reject(sheet, look, lmtp, &leads_to_lmtp(postfix, &config)),
        Err(failed) => {
            sheet.unseen("reject", format!("who hands mail over by LMTP: Postfix's settings: {failed}"))
        }
    }
    if goes_round(lmtp) {
        let text = format!(
            "lmtp.relay is {}, where mailward itself listens: mail goes round and never arrives",
            lmtp.relay
        );
        return sheet.error("relay", text, look.line("lmtp", "relay = \"unix:/run/dovecot/lmtp\""));
    }
    match block(connect(&lmtp.relay, Instant::now() + LIMIT)) {
        Ok(Ok(_)) => sheet.ok("relay", format!("{} takes connections", lmtp.relay)),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            sheet.unseen("relay", format!("you may not open {}; run this as root", lmtp.relay));
        }
        Ok(Err(error)) => {
            let text = format!(
                "{}, where mail goes next, takes no connection ({error}): mail waits in the queue",
                lmtp.relay
            );
            sheet.error("relay", text, Some("systemctl status dovecot".to_owned()));
        }
        Err(why) => sheet.unseen("relay", why),
    }
}

/// Behind a queue a refusal becomes a bounce.
fn reject(sheet: &mut Sheet, look: &Look, lmtp: &Lmtp, leading: &[&str]) {
    match (lmtp.reject, leading) {
        (LmtpReject::Reply, []) => {
            let text = "lmtp.reject is \"5xx\": right only where whoever connects is the sender's own server and no queue is \
                        between; main.cf names no transport that leads here";
            sheet.note("reject", text, None);
        }
        (LmtpReject::Reply, names) => {
            let text = format!(
                "lmtp.reject is \"5xx\", and Postfix hands over mail that it has taken ({}): each refusal becomes a bounce to \
                 a sender who is forged, and your server ends on block lists",
                names.join(", ")
            );
            sheet.error("reject", text, look.line("lmtp", "reject = \"quarantine\""));
        }
        (LmtpReject::Quarantine, _) => {
            sheet.ok("reject", "what would be refused is held: no bounce goes to forged senders")
        }
    }
}

fn goes_round(lmtp: &Lmtp) -> bool {
    lmtp.listen.iter().any(|listen| match (listen, &lmtp.relay) {
        (Listen::Unix(ours), Server::Unix(next)) => ours == next,
        (Listen::Inet(ours), Server::Tcp { host, port }) => {
            let ip = ours.ip();
            let is_me =
                host.parse().map_or(host == "localhost" && ip.is_loopback(), |named: std::net::IpAddr| {
                    named == ip || ip.is_unspecified() && named.is_loopback()
                });
            is_me && *port == ours.port()
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::sheet::Topic;
    use super::*;

    #[test]
    fn a_refusal_behind_the_queue_is_an_error() {
        let of = |how, leading: &[&str]| {
            let mut sheet = Sheet::new(Topic::Lmtp);
            let look = Look::new(Some(Path::new("/etc/m.toml")), None);
            reject(&mut sheet, &look, &Lmtp { reject: how, ..Lmtp::default() }, leading);
            sheet.told().remove(0)
        };
        assert_eq!(
            of(LmtpReject::Reply, &["virtual_transport"]),
            "error reject: lmtp.reject is \"5xx\", and Postfix hands over mail that it has taken (virtual_transport): each \
             refusal becomes a bounce to a sender who is forged, and your server ends on block lists | in /etc/m.toml, \
             [lmtp]: reject = \"quarantine\""
        );
        assert!(of(LmtpReject::Reply, &[]).starts_with("note reject: "));
        assert!(of(LmtpReject::Quarantine, &["virtual_transport"]).starts_with("ok reject: "));
    }

    #[test]
    fn a_relay_that_is_ourselves_goes_round() {
        let of = |listen: &str, relay: &str| {
            let lmtp = Lmtp {
                listen: vec![listen.parse().unwrap()],
                relay: relay.parse().unwrap(),
                ..Lmtp::default()
            };
            goes_round(&lmtp)
        };
        assert!(of("inet:127.0.0.1:8024", "inet:127.0.0.1:8024"));
        assert!(of("inet:127.0.0.1:8024", "inet:localhost:8024"));
        assert!(of("inet:0.0.0.0:8024", "inet:127.0.0.1:8024"));
        assert!(of("unix:/a", "unix:/a"));
        assert!(!of("inet:127.0.0.1:8024", "inet:127.0.0.1:8025"));
        assert!(!of("inet:127.0.0.1:8024", "inet:192.0.2.1:8024"));
    }
}
