//! The feeds over the API: how they are doing, a refresh by hand, what they know.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Caller, Door, blocking, noted};
use crate::audit::AdminEvent;
use crate::feed::{Entry, Key, Match, Outcome, Question, RefreshError, troubles};
use crate::model::{causes, text};
use crate::telemetry::spawn::supervised;

pub(super) async fn list(State(door): State<Door>) -> Result<Json<Value>, ApiError> {
    let (feeds, index) = (door.feeds.standing(), door.feeds.index());
    let leftovers = blocking(move || door.feeds.leftovers()).await?.map_err(ApiError::internal)?;
    Ok(Json(json!({"feeds": feeds, "keys": index.keys(), "bytes": index.bytes(), "leftovers": leftovers})))
}

/// How a feed is refreshed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Take far fewer entries as well, and ask for the whole list.
    #[serde(default)]
    force: bool,
}

pub(super) async fn refresh(
    State(door): State<Door>,
    caller: Caller,
    Path(name): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(How { force }) = how?;
    let name = text::line(&name, 40);
    let (feeds, audit) = (Arc::clone(&door.feeds), Arc::clone(&door.audit));
    // It is noted although whoever asked may have gone.
    let work = async move {
        let told = feeds.refresh(&name, force).await.map_err(|error| match error {
            RefreshError::Unknown(_) => ApiError::NotFound(error.to_string()),
            RefreshError::Busy(_) => ApiError::Busy(error.to_string()),
            RefreshError::Gone(_) => ApiError::Conflict(error.to_string()),
        })?;
        let by = if force { ", with force" } else { "" };
        let detail = text::line(&format!("{name}{by}: {}: {}", told.outcome.name(), told.message), 300);
        noted(&audit, AdminEvent::FeedRefreshed, &caller, detail).await?;
        match told.outcome {
            Outcome::New | Outcome::Same => Ok(Json(json!(told))),
            Outcome::Refused | Outcome::Failed => {
                let has_some = feeds.standing().iter().any(|feed| feed.name == name && feed.entries > 0);
                let stays = if has_some { "the entries from before stay" } else { "it has no entries" };
                let why = told.message;
                Err(ApiError::Elsewhere(format!("the feed {name} was not refreshed, and {stays}: {why}")))
            }
        }
    };
    let done = supervised("feed-refresh", &door.metrics, work).await;
    done.ok()
        .flatten()
        .unwrap_or_else(|| Err(ApiError::Internal("the daemon failed inside, see its log".to_owned())))
}

/// What is looked up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct What {
    what: String,
}

pub(super) async fn look_up(
    State(door): State<Door>,
    what: Result<Query<What>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(What { what }) = what?;
    let question: Question = what.parse().map_err(ApiError::BadRequest)?;
    let (index, standing) = (door.feeds.index(), door.feeds.standing());
    let trouble = troubles(&standing, &question);
    // The entries' texts are on the disk.
    blocking(move || {
        let found = index.look_up(question.asked());
        let matches: Vec<Value> = found.iter().filter_map(|found| shown(found, &question)).collect();
        Json(json!({"asked": question.to_string(), "matches": matches, "feeds": standing.len(), "trouble": trouble}))
    })
    .await
}

/// One match; `None` if the entry is about something else after all.
fn shown(found: &Match, question: &Question) -> Option<Value> {
    let mut told = json!({
        "feed": found.feed,
        "match": found.kind.name(),
        "added": found.added.map(|day| day.to_string()),
        "confidence": found.confidence,
    });
    match found.confirmed(question.asked()) {
        Ok(Some(entry)) => told["entry"] = listed(&entry),
        Ok(None) => return None,
        Err(error) => told["trouble"] = causes(&error).into(),
    }
    Some(told)
}

fn listed(entry: &Entry) -> Value {
    let (kind, key) = match &entry.key {
        Key::Link(link) => ("url", link.to_string()),
        Key::Host(name) => ("host", name.clone()),
        Key::Domain(name) => ("domain", name.clone()),
        Key::Below(name) => ("below", name.clone()),
        Key::Net(net) => ("net", net.to_string()),
        Key::File(hash) => (hash.kind(), hash.to_string()),
    };
    let Entry { threat, tags, reference, .. } = entry;
    json!({"kind": kind, "key": key, "threat": threat, "tags": tags, "reference": reference})
}
