//! What judging costs by rules: the shipped ones, a thousand more, conditions made to be slow; and reading them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mailward::model::{
    Attachment, Authentication, Category, Coverage, Direction, Envelope, Finding, ListHits, MailId, Message,
    Outcome, Recipient, ReversePath, Scanner, Score, SeenUrl, Session, Severity, Timestamp,
};
use mailward::policy::{Facts, Policy, RuleFile, Rules, decide};

use super::table::Spread;

/// Messages judged in a round.
const MESSAGES: u32 = 2_000;

/// What a message is judged by.
struct Mail {
    session: Session,
    envelope: Envelope,
    coverage: Coverage,
    findings: Vec<Finding>,
    authentication: Authentication,
    attachments: Vec<Attachment>,
    urls: Vec<SeenUrl>,
    message: Message,
    lists: ListHits,
    on_failure: BTreeMap<Scanner, mailward::policy::Worth>,
}

impl Mail {
    fn new(findings: usize, urls: usize, body: usize) -> Self {
        let finding = |n: usize| Finding {
            scanner: Scanner::Rspamd,
            symbol: format!("SYMBOL_{n}"),
            severity: Severity::Low,
            category: Category::Spam,
            score: Score::new(0.1),
            text: "something was found in the message".to_owned(),
            location: None,
        };
        let url = |n: usize| SeenUrl {
            url: format!("https://www.site{n}.example/offers/{n}"),
            source: "html:href".to_owned(),
            shown: "Read more".to_owned(),
            part: Some(1),
            judgement: mailward::model::Judgement::Unknown,
            listed: Vec::new(),
        };
        let raw = format!(
            "From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: lunch\r\nList-Id: <l.sender.example>\r\n\
             \r\n{}",
            "x".repeat(body)
        );
        Self {
            session: Session::default(),
            envelope: Envelope {
                reverse_path: ReversePath(Recipient::new("<a@sender.example>")),
                recipients: vec![Recipient::new("<alice@example.org>")],
                ..Envelope::default()
            },
            coverage: Coverage(Scanner::ALL.map(|scanner| (scanner, Outcome::Clean)).into()),
            findings: (0..findings).map(finding).collect(),
            authentication: Authentication::default(),
            attachments: Vec::new(),
            urls: (0..urls).map(url).collect(),
            message: mailward::mail::header::parse(raw.into_bytes()),
            lists: ListHits::default(),
            on_failure: BTreeMap::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            id: MailId::from_parts(1_795_210_591_042, 7),
            direction: Direction::Inbound,
            time: Timestamp::from_millis(1_795_210_591_042),
            session: &self.session,
            envelope: &self.envelope,
            coverage: &self.coverage,
            findings: &self.findings,
            message: Some(&self.message),
            attachments: &self.attachments,
            urls: &self.urls,
            advice: None,
            authentication: Some(&self.authentication),
            lists: Some(&self.lists),
            exempt: &[],
            released: None,
            auth_results: None,
            recorded: None,
            received_spf: None,
            on_failure: &self.on_failure,
            failures: 0,
            subject: Some(b" lunch"),
            fault: None,
        }
    }
}

/// A thousand rules as admins write them, none of which applies.
fn thousand() -> String {
    let conditions = [
        "score > 90.0 + N.0",
        "found(\"RULE_N\")",
        "envelope.sender_domain == \"bad-N.example\"",
        "header(\"X-Mailer\").contains(\"Bulk N\")",
        "findings.exists(f, f.symbol == \"SYM_N\" && f.severity >= high)",
        "attachments.exists(a, a.extension == \"x-N\")",
        "inbound && recipient.address == \"user-N@example.org\" && score > 1.0",
        "domain_in(message.from_domain, [\"a-N.example\", \"b-N.example\"])",
        "auth.dmarc == \"fail\" && message.subject.matches(\"(?i)invoice N\")",
        "urls.exists(u, u.host == \"host-N.example\")",
    ];
    let rule = |(n, condition): (usize, &&str)| {
        let when = condition.replace('N', &n.to_string());
        format!("[[rule]]\nname = \"rule-{n}\"\nwhen = '{when}'\ndisposition = \"quarantine\"\n")
    };
    conditions.iter().cycle().take(1_000).enumerate().map(rule).collect()
}

/// Conditions made to take long over a large message.
fn hostile() -> String {
    let conditions = [
        "findings.exists(f, urls.exists(u, u.shown == f.text))",
        "urls.exists(u, urls.exists(v, u.url == v.host))",
        "findings.all(f, findings.exists(g, urls.exists(u, u.url.contains(f.symbol + g.symbol))))",
        "urls.filter(u, u.url.matches(\"(a|b|h)*(t|p)*s?://(.*\\\\.)*nowhere\")).size() > 1",
    ];
    let rule = |(n, when): (usize, &&str)| {
        format!("[[rule]]\nname = \"slow-{n}\"\nwhen = '''{when}'''\ndisposition = \"quarantine\"\n")
    };
    conditions.iter().enumerate().map(rule).collect()
}

fn policy(text: &str) -> anyhow::Result<Policy> {
    let file: RuleFile = toml::from_str(text).context("the rules are no TOML")?;
    let (rules, faults) = Rules::new(&file, text);
    anyhow::ensure!(faults.iter().all(|fault| !fault.is_error), "the rules are wrong: {faults:?}");
    Ok(Policy::default().with_rules(rules))
}

/// Each set of rules over each message, and the time to read a thousand rules.
///
/// # Errors
/// If the rules are wrong.
pub(crate) fn report(rounds: usize) -> anyhow::Result<()> {
    let (few, many) = (Mail::new(3, 30, 3_500), Mail::new(1_000, 1_000, 2_000_000));
    let text = thousand();
    let shipped = Policy::default();
    let (own, slow) = (policy(&text)?, policy(&hostile())?);
    println!("| rules | message | a message | wanted |\n|---|---|---|---|");
    for (name, policy, mail, messages, wanted) in [
        ("shipped", &shipped, &few, MESSAGES, "60 µs"),
        ("shipped", &shipped, &many, 20, ""),
        ("shipped and 1,000 more", &own, &few, 200, "1 ms"),
        ("shipped and 1,000 more", &own, &many, 2, "20 ms"),
        ("made to be slow", &slow, &many, 2, "20 ms"),
    ] {
        let mut took = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let facts = mail.facts();
            let begin = Instant::now();
            for _ in 0..messages {
                std::hint::black_box(decide(policy, std::hint::black_box(&facts)));
            }
            took.push(micros(begin.elapsed() / messages));
        }
        let which =
            if mail.findings.len() > 3 { "1,000 findings, 1,000 links" } else { "3 findings, 30 links" };
        println!("| {name} | {which} | {} µs | {wanted} |", Spread::of(took.into_iter()));
    }
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begin = Instant::now();
        std::hint::black_box(policy(std::hint::black_box(&text))?);
        took.push(micros(begin.elapsed()) / 1e3);
    }
    println!("| 1,000 read | | {} ms | 200 ms |", Spread::of(took.into_iter()));
    Ok(())
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
