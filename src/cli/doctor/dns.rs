//! The DNS: whether each server answers, how fast, and whether block lists let it ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::look::{Look, block};
use super::sheet::Sheet;
use crate::config::{Config, Secret};
use crate::dns::{DnsError, Inquiry, Resolver, Settings};
use crate::scan::url::asks::list::List;
use crate::telemetry::Metrics;

/// How long one server may take.
const LIMIT: Duration = Duration::from_secs(4);
/// An answer that every message waits for should not take longer.
const SLOW: Duration = Duration::from_millis(500);
/// A name that every resolver that works can look up, and that tells nobody anything.
const HARMLESS: &str = "a.root-servers.net.";

/// Resolvers for everybody: block lists refuse them, because they cannot tell who asks.
const PUBLIC: [(&str, &[&str]); 6] = [
    ("Google", &["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"]),
    ("Cloudflare", &["1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"]),
    ("Quad9", &["9.9.9.9", "149.112.112.112", "9.9.9.10", "9.9.9.11", "2620:fe::fe", "2620:fe::9"]),
    ("OpenDNS", &["208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53"]),
    ("AdGuard", &["94.140.14.14", "94.140.15.15", "2a10:50c0::ad1:ff", "2a10:50c0::ad2:ff"]),
    ("DNS4EU", &["86.54.11.1", "86.54.11.100", "86.54.11.200"]),
];

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let settings = config.dns.settings();
    let servers = match settings.addresses() {
        Ok(servers) => servers,
        Err(why) => return sheet.error("servers", why, look.line("dns", "servers = [\"127.0.0.1:53\"]")),
    };
    fallback(sheet, look, &config, &servers);
    who(sheet, look, &servers, !lists(&config).is_empty());
    let asked = block(async {
        let asking = servers.iter().map(|server| ask_one(&settings, *server));
        futures_util::future::join_all(asking).await
    });
    match asked {
        Ok(answers) => {
            for (server, answer, time) in answers {
                told(sheet, server, &answer, time);
            }
        }
        Err(why) => return sheet.unseen("answers", why),
    }
    block_lists(sheet, look, &config, &settings);
}

fn lists(config: &Config) -> &[List] {
    let urls = &config.scanner.urls;
    if urls.enabled { &urls.lookups.blocklists } else { &[] }
}

async fn ask_one(settings: &Settings, server: SocketAddr) -> (SocketAddr, Result<(), DnsError>, Duration) {
    let settings =
        Settings { servers: vec![server], attempts: 1, cache: 0, timeout: settings.timeout.min(LIMIT) };
    let inquiry = inquiry(&settings);
    let began = Instant::now();
    let answer = inquiry.a(HARMLESS).await;
    (server, answer.map(|_| ()), began.elapsed())
}

fn inquiry(settings: &Settings) -> Inquiry {
    let resolver = Arc::new(Resolver::new(settings, Arc::new(Metrics::new())));
    Inquiry::new(resolver, 4, Instant::now() + LIMIT)
}

fn told(sheet: &mut Sheet, server: SocketAddr, answer: &Result<(), DnsError>, time: Duration) {
    let millis = time.as_millis();
    match answer {
        // That there is no such name is an answer too.
        Err(error) if error.is_temporary() => {
            let text = format!(
                "the DNS server {server} does not answer ({error}): SPF, DKIM and DMARC wait for it with each message, and \
                 end as temperror"
            );
            sheet.error("answers", text, Some(format!("dig @{} -p {} . NS", server.ip(), server.port())));
        }
        _ if time > SLOW => {
            let text = format!(
                "the DNS server {server} took {millis} ms for a name that it should know: each message waits"
            );
            sheet.warning("answers", text, Some(format!("dig @{} -p {} . NS", server.ip(), server.port())));
        }
        _ => sheet.ok("answers", format!("the DNS server {server} answers within {} ms", millis.max(1))),
    }
}

