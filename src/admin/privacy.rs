//! The routes about one person: what is on record, and erasing it.

use std::io::{self, Write};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::pipe;
use super::{ApiError, Caller, Door, blocking, noted};
use crate::audit::{AdminEvent, AuditError, Entry, Format, QuarantineEvent, Subject, csv_header, csv_row};
use crate::backup::daily;
use crate::lists;
use crate::model::{List, MailId, text};
use crate::quarantine::{self, Meta};

/// An order to erase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EraseOrder {
    /// Whom.
    pub address: String,
    /// Only say how much there is.
    pub dry_run: bool,
    /// Held mail as well.
    pub quarantine: bool,
}

/// Of whom is everything wanted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    /// Whom.
    pub address: String,
    /// In which form.
    pub format: Format,
}

pub(super) async fn erase(
    State(door): State<Door>,
    caller: Caller,
    order: Result<Json<EraseOrder>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(order) = order?;
    let subject = subject(&door, &order.address)?;
    let audit = Arc::clone(&door.audit);
    let by = caller.name.clone();
    let places = door.control.places();
    let dry_run = order.dry_run;
    let found = blocking(move || {
        let held: Vec<MailId> = held(&door, &subject).iter().map(|meta| meta.id).collect();
        let erased = door.audit.erase(&subject, &by, dry_run)?;
        let mut deleted = Vec::new();
        let mut failed = Vec::new();
        if order.quarantine && !dry_run {
            for id in &held {
                match door.quarantine.delete(*id) {
                    Ok(()) => deleted.push(*id),
                    Err(error) => failed.push(error.to_string()),
                }
            }
        }
        let listed = listed(&door, &subject);
        let left = Left {
            held: held.len() - deleted.len(),
            listed: listed.len(),
            changes: changes(&door, &subject),
            exports: daily::exports(&places.exports).map(|all| all.len()).unwrap_or_default(),
            copies: copies(&places.state_dir),
            retro: door.retro.is_on(),
        };
        let remains = left.told();
        let told = json!({
            "erased": erased, "held": held, "deleted": deleted, "failed": failed, "listed": listed,
            "remains": remains, "dry_run": dry_run,
        });
        Ok::<_, AuditError>((told, deleted))
    });
    let (told, deleted) = found.await?.map_err(|error| match error {
        AuditError::Busy => ApiError::Busy(error.to_string()),
        other => ApiError::internal(other),
    })?;
    for id in deleted {
        let (what, by) = (QuarantineEvent::Deleted, caller.name.clone());
        let entry =
            Entry::Quarantine { id, what, by, time: audit.now(), detail: "erased on request".to_owned() };
        audit.append(entry, crate::audit::Sync::Now).await.map_err(ApiError::internal)?;
    }
    Ok(Json(told))
}

/// What erasing does not reach.
struct Left {
    /// Held messages, copies for a second look among them.
    held: usize,
    /// Entries of the lists.
    listed: usize,
    /// Entries in the history of the lists; `None`: it cannot be read.
    changes: Option<usize>,
    exports: usize,
    /// Databases and journals that were moved aside.
    copies: Vec<String>,
    retro: bool,
}

impl Left {
    /// As sentences.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.held > 0 {
            told.push(format!(
                "{} held messages name it, copies for a second look among them: --quarantine deletes them",
                self.held
            ));
        }
        if self.listed > 0 {
            told.push(format!(
                "{} entries of the lists name it: take them off the list if they may go",
                self.listed
            ));
        }
        match self.changes {
            Some(0) => {}
            Some(n) => told.push(format!(
                "{n} entries in the history of the lists name it (mailward list log): they are forgotten after 90 days"
            )),
            None => told.push("the history of the lists could not be read: it may hold it for 90 days".to_owned()),
        }
        if self.exports > 0 {
            told.push(format!("{} daily exports may hold it in lists until they are rotated", self.exports));
        }
        if !self.copies.is_empty() {
            told.push(format!(
                "what was moved aside in state_dir may hold it: remove {} when you need it no more",
                self.copies.join(", ")
            ));
        }
        if self.retro {
            told.push("links of accepted mail may hold it until [retro] forgets them".to_owned());
        }
        told.push(
            "backups that were made before, logs, and the former content of database files still hold it"
                .to_owned(),
        );
        told
    }
}

