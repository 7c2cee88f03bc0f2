//! Errors of the API, as JSON with a sentence.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
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
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than the route takes.
    #[error("the body is larger than is taken here{}", .0.map_or_else(String::new, |n| format!(" ({n} bytes)")))]
    TooLarge(Option<u64>),
    /// The body is of another kind than the route takes.
    #[error("{0}")]
    WrongKind(String),
    /// Not now; try again soon.
    #[error("{0}")]
    Busy(String),
    /// So many were taken that this one is not; later again.
    #[error("{0}")]
    TooMany(String),
    /// It took longer than the route may.
    #[error("{0}")]
    TooSlow(String),
    /// Another server that was asked said no, or nothing.
    #[error("{0}")]
    Elsewhere(String),
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
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongKind(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Elsewhere(_) => StatusCode::BAD_GATEWAY,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Seconds after which a busy daemon may be asked again.
const SOON: &str = "2";

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let sentence = format!("the body cannot be read: {}", innermost(&rejection));
        match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::WrongKind("the body must be JSON, with Content-Type: application/json".to_owned())
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(None),
            _ => Self::BadRequest(sentence),
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
        let mut response = (self.status(), body).into_response();
        if matches!(self, Self::Busy(_)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(SOON));
        }
        response
    }
}
