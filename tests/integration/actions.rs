//! What rules want besides a disposition, through a real Postfix: who gets what in the end.
//!
//! The judge stands in this program; plan, session and banner are those of the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use mailward::intake::milter::{Config, serve};
use mailward::intake::{Listener, Running, Service, Snapshot};
use mailward::mail::{banner, header, strip};
use mailward::model::{
    Action, ByteSize, Category, Coverage, Direction, Disposition, Explanation, MailId, Score, SeenUrl,
    Timestamp, Treatment, Verdict,
};
use mailward::pipeline::{Budget, Decision, Judge, Received};
use mailward::policy::{self, Facts, Policy};
use mailward::telemetry::Metrics;

use super::mta::{self, Daemon, Options, PATIENCE, Postfix, SmtpReply, free_port, wait_until};

/// What happens to mail for a recipient.
type Rule = fn(&str) -> (Disposition, Treatment);

struct Desk {
    rule: Rule,
    count: AtomicU64,
}

static NO_URLS: [SeenUrl; 0] = [];

impl Desk {
    fn decide(&self, received: &Received) -> Decision {
        let id = MailId::from_parts(1_795_210_591_042, self.count.fetch_add(1, Ordering::Relaxed));
        let verdicts: Vec<Verdict> = received
            .envelope
            .recipients
            .iter()
            .map(|recipient| {
                let (disposition, treatment) = (self.rule)(recipient.address());
                Verdict {
                    disposition,
                    category: Category::Suspicious,
                    score: Score::default(),
                    rule: "test".into(),
                    reason: "the test says so".into(),
                    explanation: Explanation::default(),
                    treatment: Some(Arc::new(treatment)),
                }
            })
            .collect();
        let (coverage, on_failure) = (Coverage::default(), BTreeMap::new());
        let facts = Facts {
            id,
            direction: Direction::Inbound,
            time: Timestamp::from_millis(1_795_210_591_042),
            session: &received.session,
            envelope: &received.envelope,
            coverage: &coverage,
            findings: &[],
            message: Some(&received.message),
            attachments: &[],
            urls: &NO_URLS,
            advice: None,
            authentication: None,
            lists: None,
            exempt: &[],
            released: None,
            auth_results: None,
            recorded: None,
            received_spf: None,
            on_failure: &on_failure,
            failures: 0,
            subject: received.message.values("Subject").next(),
            fault: None,
        };
        let removals = strip::removals(&received.message, None, &[]);
        let mut plan = policy::plan(&Policy::default(), &facts, &verdicts, removals);
        if let Some(text) = plan.banner.take() {
            plan.actions.push(Action::ReplaceBody(banner::add(&received.message, &text).unwrap()));
        }
        Decision { id, plan, is_known: false }
    }
}

impl Judge for Desk {
    fn judge(&self, received: Received) -> mailward::scan::BoxFuture<'_, Decision> {
        Box::pin(async move { self.decide(&received) })
    }

    fn answered(&self, _: MailId, reached: bool) {
        assert!(reached, "the answer reaches Postfix");
    }
}

/// A Postfix whose milter judges by `rule`.
struct Scene {
    postfix: Postfix,
    _running: Running,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new(rule: Rule) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (config, port) = (Config::default(), free_port().unwrap());
        let judge: Arc<dyn Judge> = Arc::new(Desk { rule, count: AtomicU64::new(0) });
        let snapshot =
            Snapshot { judge, max_message: ByteSize(1 << 26), hung_after: Duration::from_secs(60) };
        let service = Service {
            snapshots: Arc::new(ArcSwap::from_pointee(snapshot)),
            budget: Budget::new(100, 1 << 30),
            metrics: Arc::new(Metrics::new()),
        };
        let running = runtime.block_on(async {
            let endpoint = format!("inet:127.0.0.1:{port}").parse().unwrap();
            serve(vec![Listener::bind(&endpoint, &config).await.unwrap()], &config, service)
        });
        let postfix = Postfix::start(&Options::with_milter(format!("inet:127.0.0.1:{port}"))).unwrap();
        Self { postfix, _running: running, _runtime: runtime }
    }

    fn send(&self, recipients: &[&str], message: &[u8]) -> SmtpReply {
        let port = self.postfix.smtp_port();
        mta::smtp::send(port, "a@sender.example", recipients, message).unwrap().last().clone()
    }

    /// How many mails each of them has, once the queue is empty.
    fn arrived(&self, addresses: &[&str]) -> Vec<usize> {
        self.postfix.wait_for_empty_queue().unwrap();
        addresses.iter().map(|address| self.postfix.mailbox(address).unwrap().len()).collect()
    }
}

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const CAROL: &str = "carol@example.org";
const DAVE: &str = "dave@example.org";

