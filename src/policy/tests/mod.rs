//! What the tests share: one message that can be changed in all its facts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Facts, Fault, Policy, Worth};
use crate::model::authentication::Spf;
use crate::model::{
    Advice, AdvisedAction, Attachment, AuthResult, Authentication, Category, Coverage, Direction, Envelope,
    Finding, Handover, List, ListHit, ListHits, MailId, Matched, Outcome, Plan, Recipient, ReversePath,
    Scanner, Score, Session, Severity, Skip, Verdict,
};

mod counting;
mod dmarc;
mod extras;
pub(crate) mod golden;
mod listed;
mod neighbours;
mod planning;
mod properties;
mod ruled;
mod ruled_properties;
mod verdicts;
mod what_if;

/// The facts of one message, owned.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) policy: Policy,
    pub(crate) direction: Direction,
    pub(crate) session: Session,
    pub(crate) envelope: Envelope,
    pub(crate) coverage: Coverage,
    pub(crate) findings: Vec<Finding>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) advice: Option<Advice>,
    pub(crate) lists: ListHits,
    pub(crate) exempt: Vec<bool>,
    pub(crate) released: Option<MailId>,
    pub(crate) auth_results: Option<String>,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) on_failure: BTreeMap<Scanner, Worth>,
    pub(crate) failures: u32,
    pub(crate) subject: Option<Vec<u8>>,
    pub(crate) fault: Option<Fault>,
}

impl Default for Case {
    /// A clean message to two recipients that every scanner looked at.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            direction: Direction::Inbound,
            session: Session::default(),
            envelope: envelope(&["<a@example.org>", "<b@example.org>"]),
            coverage: coverage(&[(Scanner::Mime, Outcome::Clean), (Scanner::Yara, Outcome::Clean)]),
            findings: Vec::new(),
            attachments: Vec::new(),
            advice: None,
            lists: ListHits::default(),
            exempt: Vec::new(),
            released: None,
            auth_results: None,
            authentication: None,
            on_failure: BTreeMap::new(),
            failures: 0,
            subject: Some(b" Hello".to_vec()),
            fault: None,
        }
    }
}

impl Case {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            id: MailId::from_parts(1_795_210_591_042, 7),
            direction: self.direction,
            time: crate::model::Timestamp::from_millis(1_795_210_591_042),
            session: &self.session,
            envelope: &self.envelope,
            coverage: &self.coverage,
            findings: &self.findings,
            message: None,
            attachments: &self.attachments,
            urls: &[],
            advice: self.advice.as_ref(),
            lists: Some(&self.lists),
            exempt: &self.exempt,
            released: self.released,
            auth_results: self.auth_results.as_deref(),
            recorded: None,
            received_spf: None,
            authentication: self.authentication.as_ref(),
            on_failure: &self.on_failure,
            failures: self.failures,
            subject: self.subject.as_deref(),
            fault: self.fault,
        }
    }

    fn verdict(&self) -> Verdict {
        super::judge(&self.policy, &self.facts())
    }

    pub(crate) fn plan(&self, verdicts: &[Verdict]) -> Plan {
        super::plan(&self.policy, &self.facts(), verdicts, Vec::new())
    }

    fn decide_and_plan(&self) -> Plan {
        self.plan(&super::decide(&self.policy, &self.facts()))
    }

    /// With these findings by yara.
    fn found(findings: Vec<Finding>) -> Self {
        let coverage = coverage(&[(Scanner::Mime, Outcome::Clean), (Scanner::Yara, Outcome::Found)]);
        Self { findings, coverage, ..Self::default() }
    }

    /// With a scanner that did not get through.
    fn gap(scanner: Scanner, outcome: Outcome) -> Self {
        let mut case = Self::default();
        case.coverage.0.insert(scanner, outcome);
        case
    }

    fn outbound(mut self) -> Self {
        self.direction = Direction::Outbound;
        self
    }

    fn local(mut self) -> Self {
        self.session.local_submission = true;
        self
    }

    /// By LMTP.
    pub(crate) fn by_lmtp(mut self, refuses: bool) -> Self {
        self.session.handover = Handover::Lmtp { refuses };
        self
    }
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath(Recipient::new("<s@example.net>")),
        recipients: recipients.iter().map(|r| Recipient::new(*r)).collect(),
        ..Envelope::default()
    }
}

fn coverage(list: &[(Scanner, Outcome)]) -> Coverage {
    Coverage(list.iter().cloned().collect())
}

fn finding(symbol: &str, category: Category, severity: Severity, score: f64) -> Finding {
    Finding {
        scanner: Scanner::Yara,
        symbol: symbol.to_owned(),
        severity,
        category,
        score: Score::new(score),
        text: format!("{symbol} matched"),
        location: Some("part 2 (a.zip)".to_owned()),
    }
}

fn file(name: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        other_names: Vec::new(),
        media_type: "application/octet-stream".to_owned(),
        size: 100,
        sha256: "00".repeat(32),
        path: vec![name.to_owned()],
    }
}

fn allow() -> ListHit {
    ListHit {
        comment: Some("a partner".to_owned()),
        domain: Some("example.net".to_owned()),
        ..ListHit::new(List::Allow, Matched::Sender, "example.net")
    }
}

/// SPF passes for the sender of [`envelope`], and nothing else is known.
fn spf_passes() -> Authentication {
    let domain = "example.net".to_owned();
    let spf = Spf { result: AuthResult::Pass, domain, ..Spf::default() };
    Authentication { mail_from: Some(spf), client: Some([192, 0, 2, 1].into()), ..Authentication::default() }
}

/// SPF fails, nothing is signed, and there is no DMARC.
fn nothing_passes() -> Authentication {
    let spf = Spf { result: AuthResult::Fail, domain: "example.net".to_owned(), ..Spf::default() };
    Authentication { mail_from: Some(spf), client: Some([192, 0, 2, 1].into()), ..Authentication::default() }
}

fn block() -> ListHit {
    ListHit::new(List::Block, Matched::Client, "192.0.2.0/24")
}

fn advice(action: AdvisedAction) -> Advice {
    Advice { action, score: 7.25, required: 15.0, reply: None, add: Vec::new(), remove: Vec::new() }
}

fn eicar() -> Finding {
    finding("Eicar_Test_File", Category::Malware, Severity::Critical, 20.0)
}

fn timeout() -> Outcome {
    Outcome::TimedOut(Duration::from_secs(8))
}

fn too_large() -> Outcome {
    Outcome::Skipped(Skip::TooLarge)
}
