//! Looking and judging, without any effect: what the daemon does with each message and what
//! `mailward scan` does with a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::budget::Share;
use super::pass::{PassKey, Worthless};
use super::transaction::{Fault, MAX_FIELDS};
use crate::lists;
use crate::mail;
use crate::model::{
    Attachment, AuthservId, ByteSize, Coverage, Direction, Envelope, ListHits, MailId, Message, Outcome,
    OwnId, Parts, Plan, RemovalWish, Scanner, Session, Skip, Timestamp, Verdict, part::NotInspected,
};
use crate::policy::{self, Facts, Policy, Worth};
use crate::scan::ScanInput;
use crate::scan::run::{self, Asked, Seen};
use crate::telemetry::Metrics;

/// Messages up to this size are read on the thread that received them (ADR 9): handing them to
/// another thread costs more than reading them.
pub(super) const READ_IN_PLACE: usize = 128 * 1024;

/// The daemon name that Postfix' own documents give to services which take mail from users only
/// (`milter_macro_daemon_name` in master.cf).
const ORIGINATING: &str = "ORIGINATING";

/// More inbound copies of our fields than these are not edited away: for each, Postfix reads its queue file
/// from the top, and no honest message has them.
const MAX_REMOVALS: usize = 100;

/// Looks at messages and judges them under one configuration.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    scanners: Vec<Asked>,
    policy: Policy,
    pass: Option<PassKey>,
    metrics: Arc<Metrics>,
}

/// What the engine takes from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of reading.
    pub limits: mail::Limits,
    /// How long one message may take in all.
    pub deadline: Duration,
    /// Clients whose mail is outbound.
    pub own: Vec<IpNet>,
    /// What it is worth that a scanner failed.
    pub on_failure: BTreeMap<Scanner, Worth>,
    /// The name under which our Authentication-Results are trusted; `None`: the MTA's own name, where
    /// anything is verified at all.
    pub authserv_id: Option<AuthservId>,
    /// Whether a Received-SPF field is written; those that came with a mail go then.
    pub received_spf: bool,
    /// Whom the lists do not keep mail from, and where those on them are answered.
    pub lists: lists::Terms,
    /// Stands for this configuration in audit records.
    pub fingerprint: String,
}

/// A message to be judged, taken apart from where it came.
#[derive(Debug)]
pub struct Subject {
    /// Our id.
    pub id: MailId,
    /// When it came.
    pub time: Timestamp,
    /// Who sent it.
    pub session: Arc<Session>,
    /// For whom.
    pub envelope: Envelope,
    /// What.
    pub message: Message,
    /// Why it is not here whole.
    pub fault: Option<Fault>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who gets it whatever the block list says (`lists.exempt_recipients`), in the envelope's order.
    pub exempt: Vec<bool>,
    /// The quarantine entry of which this is a released copy: a person has judged it already, so no
    /// scanner is asked.
    pub released: Option<MailId>,
    /// The Authentication-Results that a released copy was stored with.
    pub auth_results: Option<String>,
    /// What it holds of the process's memory.
    pub share: Option<Share>,
}

/// What was seen in a message.
#[derive(Debug)]
pub struct Looked {
    /// When the message came.
    pub time: Timestamp,
    /// The message and its parts.
    pub input: Arc<ScanInput>,
    /// What scanners saw.
    pub seen: Seen,
    /// What the admin's lists say; `None`: they were not looked at. Links are known only after the look, so
    /// who asked for it fills this in.
    pub lists: Option<ListHits>,
    /// Who gets it whatever the block list says, in the envelope's order.
    pub exempt: Vec<bool>,
    /// The quarantine entry of which this is a released copy.
    pub released: Option<MailId>,
    /// Our Authentication-Results: those of now, or of a released copy those it was stored with.
    pub auth_results: Option<String>,
    /// Our Received-SPF, where one is written.
    pub received_spf: Option<String>,
    /// Why it is not here whole.
    pub fault: Option<Fault>,
    /// Which way it goes.
    pub direction: Direction,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// One for each recipient, in the envelope's order.
    pub verdicts: Vec<Verdict>,
    /// What is to be done.
    pub plan: Plan,
}

impl Engine {
    /// An engine that asks `scanners` and judges by `policy`.
    #[must_use]
    pub fn new(settings: Settings, scanners: Vec<Asked>, policy: Policy, metrics: Arc<Metrics>) -> Self {
        Self { settings, scanners, policy, pass: None, metrics }
    }

    /// The same, where mail that was let through may come again by LMTP, and is known by this key.
    #[must_use]
    pub fn with_pass(self, pass: Option<PassKey>) -> Self {
        if pass.is_some() {
            // From the start, so that `rate()` sees the first one.
            for result in ["good", "own"].into_iter().chain(Worthless::ALL.map(Worthless::label)) {
                self.metrics.passes.with_label_values(&[result]);
            }
        }
        Self { pass, ..self }
    }

