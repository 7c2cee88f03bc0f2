//! Content filters: loops, and mail that is judged twice on its way back.

use std::path::Path;

use super::facts::Postfix;
use super::milter::Milter;
use crate::cli::doctor::sheet::Sheet;
use crate::config::{Config, Listen, Server};

/// Settings that hand mail to a server.
const TRANSPORTS: [&str; 8] = [
    "content_filter",
    "mailbox_transport",
    "virtual_transport",
    "local_transport",
    "relay_transport",
    "default_transport",
    "fallback_transport",
    "mailbox_transport_maps",
];

/// Whether a transport (`lmtp:inet:127.0.0.1:8024`, `smtp:[127.0.0.1]:10025`, `lmtp:unix:/path`) leads to `listen`.
fn leads_to(transport: &str, listen: &Listen, queue: &Path) -> bool {
    let Some((_, next)) = transport.split_once(':') else { return false };
    match listen {
        Listen::Unix(path) => next.strip_prefix("unix:").is_some_and(|named| {
            Path::new(named) == path || queue.join(named.trim_start_matches('/')) == *path
        }),
        Listen::Inet(address) => {
            let next = next.strip_prefix("inet:").unwrap_or(next);
            let Some((host, port)) = next.rsplit_once(':') else { return false };
            let host = host.trim_matches(['[', ']']);
            let ip = address.ip();
            let is_me =
                host.parse().map_or(host == "localhost" && ip.is_loopback(), |named: std::net::IpAddr| {
                    named == ip || ip.is_unspecified()
                });
            is_me && port.parse() == Ok(address.port())
        }
    }
}

/// The settings of main.cf that hand mail to our `[lmtp]`.
pub(super) fn leading_to(postfix: &Postfix, config: &Config) -> Vec<&'static str> {
    let Some(lmtp) = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled) else { return Vec::new() };
    let queue = postfix.queue();
    let leads = |name: &&str| lmtp.listen.iter().any(|listen| leads_to(&postfix.get(name), listen, &queue));
    TRANSPORTS.into_iter().filter(leads).collect()
}

/// Whether anything is handed mail by smtpd that comes back by SMTP.
pub(super) fn hands_back(postfix: &Postfix) -> bool {
    let names = ["content_filter", "smtpd_proxy_filter"];
    postfix.smtpds().any(|service| names.iter().any(|name| !postfix.of(service, name).is_empty()))
}

pub(super) fn judge(sheet: &mut Sheet, postfix: &Postfix, config: &Config) {
    let filters: Vec<_> = postfix
        .smtpds()
        .map(|service| postfix.of(service, "content_filter"))
        .filter(|f| !f.is_empty())
        .collect();
    let Some(filter) = filters.first() else {
        return sheet.ok("content_filter", "no content filter hands mail back");
    };
    let relay = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled).map(|lmtp| &lmtp.relay);
    let mut is_seen = false;
    for service in postfix.smtpds().filter(|service| !service.is_public()) {
        let is_relay = matches!(relay, Some(Server::Tcp { port, .. }) if service.port() == Some(*port));
        if !is_relay && !service.is_way_back() {
            continue;
        }
        is_seen = true;
        let id = service.id();
        let again = postfix.of(service, "content_filter");
        if again.is_empty() {
            sheet.ok("content_filter", format!("what {filter} hands back to {id} is not filtered again"));
        } else {
            let text = format!(
                "{id} takes back what the content filter hands over, and hands it to {again} again: mail goes round \
                 until its hops are used up, and bounces"
            );
            sheet.error("content_filter", text, postfix.set_of(service, "content_filter", Some("")));
        }
        let queue = postfix.queue();
        let list = Milter::list(&postfix.of(service, "smtpd_milters"));
        let asks_us =
            list.iter().any(|m| config.milter.listen.iter().any(|l| m.is(l, &queue, service.chroot)));
        let options = postfix.of(service, "receive_override_options");
        if asks_us && !options.split([',', ' ']).any(|word| word.trim() == "no_milters") {
            let text = format!(
                "{id} takes back what a content filter hands over, and asks mailward again: each mail is judged twice, \
                 the second time as if this machine had sent it"
            );
            let options =
                if options.is_empty() { "no_milters".to_owned() } else { format!("{options},no_milters") };
            let mend = postfix.set_of(service, "receive_override_options", Some(&options));
            sheet.warning("reinjection", text, mend);
        }
    }
    if !is_seen {
        let text = format!(
            "mail goes to the content filter {filter}; where it comes back was not found in master.cf"
        );
        sheet.note("content_filter", text, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_that_leads_to_us_is_known() {
        let tcp: Listen = "inet:127.0.0.1:8024".parse().unwrap();
        let unix: Listen = "unix:/q/mailward/lmtp.sock".parse().unwrap();
        for (transport, to_tcp, to_unix) in [
            ("lmtp:inet:127.0.0.1:8024", true, false),
            ("smtp:[127.0.0.1]:8024", true, false),
            ("lmtp:localhost:8024", true, false),
            ("lmtp:inet:127.0.0.1:8025", false, false),
            ("lmtp:unix:/q/mailward/lmtp.sock", false, true),
            ("lmtp:unix:mailward/lmtp.sock", false, true),
            ("virtual", false, false),
        ] {
            let leads = [&tcp, &unix].map(|listen| leads_to(transport, listen, Path::new("/q")));
            assert_eq!(leads, [to_tcp, to_unix], "{transport}");
        }
    }
}
