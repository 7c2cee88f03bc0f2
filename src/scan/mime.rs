//! What the MIME walk itself says about a message: parts that could not be read, and oddities.

use std::sync::Arc;
use std::time::Instant;

use super::{BoxFuture, Report, Scan, ScanInput};
use crate::mail;
use crate::model::part::Defect;
use crate::model::{Category, Finding, Outcome, Part, Scanner, Score, Severity};

/// Oddities are reported this many times; a message may have thousands.
const MAX_DEFECTS: usize = 10;

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
        .map(|why| Finding {
            scanner: Scanner::Mime,
            symbol: "MIME_NOT_INSPECTED".to_owned(),
            severity: Severity::Medium,
            category: Category::Suspicious,
            score: Score::ZERO,
            text: mail::describe(why),
            location: None,
        })
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
        let (symbol, text) = match defect {
            Defect::BadEncoding => ("MIME_BAD_ENCODING", "the transfer encoding is damaged"),
            Defect::UnknownEncoding => ("MIME_UNKNOWN_ENCODING", "the transfer encoding is not known"),
            Defect::MissingBoundary => ("MIME_MISSING_BOUNDARY", "a multipart lacks its boundary"),
            Defect::Ambiguous => ("MIME_AMBIGUOUS", "two readers could see two different things in it"),
            Defect::Unterminated => ("MIME_UNTERMINATED", "a multipart is not closed"),
        };
        Finding {
            scanner: Scanner::Mime,
            symbol: symbol.to_owned(),
            severity: Severity::Info,
            category: Category::Clean,
            score: Score::ZERO,
            text: text.to_owned(),
            location: Some(part.label()),
        }
    })
}