    /// By what mail that was judged already is known, where it may come.
    #[must_use]
    pub fn pass(&self) -> Option<&PassKey> {
        self.pass.as_ref()
    }

    /// What it was configured with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The policy it judges by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The scanners it asks.
    #[must_use]
    pub fn scanners(&self) -> &[Asked] {
        &self.scanners
    }

    /// Which data `scanner` works with: the name of its rule set; empty if it has none or is off.
    #[must_use]
    pub fn versions(&self, scanner: Scanner) -> String {
        let asked = self.scanners.iter().find(|a| a.scan.scanner() == scanner);
        asked.map(|a| a.scan.version()).unwrap_or_default()
    }

    /// The name under which results are given and trusted for mail of this session; `None` where nothing is
    /// verified and no name is set, because then fields in the MTA's name are somebody else's.
    #[must_use]
    pub fn authserv_id(&self, session: &Session) -> Option<AuthservId> {
        let verifies = self.scanners.iter().any(|asked| asked.scan.scanner() == Scanner::Auth);
        OwnId { set: self.settings.authserv_id.clone(), verifies }.of(session)
    }

    /// Which way mail of this session goes: own and authenticated clients send outbound mail.
    #[must_use]
    pub fn direction(&self, session: &Session) -> Direction {
        let own =
            session.client.addr.ip().is_some_and(|ip| self.settings.own.iter().any(|net| net.contains(&ip)));
        let originating = session.daemon.as_deref() == Some(ORIGINATING);
        if own || originating || session.user.is_some() || session.local_submission {
            Direction::Outbound
        } else {
            Direction::Inbound
        }
    }

    /// Reads the message and asks all scanners.
    pub async fn look(&self, subject: Subject) -> Looked {
        let deadline = Instant::now() + self.settings.deadline;
        let Subject {
            id,
            time,
            session,
            envelope,
            mut message,
            mut fault,
            direction,
            exempt,
            released,
            auth_results,
            mut share,
        } = subject;
        // Decoded, it takes about as much again.
        if fault.is_none() && share.as_mut().is_some_and(|share| share.take(message.raw().len()).is_err()) {
            fault = Some(Fault::NoMemory);
            message = Message::default();
        }
        let (parts, attachments) = self.read(&message, deadline).await;
        let share = share.map(|share| Box::new(share) as Box<_>);
        let input =
            Arc::new(ScanInput { id, session, envelope, direction, message, parts, attachments, share });
        let seen = if fault.is_some() {
            // There is nothing to look at; the fault itself is judged.
            Seen::default()
        } else if released.is_some() {
            let decided = |asked: &Asked| (asked.scan.scanner(), Outcome::Skipped(Skip::Decided));
            Seen { coverage: Coverage(self.scanners.iter().map(decided).collect()), ..Seen::default() }
        } else {
            run::run(&self.scanners, &input, deadline, &self.metrics).await
        };
        let verified = self.verified(&input, &seen).filter(|_| fault.is_none() && released.is_none());
        let auth_results = auth_results.or(verified);
        let received_spf = self.received_spf(&input, &seen);
        Looked {
            time,
            input,
            seen,
            lists: None,
            exempt,
            released,
            auth_results,
            received_spf,
            fault,
            direction,
        }
    }

    /// What the field says that we add to mail coming in, also where the scanner did not get to an end.
    fn verified(&self, input: &ScanInput, seen: &Seen) -> Option<String> {
        let outcome =
            seen.coverage.0.get(&Scanner::Auth).filter(|_| input.direction == Direction::Inbound)?;
        let id = self.authserv_id(&input.session)?;
        Some(match seen.authentication.as_deref() {
            Some(seen) => mail::results::authentication_results(id.as_str(), seen),
            None => mail::results::not_verified(id.as_str(), outcome),
        })
    }

    /// The Received-SPF field of mail coming in, if one is wanted and SPF was looked at.
    fn received_spf(&self, input: &ScanInput, seen: &Seen) -> Option<String> {
        let wanted = self.settings.received_spf && input.direction == Direction::Inbound;
        let seen = seen.authentication.as_deref().filter(|_| wanted)?;
        let receiver = self.authserv_id(&input.session);
        let helo = input.session.helo.as_deref();
        mail::received_spf::received_spf(receiver.as_ref().map(AuthservId::as_str), helo, seen)
    }

