//! Allow and block lists over the API. Every change stands in the audit before it is answered, also where
//! whoever asked for it has gone away in between.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::pipe;
use super::{ApiError, Caller, Door, blocking};
use crate::audit::{AdminEvent, Entry as Line, Sync};
use crate::lists::{
    self, Changed, Entry, Format, Found, Imported, Kind, Lines, Listed, ListsError, Mode, NewEntry, Removed,
    Scope, Unreadable,
};
use crate::model::{List, text};
use crate::telemetry::spawn::supervised;

/// Largest file that is imported, in bytes.
pub(super) const LARGEST_FILE: u64 = super::routes::Body::Import.bytes();

/// The list at the place of `{list}` in a route.
pub(super) struct Which(List);

impl<S: Send + std::marker::Sync> FromRequestParts<S> for Which {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await?;
        let list = List::ALL.into_iter().find(|list| list.name() == name);
        list.map(Self).ok_or_else(|| {
            ApiError::NotFound(format!("there is no list {:?}, only allow and block", text::line(&name, 40)))
        })
    }
}

pub(super) async fn list(
    State(door): State<Door>,
    Which(list): Which,
    query: Result<Query<lists::Query>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query?;
    let listing = blocking(move || door.lists.list(list, &query)).await?;
    let entries: Vec<Value> = listing.entries.iter().map(shown).collect();
    Ok(Json(json!({
        "entries": entries,
        "next": listing.next,
        "total": listing.total,
        "notes": listing.notes,
    })))
}

/// The entry that a query names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    entry: Entry,
    /// For whom, where the entry does not say it itself.
    #[serde(default, rename = "for")]
    scope: Option<Scope>,
}

/// The entry, for whom it is.
fn scoped(entry: Entry, scope: Option<Scope>) -> Result<Entry, ApiError> {
    match (&entry.scope, scope) {
        (Some(said), Some(scope)) if *said != scope => Err(ApiError::BadRequest(format!(
            "{entry} says itself for whom it is; leave out \"for\": \"{scope}\""
        ))),
        (_, None) => Ok(entry),
        (_, scope) => Ok(entry.within(scope)),
    }
}

pub(super) async fn show(
    State(door): State<Door>,
    Which(list): Which,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(Named { entry, scope }) = named?;
    let entry = scoped(entry, scope)?;
    match door.lists.find(list, &entry) {
        Found::Listed(listed) => Ok(Json(json!({ "list": list, "entry": shown(&listed) }))),
        Found::Within { list: other, listed } => Ok(Json(json!({
            "list": other,
            "entry": shown(&listed),
            "within": format!(
                "{entry} is not on the {list} list itself; {} is on the {other} list and decides about it",
                listed.entry
            ),
        }))),
        Found::Nothing => Err(ApiError::NotFound(format!(
            "{entry} is not on the {list} list, and nothing that takes it in is on any list"
        ))),
    }
}

/// An entry to be put on a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    entry: Entry,
    #[serde(default, rename = "for")]
    scope: Option<Scope>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

pub(super) async fn add(
    State(door): State<Door>,
    caller: Caller,
    Which(list): Which,
    new: Result<Json<New>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(New { entry, scope, comment, expires }) =
        new.map_err(|error| ApiError::BadRequest(text::line(&error.body_text(), 400)))?;
    let entry = scoped(entry, scope)?;
    let reads_links = door.control.reads_links();
    let comment =
        comment.map(|comment| lists::comment(&comment)).transpose().map_err(ApiError::BadRequest)?;
    let now = door.audit.now();
    let expires = expires.map(|end| lists::expiry(&end, now)).transpose().map_err(ApiError::BadRequest)?;
    let (lists, who) = (Arc::clone(&door.lists), caller.name);
    let author = who.clone();
    let new = NewEntry { entry, comment, expires };
    change(door, who, AdminEvent::ListAdded, move || {
        let changed = lists.add(list, &new, &author).map_err(refused)?;
        let Changed { listed, before, mut notes, change } = changed;
        if listed.entry.kind() == Kind::Url && !reads_links {
            notes.push(
                "[scanner.urls] is off, so nobody reads links and this entry matches nothing; turn it on in the \
                 configuration"
                    .to_owned(),
            );
        }
        let (entry, end) = (&listed.entry, until(&listed));
        let (result, message) = match before {
            None => ("added", format!("{entry} is on the {list} list now{end}")),
            Some(_) => ("changed", format!("{entry} was on the {list} list already and is changed{end}")),
        };
        let detail = format!("change {change}, {list} list: {}", listed.told());
        Ok((
            json!({"result": result, "entry": shown(&listed), "message": message, "notes": notes, "change": change}),
            Some(detail),
        ))
    })
    .await
}

