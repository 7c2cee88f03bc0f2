//! The words of other hosts: where they count, where a stranger could have written them, and what of them
//! cannot be used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Auth, Settings};
use crate::dns::{Resolver, Zone};
use crate::mail::header;
use crate::model::authentication::{Dkim, Method, Spf};
use crate::model::{
    AuthResult, Authentication, Client, ClientAddr, Direction, DmarcPolicy, Envelope, MailId, OwnId, Parts,
    Recipient, ReversePath, Session, Skip,
};
use crate::scan::{Scan, ScanInput};
use crate::telemetry::{Clock, Metrics};

/// Of its own the mail fails: nobody may send from where it comes.
const ZONE: &str = "
    sender.example         TXT v=spf1 -all
    _dmarc.sender.example  TXT v=DMARC1; p=reject
    bank.example           TXT v=spf1 -all
    _dmarc.bank.example    TXT v=DMARC1; p=quarantine
    down.example           FAIL
";
const GOOD: &str = "Authentication-Results: gw.example.org; spf=pass smtp.mailfrom=a@sender.example; \
                    dkim=pass header.d=mail.sender.example header.s=s1 header.b=AbCdEfGh; \
                    dmarc=pass header.from=sender.example; iprev=pass policy.iprev=203.0.113.9";
const RELAYED: &str = "Received: from a.example (a.example [203.0.113.9]) by gw.example.org";
const FOREIGN: &str = "Received: from x (x [198.51.100.200]) by a.example";
const RELAY: &str = "192.0.2.1";
const STRANGER: &str = "198.51.100.7";

struct Scene {
    ip: &'static str,
    mta: &'static str,
    mail_from: &'static str,
    settings: Settings,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            ip: STRANGER,
            mta: "mx.example.org",
            mail_from: "<a@sender.example>",
            settings: Settings {
                signatures: 10,
                questions: 100,
                trusted_relays: vec!["192.0.2.0/24".parse().unwrap()],
                trusted_sealers: Vec::new(),
                trusted_ids: ["gw.example.org", "other.example.org"].map(|id| id.parse().unwrap()).into(),
                own_id: OwnId { set: None, verifies: true },
            },
        }
    }
}

impl Scene {
    fn relayed() -> Self {
        Self { ip: RELAY, ..Self::default() }
    }

    /// What is seen in a mail from sender.example with these fields on top.
    async fn see(&self, fields: &[&str]) -> Authentication {
        self.see_of("sender.example", fields).await
    }

    async fn see_of(&self, author: &str, fields: &[&str]) -> Authentication {
        let resolver = Resolver::of_zone(Zone::parse(ZONE).unwrap(), Arc::new(Metrics::new()));
        let auth = Auth::new(self.settings.clone(), Arc::new(resolver), Clock::system());
        let client = Client { name: "unknown".into(), addr: ClientAddr::Ip(self.ip.parse().unwrap()) };
        let session = Session {
            client,
            helo: Some("mail.sender.example".into()),
            mta: Some(self.mta.into()),
            ..Session::default()
        };
        let lines: String = fields.iter().map(|field| format!("{field}\n")).collect();
        let input = ScanInput {
            id: MailId::from_parts(0, 0),
            session: Arc::new(session),
            direction: Direction::Inbound,
            envelope: Envelope {
                reverse_path: ReversePath(Recipient::new(self.mail_from.as_bytes())),
                ..Envelope::default()
            },
            message: header::parse(format!("{lines}From: a@{author}\n\nbody\n").into_bytes()),
            parts: Parts::default(),
            attachments: Vec::new(),
            share: None,
        };
        let report = auth.scan(Arc::new(input), Instant::now() + Duration::from_secs(60)).await;
        Authentication::clone(&report.authentication.unwrap())
    }

    /// Whose words were taken for which methods, and what came of DMARC.
    async fn told(&self, fields: &[&str]) -> (Option<String>, Vec<Method>, AuthResult) {
        let seen = self.see(fields).await;
        (seen.told_by, seen.told, seen.dmarc.unwrap().result)
    }
}

fn gateway() -> (Option<String>, Vec<Method>, AuthResult) {
    let told = vec![Method::Spf, Method::Dkim, Method::Iprev, Method::Dmarc];
    (Some("gw.example.org".into()), told, AuthResult::Pass)
}

/// Verified here, and it fails.
fn ours() -> (Option<String>, Vec<Method>, AuthResult) {
    (None, Vec::new(), AuthResult::Fail)
}