/// How many entries in the history of the lists name it.
fn changes(door: &Door, subject: &Subject) -> Option<usize> {
    let mut found = 0;
    let names =
        |step: &lists::Step| serde_json::to_value(step).is_ok_and(|value| subject.is_in_value(&value));
    door.lists.each_step(|step| found += usize::from(names(step))).ok()?;
    Some(found)
}

/// What a restore or a recovery moved aside.
fn copies(state_dir: &std::path::Path) -> Vec<String> {
    let all = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    let names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let aside = [".before-restore-", ".damaged-", ".snapshots-"];
    let mut found: Vec<String> = names.filter(|name| aside.iter().any(|part| name.contains(part))).collect();
    found.sort_unstable();
    found
}

pub(super) async fn about(
    State(door): State<Door>,
    caller: Caller,
    about: Result<Query<About>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(about) = about?;
    let subject = subject(&door, &about.address)?;
    noted(&door.audit, AdminEvent::SubjectExported, &caller, subject.pseudonym().to_owned()).await?;
    let (mut writer, body) = pipe();
    let failing = writer.failing();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write_about(&door, &subject, about.format, &mut writer) {
            tracing::warn!(%error, "an export about one person ended early");
            failing.fail(&error.to_string());
        }
    });
    Ok(body.into_response())
}

fn write_about(
    door: &Door,
    subject: &Subject,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), AuditError> {
    if format == Format::Csv {
        out.write_all(csv_header().as_bytes()).map_err(AuditError::Export)?;
        return door.audit.read_about(subject, |entry| match entry {
            Entry::Judged(record) => out.write_all(csv_row(&record).as_bytes()),
            _ => Ok(()),
        });
    }
    door.audit.read_about(subject, |entry| line(out, "record", &entry))?;
    for meta in held(door, subject) {
        line(out, "held", &meta).map_err(AuditError::Export)?;
    }
    for entry in listed(door, subject) {
        line(out, "listed", &entry).map_err(AuditError::Export)?;
    }
    out.flush().map_err(AuditError::Export)
}

fn line(out: &mut dyn Write, kind: &str, value: &impl Serialize) -> io::Result<()> {
    let value = serde_json::to_value(value).map_err(io::Error::other)?;
    writeln!(out, "{}", text::ascii_json(&json!({ "kind": kind, "what": value }).to_string()))
}

fn subject(door: &Door, address: &str) -> Result<Subject, ApiError> {
    Subject::new(address, &door.people).map_err(|error| ApiError::BadRequest(error.to_string()))
}

/// Entries of the quarantine that name it, copies for a second look among them.
fn held(door: &Door, subject: &Subject) -> Vec<Meta> {
    let mut found = Vec::new();
    let mut query = quarantine::Query { all: true, limit: 1000, ..quarantine::Query::default() };
    loop {
        let page = door.quarantine.list(&query).entries;
        let Some(last) = page.last().map(|meta| meta.id) else { return found };
        query.before = Some(last);
        let names = |meta: &Meta| serde_json::to_value(meta).is_ok_and(|value| subject.is_in_value(&value));
        found.extend(page.into_iter().filter(names));
    }
}

/// Entries of the lists that name it.
fn listed(door: &Door, subject: &Subject) -> Vec<String> {
    let mut found = Vec::new();
    for list in List::ALL {
        let mut query = lists::Query { limit: 10_000, ..lists::Query::default() };
        loop {
            let page = door.lists.list(list, &query);
            let told = page.entries.iter().map(lists::Listed::told).filter(|told| subject.is_in(told));
            found.extend(told.map(|told| format!("{list}: {told}")));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    found
}
