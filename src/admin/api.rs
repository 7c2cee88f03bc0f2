//! The JSON behind the command line.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Caller;
use super::{ApiError, Door, blocking, note_reload};
use crate::audit::{self, Entry, EventQuery, Format, QuarantineEvent, Sync};
use crate::model::{MailId, text};
use crate::quarantine::{self, QuarantineError};

pub(super) async fn unknown(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is nothing at {} on this listener", text::line(uri.path(), 200)))
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::WrongMethod(format!("{} takes no {method}", text::line(uri.path(), 200)))
}

pub(super) async fn status(State(door): State<Door>) -> Json<Value> {
    Json(door.control.status())
}

pub(super) async fn reload(State(door): State<Door>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let (control, audit) = (Arc::clone(&door.control), Arc::clone(&door.audit));
    let result = blocking(move || control.reload()).await?;
    note_reload(&audit, &caller.name, &result).await;
    let told = result.map_err(ApiError::BadRequest)?;
    Ok(Json(json!({ "message": told })))
}

pub(super) async fn audit_list(
    State(door): State<Door>,
    query: Result<Query<audit::Query>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query?;
    let listing = blocking(move || door.audit.list(&query)).await?.map_err(ApiError::internal)?;
    Ok(Json(json!({"rows": listing.rows, "next": listing.next, "incomplete": listing.incomplete})))
}

pub(super) async fn audit_show(State(door): State<Door>, Id(id): Id) -> Result<Json<Value>, ApiError> {
    let found = blocking(move || door.audit.find(id)).await?.map_err(ApiError::internal)?;
    let found = found.ok_or_else(|| {
        ApiError::NotFound(format!(
            "no message {id} is on record; it may be older than audit.retention, of another host, or erased on request"
        ))
    })?;
    Ok(Json(json!({
        "record": found.record,
        "answered": found.answered,
        "instead": found.instead,
        "events": found.events,
        "problems": found.problems,
    })))
}

pub(super) async fn audit_events(
    State(door): State<Door>,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query?;
    let events = blocking(move || door.audit.events(&query)).await?.map_err(ApiError::internal)?;
    serde_json::to_value(events).map(Json).map_err(ApiError::internal)
}

pub(super) async fn audit_verify(State(door): State<Door>) -> Result<Json<Value>, ApiError> {
    let report = blocking(move || door.audit.verify()).await?.map_err(ApiError::internal)?;
    serde_json::to_value(report).map(Json).map_err(ApiError::internal)
}

#[derive(Deserialize)]
pub(super) struct Export {
    #[serde(default)]
    format: Format,
}

pub(super) async fn audit_export(
    State(door): State<Door>,
    export: Result<Query<Export>, QueryRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Query(export) = export?;
    // The same parameters as of a list, beside the format.
    let parameters: Vec<&str> =
        uri.query().unwrap_or_default().split('&').filter(|p| !p.starts_with("format=")).collect();
    let rest: Uri = format!("/?{}", parameters.join("&"))
        .parse()
        .map_err(|_| ApiError::BadRequest("the query of this export cannot be read".to_owned()))?;
    let Query(query) = Query::<audit::Query>::try_from_uri(&rest)?;
    let (mut writer, body) = pipe();
    let failing = writer.failing();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = door.audit.export(&query, export.format, &mut writer) {
            tracing::warn!(%error, "an export of the audit ended early");
            failing.fail(&error.to_string());
        }
    });
    Ok(body.into_response())
}

pub(super) async fn quarantine_list(
    State(door): State<Door>,
    query: Result<Query<quarantine::Query>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query?;
    let listing = blocking(move || door.quarantine.list(&query)).await?;
    Ok(Json(json!({"entries": listing.entries, "notes": listing.notes})))
}

pub(super) async fn quarantine_show(State(door): State<Door>, Id(id): Id) -> Result<Json<Value>, ApiError> {
    let meta = blocking(move || door.quarantine.meta(id)).await?.map_err(held)?;
    serde_json::to_value(meta).map(Json).map_err(ApiError::internal)
}

pub(super) async fn quarantine_message(State(door): State<Door>, Id(id): Id) -> Result<Response, ApiError> {
    let message = blocking(move || door.quarantine.message(id)).await?.map_err(held)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("message/rfc822"));
    let (mut writer, body) = pipe();
    tokio::task::spawn_blocking(move || {
        let mut file = message.file;
        if let Err(error) = std::io::copy(&mut file, &mut writer) {
            tracing::warn!(%id, %error, "a held message could not be shown to its end");
        }
    });
    Ok((headers, body).into_response())
}

pub(super) async fn quarantine_delete(
    State(door): State<Door>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Value>, ApiError> {
    let audit = Arc::clone(&door.audit);
    // An id of a later attempt names the entry that the first one made.
    let deleted = blocking(move || {
        let entry = door.quarantine.meta(id)?.id;
        door.quarantine.delete(entry).map(|()| entry)
    });
    let deleted = deleted.await?.map_err(held)?;
    let entry = Entry::Quarantine {
        id: deleted,
        what: QuarantineEvent::Deleted,
        by: caller.name,
        time: audit.now(),
        detail: String::new(),
    };
    audit.append(entry, Sync::Now).await.map_err(ApiError::internal)?;
    Ok(Json(json!({ "id": deleted, "message": format!("{deleted} is deleted") })))
}

/// The id at the place of `{id}` in a route.
pub(super) struct Id(pub(super) MailId);

impl<S: Send + std::marker::Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        id.parse()
            .map(Self)
            .map_err(|error: crate::model::id::NotAnId| ApiError::BadRequest(error.to_string()))
    }
}

fn held(error: QuarantineError) -> ApiError {
    match error {
        QuarantineError::NotHeld(_) => ApiError::NotFound(error.to_string()),
        other => ApiError::internal(other),
    }
}

/// A writer for a blocking thread and the response body that it fills, with a few pieces between them.
pub(super) fn pipe() -> (Pipe, Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece: Option<Result<bytes::Bytes, std::io::Error>> = receiver.recv().await;
        piece.map(|piece| (piece, receiver))
    });
    (Pipe { sender, piece: Vec::new() }, Body::from_stream(pieces))
}

pub(super) struct Pipe {
    sender: tokio::sync::mpsc::Sender<Result<bytes::Bytes, std::io::Error>>,
    piece: Vec<u8>,
}

/// Breaks the answer off, so that its reader does not take it for whole.
pub(super) struct Failing(tokio::sync::mpsc::Sender<Result<bytes::Bytes, std::io::Error>>);

impl Failing {
    /// The answer ends here, with an error. For a blocking thread.
    pub(super) fn fail(self, why: &str) {
        // Where nobody reads any more nobody is misled.
        drop(self.0.blocking_send(Err(std::io::Error::other(why.to_owned()))));
    }
}

impl Pipe {
    const PIECE: usize = 64 * 1024;

    /// What breaks it off once it is written no more.
    pub(super) fn failing(&self) -> Failing {
        Failing(self.sender.clone())
    }

    fn send(&mut self) -> std::io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece).into();
        self.sender.blocking_send(Ok(piece)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl std::io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= Self::PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Nobody reads any more: nothing is lost by it.
        drop(self.send());
    }
}
