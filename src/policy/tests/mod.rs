//! What the tests share: one message that can be changed in all its facts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Facts, Fault, Policy, Worth};
use crate::model::authentication::Spf;
use crate::model::{
    Advice, AdvisedAction, AuthResult, Authentication, Category, Coverage, Direction, Envelope, Finding,
    List, ListHit, ListHits, MailId, Matched, Outcome, Plan, Recipient, ReversePath, Scanner, Score, Session,
    Severity, Skip, Verdict,
};

mod dmarc;
mod golden;
mod listed;
mod neighbours;
mod planning;
mod properties;
mod verdicts;

/// The facts of one message, owned.
#[derive(Clone, Debug)]
struct Case {
    policy: Policy,
    direction: Direction,
    session: Session,
    envelope: Envelope,
    coverage: Coverage,
    findings: Vec<Finding>,
    advice: Option<Advice>,
    lists: ListHits,
    exempt: Vec<bool>,
    released: Option<MailId>,
    auth_results: Option<String>,
    authentication: Option<Authentication>,
    on_failure: BTreeMap<Scanner, Worth>,
    failures: u32,
    subject: Option<Vec<u8>>,
    fault: Option<Fault>,
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
    fn facts(&self) -> Facts<'_> {
        Facts {
            id: MailId::from_parts(1_795_210_591_042, 7),
            direction: self.direction,
            session: &self.session,
            envelope: &self.envelope,
            coverage: &self.coverage,
            findings: &self.findings,
            advice: self.advice.as_ref(),
            lists: Some(&self.lists),
            exempt: &self.exempt,
            released: self.released,
            auth_results: self.auth_results.as_deref(),
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

    fn plan(&self, verdicts: &[Verdict]) -> Plan {
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

fn allow() -> ListHit {
    ListHit {
        list: List::Allow,
        on: Matched::Sender,
        entry: "example.net".to_owned(),
        comment: Some("a partner".to_owned()),
        domain: Some("example.net".to_owned()),
        excepted: false,
    }
}

/// SPF passes for the sender of [`envelope`], and nothing else is known.
fn spf_passes() -> Authentication {
    let domain = "example.net".to_owned();
    let spf = Spf { result: AuthResult::Pass, domain, ..Spf::default() };
    Authentication { mail_from: Some(spf), client: Some([192, 0, 2, 1].into()), ..Authentication::default() }
}

fn block() -> ListHit {
    let entry = "192.0.2.0/24".to_owned();
    ListHit { list: List::Block, on: Matched::Client, entry, comment: None, domain: None, excepted: false }
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
