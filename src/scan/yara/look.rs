//! Looks at one message with one scanner: the raw bytes, then each part.

use std::time::Duration;

use bytes::Bytes;
use yara_x::{ScanError, Scanner};

use super::compile::{RuleSet, variable};
use super::job::{End, Job};
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
}

impl Buffer<'_> {
    fn place(&self) -> String {
        self.part.map_or_else(|| "raw message".to_owned(), Part::label)
    }

    fn name(&self) -> &str {
        self.part.and_then(|p| p.name.as_deref()).unwrap_or_default()
    }

    fn media_type(&self) -> &str {
        self.part.map_or(RAW_TYPE, |p| p.media_type.as_str())
    }
}

/// The raw message, then the content of each leaf that has any.
pub(super) fn buffers(input: &ScanInput) -> impl Iterator<Item = Buffer<'_>> {
    let raw = Buffer { index: 0, content: input.message.raw(), part: None };
    let leaves =
        input.parts.list.iter().enumerate().filter(|(_, p)| !p.is_container && !p.content.is_empty());
    let parts = leaves.map(|(i, part)| Buffer { index: i + 1, content: &part.content, part: Some(part) });
    std::iter::once(raw).chain(parts)
}

/// A scanner with our limits.
pub(super) fn scanner(set: &RuleSet, max_matches: u32) -> Scanner<'_> {
    let mut scanner = Scanner::new(&set.rules);
    scanner.max_matches_per_pattern(max_matches as usize);
    // Whether a pattern is there, not where all its matches are.
    scanner.fast_scan(true);
    scanner
}

/// Scans one buffer. `each` is called with namespace and name of each rule that matched.
pub(super) fn scan(
    scanner: &mut Scanner<'_>,
    buffer: &Buffer<'_>,
    limit: Duration,
    mut each: impl FnMut(&str, &str),
) -> Result<(), ScanError> {
    // yara-x counts whole seconds by a clock of its own that ticks once a second: n seconds end after
    // n - 1 to n. One more, so that it never ends early; the caller keeps the exact time.
    let whole = limit.as_secs() + u64::from(limit.subsec_nanos() > 0);
    scanner.set_timeout(Duration::from_secs(whole + 1));
    // The variables are defined for every set, with these types. They stay from scan to scan, so
    // each scan must set all of them.
    let set = scanner
        .set_global(variable::PART_NAME, buffer.name())
        .and_then(|s| s.set_global(variable::PART_TYPE, buffer.media_type()))
        .and_then(|s| s.set_global(variable::IS_RAW, buffer.part.is_none()));
    if let Err(error) = set {
        tracing::error!(%error, "a variable of the YARA rules could not be set");
    }
    let results = scanner.scan(buffer.content)?;
    for rule in results.matching_rules() {
        each(rule.namespace(), rule.identifier());
    }
    Ok(())
}

/// Looks at the whole message, as far as there is time.
pub(super) fn look(scanner: &mut Scanner<'_>, set: &RuleSet, job: &Job) -> End {
    for buffer in buffers(&job.input) {
        let Some(left) = job.left() else {
            return End::TimedOut;
        };
        job.turn_to(buffer.index);
        #[cfg(test)]
        super::tests::trap(buffer.name());
        let result = scan(scanner, &buffer, left, |namespace, symbol| {
            if let Some(fact) = set.facts.get(namespace, symbol) {
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