/// One server alone.
fn fallback(sheet: &mut Sheet, look: &Look, config: &Config, servers: &[SocketAddr]) {
    let whose = if config.dns.servers.is_empty() { "the system's" } else { "of dns.servers" };
    match servers {
        [] => {
            let text = "there is no DNS server: SPF, DKIM, DMARC and block lists end as temperror";
            sheet.error("servers", text, look.line("dns", "servers = [\"127.0.0.1:53\"]"));
        }
        [one] if one.ip().is_loopback() => {
            sheet.ok("servers", format!("one DNS server, on this machine ({whose})"))
        }
        [one] => {
            let text =
                format!("{one} is the only DNS server ({whose}): while it is away mail is not authenticated");
            sheet.note("servers", text, None);
        }
        several => sheet.ok("servers", format!("{} DNS servers ({whose})", several.len())),
    }
}

fn public(ip: IpAddr) -> Option<&'static str> {
    let is = |address: &&str| address.parse() == Ok(ip);
    PUBLIC.into_iter().find(|(_, addresses)| addresses.iter().any(is)).map(|(name, _)| name)
}

/// Public resolvers, where block lists are asked.
fn who(sheet: &mut Sheet, look: &Look, servers: &[SocketAddr], asks_lists: bool) {
    for server in servers {
        let Some(name) = public(server.ip()) else { continue };
        let line = look.line("dns", "servers = [\"127.0.0.1:53\"]");
        if asks_lists {
            let text = format!(
                "{} is {name}'s public resolver: block lists refuse it, so nothing is ever listed; a resolver of your own \
                 (unbound) is needed",
                server.ip()
            );
            sheet.error("public", text, line);
        } else {
            let text = format!(
                "{} is {name}'s public resolver: it learns who writes to you; a resolver of your own is faster as well",
                server.ip()
            );
            sheet.note("public", text, line);
        }
    }
}

/// The name that each block list always has.
fn block_lists(sheet: &mut Sheet, look: &Look, config: &Config, settings: &Settings) {
    let lists = lists(config);
    if lists.is_empty() {
        return sheet.ok("block_lists", "no block lists are asked");
    }
    let key = match config.scanner.urls.lookups.spamhaus_key.as_ref().map(Secret::fetch).transpose() {
        Ok(key) => key,
        Err(error) => return sheet.unseen("block_lists", error.to_string()),
    };
    let names: Vec<String> = lists.iter().map(|list| list.test_point(key.as_ref())).collect();
    let asked = block(async {
        let settings = Settings { attempts: 1, cache: 0, ..settings.clone() };
        let inquiry = inquiry(&settings);
        let asking = names.iter().map(|name| inquiry.a(name));
        futures_util::future::join_all(asking).await
    });
    let Ok(answers) = asked else { return sheet.unseen("block_lists", "nobody can be asked") };
    for (list, answer) in lists.iter().zip(answers) {
        listed(sheet, look, *list, &answer);
    }
}