#[tokio::test]
async fn what_a_trusted_host_says_is_taken_over() {
    let seen = Scene::relayed().see(&[GOOD, RELAYED, FOREIGN]).await;
    let reason = Some("as told by gw.example.org".to_owned());
    let of_domain =
        Spf { domain: "sender.example".into(), identity: "a@sender.example".into(), ..Spf::default() };
    let spf = Spf { result: AuthResult::Pass, reason: reason.clone(), ..of_domain };
    assert_eq!((seen.helo, seen.mail_from), (None, Some(spf)));
    let dkim = Dkim {
        result: AuthResult::Pass,
        domain: "mail.sender.example".into(),
        selector: "s1".into(),
        signature: "AbCdEfGh".into(),
        reason: reason.clone(),
        ..Dkim::default()
    };
    assert_eq!(seen.dkim, [dkim]);
    let dmarc = seen.dmarc.unwrap();
    assert_eq!(
        (dmarc.result, dmarc.policy, dmarc.reason),
        (AuthResult::Pass, Some(DmarcPolicy::Reject), reason)
    );
    assert!(dmarc.spf_aligned && dmarc.dkim_aligned);
    assert_eq!(seen.iprev.unwrap().result, AuthResult::Pass);
    assert_eq!(seen.client, Some("203.0.113.9".parse().unwrap()));
}

#[tokio::test]
async fn a_field_counts_where_our_relays_and_filters_wrote_and_nowhere_else() {
    let relayed = Scene::relayed();
    // Above the relay's Received, and where OpenDKIM and rspamd on the relay put it.
    assert_eq!(relayed.told(&[GOOD, RELAYED, FOREIGN]).await, gateway());
    assert_eq!(relayed.told(&["Subject: x", GOOD, RELAYED]).await, gateway());
    assert_eq!(relayed.told(&[RELAYED, GOOD, FOREIGN]).await, gateway());
    // It was there when the mail came to the relay.
    assert_eq!(relayed.told(&[RELAYED, FOREIGN, GOOD]).await, ours());
    assert_eq!(relayed.told(&[RELAYED, "RECEIVED : by x", GOOD]).await, ours());
    // Two relays in a row: each wrote one field.
    let inner = "Received: from gw (gw [192.0.2.2]) by inner.example.org";
    assert_eq!(relayed.told(&[inner, GOOD, RELAYED, FOREIGN]).await, gateway());
    assert_eq!(relayed.told(&[inner, RELAYED, FOREIGN, GOOD]).await, ours());
    // A stranger who comes past the relays.
    let past = Scene::default();
    assert_eq!(past.told(&[GOOD, FOREIGN]).await, ours());
    assert_eq!(past.told(&[GOOD, RELAYED, FOREIGN]).await, ours());
    // No relay in front of us, but a filter on this host.
    let mut direct = Scene::default();
    direct.settings.trusted_relays.clear();
    assert_eq!(direct.told(&[GOOD, FOREIGN]).await, gateway());
    assert_eq!(direct.told(&[FOREIGN, GOOD]).await, ours());
    assert_eq!(direct.told(&[RELAYED, GOOD, FOREIGN]).await, ours(), "a stranger writes a relay's field");
}

#[tokio::test]
async fn behind_a_relay_that_names_nobody_only_what_stands_above_its_field_counts() {
    let relayed = Scene::relayed();
    let local = "Received: by gw.example.org (Postfix, from userid 1000)";
    let seen = relayed.see(&[GOOD, local]).await;
    assert_eq!((seen.no_client, seen.dmarc.unwrap().result), (None, AuthResult::Pass));
    let seen = relayed.see(&[local, GOOD]).await;
    assert_eq!((seen.told_by, seen.no_client), (None, Some(Skip::Relay)));
}

#[tokio::test]
async fn our_own_name_is_never_believed() {
    let fields = [GOOD, RELAYED];
    for mta in ["gw.example.org", "GW.Example.org."] {
        assert_eq!(Scene { mta, ..Scene::relayed() }.told(&fields).await, ours(), "{mta}");
    }
    let mut set = Scene::relayed();
    set.settings.own_id.set = Some("gw.example.org".parse().unwrap());
    assert_eq!(set.told(&fields).await, ours());
    // Another one below it is.
    let other = GOOD.replace("gw.example.org", "other.example.org");
    assert_eq!(set.told(&[GOOD, &other, RELAYED]).await.0.as_deref(), Some("other.example.org"));
}

