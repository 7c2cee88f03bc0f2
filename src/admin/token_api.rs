//! Making, listing and withdrawing tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{Caller, Role};
use super::tokens::TokenError;
use super::{ApiError, Door, blocking, noted};
use crate::audit::AdminEvent;
use crate::model::{Span, text};

/// What a token is asked for with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it lets its holder do.
    pub role: Role,
    /// How long it is good; left out: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
}

pub(super) async fn list(State(door): State<Door>) -> Json<Value> {
    Json(json!({ "tokens": door.tokens.list() }))
}

pub(super) async fn create(
    State(door): State<Door>,
    caller: Caller,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(NewToken { name, role, expires }) = body?;
    let (tokens, by) = (Arc::clone(&door.tokens), caller.name.clone());
    let lasts = expires.map(Span::duration);
    let (token, shown) = blocking(move || tokens.create(&name, role, lasts, &by)).await?.map_err(told)?;
    let until = shown.expires.map_or_else(|| "never".to_owned(), |end| end.to_string());
    let detail = format!("{} ({}), role {role}, expires {until}", shown.name, shown.id);
    if let Err(error) = noted(&door.audit, AdminEvent::TokenCreated, &caller, detail).await {
        // Nobody has seen it: it goes again.
        let name = shown.name;
        drop(blocking(move || door.tokens.revoke(&name)).await?);
        return Err(error);
    }
    let mut object = serde_json::to_value(shown).map_err(ApiError::internal)?;
    object["token"] = token.expose().into();
    Ok((StatusCode::CREATED, Json(object)))
}

pub(super) async fn revoke(
    State(door): State<Door>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (tokens, audit, gone) = (Arc::clone(&door.tokens), Arc::clone(&door.audit), name.clone());
    blocking(move || tokens.revoke(&gone)).await?.map_err(told)?;
    let name = text::line(&name, 64);
    noted(&audit, AdminEvent::TokenRevoked, &caller, name.clone()).await.map_err(|error| {
        ApiError::Internal(format!(
            "the token {name} is revoked, and the audit journal does not say so: {error}"
        ))
    })?;
    Ok(Json(json!({ "name": name, "message": format!("the token {name} is revoked") })))
}

fn told(error: TokenError) -> ApiError {
    match error {
        TokenError::Name(_) | TokenError::NoTime => ApiError::BadRequest(error.to_string()),
        TokenError::Taken(_) | TokenError::TooMany => ApiError::Conflict(error.to_string()),
        TokenError::Unknown(_) => ApiError::NotFound(error.to_string()),
        TokenError::Random | TokenError::Store(_) => ApiError::internal(error),
    }
}
