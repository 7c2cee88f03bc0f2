//! What the MIME walk itself says about a message: parts that could not be read, and oddities.

use std::sync::Arc;
use std::time::Instant;

use super::weight::Weight;
use super::{BoxFuture, Report, Scan, ScanInput};
use crate::mail;
use crate::model::part::Defect;
use crate::model::{Finding, Outcome, Part, Scanner};

/// Oddities are reported this many times; a message may have thousands.
const MAX_DEFECTS: usize = 10;

mod table {
    use crate::scan::weight::fixed;

    fixed! {
        MIME_NOT_INSPECTED Medium Suspicious 0.0
        MIME_BAD_ENCODING Info Clean 0.0
        MIME_UNKNOWN_ENCODING Info Clean 0.0
        MIME_MISSING_BOUNDARY Info Clean 0.0
        MIME_AMBIGUOUS Info Clean 0.0
        MIME_UNTERMINATED Info Clean 0.0
    }
}

/// What each of its findings weighs.
#[must_use]
pub fn weights() -> Vec<Weight> {
    table::ALL.iter().map(|row| Weight::fixed(Scanner::Mime, row)).collect()
}

/// The MIME walk as a source of evidence. Its reading is done before any scanner runs; here it only
/// speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mime;

impl Scan for Mime {
    fn scanner(&self) -> Scanner {
        Scanner::Mime
    }

    fn scan(&self, input: Arc<ScanInput>, _deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(std::future::ready(report(&input)))
    }
}

fn report(input: &ScanInput) -> Report {
    let mut findings: Vec<Finding> = input
        .parts
        .not_inspected
        .iter()
        .take(MAX_DEFECTS)
        .map(|why| table::MIME_NOT_INSPECTED.finding(Scanner::Mime, mail::describe(why)))
        .collect();
    findings.extend(input.parts.list.iter().flat_map(defects).take(MAX_DEFECTS));
    let outcome = match input.parts.not_inspected.first() {
        Some(why) => Outcome::failed(why.label(), mail::describe(why)),
        None => Outcome::of(&findings),
    };
    Report { findings, ..Report::new(outcome) }
}

fn defects(part: &Part) -> impl Iterator<Item = Finding> + '_ {
    part.defects.iter().map(|defect| {
        let (row, text) = match defect {
            Defect::BadEncoding => (table::MIME_BAD_ENCODING, "the transfer encoding is damaged"),
            Defect::UnknownEncoding => (table::MIME_UNKNOWN_ENCODING, "the transfer encoding is not known"),
            Defect::MissingBoundary => (table::MIME_MISSING_BOUNDARY, "a multipart lacks its boundary"),
            Defect::Ambiguous => (table::MIME_AMBIGUOUS, "two readers could see two different things in it"),
            Defect::Unterminated => (table::MIME_UNTERMINATED, "a multipart is not closed"),
        };
        Finding { location: Some(part.label()), ..row.finding(Scanner::Mime, text.to_owned()) }
    })
}
