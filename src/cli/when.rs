//! Moments on the command line: `2d` ago, or a time.

use crate::model::{Span, Timestamp};
use crate::telemetry::Clock;

/// `2d` and the like mean so long ago; anything else is RFC 3339, or a day.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        return Ok(Clock::system().now().before(span.duration()));
    }
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
        format!("{text:?} is no moment; write how long ago (\"2d\", \"6h\"), a day (\"2026-11-20\") or a time (\"2026-11-20T12:00:00Z\")")
    })
}
