//! How much is written to the log, over the API.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::Caller;
use super::{ApiError, Door, noted};
use crate::audit::AdminEvent;
use crate::model::{Span, Timestamp};
use crate::telemetry::log::{Filter, Gone, Passing, Standing};

/// How long another level holds if nobody says.
const USUAL: Span = Span::seconds(600);
/// The longest: what is to stay belongs into the configuration.
const MOST: Span = Span::days(7);

/// Body of `POST /api/v1/log/level`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLevel {
    /// A level, or levels for modules: what `log.level` takes. One that names modules alone adds to it.
    pub level: String,
    /// How long; ten minutes if nothing is said.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

impl NewLevel {
    /// What it asks for, and for how long.
    fn read(&self) -> Result<(Filter, Duration), String> {
        let filter: Filter = self.level.parse().map_err(|error| format!("{error}"))?;
        let lasts = self.lasts.unwrap_or(USUAL);
        if lasts.duration().is_zero() || lasts > MOST {
            return Err(format!(
                "a level can be asked for between 1s and {MOST}, not for {lasts}; what is to stay belongs into \
                 [log] in the configuration"
            ));
        }
        Ok((filter, lasts.duration()))
    }
}

pub(super) async fn show(State(door): State<Door>) -> Json<Standing> {
    Json(door.control.levels().standing())
}

pub(super) async fn set(
    State(door): State<Door>,
    caller: Caller,
    body: Result<Json<NewLevel>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(new) = body?;
    let (asked, lasts) = new.read().map_err(ApiError::BadRequest)?;
    let levels = door.control.levels();
    let until = later(door.audit.now(), lasts);
    let detail = format!("{asked} until {until}");
    // On record before it holds: a debug level shows more of the mail than the journal does.
    noted(&door.audit, AdminEvent::LogLevel, &caller, detail.clone()).await?;
    let standing = levels.pass(Passing { asked, until, by: caller.name.clone() }).map_err(gone)?;
    tracing::info!(by = caller.name, detail, "the level of the log was changed");
    answer(&standing, format!("{} is written until {until}, or until the next reload", standing.level))
}

pub(super) async fn reset(State(door): State<Door>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let levels = door.control.levels();
    let was = levels.reset().map_err(gone)?;
    let standing = levels.standing();
    if was {
        let detail = format!("{}, as configured", standing.level);
        tracing::info!(by = caller.name, detail, "the level of the log was changed");
        noted(&door.audit, AdminEvent::LogLevel, &caller, detail).await?;
    }
    answer(&standing, format!("{} is written, as configured", standing.level))
}

fn later(now: Timestamp, lasts: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)))
}

fn answer(standing: &Standing, message: String) -> Result<Json<Value>, ApiError> {
    let mut answer = serde_json::to_value(standing).map_err(ApiError::internal)?;
    answer["message"] = json!(message);
    Ok(Json(answer))
}

fn gone(error: Gone) -> ApiError {
    ApiError::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_has_a_time_that_ends() {
        let read = |level: &str, lasts: Option<Span>| NewLevel { level: level.to_owned(), lasts }.read();
        assert_eq!(read("debug", None).unwrap().1, Duration::from_secs(600));
        assert_eq!(read("debug", Some(Span::seconds(5))).unwrap().1, Duration::from_secs(5));
        assert!(read("debug", Some(Span::days(8))).unwrap_err().contains("between 1s and 7d, not for 8d"));
        assert!(read("debug", Some(Span::seconds(0))).is_err());
        assert!(read("debgu", None).unwrap_err().contains("\"debgu\" is no level"));
    }
}
