//! The route that streams a backup.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::api::pipe;
use super::{ApiError, Caller, Door, noted};
use crate::audit::AdminEvent;
use crate::backup::{Choice, Source};

/// Where a backup finds what is no part of the daemon's work.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Where keys and links are.
    pub state_dir: PathBuf,
    /// The configuration and its file of rules.
    pub config_files: Vec<PathBuf>,
    /// The name of this host.
    pub host: String,
    /// Where the daily exports are.
    pub exports: PathBuf,
}

/// What a backup is asked for with.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// With the keys.
    pub keys: bool,
    /// With held mail.
    pub quarantine: bool,
    /// Without the journal.
    pub no_audit: bool,
}

/// One backup is made at a time.
static ONE: Semaphore = Semaphore::const_new(1);

pub(super) async fn backup(
    State(door): State<Door>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wanted) = wanted?;
    let Ok(one) = ONE.try_acquire() else {
        return Err(ApiError::Busy("another backup is being made; try again when it is done".to_owned()));
    };
    let names = [
        (true, "lists"),
        (!wanted.no_audit, "audit"),
        (wanted.keys, "keys"),
        (wanted.quarantine, "quarantine"),
    ];
    let names: Vec<&str> = names.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    noted(&door.audit, AdminEvent::BackedUp, &caller, names.join(", ")).await?;
    let places = door.control.places();
    let source = Source {
        store: door.store.clone(),
        audit: Arc::clone(&door.audit),
        lists: Arc::clone(&door.lists),
        state_dir: places.state_dir,
        quarantine: door.quarantine.root(),
        config_files: places.config_files,
        host: places.host,
    };
    let choice = Choice { audit: !wanted.no_audit, keys: wanted.keys, quarantine: wanted.quarantine };
    let (writer, body) = pipe();
    let failing = writer.failing();
    let now = door.audit.now();
    tokio::task::spawn_blocking(move || {
        let _one = one;
        match source.write(choice, now, writer) {
            Ok((_, writer)) => drop(writer),
            Err(error) => {
                tracing::warn!(%error, "a backup ended early");
                // Its reader must not take it for whole.
                failing.fail(&error.to_string());
            }
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], body).into_response())
}