fn mail(subject: &str) -> Vec<u8> {
    mta::smtp::crlf(&format!("From: a@sender.example\nTo: x@example.org\nSubject: {subject}\n\nHello.\n"))
}

#[test]
fn a_redirected_mail_arrives_at_its_target_alone_and_copies_arrive_once() {
    if !mta::not_run::postfix_ready("a_redirected_mail_arrives_at_its_target_alone_and_copies_arrive_once") {
        return;
    }
    let scene = Scene::new(|recipient| {
        let treatment = match recipient {
            BOB => Treatment { redirect_to: Some(CAROL.into()), ..Treatment::default() },
            DAVE => Treatment { copy_to: vec![ALICE.into(), CAROL.into()], ..Treatment::default() },
            _ => Treatment::default(),
        };
        (Disposition::Accept, treatment)
    });
    assert_eq!(scene.send(&[ALICE, BOB], &mail("redirect")).code, 250);
    let all = [ALICE, BOB, CAROL, DAVE];
    assert_eq!(scene.arrived(&all), [1, 0, 1, 0]);
    // The target is a recipient already.
    assert_eq!(scene.send(&[CAROL, BOB], &mail("no double")).code, 250);
    assert_eq!(scene.arrived(&all), [1, 0, 2, 0]);
    // Alice gets the mail as a recipient, Carol as a copy and in Bob's place, once.
    assert_eq!(scene.send(&[ALICE, BOB, DAVE], &mail("copy")).code, 250);
    assert_eq!(scene.arrived(&all), [2, 0, 3, 1]);
    for delivered in scene.postfix.mailbox(CAROL).unwrap() {
        let ours: Vec<String> =
            delivered.fields().into_iter().filter(|field| field.starts_with("X-Mailward-")).collect();
        assert!(!ours.is_empty() && ours.iter().all(|field| !field.contains("bob")), "{ours:?}");
    }
}

#[test]
fn mail_that_the_mta_holds_waits_in_its_hold_queue_and_can_be_let_go() {
    if !mta::not_run::postfix_ready("mail_that_the_mta_holds_waits_in_its_hold_queue_and_can_be_let_go") {
        return;
    }
    let scene = Scene::new(|_| (Disposition::Quarantine, Treatment { hold: true, ..Treatment::default() }));
    let forged = [b"X-Mailward-Action: accept\r\n".to_vec(), mail("hold")].concat();
    assert_eq!(scene.send(&[ALICE, BOB], &forged).code, 250);
    let held = wait_until("the mail in hold", PATIENCE, || {
        Ok(scene.postfix.queue()?.into_iter().find(|mail| mail.queue == "hold"))
    })
    .unwrap();
    assert_eq!(held.recipients, [ALICE, BOB]);
    let listed = mta::guard::run(scene.postfix.tool("postqueue").arg("-p")).unwrap();
    assert!(listed.contains(&format!("{}!", held.id)), "{listed}");
    let log = scene.postfix.log();
    // Postfix does not log the reason that it is given; Sendmail shows it in its queue.
    assert!(log.contains("milter triggers HOLD action"), "{log}");
    assert_eq!(scene.postfix.mailbox(ALICE).unwrap().len(), 0);
    scene.postfix.postsuper(&["-H", "ALL"]).unwrap();
    assert_eq!(scene.arrived(&[ALICE, BOB]), [1, 1]);
    let delivered = scene.postfix.mailbox(ALICE).unwrap().remove(0);
    assert_eq!(delivered.values("X-Mailward-Action"), ["quarantine"]);
}

