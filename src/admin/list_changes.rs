//! What was changed on the lists, and undoing it, over the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::{change, refused, shown};
use super::{ApiError, Caller, Door, blocking};
use crate::audit::AdminEvent;
use crate::lists::{Change, Step, UndoError, Undone, What};
use crate::model::text;

/// Changes that are shown unless more are asked for.
const USUAL: usize = 20;

/// Which changes are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// At most so many.
    #[serde(default)]
    limit: Option<usize>,
    /// With lower numbers than this one: to go on where a listing ended.
    #[serde(default)]
    before: Option<u64>,
}

pub(super) async fn list(
    State(door): State<Door>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(Wanted { limit, before }) = wanted?;
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(USUAL);
    let changes = blocking(move || door.lists.changes(limit, before)).await?.map_err(refused)?;
    let next = changes.last().filter(|_| changes.len() == limit).map(|last| last.change.id);
    let shown: Vec<Value> = changes.iter().map(|told| one(&told.change, &told.steps)).collect();
    Ok(Json(json!({ "changes": shown, "next": next })))
}

/// A change as the API shows it.
fn one(change: &Change, steps: &[Step]) -> Value {
    let mut told = serde_json::to_value(change).unwrap_or_default();
    let of = |listed: &Option<crate::lists::Listed>| listed.as_ref().map(shown);
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| json!({"entry": step.entry, "before": of(&step.before), "after": of(&step.after)}))
        .collect();
    told["steps"] = json!(steps);
    told["message"] = json!(sentence(change));
    told
}

/// `change 7, block list: 3 entries removed by anna`.
fn sentence(change: &Change) -> String {
    let Change { id, by, what, list, entries, undo_of, undone_by, .. } = change;
    let count = if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    let what = match (what, undo_of) {
        (What::Undone, Some(of)) => format!("of change {of} undone"),
        _ => what.name().to_owned(),
    };
    let undone = undone_by.map_or_else(String::new, |by| format!(", and undone by change {by}"));
    format!("change {id}, {list} list: {count} {what} by {}{undone}", text::line(by, 100))
}

/// Undoes a change: of `{id}`, or of the last.
pub(super) async fn undo(
    State(door): State<Door>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, ApiError> {
    let Ok(Path(id)) = id else { return Err(ApiError::NotFound("there is no such change".to_owned())) };
    let id = match id.as_str() {
        "last" => None,
        number => Some(number.parse().map_err(|_| {
            ApiError::BadRequest(format!(
                "{:?} is no number of a change; `mailward list log` names them",
                text::line(number, 40)
            ))
        })?),
    };
    let (lists, who) = (Arc::clone(&door.lists), caller.name);
    let by = who.clone();
    change(door, who, AdminEvent::ListUndone, move || {
        let Undone { of, change, steps } = lists.undo(id, &by).map_err(not_undone)?;
        let Change { id, list, what, entries, by, .. } = &of;
        let count = if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        let message = format!(
            "change {id} is undone: {count} of the {list} list, {} by {}, as before",
            what.name(),
            text::line(by, 100)
        );
        let detail = format!("change {}, {list} list: undid change {id}, {count} {}", change.id, what.name());
        Ok((
            json!({"message": message, "notes": [], "change": change.id, "undone": one(&change, &steps)}),
            Some(detail),
        ))
    })
    .await
}

fn not_undone(error: UndoError) -> ApiError {
    match error {
        UndoError::Unknown(_) | UndoError::Nothing => ApiError::NotFound(error.to_string()),
        UndoError::Lists(error) => refused(error),
        error => ApiError::Conflict(error.to_string()),
    }
}
