//! A scanner that the configuration asks for and that this version does not have. It stands in coverage,
//! so that nobody takes a message for more looked at than it was.

use std::sync::Arc;
use std::time::Instant;

use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::model::{Outcome, Scanner, Skip};

/// Says of each message that nobody looked.
#[derive(Clone, Copy, Debug)]
pub struct Absent(pub Scanner);

impl Scan for Absent {
    fn scanner(&self) -> Scanner {
        self.0
    }

    fn scan(&self, _input: Arc<ScanInput>, _deadline: Instant) -> BoxFuture<'_, Report> {
        let report = Report::new(Outcome::Skipped(Skip::Unavailable));
        Box::pin(std::future::ready(report))
    }

    fn health(&self) -> Health {
        Health::Degraded("configured, and not available in this version: it is not asked".to_owned())
    }
}