fn listed(sheet: &mut Sheet, look: &Look, list: List, answer: &Result<Vec<std::net::Ipv4Addr>, DnsError>) {
    let name = list.name();
    let without = || look.line("scanner.urls.lookups", &format!("blocklists = [] without \"{name}\""));
    match answer {
        Ok(codes) => match list.refusal(codes) {
            Some(code) => {
                let text = format!(
                    "the block list {name} refuses to answer ({code}): it is asked through a public resolver, too often, or \
                     without a key; nothing is ever listed"
                );
                sheet.error("block_lists", text, look.line("dns", "servers = [\"127.0.0.1:53\"]"));
            }
            None => sheet.ok("block_lists", format!("the block list {name} answers")),
        },
        Err(error) if error.is_temporary() => {
            sheet.warning(
                "block_lists",
                format!("the block list {name} does not answer: {error}"),
                without(),
            );
        }
        Err(error) => {
            let text = format!(
                "the block list {name} does not have its own test entry ({error}): it is asked through a resolver that hides \
                 it, or does not know us; nothing is ever listed"
            );
            sheet.error("block_lists", text, look.line("dns", "servers = [\"127.0.0.1:53\"]"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::sheet::Topic;
    use super::*;

    fn look() -> Look {
        Look::new(Some(Path::new("/etc/m.toml")), None)
    }

    fn told_by(work: impl FnOnce(&mut Sheet)) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Dns);
        work(&mut sheet);
        sheet.told()
    }

    #[test]
    fn a_public_resolver_is_wrong_where_block_lists_are_asked() {
        let of = |server: &str, asks| told_by(|sheet| who(sheet, &look(), &[server.parse().unwrap()], asks));
        let mend = "in /etc/m.toml, [dns]: servers = [\"127.0.0.1:53\"]";
        assert_eq!(
            of("9.9.9.9:53", true),
            [format!(
                "error public: 9.9.9.9 is Quad9's public resolver: block lists refuse it, so nothing is ever listed; a \
                 resolver of your own (unbound) is needed | {mend}"
            )]
        );
        assert!(
            of("[2606:4700:4700::1111]:53", false)[0]
                .starts_with("note public: 2606:4700:4700::1111 is Cloudflare's")
        );
        assert_eq!(of("127.0.0.1:53", true), Vec::<String>::new());
    }

    #[test]
    fn every_public_address_can_be_read() {
        for (_, addresses) in PUBLIC {
            addresses.iter().for_each(|address| assert!(address.parse::<IpAddr>().is_ok(), "{address}"));
        }
    }

    #[test]
    fn a_server_answers_slowly_or_not_at_all() {
        let of = |answer, millis| {
            told_by(|sheet| {
                told(sheet, "127.0.0.1:53".parse().unwrap(), &answer, Duration::from_millis(millis))
            })
        };
        assert_eq!(of(Ok(()), 3), ["ok answers: the DNS server 127.0.0.1:53 answers within 3 ms"]);
        assert_eq!(
            of(Err(DnsError::NoName), 0),
            ["ok answers: the DNS server 127.0.0.1:53 answers within 1 ms"]
        );
        assert_eq!(
            of(Err(DnsError::TimedOut), 2000),
            [
                "error answers: the DNS server 127.0.0.1:53 does not answer (no DNS server answered in time): SPF, DKIM and \
              DMARC wait for it with each message, and end as temperror | dig @127.0.0.1 -p 53 . NS"
            ]
        );
        assert!(of(Ok(()), 900)[0].starts_with("warning answers: the DNS server 127.0.0.1:53 took 900 ms"));
    }

    #[test]
    fn a_block_list_that_refuses_or_hides_lists_nothing() {
        let of = |answer| told_by(|sheet| listed(sheet, &look(), List::Zen, &answer)).remove(0);
        assert_eq!(of(Ok(vec![[127, 0, 0, 2].into()])), "ok block_lists: the block list zen answers");
        assert!(
            of(Ok(vec![[127, 255, 255, 254].into()]))
                .starts_with("error block_lists: the block list zen refuses to answer (127.255.255.254)")
        );
        assert!(
            of(Err(DnsError::NoName))
                .starts_with("error block_lists: the block list zen does not have its own test entry")
        );
        assert!(
            of(Err(DnsError::TimedOut))
                .starts_with("warning block_lists: the block list zen does not answer")
        );
    }

    #[test]
    fn one_server_elsewhere_is_few() {
        let of = |servers: &[&str]| {
            let servers: Vec<SocketAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
            told_by(|sheet| fallback(sheet, &look(), &Config::default(), &servers)).remove(0)
        };
        assert_eq!(of(&["127.0.0.1:53"]), "ok servers: one DNS server, on this machine (the system's)");
        assert!(of(&["192.0.2.1:53"]).starts_with("note servers: 192.0.2.1:53 is the only DNS server"));
        assert_eq!(of(&["192.0.2.1:53", "192.0.2.2:53"]), "ok servers: 2 DNS servers (the system's)");
        assert!(of(&[]).starts_with("error servers: there is no DNS server"));
    }
}
