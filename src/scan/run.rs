//! Asks all scanners at once, each under its own deadline, and gathers how they ended.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{Report, Scan, ScanInput};
use crate::model::{Advice, Authentication, Coverage, Finding, Outcome, Scanner};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::panic_text;

/// How long after its deadline a scanner is still listened to.
const HAND_OVER: Duration = Duration::from_millis(20);

/// A scanner and the time it may take.
#[derive(Clone)]
pub struct Asked {
    /// Who is asked.
    pub scan: Arc<dyn Scan>,
    /// How long it may take; less where the message has less left.
    pub timeout: Duration,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?})", self.scan.scanner(), self.timeout)
    }
}

/// What all scanners together saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// How each ended.
    pub coverage: Coverage,
    /// How long each took.
    pub took: BTreeMap<Scanner, Duration>,
    /// Everything that was found, sorted by scanner, then symbol.
    pub findings: Vec<Finding>,
    /// What rspamd would do.
    pub advice: Option<Advice>,
    /// What was verified of who sent it; `None`: nobody looked.
    pub authentication: Option<Arc<Authentication>>,
    /// Its links; `None`: nobody looked.
    pub urls: Option<Arc<super::url::Seen>>,
}

/// Asks every scanner and waits until each has ended or its time is over. The result does not depend
/// on the order in which they end.
pub async fn run(asked: &[Asked], input: &Arc<ScanInput>, deadline: Instant, metrics: &Metrics) -> Seen {
    let reports = join_all(asked.iter().map(|a| one(a, Arc::clone(input), deadline))).await;
    let mut seen = Seen::default();
    for (asked, (report, took)) in asked.iter().zip(reports) {
        let scanner = asked.scan.scanner();
        metrics.scanner_outcomes.with_label_values(&[scanner.name(), report.outcome.label()]).inc();
        metrics.scanner_seconds.with_label_values(&[scanner.name()]).observe(took.as_secs_f64());
        seen.coverage.0.insert(scanner, report.outcome);
        seen.took.insert(scanner, took);
        seen.findings.extend(report.findings);
        seen.advice = seen.advice.or(report.advice);
        seen.authentication = seen.authentication.or(report.authentication);
        seen.urls = seen.urls.or(report.urls);
    }
    seen.findings
        .sort_by(|a, b| (a.scanner, &a.symbol, &a.location).cmp(&(b.scanner, &b.symbol, &b.location)));
    seen
}

async fn one(asked: &Asked, input: Arc<ScanInput>, deadline: Instant) -> (Report, Duration) {
    let started = Instant::now();
    let until = deadline.min(started + asked.timeout);
    // Making the future may panic as well as polling it.
    let scan = AssertUnwindSafe(async { asked.scan.scan(input, until).await }).catch_unwind();
    // A moment more than the scanner has: one that ends by its deadline may still hand over what it found.
    let report = match tokio::time::timeout_at((until + HAND_OVER).into(), scan).await {
        Ok(Ok(report)) => report,
        Ok(Err(cause)) => {
            let cause = panic_text(&*cause);
            tracing::error!(scanner = %asked.scan.scanner(), cause, "a scanner panicked; its outcome is failed");
            Report::new(Outcome::failed("panic", format!("the scanner panicked: {cause}")))
        }
        Err(_) => Report::new(Outcome::TimedOut(until.saturating_duration_since(started))),
    };
    (report, started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Envelope, MailId, Message, Parts, Session};
    use crate::scan::BoxFuture;

    struct Fake(Scanner, fn() -> BoxFuture<'static, Report>);

    impl Scan for Fake {
        fn scanner(&self) -> Scanner {
            self.0
        }
        fn scan(&self, _: Arc<ScanInput>, _: Instant) -> BoxFuture<'_, Report> {
            (self.1)()
        }
    }

    fn asked(scanner: Scanner, scan: fn() -> BoxFuture<'static, Report>) -> Asked {
        Asked { scan: Arc::new(Fake(scanner, scan)), timeout: Duration::from_millis(50) }
    }

    #[tokio::test]
    async fn every_scanner_ends_as_an_outcome() {
        let input = Arc::new(ScanInput {
            id: MailId::from_parts(0, 0),
            session: Arc::new(Session::default()),
            direction: crate::model::Direction::Inbound,
            envelope: Envelope::default(),
            message: Message::default(),
            parts: Parts::default(),
            attachments: Vec::new(),
            share: None,
        });
        let all = [
            asked(Scanner::Yara, || Box::pin(async { Report::new(Outcome::Clean) })),
            asked(Scanner::Clamd, || Box::pin(std::future::pending())),
            asked(Scanner::Rspamd, || Box::pin(async { panic!("oh") })),
            asked(Scanner::Urls, || panic!("at once")),
        ];
        let metrics = Metrics::new();
        let seen = run(&all, &input, Instant::now() + Duration::from_secs(60), &metrics).await;
        assert_eq!(
            seen.coverage.to_string(),
            "clamd=timeout; rspamd=failed(panic); urls=failed(panic); yara=ok"
        );
    }
}
