//! Why a feed could not be fetched.

use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use crate::model::{ByteSize, Span};

/// Why a body could not be fetched. No sentence holds the address with its key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL with its key is none.
    #[error("its url cannot be used: {0}")]
    Url(String),
    /// A file that is not there, or not ours to read.
    #[error("the file {path} cannot be read: {source}")]
    File {
        /// Its path; as in the configuration if that holds `{key}`.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No connection, or a broken one.
    #[error("{host} could not be asked: {why}")]
    Net {
        /// Whom.
        host: String,
        /// Why not.
        why: String,
    },
    /// It took too long.
    #[error("{host} did not send all of it within {}", Span::seconds(within.as_secs()))]
    TooSlow {
        /// Who.
        host: String,
        /// The limit.
        within: Duration,
    },
    /// It says that nothing has changed, and we have nothing.
    #[error(
        "{host} answered {status}, and was not asked whether anything has changed; the list itself is needed"
    )]
    NotAsked {
        /// Who.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The key is wrong, or missing.
    #[error(
        "{host} does not let us in ({status}); look whether auth_key is right, and whether one is asked for"
    )]
    Locked {
        /// Who.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// We ask too often.
    #[error("{host} asks us to come later ({status}); is refresh too short?")]
    Later {
        /// Who.
        host: String,
        /// Its answer.
        status: StatusCode,
        /// After how many seconds, where it says so.
        after: Option<u64>,
    },
    /// Any other answer.
    #[error("{host} answered {status}")]
    Status {
        /// Who.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// A redirect that is not followed.
    #[error("{host} sends us elsewhere, and that is not followed: {why}")]
    Redirect {
        /// Who.
        host: String,
        /// Why not.
        why: String,
    },
    /// More than `max_size`.
    #[error("the body is larger than the {} that max_size allows", ByteSize(*.limit))]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The disk under the body.
    #[error("the body cannot be written under state_dir: {0}")]
    Write(#[source] io::Error),
    /// The client could not be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