    /// The fields that go because a scanner wants it or because ours of that name must be the only one.
    fn wishes<'l>(&self, looked: &'l Looked) -> Cow<'l, [RemovalWish]> {
        let advice = looked.seen.advice.as_ref().filter(|_| self.policy.takes_rspamds_headers());
        let wishes = advice.map(|advice| &*advice.remove).unwrap_or_default();
        if !self.settings.received_spf || looked.direction == Direction::Outbound && looked.released.is_none()
        {
            return Cow::Borrowed(wishes);
        }
        let ours = RemovalWish { name: mail::received_spf::NAME.to_owned(), index: 0 };
        Cow::Owned(wishes.iter().cloned().chain([ours]).collect())
    }

    async fn read(&self, message: &Message, deadline: Instant) -> (Parts, Vec<Attachment>) {
        if message.raw().len() <= READ_IN_PLACE {
            return read(message, &self.settings.limits);
        }
        let (message, limits) = (message.clone(), self.settings.limits);
        let reading = tokio::task::spawn_blocking(move || read(&message, &limits));
        let nothing = |why| (Parts { list: Vec::new(), not_inspected: vec![why] }, Vec::new());
        match tokio::time::timeout_at(deadline.into(), reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                tracing::error!(%error, "reading a message panicked; it counts as not inspected");
                nothing(NotInspected::Unparsable)
            }
            Err(_) => nothing(NotInspected::TooSlow),
        }
    }

    /// Judges what was seen. Pure: the same for the same `looked` and `failures`, the number of
    /// times that this very message was put off before.
    #[must_use]
    pub fn judge(&self, looked: &Looked, failures: u32) -> Judged {
        let input = &looked.input;
        let advice = looked.seen.advice.as_ref();
        let authserv_id = self.authserv_id(&input.session);
        let authserv_id = authserv_id.as_ref().map(AuthservId::as_str);
        let removals = mail::strip::removals(&input.message, authserv_id, &self.wishes(looked));
        let forged = removals.len();
        let facts = Facts {
            id: input.id,
            direction: looked.direction,
            time: looked.time,
            session: &input.session,
            envelope: &input.envelope,
            coverage: &looked.seen.coverage,
            findings: &looked.seen.findings,
            message: Some(&input.message),
            attachments: &input.attachments,
            urls: looked.seen.urls.as_deref().map_or(&NO_URLS as &dyn policy::Urls, |seen| seen),
            advice,
            authentication: looked.seen.authentication.as_deref(),
            lists: looked.lists.as_ref(),
            exempt: &looked.exempt,
            released: looked.released,
            auth_results: looked.auth_results.as_deref(),
            recorded: None,
            received_spf: looked.received_spf.as_deref(),
            on_failure: &self.settings.on_failure,
            failures,
            subject: input.message.values("Subject").next(),
            fault: looked
                .fault
                .map(fault)
                .or((forged > MAX_REMOVALS).then_some(policy::Fault::Forged(forged))),
        };
        let verdicts = policy::decide(&self.policy, &facts);
        let plan = policy::plan(&self.policy, &facts, &verdicts, removals);
        Judged { verdicts, plan }
    }
}

/// The links of a message in which nobody looked for any.
static NO_URLS: [crate::model::SeenUrl; 0] = [];

fn read(message: &Message, limits: &mail::Limits) -> (Parts, Vec<Attachment>) {
    let parts = mail::walk(message, limits);
    let attachments = mail::attachments(&parts);
    (parts, attachments)
}

const fn fault(fault: Fault) -> policy::Fault {
    match fault {
        Fault::TooLarge(limit) => policy::Fault::TooLarge(ByteSize(limit)),
        Fault::TooManyFields => policy::Fault::TooManyFields(MAX_FIELDS),
        Fault::NoMemory => policy::Fault::NoMemory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Client, ClientAddr};

    fn engine() -> Engine {
        let settings = Settings {
            limits: mail::Limits::default(),
            deadline: Duration::from_secs(5),
            own: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            on_failure: BTreeMap::new(),
            authserv_id: None,
            received_spf: false,
            lists: lists::Terms::default(),
            fingerprint: String::new(),
        };
        Engine::new(settings, Vec::new(), Policy::default(), Arc::new(Metrics::new()))
    }

    fn from(ip: &str) -> Session {
        let addr = ClientAddr::Ip(ip.parse().unwrap());
        Session { client: Client { name: String::new(), addr }, ..Session::default() }
    }

    #[test]
    fn mail_of_own_clients_users_and_services_goes_out() {
        let engine = engine();
        assert_eq!(engine.direction(&from("198.51.100.7")), Direction::Inbound);
        assert_eq!(engine.direction(&from("127.0.0.1")), Direction::Inbound, "loopback is not implied");
        assert_eq!(engine.direction(&from("192.0.2.7")), Direction::Outbound);
        assert_eq!(engine.direction(&from("::ffff:192.0.2.7")), Direction::Outbound);
        assert_eq!(engine.direction(&from("2001:db8::7")), Direction::Outbound);
        let user = Session { user: Some("alice".to_owned()), ..from("198.51.100.7") };
        assert_eq!(engine.direction(&user), Direction::Outbound);
        let service = |name: &str| Session { daemon: Some(name.to_owned()), ..from("198.51.100.7") };
        assert_eq!(engine.direction(&service("ORIGINATING")), Direction::Outbound);
        assert_eq!(engine.direction(&service("smtpd")), Direction::Inbound);
        let local = Session { local_submission: true, ..from("127.0.0.1") };
        assert_eq!(engine.direction(&local), Direction::Outbound);
    }
}