#[tokio::test]
async fn the_first_from_the_top_counts_however_it_is_written() {
    let relayed = Scene::relayed();
    let failed = "Authentication-Results: gw.example.org; dmarc=fail header.from=sender.example";
    assert_eq!(relayed.told(&[failed, GOOD, RELAYED]).await.2, AuthResult::Fail);
    assert_eq!(relayed.told(&[GOOD, failed, RELAYED]).await, gateway());
    let stranger = GOOD.replace("gw.example.org", "gw.example.org.evil.example");
    assert_eq!(relayed.told(&[&stranger, GOOD, RELAYED]).await, gateway());
    assert_eq!(relayed.told(&[&stranger, RELAYED]).await, ours());
    let quoted = GOOD.replace("gw.example.org", "evil.example (gw.example.org;)");
    assert_eq!(relayed.told(&[&quoted, RELAYED]).await, ours(), "in a comment it is nobody's name");
    for form in ["\n\t(x) GW.example.org. 1", " \"gw.example.org\" (y)"] {
        let folded = GOOD.replace(" gw.example.org", form).replace("Auth", "AUTH").replace("; ", ";\n ");
        assert_eq!(relayed.told(&[&folded, RELAYED]).await, gateway(), "{folded}");
    }
    // One that cannot be read is no reason to believe an older one.
    for broken in
        ["Authentication-Results: gw.example.org; spf=pass (open", "Authentication-Results: gw.example.org x"]
    {
        assert_eq!(relayed.told(&[broken, GOOD, RELAYED]).await, ours(), "{broken}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_verified_here() {
    let relayed = Scene::relayed();
    let of = async |words: &str| {
        let field = format!("Authentication-Results: gw.example.org; {words}");
        relayed.told(&[&field, RELAYED]).await
    };
    for words in [
        "none",
        "spf=pass",
        "spf=pass smtp.mailfrom=localhost",
        "spf=pass smtp.helo=sender.example",
        "spf=temperror smtp.mailfrom=sender.example",
        "spf=superb smtp.mailfrom=sender.example",
        "dkim=pass",
        "dkim=pass header.i=@sender.example",
        "dkim=pass header.d=sender.example; dkim=temperror header.d=sender.example",
        "dmarc=pass",
        "dmarc=pass header.from=bank.example",
        "dmarc=pass header.from=sender.example header.from=bank.example",
        "dmarc=pass header.from=sender.example; dmarc=fail header.from=sender.example",
        "dmarc=temperror header.from=sender.example",
        "auth=pass smtp.auth=a",
    ] {
        assert_eq!(of(words).await, ours(), "{words}");
    }
    let gw = || Some("gw.example.org".to_owned());
    let spf = (gw(), vec![Method::Spf], AuthResult::Pass);
    assert_eq!(of("spf=pass smtp.mailfrom=SENDER.example.").await, spf, "DMARC follows here");
    assert_eq!(of("dkim=none").await, (gw(), vec![Method::Dkim], AuthResult::Fail));
    let other = (gw(), vec![Method::Spf], AuthResult::Fail);
    assert_eq!(of("spf=pass smtp.mailfrom=a@other.example").await, other, "it passes for another domain");
}

#[tokio::test]
async fn who_was_told_to_fail_is_not_aligned_and_the_authors_domain_is_the_one_that_we_read() {
    let relayed = Scene::relayed();
    let field = "Authentication-Results: gw.example.org; spf=pass smtp.mailfrom=sender.example; \
                 dmarc=fail header.from=sender.example policy.dmarc=none";
    let dmarc = relayed.see(&[field, RELAYED]).await.dmarc.unwrap();
    assert_eq!(
        (dmarc.result, dmarc.spf_aligned, dmarc.policy),
        (AuthResult::Fail, false, Some(DmarcPolicy::Reject))
    );
    // The domain cannot be looked up here: what was told stands.
    let field =
        "Authentication-Results: gw.example.org; dmarc=fail header.from=down.example policy.dmarc=quarantine";
    let dmarc = relayed.see_of("down.example", &[field, RELAYED]).await.dmarc.unwrap();
    assert_eq!((dmarc.result, dmarc.policy), (AuthResult::Fail, Some(DmarcPolicy::Quarantine)));
    // A From that the gateway read otherwise.
    let seen = relayed.see_of("bank.example", &[GOOD, RELAYED]).await;
    let dmarc = seen.dmarc.unwrap();
    assert_eq!((dmarc.result, dmarc.domain.as_str()), (AuthResult::Fail, "bank.example"));
    assert!(!seen.told.contains(&Method::Dmarc));
    let several = relayed.see_of("sender.example\nFrom: b@bank.example", &[GOOD, RELAYED]).await;
    assert_eq!(several.dmarc, None);
}

#[tokio::test]
async fn a_bounce_is_told_by_its_helo() {
    let bounce = Scene { mail_from: "<>", ..Scene::relayed() };
    let field = "Authentication-Results: gw.example.org; spf=pass smtp.helo=mail.sender.example";
    let seen = bounce.see(&[field, RELAYED]).await;
    assert_eq!(seen.mail_from, seen.helo);
    assert_eq!((seen.dmarc.unwrap().result, seen.told), (AuthResult::Pass, vec![Method::Spf]));
}

#[tokio::test]
async fn arc_is_verified_here_where_somebodys_seal_counts() {
    let mut relayed = Scene::relayed();
    let field = "Authentication-Results: gw.example.org; arc=pass";
    let seen = relayed.see(&[field, RELAYED]).await;
    assert_eq!((seen.arc.unwrap().result, seen.told), (AuthResult::Pass, vec![Method::Arc]));
    relayed.settings.trusted_sealers = vec!["lists.example".to_owned()];
    let seen = relayed.see(&[field, RELAYED]).await;
    assert_eq!((seen.arc, seen.told_by), (None, None));
}