pub(super) async fn remove(
    State(door): State<Door>,
    caller: Caller,
    Which(list): Which,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(Named { entry, scope }) = named?;
    let entry = scoped(entry, scope)?;
    let by = caller.name.clone();
    let lists = Arc::clone(&door.lists);
    change(door, caller.name, AdminEvent::ListRemoved, move || {
        let message = format!("{entry} is off the {list} list");
        match lists.remove(list, &entry, &by).map_err(refused)? {
            Removed::Was { listed, change } => {
                let mut notes = Vec::new();
                if let Found::Within { list: other, listed: wider } = lists.find(list, &entry) {
                    notes.push(format!(
                        "{entry} is still taken in by {}, which is on the {other} list",
                        wider.entry
                    ));
                }
                let detail = format!("change {change}, {list} list: {}", listed.told());
                let told =
                    json!({"entry": shown(&listed), "message": message, "notes": notes, "change": change});
                Ok((told, Some(detail)))
            }
            Removed::WasDamaged { change } => {
                let detail = format!("change {change}, {list} list: {entry}, whose record could not be read");
                Ok((json!({"message": message, "notes": [], "change": change}), Some(detail)))
            }
            Removed::WasNot => Err(ApiError::NotFound(match lists.find(list, &entry) {
                Found::Within { list: other, listed } => format!(
                    "{entry} is not on the {list} list itself; {} is on the {other} list and decides about it",
                    listed.entry
                ),
                _ => match scoped_alike(&lists, list, &entry) {
                    None => format!("{entry} is not on the {list} list"),
                    Some(other) => format!("{entry} is not on the {list} list; {other} is"),
                },
            })),
        }
    })
    .await
}

/// An entry of the same pattern for others, if there is one.
fn scoped_alike(lists: &lists::Lists, list: List, entry: &Entry) -> Option<Entry> {
    let plain = entry.clone().within(None);
    let query = lists::Query { text: Some(plain.to_string()), limit: 1_000, ..lists::Query::default() };
    let mut alike = lists.list(list, &query).entries.into_iter().map(|listed| listed.entry);
    alike.find(|other| other.pattern == plain.pattern && other.scope != entry.scope)
}

/// How a file is imported.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn import(
    State(door): State<Door>,
    caller: Caller,
    Which(list): Which,
    how: Result<Query<How>, QueryRejection>,
    file: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(How { mode, dry_run }) = how?;
    let file = file.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BadRequest(format!(
            "the file is larger than {} MiB, the most that is imported at once; split it",
            LARGEST_FILE >> 20
        )),
        _ => ApiError::BadRequest("the file did not come whole; nothing was changed".to_owned()),
    })?;
    let now = door.audit.now();
    let lines = match blocking(move || lists::read(&file, now)).await? {
        Ok(lines) => lines,
        Err(unreadable) => return Ok(faults(&unreadable)),
    };
    // A program that failed before it wrote anything must not empty the list.
    if mode == Mode::Replace && lines.is_empty() {
        return Err(ApiError::BadRequest(format!(
            "the file holds no entry; replacing the {list} list by nothing is not done this way: remove its entries"
        )));
    }
    let (lists, who) = (Arc::clone(&door.lists), caller.name);
    let author = who.clone();
    let done = change(door, who, AdminEvent::ListImported, move || {
        let (imported, change) = lists.import(list, &lines, mode, &author, dry_run).map_err(refused)?;
        let detail =
            change.map(|change| format!("change {change}, {list} list: {}", counts(&imported, &lines)));
        let told = json!({
            "imported": imported,
            "over": lines.over,
            "duplicates": lines.duplicates,
            "duplicate_count": lines.duplicate_count,
            "dry_run": dry_run,
            "message": sentence(list, &imported, &lines, dry_run),
            "change": change,
        });
        Ok((told, detail))
    });
    Ok(done.await?.into_response())
}

