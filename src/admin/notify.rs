//! Who is told, over the API: how the sections are doing, and a test.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::{ApiError, Door};
use crate::model::text;
use crate::notify::TestError;

pub(super) async fn list(State(door): State<Door>) -> Json<Value> {
    Json(json!({"sections": door.notify.list()}))
}

pub(super) async fn test(
    State(door): State<Door>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let notify = Arc::clone(&door.notify);
    let tested = notify.test(&text::line(&name, 40)).await.map_err(|error| match error {
        TestError::Unknown(_) => ApiError::NotFound(error.to_string()),
        TestError::Failed { .. } => ApiError::Elsewhere(error.to_string()),
    })?;
    serde_json::to_value(tested).map(Json).map_err(ApiError::internal)
}
