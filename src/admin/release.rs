//! The routes that release held mail, judge it again, and have rspamd taught.

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::Id;
use super::{ApiError, Caller, Door};
use crate::pipeline::release::{Class, Lesson, Order, ReleaseError, sentence};
use crate::quarantine::QuarantineError;

/// The most bytes of an order.
const MAX_ORDER: u64 = 16 << 10;

/// The body is an [`Order`], or nothing for one without wishes. What became of each copy is in the answer.
pub(super) async fn release(
    State(door): State<Door>,
    caller: Caller,
    Id(id): Id,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = whole(body, MAX_ORDER).await?;
    let order: Order = if body.trim_ascii().is_empty() {
        Order::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::BadRequest(format!("the order cannot be read: {error}")))?
    };
    answer(door.releases.release(id, order, caller.name).await)
}

pub(super) async fn rescan(
    State(door): State<Door>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Value>, ApiError> {
    answer(door.control.rescan(id, caller.name).await)
}

/// `{id}` and `{class}` of a route.
#[derive(Deserialize)]
pub(super) struct EntryAndClass {
    id: String,
    class: String,
}

pub(super) async fn learn_entry(
    State(door): State<Door>,
    caller: Caller,
    Path(EntryAndClass { id, class }): Path<EntryAndClass>,
) -> Result<Json<Value>, ApiError> {
    let id =
        id.parse().map_err(|error: crate::model::id::NotAnId| ApiError::BadRequest(error.to_string()))?;
    learn(&door, caller, &class, Lesson::Entry(id)).await
}

/// The body is a raw message.
pub(super) async fn learn_message(
    State(door): State<Door>,
    caller: Caller,
    Path(class): Path<String>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let message = whole(body, door.control.message_limit()).await?;
    learn(&door, caller, &class, Lesson::Message(message)).await
}

async fn learn(door: &Door, caller: Caller, class: &str, lesson: Lesson) -> Result<Json<Value>, ApiError> {
    let class: Class = class.parse().map_err(ApiError::BadRequest)?;
    let learned = door.releases.learn(class, lesson, caller.name).await.map_err(refused)?;
    Ok(Json(json!({ "result": learned, "message": sentence(learned, class) })))
}

/// A body of at most `limit` bytes.
async fn whole(body: Body, limit: u64) -> Result<Bytes, ApiError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    to_bytes(body, most).await.map_err(|_| ApiError::TooLarge(Some(limit)))
}

fn answer(result: Result<impl Serialize, ReleaseError>) -> Result<Json<Value>, ApiError> {
    serde_json::to_value(result.map_err(refused)?).map(Json).map_err(ApiError::internal)
}

fn refused(error: ReleaseError) -> ApiError {
    let sentence = error.to_string();
    match error {
        ReleaseError::Quarantine(QuarantineError::NotHeld(_) | QuarantineError::NotFor { .. }) => {
            ApiError::NotFound(sentence)
        }
        ReleaseError::Malware(_)
        | ReleaseError::Delivered(_)
        | ReleaseError::Changed(_)
        | ReleaseError::NoTeacher => ApiError::Conflict(sentence),
        ReleaseError::Empty => ApiError::BadRequest(sentence),
        ReleaseError::Busy(_) | ReleaseError::Stopping => ApiError::Busy(sentence),
        ReleaseError::NotLearned(_) => ApiError::Elsewhere(sentence),
        ReleaseError::Quarantine(_) | ReleaseError::Inside(_) => ApiError::internal(error),
    }
}
