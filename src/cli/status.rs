//! `mailward status`.

use std::process::ExitCode;

use super::admin_client::Client;
use super::output::{bytes, json, out};
use crate::config::Config;
use crate::model::text;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the daemon at a glance; fails when it takes no mail.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let status = Client::new(config)?.get("/api/v1/status", &())?;
    let ready = status["ready"].as_bool().unwrap_or(false);
    let code = if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if arguments.json {
        json(&status)?;
        return Ok(code);
    }
    let number = |key: &str| status[key].as_u64().unwrap_or(0);
    out(&format!(
        "mailward {} {}, up {}",
        status["version"].as_str().unwrap_or("?"),
        if ready { "takes mail" } else { "takes no mail" },
        uptime(number("uptime_seconds"))
    ));
    let messages = status["messages"].as_object().cloned().unwrap_or_default();
    let counts: Vec<String> = ["accept", "tag", "quarantine", "reject", "tempfail", "discard"]
        .iter()
        .map(|d| format!("{d} {}", messages.get(*d).and_then(serde_json::Value::as_u64).unwrap_or(0)))
        .collect();
    out(&format!("messages    {}", counts.join(", ")));
    out(&format!("in work     {}, {}", number("in_work"), bytes(number("bytes_held"))));
    for scanner in status["scanners"].as_array().into_iter().flatten() {
        let (name, health) = (scanner["name"].as_str(), scanner["health"].as_str());
        out(&format!("scanner     {}: {}", name.unwrap_or("?"), text::line(health.unwrap_or("?"), 300)));
    }
    let held = &status["quarantine"];
    out(&format!(
        "quarantine  {} held, {}",
        held["entries"].as_u64().unwrap_or(0),
        bytes(held["bytes"].as_u64().unwrap_or(0))
    ));
    let waiting: Vec<&str> = status["restart_needed"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    if !waiting.is_empty() {
        out(&format!("restart     is needed for {}", text::line(&waiting.join(", "), 500)));
    }
    for sentence in status["degraded"].as_array().into_iter().flatten() {
        out(&format!("degraded    {}", text::line(sentence.as_str().unwrap_or("?"), 500)));
    }
    Ok(code)
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}
