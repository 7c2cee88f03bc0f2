//! What the log says, once an hour at most, where mail shows that the configuration does not fit the network.

use std::net::IpAddr;
use std::time::Duration;

use super::engine::{Engine, Looked};
use crate::model::{Disposition, Outcome, Scanner, Skip, Verdict};
use crate::policy::name;
use crate::telemetry::seldom::Seldom;

const HOUR: Duration = Duration::from_hours(1);
/// For the whole process, so that a reload does not repeat them.
static RELAY: Seldom = Seldom::once_in(HOUR);
static OWN: Seldom = Seldom::once_in(HOUR);

/// Tells that a trusted relay names no client, and that mail of a host nearby was held for DMARC.
pub(super) fn tell(engine: &Engine, looked: &Looked, verdicts: &[Verdict]) {
    let input = &looked.input;
    let queue_id = input.envelope.queue_id.as_deref();
    if let Some(relay) = silent_relay(looked)
        && let Some(untold) = RELAY.may_tell()
    {
        tracing::warn!(
            id = %input.id,
            queue_id,
            %relay,
            untold,
            "a trusted relay handed in a message and its Received field names no client, so SPF, DMARC and iprev could \
             not be verified. Where its content filter hands mail back, put the loopback that it names into \
             trusted_relays in [network]; where it removes or rewrites its Received field, let it keep it; mail that \
             programs on the relay write needs nothing"
        );
    }
    if let Some(client) = unnamed_own(engine, looked, verdicts)
        && let Some(untold) = OWN.may_tell()
    {
        tracing::warn!(
            id = %input.id,
            queue_id,
            %client,
            untold,
            "rule dmarc held or refused mail of a client on loopback or a private network, and network.own is not set: \
             if this host may send mail of yours, as those in Postfix's mynetworks may, name it in `own` in [network]"
        );
    }
}

/// The trusted relay that handed this in without saying whose it is.
fn silent_relay(looked: &Looked) -> Option<IpAddr> {
    let outcome = looked.seen.coverage.0.get(&Scanner::Auth)?;
    let is_relay = matches!(outcome, Outcome::Skipped(Skip::Relay));
    looked.input.session.client.addr.ip().filter(|_| is_relay)
}

/// The client nearby whose mail does not get through for DMARC, where nobody has said which clients are ours.
fn unnamed_own(engine: &Engine, looked: &Looked, verdicts: &[Verdict]) -> Option<IpAddr> {
    let strict =
        |v: &Verdict| v.rule == name::DMARC && v.disposition.strictness() > Disposition::Tag.strictness();
    let wanted = engine.settings().own.is_empty() && verdicts.iter().any(strict);
    looked.input.session.client.addr.ip().filter(|ip| wanted && is_near(*ip))
}

fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::engine::{Settings, Subject};
    use super::*;
    use crate::lists;
    use crate::mail;
    use crate::model::{
        Category, Client, ClientAddr, Direction, Envelope, Explanation, MailId, Message, Score, Session,
    };
    use crate::policy::Policy;
    use crate::telemetry::Metrics;

    fn engine(own: &[&str]) -> Engine {
        let settings = Settings {
            limits: mail::Limits::default(),
            deadline: Duration::from_secs(5),
            own: own.iter().map(|net| net.parse().unwrap()).collect(),
            on_failure: BTreeMap::new(),
            authserv_id: None,
            received_spf: false,
            lists: lists::Terms::default(),
            fingerprint: String::new(),
        };
        Engine::new(settings, Vec::new(), Policy::default(), Arc::new(Metrics::new()))
    }

    async fn looked(engine: &Engine, client: &str) -> Looked {
        let client = Client { name: String::new(), addr: ClientAddr::Ip(client.parse().unwrap()) };
        let subject = Subject {
            id: MailId::from_parts(1, 1),
            time: crate::model::Timestamp::default(),
            session: Arc::new(Session { client, ..Session::default() }),
            envelope: Envelope::default(),
            message: Message::default(),
            fault: None,
            direction: Direction::Inbound,
            exempt: Vec::new(),
            released: None,
            auth_results: None,
            share: None,
        };
        engine.look(subject).await
    }

    fn verdict(rule: &str, disposition: Disposition) -> Verdict {
        Verdict {
            disposition,
            category: Category::Suspicious,
            score: Score::default(),
            rule: rule.to_owned(),
            reason: String::new(),
            explanation: Explanation::default(),
            treatment: None,
        }
    }

    #[tokio::test]
    async fn only_a_relay_that_names_no_client_is_told_of() {
        let engine = engine(&[]);
        let mut looked = looked(&engine, "192.0.2.1").await;
        assert_eq!(silent_relay(&looked), None);
        looked.seen.coverage.0.insert(Scanner::Auth, Outcome::Skipped(Skip::NoClient));
        assert_eq!(silent_relay(&looked), None);
        looked.seen.coverage.0.insert(Scanner::Auth, Outcome::Skipped(Skip::Relay));
        assert_eq!(silent_relay(&looked), Some("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn own_is_missed_where_dmarc_holds_mail_of_a_host_nearby_and_nothing_is_set() {
        let (unset, set) = (engine(&[]), engine(&["192.0.2.0/24"]));
        let (near, far) = (looked(&unset, "127.0.0.1").await, looked(&unset, "198.51.100.7").await);
        let held = [verdict(name::DMARC, Disposition::Quarantine)];
        assert_eq!(unnamed_own(&unset, &near, &held), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(
            unnamed_own(&unset, &near, &[verdict(name::DMARC, Disposition::Reject)]),
            unnamed_own(&unset, &near, &held)
        );
        assert_eq!(unnamed_own(&unset, &far, &held), None);
        assert_eq!(unnamed_own(&set, &near, &held), None);
        assert_eq!(unnamed_own(&unset, &near, &[verdict(name::DMARC, Disposition::Tag)]), None);
        assert_eq!(unnamed_own(&unset, &near, &[verdict(name::PHISH, Disposition::Quarantine)]), None);
    }

    #[test]
    fn loopback_and_private_networks_are_near() {
        for near in ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "::ffff:172.16.0.1", "fd00::1", "fe80::1"]
        {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["192.0.2.1", "172.32.0.1", "2001:db8::1", "::ffff:203.0.113.9"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }
}
