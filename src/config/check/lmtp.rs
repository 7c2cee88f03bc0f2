//! What `[lmtp]` means beside other sections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Checks, SENDERS_WAIT};
use crate::config::{Config, Listen, Lmtp};
use crate::model::Span;

impl Checks<'_, '_> {
    /// Who is believed where not the rights of a file say who may connect.
    fn lmtp_trusts(&mut self, lmtp: &Lmtp) {
        if !lmtp.listen.iter().any(|listen| matches!(listen, Listen::Inet(_))) {
            return;
        }
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        let is_own = |net: &IpNet| net.addr().is_loopback() || loopback.iter().any(|ip| net.contains(ip));
        if let Some(index) = lmtp.trusted.iter().position(is_own) {
            let place = self.element("lmtp.trusted", index).or_else(|| self.place("lmtp.trusted"));
            let message = "`trusted` in [lmtp] names this machine: each program on it can say that its mail comes from \
                           anybody, or from a user who logged in";
            self.problems.warning(place, message).help(
                "where others can run programs here, listen on a unix socket instead; its rights say who may connect",
            );
        } else if lmtp.trusted.is_empty() {
            let place = self.place("lmtp.listen").or_else(|| self.place("lmtp"));
            let message = "nobody who comes by TCP is believed: `trusted` in [lmtp] names nobody, so SPF, DMARC by SPF and \
                           iprev are skipped(no-client), and what the milter judged is judged again";
            self.problems.warning(place, message).help(
                "listen on a unix socket, or name the mail server: trusted = [\"127.0.0.1\"], where nobody else runs \
                 programs on this machine",
            );
        }
    }

    /// Who can connect, and whether an answer comes before the client has given up.
    pub(super) fn lmtp(&mut self, config: &Config) {
        let Some(lmtp) = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled && !self.is_lost("lmtp")) else {
            return;
        };
        let open = lmtp.listen.iter().position(|l| matches!(l, Listen::Inet(a) if !a.ip().is_loopback()));
        match (open, lmtp.allow.is_empty()) {
            (Some(index), true) => {
                let place = self.element("lmtp.listen", index).or_else(|| self.place("lmtp.listen"));
                let message = "`listen` in [lmtp] is open to the network, and `allow` names nobody: only this machine is let in";
                self.problems
                    .warning(place, message)
                    .help("name the mail servers in `allow`, or listen on 127.0.0.1 or a unix socket");
            }
            (None, false) => {
                let place = self.place("lmtp.allow");
                self.problems
                    .warning(place, "`allow` in [lmtp] does nothing: no listener is open to the network");
            }
            _ => {}
        }
        self.lmtp_trusts(lmtp);
        let (deadline, relay) = (config.limits.deadline, lmtp.relay_timeout);
        let both = deadline.duration() + relay.duration();
        if !self.is_lost("limits") && both >= SENDERS_WAIT.duration() {
            let both = Span::seconds(both.as_secs());
            let place = self.place("lmtp.relay_timeout").or_else(|| self.place("limits.deadline"));
            self.problems
                .warning(
                    place,
                    format!(
                        "`deadline` in [limits] and `relay_timeout` in [lmtp] are {both} together; an MTA waits \
                         {SENDERS_WAIT} for the answer to a message"
                    ),
                )
                .help("one that gave up hands the message over again: the mail would come twice");
        }
    }
}