/// What is wrong with a file, line by line.
fn faults(unreadable: &Unreadable) -> Response {
    let told = json!({
        "error": unreadable.to_string(),
        "faults": unreadable.faults,
        "fault_count": unreadable.count,
    });
    (StatusCode::BAD_REQUEST, Json(told)).into_response()
}

fn sentence(list: List, imported: &Imported, lines: &Lines, dry_run: bool) -> String {
    let would = if dry_run { "nothing is changed; it would be: " } else { "" };
    format!("{list} list: {would}{}", counts(imported, lines))
}

fn counts(imported: &Imported, lines: &Lines) -> String {
    let Imported { added, changed, same, removed } = imported;
    let mut told = format!("{added} added, {changed} changed, {same} as before, {removed} removed");
    if lines.over > 0 {
        told.push_str(&format!(", {} left out because their time is over", lines.over));
    }
    told
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    #[serde(default)]
    format: Format,
}

pub(super) async fn export(
    State(door): State<Door>,
    Which(list): Which,
    export: Result<Query<Export>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Export { format }) = export?;
    let (mut writer, body) = pipe();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = door.lists.export(list, format, &mut writer) {
            tracing::warn!(%error, "an export of a list ended early");
        }
    });
    Ok(body.into_response())
}

/// Does a change and notes it in the audit, as one piece: who asked may go away in the middle, and what was
/// changed must be on record all the same. The change returns the answer and, if it changed anything, what.
pub(super) async fn change(
    door: Door,
    by: String,
    what: AdminEvent,
    work: impl FnOnce() -> Result<(Value, Option<String>), ApiError> + Send + 'static,
) -> Result<Json<Value>, ApiError> {
    // What could not be noted is better not done.
    if let Some(why) = door.audit.standing().failed {
        return Err(ApiError::Internal(format!(
            "nothing was changed: the audit journal cannot be written ({why})"
        )));
    }
    let metrics = Arc::clone(&door.metrics);
    let task = supervised("list-change", &metrics, async move {
        let (answer, detail) = blocking(work).await??;
        if let Some(detail) = detail {
            tracing::info!(by, what = what.name(), detail, "a list was changed");
            let line = Line::Admin { what, by, time: door.audit.now(), detail };
            door.audit.append(line, Sync::Now).await.map_err(|error| {
                ApiError::Internal(format!("the list is changed, but that could not be recorded: {error}"))
            })?;
        }
        Ok(Json(answer))
    });
    match task.await {
        Ok(Some(done)) => done,
        _ => Err(ApiError::Internal("the daemon failed inside, see its log".to_owned())),
    }
}

pub(super) fn refused(error: ListsError) -> ApiError {
    match error {
        ListsError::Full { .. } | ListsError::Globs { .. } => ApiError::BadRequest(error.to_string()),
        error => ApiError::internal(error),
    }
}

/// An entry as the API shows it.
pub(super) fn shown(listed: &Listed) -> Value {
    let mut shown = serde_json::to_value(listed).unwrap_or_default();
    shown["kind"] = json!(listed.entry.kind());
    if let Some(scope) = &listed.entry.scope {
        shown["for"] = json!(scope);
    }
    if let Some(name) = listed.entry.in_unicode() {
        shown["unicode"] = json!(text::line(&name, 400));
    }
    shown
}

fn until(listed: &Listed) -> String {
    listed.expires.map_or_else(String::new, |end| format!(", until {end}"))
}
