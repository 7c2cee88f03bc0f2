//! Handing records out, for other programs.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::query::Query;
use super::record::Record;
use super::row::Row;
use super::{Audit, AuditError};
use crate::model::text::{self, csv_field};

/// How records are written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    /// One JSON object a line: the whole record, `answered` and later events.
    Jsonl,
    /// The summary as comma-separated values (RFC 4180), with a header line. Fields that a spreadsheet
    /// would take for a formula are guarded.
    Csv,
}

/// The first line of a CSV export.
const CSV_HEADER: &str = "time,id,direction,client,client_name,sender,recipients,recipient_count,subject,\
    disposition,category,score,reason,answer,answered,queue_id,message_id,size,quarantine\r\n";
/// Characters of a field.
const MAX_FIELD: usize = 2000;

impl Audit {
    /// Writes all messages that `query` asks for, newest first, and returns how many. `limit` 0 is no
    /// limit. Blocks; memory is bounded.
    ///
    /// # Errors
    /// If `out` cannot be written, a record is damaged, or the index is not complete: an export that
    /// lacks something must not look whole.
    pub fn export(&self, query: &Query, format: Format, out: &mut dyn Write) -> Result<u64, AuditError> {
        if let Some(why) = self.catch_up() {
            return Err(AuditError::Export(std::io::Error::other(why)));
        }
        if format == Format::Csv {
            out.write_all(CSV_HEADER.as_bytes()).map_err(AuditError::Export)?;
        }
        let filter = self.filter(query);
        let mut n = 0;
        for item in self.rows(query) {
            let (_, row) = item.map_err(AuditError::Index)?;
            if !self.matches(&filter, &row)? {
                continue;
            }
            let written = match format {
                Format::Csv => out.write_all(csv(&row).as_bytes()),
                Format::Jsonl => {
                    let explained = self.explain(&row)?;
                    let json = serde_json::to_string(&explained).map_err(AuditError::Encode)?;
                    writeln!(out, "{}", text::ascii_json(&json))
                }
            };
            written.map_err(AuditError::Export)?;
            n += 1;
            if query.limit != 0 && n == query.limit as u64 {
                break;
            }
        }
        out.flush().map_err(AuditError::Export)?;
        Ok(n)
    }
}

/// The first line of a CSV export.
#[must_use]
pub const fn csv_header() -> &'static str {
    CSV_HEADER
}

/// The line of one record in it.
#[must_use]
pub fn csv_row(record: &Record) -> String {
    csv(&Row::of(record))
}

fn csv(row: &Row) -> String {
    let direction = match row.direction {
        crate::model::Direction::Inbound => "inbound",
        crate::model::Direction::Outbound => "outbound",
    };
    let answered = match row.answered {
        Some(_) if row.instead.is_some() => "not-delivered",
        Some(true) => "yes",
        Some(false) => "lost",
        None => "",
    };
    let fields = [
        row.time.to_string(),
        row.id.to_string(),
        direction.to_owned(),
        row.client.clone(),
        row.client_name.clone(),
        row.sender.clone(),
        row.recipients.join(" "),
        row.recipient_count.to_string(),
        row.subject.clone().unwrap_or_default(),
        row.disposition.to_string(),
        row.category.to_string(),
        row.score.to_string(),
        row.reason.clone(),
        row.answer.clone(),
        answered.to_owned(),
        row.queue_id.clone().unwrap_or_default(),
        row.message_id.clone().unwrap_or_default(),
        row.size.to_string(),
        row.quarantine.map(|id| id.to_string()).unwrap_or_default(),
    ];
    let fields: Vec<String> = fields.iter().map(|f| csv_field(f, MAX_FIELD)).collect();
    format!("{}\r\n", fields.join(","))
}
