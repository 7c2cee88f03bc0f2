//! The language: what it accepts, what it refuses and how it says so, what it gives and what it costs.

mod differential;
mod faults;
mod given;
mod hostile;
mod measure;
mod names;
mod telling;

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::evidence::Evidence;
use super::super::view::View;
use super::super::{Config, Facts, Policy};
use super::{Expression, Failure, Fuel, Kind, Template};
use crate::mail::header;
use crate::model::authentication::{Author, Dkim, Dmarc, Iprev, Spf};
use crate::model::session::Tls;
use crate::model::url::Listed;
use crate::model::{
    Advice, AdvisedAction, Attachment, AuthResult, Authentication, Category, Client, ClientAddr, Coverage,
    Direction, DmarcPolicy, Envelope, Finding, Judgement, List, ListHit, ListHits, MailId, Matched, Message,
    Outcome, Recipient, ReversePath, Scanner, Score, SeenUrl, Session, Severity, Timestamp,
};

const MESSAGE: &[u8] = b"From: \"Shop\" <news@Shop.example>\r\n\
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n the shop\r\n\
Message-ID: <1@shop.example>\r\n\
Received: from a\r\n\
Received: from b\r\n\
List-Id: <news.shop.example>\r\n\
\r\n\
Hello\r\n";

/// A message of which something is known in every respect.
pub(in super::super) struct Sample {
    policy: Policy,
    session: Session,
    envelope: Envelope,
    coverage: Coverage,
    findings: Vec<Finding>,
    message: Option<Message>,
    attachments: Vec<Attachment>,
    lists: Option<ListHits>,
    urls: Vec<SeenUrl>,
    advice: Option<Advice>,
    authentication: Option<Authentication>,
    direction: Direction,
    time: Timestamp,
    groups: Vec<String>,
    on_failure: BTreeMap<Scanner, super::super::Worth>,
    subject: Option<Vec<u8>>,
}

fn finding(scanner: Scanner, symbol: &str, severity: Severity, category: Category, score: f64) -> Finding {
    let text = format!("it is {symbol}");
    let location = Some("part 2 (a.zip)".to_owned());
    Finding {
        scanner,
        symbol: symbol.to_owned(),
        severity,
        category,
        score: Score::new(score),
        text,
        location,
    }
}

fn url(address: &str, judgement: Judgement, feeds: &[&str]) -> SeenUrl {
    let listed = feeds.iter().map(|feed| Listed {
        feed: (*feed).to_owned(),
        kind: "host".to_owned(),
        added: None,
        age_days: None,
        confidence: None,
        what: None,
    });
    SeenUrl {
        url: address.to_owned(),
        source: "html:href".to_owned(),
        shown: "click".to_owned(),
        part: Some(1),
        judgement,
        listed: listed.collect(),
    }
}

