//! Errors of the API, as JSON with a sentence.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::model::{causes, text};

/// What a route could not do.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing is known under that id or path.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The path is there, for another method.
    #[error("{0}")]
    WrongMethod(String),
    /// The daemon could not.
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    /// From an error of a module below, with all its causes.
    pub(super) fn internal(error: impl std::error::Error) -> Self {
        Self::Internal(causes(&error))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(format!("the query cannot be read: {}", innermost(&rejection)))
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::BadRequest(format!("the path cannot be read: {}", innermost(&rejection)))
    }
}

/// The last cause, which is the one that names the key.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    text::line(&last.to_string(), 300)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self.to_string() }));
        (self.status(), body).into_response()
    }
}