#[test]
fn fields_prefix_and_banner_arrive_and_nothing_else_changes() {
    if !mta::not_run::postfix_ready("fields_prefix_and_banner_arrive_and_nothing_else_changes") {
        return;
    }
    const BANNER: &str = "Beware: this mail is from outside.";
    let scene = Scene::new(|_| {
        let treatment = Treatment {
            headers: vec![("X-Outside".into(), "yes".into())],
            subject_prefix: Some("[outside]".into()),
            banner: Some(BANNER.into()),
            ..Treatment::default()
        };
        (Disposition::Accept, treatment)
    });
    let file = "QUJD".repeat(19) + "\n";
    let sent = mta::smtp::crlf(&format!(
        "From: a@sender.example\nTo: alice@example.org\nSubject: hello\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=o\n\npreamble\n--o\nContent-Type: multipart/alternative; boundary=i\n\n\
         --i\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n.dot\n..dots gr\u{fc}\u{df}e\n\
         --i\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         <html><body>gr=C3=BC=C3=9Fe</body></html>\n--i--\n\n--o\nContent-Type: image/png\n\
         Content-Transfer-Encoding: base64\n\n{}\n--o--\n",
        file.repeat(3000)
    ));
    assert_eq!(scene.send(&[ALICE], &sent).code, 250);
    assert_eq!(scene.arrived(&[ALICE]), [1]);
    let delivered = scene.postfix.mailbox(ALICE).unwrap().remove(0);
    assert_eq!(delivered.value("Subject").as_deref(), Some("[outside] hello"));
    assert_eq!(delivered.values("X-Outside"), ["yes"]);
    let expected = banner::add(&header::parse(sent), BANNER).unwrap();
    assert!(expected.len() > 3 * 65_535, "more than one chunk");
    let expected = String::from_utf8(expected.to_vec()).unwrap().replace("\r\n", "\n");
    assert!(String::from_utf8(delivered.body().to_vec()).unwrap() == expected, "another body arrived");
    assert_eq!(expected.matches(BANNER).count(), 2);
}

#[test]
fn the_sender_hears_the_rules_own_words() {
    if !mta::not_run::postfix_ready("the_sender_hears_the_rules_own_words") {
        return;
    }
    let scene = Scene::new(|recipient| {
        let disposition = if recipient == BOB { Disposition::Tempfail } else { Disposition::Reject };
        (disposition, Treatment { reply: Some("100% unwanted".into()), ..Treatment::default() })
    });
    let reply = scene.send(&[ALICE], &mail("no"));
    assert_eq!((reply.code, reply.text().starts_with("5.7.1 100% unwanted (id ")), (550, true), "{reply:?}");
    let reply = scene.send(&[ALICE, BOB], &mail("later"));
    assert_eq!((reply.code, reply.text().starts_with("4.7.1 100% unwanted (id ")), (451, true), "{reply:?}");
}

#[test]
fn recipients_of_two_classes_get_their_mail_in_two_transactions() {
    if !mta::not_run::postfix_ready("recipients_of_two_classes_get_their_mail_in_two_transactions") {
        return;
    }
    // Nobody of these is on the block list's business but the postmaster, who takes mail from anybody.
    let daemon = Daemon::start("[policy]\nsplit = true\n").unwrap();
    let here = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let there = Options::default()
        .set("myhostname", "sender.remote.example")
        .set("virtual_mailbox_domains", "")
        .set("default_transport", format!("smtp:[127.0.0.1]:{}", here.smtp_port()));
    let there = Postfix::start(&there).unwrap();
    let all = [ALICE, "postmaster@example.org", BOB];
    there.sendmail("a@sender.example", &all, &mail("split")).unwrap();
    // One class has it; the other is put off until its server tries again.
    let first = wait_until("the first transaction", PATIENCE, || {
        let got: Vec<usize> =
            all.iter().map(|who| here.mailbox(who).map(|m| m.len())).collect::<Result<_, _>>()?;
        let waiting = there.queue()?.iter().any(|mail| mail.queue == "deferred");
        Ok((waiting && got.iter().sum::<usize>() > 0).then_some(got))
    })
    .unwrap();
    assert!(first == [1, 0, 1] || first == [0, 1, 0], "{first:?}");
    assert!(there.log().contains("452 4.5.3"), "{}", there.log());
    there.flush().unwrap();
    there.wait_for_empty_queue().unwrap();
    for who in all {
        assert_eq!(here.wait_for_mail(who, 1).unwrap().len(), 1, "{who}");
    }
    let records = super::common::stdout(&daemon, &["audit", "export"]);
    assert_eq!(records.matches("\"stage\":\"rcpt\"").count(), 0, "nobody was refused: {records}");
    // sendmail(1) on this side is never put off.
    here.sendmail("alice@example.org", &[BOB, "postmaster@example.org"], &mail("local")).unwrap();
    assert_eq!(here.wait_for_mail(BOB, 2).unwrap().len(), 2);
    assert_eq!(here.wait_for_mail("postmaster@example.org", 2).unwrap().len(), 2);
}