impl Sample {
    pub(in super::super) fn new() -> Self {
        let message = header::parse(MESSAGE.to_vec());
        let subject = message.values("Subject").next().map(<[u8]>::to_vec);
        Self {
            policy: Policy::new(&Config::default()).unwrap(),
            session: Session {
                client: Client {
                    name: "mx.shop.example".to_owned(),
                    addr: ClientAddr::Ip([192, 0, 2, 7].into()),
                },
                helo: Some("mx.shop.example".to_owned()),
                tls: Some(Tls { version: "TLSv1.3".to_owned(), cipher: "TLS_AES".to_owned() }),
                daemon: Some("smtpd".to_owned()),
                ..Session::default()
            },
            envelope: Envelope {
                reverse_path: ReversePath(Recipient::new(*b"<Bounce@Shop.Example>")),
                parameters: vec!["SIZE=1000".to_owned()],
                recipients: vec![Recipient::new(*b"<a@Our.Example>"), Recipient::new(*b"<b@our.example>")],
                queue_id: None,
            },
            coverage: Coverage(BTreeMap::from([
                (Scanner::Auth, Outcome::Clean),
                (Scanner::Clamd, Outcome::TimedOut(Duration::from_secs(8))),
                (Scanner::Yara, Outcome::Found),
            ])),
            findings: vec![
                finding(Scanner::Yara, "ODD_MACRO", Severity::High, Category::Malware, 4.0),
                finding(Scanner::Urls, "PHISH_HOST", Severity::Medium, Category::Phish, 2.0),
                finding(Scanner::Rspamd, "BAYES_SPAM", Severity::Low, Category::Spam, 1.5),
            ],
            message: Some(message),
            attachments: vec![Attachment {
                name: "Invoice.PDF.Exe".to_owned(),
                other_names: Vec::new(),
                media_type: "Application/Octet-Stream".to_owned(),
                size: 1234,
                sha256: "ab".repeat(32),
                path: vec!["a.zip".to_owned(), "Invoice.PDF.Exe".to_owned()],
            }],
            lists: Some(ListHits(vec![ListHit {
                comment: Some("seen in May".to_owned()),
                ..ListHit::new(List::Block, Matched::Url, "url:bad.example")
            }])),
            urls: vec![
                url("https://www.shop.example/x", Judgement::Unknown, &[]),
                url("http://a.bad.example/login", Judgement::Phish, &["phishtank", "urlhaus"]),
                url("http://198.51.100.9/", Judgement::NotLookedUp, &[]),
            ],
            advice: Some(Advice {
                action: AdvisedAction::AddHeader,
                score: 7.25,
                required: 15.0,
                reply: None,
                add: Vec::new(),
                remove: Vec::new(),
            }),
            authentication: Some(Authentication {
                client: Some([192, 0, 2, 7].into()),
                mail_from: Some(Spf {
                    result: AuthResult::Pass,
                    domain: "shop.example".to_owned(),
                    ..Spf::default()
                }),
                dkim: vec![
                    Dkim { result: AuthResult::Fail, domain: "x.example".to_owned(), ..Dkim::default() },
                    Dkim { result: AuthResult::Pass, domain: "shop.example".to_owned(), ..Dkim::default() },
                ],
                dmarc: Some(Dmarc {
                    result: AuthResult::Pass,
                    domain: "shop.example".to_owned(),
                    policy: Some(DmarcPolicy::Reject),
                    spf_aligned: true,
                    ..Dmarc::default()
                }),
                iprev: Some(Iprev { result: AuthResult::Pass, name: None }),
                author: Author::Domain("shop.example".to_owned()),
                ..Authentication::default()
            }),
            direction: Direction::Inbound,
            time: Timestamp::parse("2026-11-21T14:05:06Z").unwrap(),
            groups: vec!["staff".to_owned(), "sales".to_owned()],
            on_failure: BTreeMap::new(),
            subject,
        }
    }

    /// Lends a view of it.
    pub(in super::super) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let facts = Facts {
            id: MailId::from_parts(0, 0),
            direction: self.direction,
            time: self.time,
            session: &self.session,
            envelope: &self.envelope,
            coverage: &self.coverage,
            findings: &self.findings,
            message: self.message.as_ref(),
            attachments: &self.attachments,
            urls: &self.urls,
            advice: self.advice.as_ref(),
            authentication: self.authentication.as_ref(),
            lists: self.lists.as_ref(),
            exempt: &[],
            released: None,
            auth_results: None,
            recorded: None,
            received_spf: None,
            on_failure: &self.on_failure,
            failures: 1,
            subject: self.subject.as_deref(),
            fault: None,
        };
        let evidence = Evidence::new(&self.findings);
        let mut view = View::new(&self.policy, &facts, &evidence);
        view.recipient = self.envelope.recipients.first();
        view.groups = &self.groups;
        look(&view)
    }

    fn holds(&self, text: &str) -> Result<bool, Failure> {
        let expression = compiled(text);
        self.look(|view| expression.holds(view, &mut Fuel::of_a_message()))
    }

    fn tell(&self, text: &str) -> String {
        let expression = compiled(text);
        self.look(|view| expression.tell(view, &mut Fuel::of_a_message()))
    }

    fn fill(&self, text: &str) -> Result<String, Failure> {
        let template = Template::compile(text).unwrap();
        self.look(|view| template.fill(view, &mut Fuel::of_a_message()))
    }
}

fn compiled(text: &str) -> Expression {
    match Expression::compile(text, Kind::Bool) {
        Ok(expression) => expression,
        Err(faults) => panic!("{text}: {faults:?}"),
    }
}
