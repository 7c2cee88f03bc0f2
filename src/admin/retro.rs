//! What was caught afterwards, over the API.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::{ApiError, Door, blocking};
use crate::model::Timestamp;
use crate::retro::Listing;

/// How far back is looked where nothing is said: as far as it is known.
const DEFAULT_SPAN: Duration = Duration::from_secs(30 * 86_400);
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// What is asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetroQuery {
    /// From this moment on; 30 days ago if it is not said.
    pub since: Option<Timestamp>,
    /// At most so many, up to 1000; 0 is 100.
    pub limit: usize,
}

pub(super) async fn list(
    State(door): State<Door>,
    query: Result<Query<RetroQuery>, QueryRejection>,
) -> Result<Json<Listing>, ApiError> {
    let Query(RetroQuery { since, limit }) = query?;
    let since = since.unwrap_or_else(|| door.audit.now().before(DEFAULT_SPAN));
    let limit = if limit == 0 { DEFAULT_LIMIT } else { limit.min(MAX_LIMIT) };
    let retro = Arc::clone(&door.retro);
    blocking(move || retro.list(since, limit)).await?.map(Json).map_err(ApiError::internal)
}
