//! Looks at one message with the scanners of one set: the raw bytes, then each part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use yara_x::{ScanError, Scanner};

use super::compile::{Pass, RuleSet, variable};
use super::job::{End, Job};
use super::meta::Fact;
use super::scope::Scope;
use crate::model::Part;
use crate::scan::ScanInput;

/// The raw message's media type for rules that ask.
const RAW_TYPE: &str = "message/rfc822";

/// One stretch of bytes to scan, and what rules may know of it.
pub(super) struct Buffer<'a> {
    /// Its number in [`Job::at`].
    pub(super) index: usize,
    pub(super) content: &'a Bytes,
    part: Option<&'a Part>,
    /// One of the names that the part has.
    name: &'a str,
}

impl Buffer<'_> {
    fn place(&self) -> String {
        self.part.map_or_else(|| "raw message".to_owned(), Part::label)
    }

    fn media_type(&self) -> &str {
        self.part.map_or(RAW_TYPE, |p| p.media_type.as_str())
    }
}

/// The raw message, then the content of each leaf that has any: once under each of its names that has an extension of
/// its own.
pub(super) fn buffers(input: &ScanInput) -> impl Iterator<Item = Buffer<'_>> {
    let raw = Buffer { index: 0, content: input.message.raw(), part: None, name: "" };
    let leaves =
        input.parts.list.iter().enumerate().filter(|(_, p)| !p.is_container && !p.content.is_empty());
    let parts = leaves.flat_map(|(i, part)| {
        let names = part.names_by_extension().chain(part.name.is_none().then_some(""));
        names.map(move |name| Buffer { index: i + 1, content: &part.content, part: Some(part), name })
    });
    std::iter::once(raw).chain(parts)
}

/// A scanner with our limits for each pass of a set, and what it is to look at.
pub(super) fn scanners(set: &RuleSet, max_matches: u32) -> Vec<(Scope, Scanner<'_>)> {
    let mut scanners = Vec::with_capacity(set.passes.len());
    for Pass { scope, rules } in &set.passes {
        let mut scanner = Scanner::new(rules);
        scanner.max_matches_per_pattern(max_matches as usize);
        // Whether a pattern is there, not where all its matches are.
        scanner.fast_scan(true);
        scanners.push((*scope, scanner));
    }
    scanners
}

/// Scans one buffer. `each` is called with namespace and name of each rule that matched.
pub(super) fn scan(
    scanners: &mut [(Scope, Scanner<'_>)],
    buffer: &Buffer<'_>,
    limit: Duration,
    mut each: impl FnMut(&str, &str),
) -> Result<(), ScanError> {
    let is_raw = buffer.part.is_none();
    let began = Instant::now();
    for (_, scanner) in scanners.iter_mut().filter(|(scope, _)| scope.covers(is_raw)) {
        let left = limit.saturating_sub(began.elapsed());
        // yara-x counts whole seconds by a clock of its own that ticks once a second: n seconds end after
        // n - 1 to n. One more, so that it never ends early; the caller keeps the exact time.
        let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        scanner.set_timeout(Duration::from_secs(whole + 1));
        // The variables are defined for every set, with these types. They stay from scan to scan, so
        // each scan must set all of them.
        let set = scanner
            .set_global(variable::PART_NAME, buffer.name)
            .and_then(|s| s.set_global(variable::PART_TYPE, buffer.media_type()))
            .and_then(|s| s.set_global(variable::IS_RAW, is_raw));
        if let Err(error) = set {
            tracing::error!(%error, "a variable of the YARA rules could not be set");
        }
        let results = scanner.scan(buffer.content)?;
        for rule in results.matching_rules() {
            each(rule.namespace(), rule.identifier());
        }
    }
    Ok(())
}

/// Looks at the whole message, as far as there is time.
pub(super) fn look(scanners: &mut [(Scope, Scanner<'_>)], set: &RuleSet, job: &Job) -> End {
    // What matched in the part at hand, under whatever name.
    let mut told: (usize, Vec<Arc<Fact>>) = (0, Vec::new());
    for buffer in buffers(&job.input) {
        let Some(left) = job.left() else {
            return End::TimedOut;
        };
        job.turn_to(buffer.index);
        if told.0 != buffer.index {
            told = (buffer.index, Vec::new());
        }
        #[cfg(test)]
        super::tests::trap(buffer.name);
        let result = scan(scanners, &buffer, left, |namespace, symbol| {
            if let Some(fact) = set.facts.get(namespace, symbol)
                && !told.1.iter().any(|known| Arc::ptr_eq(known, fact))
            {
                told.1.push(Arc::clone(fact));
                job.hit(fact, || buffer.place());
            }
        });
        match result {
            Ok(()) => {}
            Err(ScanError::Timeout) => return End::TimedOut,
            Err(error) => return End::Failed("scan", error.to_string()),
        }
    }
    End::Done { missing: set.missing.clone() }
}
