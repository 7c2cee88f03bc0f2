//! `mailward audit erase` and `mailward audit export --subject`.

use std::process::ExitCode;

use serde_json::Value;

use super::admin_client::Client;
use super::output::{count, err, out};
use crate::admin::{About, EraseOrder};
use crate::audit::Format;

#[derive(Debug, clap::Args)]
pub(super) struct Erase {
    /// The person's address.
    address: String,
    /// Only say how much there is.
    #[arg(long)]
    dry_run: bool,
    /// Delete held mail that names the address as well.
    #[arg(long)]
    quarantine: bool,
}

pub(super) fn erase(arguments: &Erase, client: &Client) -> anyhow::Result<ExitCode> {
    let (address, dry_run, quarantine) = (arguments.address.clone(), arguments.dry_run, arguments.quarantine);
    let told = client.post_json("/api/v1/audit/erase", &EraseOrder { address, dry_run, quarantine })?;
    let number = |at: &str| told.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    let records = count(number("/erased/records"), "record");
    let days = match (told["erased"]["days"][0].as_str(), told["erased"]["days"][1].as_str()) {
        (Some(first), Some(last)) => format!(" from {first} to {last}"),
        _ => String::new(),
    };
    let messages = told["erased"]["messages"].as_array().map_or(0, Vec::len) as u64;
    let done = if dry_run { "would be erased" } else { "erased" };
    out(&format!("{records} of the journal {done}{days}, {} among them", count(messages, "message")));
    let list = |key: &str| -> Vec<String> {
        let all = told[key].as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    for id in list("deleted") {
        out(&format!("held message {id} deleted"));
    }
    for entry in list("listed") {
        out(&format!("named on a list: {entry}"));
    }
    for sentence in list("remains") {
        out(&format!("note: {sentence}"));
    }
    let failed = list("failed");
    failed.iter().for_each(|why| err(&format!("mailward: {why}")));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is on record about one person.
pub(super) fn export(address: &str, format: Format, client: &Client) -> anyhow::Result<ExitCode> {
    let about = About { address: address.to_owned(), format };
    client.copy("/api/v1/audit/about", &about, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
