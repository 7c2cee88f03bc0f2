//! The route by which a mail server says what its users did with their mail.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Caller, Door};
use crate::pipeline::release::Class;
use crate::pipeline::reports::{LARGEST, ReportError, Reports, Room, Said};

/// How long the message may take to come: who sends it has all of it already, and is on this machine.
const ARRIVES: Duration = Duration::from_secs(5);

/// What a report says besides the message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Whose mailbox it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Into which mailbox it was moved.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mailbox: String,
    /// Only the beginning of the message is sent.
    pub cut: bool,
}

/// The body is the message as it lies in the mailbox. It is answered when it is here, not when rspamd has learned.
pub(super) async fn report(
    State(door): State<Door>,
    caller: Caller,
    Path(class): Path<String>,
    query: Result<Parameters<Query>, QueryRejection>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Parameters(Query { user, mailbox, cut }) = query?;
    let class: Class = class.parse().map_err(ApiError::BadRequest)?;
    door.reports.admit(class, &user).map_err(refused)?;
    let collecting = tokio::time::timeout(ARRIVES, collect(body, class, &door.reports)).await;
    let (message, room) = collecting.unwrap_or_else(|_| {
        Err(ApiError::TooSlow(format!("the body did not come within {} s", ARRIVES.as_secs())))
    })?;
    let said = Said { class, user, mailbox, by: caller.name, cut };
    door.reports.take(said, message, room).map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "message": format!("taken as a report of {class}") }))))
}

/// Room is taken for what has come: what is only announced must not keep the reports of others out.
async fn collect(body: Body, class: Class, reports: &Reports) -> Result<(Bytes, Room), ApiError> {
    let mut message = BytesMut::new();
    let mut room = reports.room(class, 1).await.map_err(refused)?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let broken_off = |_| ApiError::BadRequest("the body broke off before its end".to_owned());
        let piece = piece.map_err(broken_off)?;
        if piece.is_empty() {
            continue;
        }
        if message.len() + piece.len() > LARGEST {
            return Err(ApiError::TooLarge(Some(LARGEST as u64)));
        }
        room.and(reports.room(class, piece.len() as u64).await.map_err(refused)?);
        message.extend_from_slice(&piece);
    }
    Ok((message.freeze(), room))
}

fn refused(error: ReportError) -> ApiError {
    let sentence = error.to_string();
    match error {
        ReportError::TooMany { .. } => ApiError::TooMany(sentence),
        ReportError::NoRoom | ReportError::Stopping => ApiError::Busy(sentence),
        ReportError::Empty => ApiError::BadRequest(sentence),
    }
}
