//! `mailward status`.

use std::process::ExitCode;

use serde_json::Value;

use super::admin_client::{Client, Unreachable};
use super::output::{bytes, err, json, out};
use crate::config::Config;
use crate::model::{Category, Disposition, List, text};

/// What `mailward status --help` says at its end.
const STATUS: &str = "\
Exit status: 0 when mail is taken and everything works as configured; 1 when mail is taken and something is \
degraded; 3 when no mail is taken, or no daemon can be asked; 78 when the configuration is wrong.";

/// No mail is taken, as an init script says that a service does not run.
const DOWN: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the daemon at a glance.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let status = match Client::new(config).and_then(|client| client.get("/api/v1/status", &())) {
        Ok(status) => status,
        Err(error) if error.is::<Unreachable>() => {
            err(&format!("mailward: {error}"));
            return Ok(ExitCode::from(DOWN));
        }
        Err(error) => return Err(error),
    };
    let ready = status["ready"].as_bool().unwrap_or(false);
    let is_degraded = status["degraded"].as_array().is_none_or(|parts| !parts.is_empty());
    let code = match (ready, is_degraded) {
        (false, _) => ExitCode::from(DOWN),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    };
    if arguments.json {
        json(&status)?;
    } else {
        lines(&status).iter().for_each(|line| out(line));
    }
    Ok(code)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn shown(value: &Value, max: usize) -> String {
    text::line(value.as_str().unwrap_or("?"), max)
}

/// The screen, line by line.
fn lines(status: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "mailward {} {}, up {}",
        shown(&status["version"], 40),
        if status["ready"] == true { "takes mail" } else { "takes no mail" },
        uptime(number(&status["uptime_seconds"]))
    )];
    let mut line = |name: &str, what: String| lines.push(format!("{name:<11} {what}"));
    line("messages", counts(&status["messages"], Disposition::ALL.iter().map(|d| d.name())));
    let verdicts = |counted: &Value| counts(counted, Category::ALL.iter().map(|c| c.name()));
    line("verdicts", verdicts(&status["verdicts"]));
    line("last hour", verdicts(&status["verdicts_last_hour"]));
    let limits = &status["limits"];
    line(
        "in work",
        format!(
            "{} of {}, {} of {}, connections {}",
            number(&status["in_work"]),
            number(&limits["messages"]),
            bytes(number(&status["bytes_held"])),
            bytes(number(&limits["held"])),
            number(&status["connections"]),
        ),
    );
    for socket in status["sockets"].as_array().into_iter().flatten() {
        let from = if socket["inherited"] == true { ", systemd's" } else { "" };
        line("listens", format!("{}: {}{from}", shown(&socket["kind"], 20), shown(&socket["address"], 200)));
    }
    for scanner in status["scanners"].as_array().into_iter().flatten() {
        let mut told = format!("{}: {}", shown(&scanner["name"], 40), shown(&scanner["health"], 300));
        if scanner["breaker"] == "open" {
            told.push_str(", left alone for a while");
        }
        if let Some(version) = scanner["version"].as_str().filter(|version| !version.is_empty()) {
            told.push_str(&format!(", {}", text::line(version, 120)));
        }
        line("scanner", told);
    }
    if let Some(server) = status["lmtp"]["relay"].as_str() {
        let outcomes = ["delivered", "put-off", "refused", "not-sent", "uncertain"].into_iter();
        let handed = counts(&status["lmtp"]["handed_on"], outcomes);
        let standing = if status["lmtp"]["trouble"].is_null() { "" } else { ", takes no mail now" };
        line("relay", format!("{}{standing}: {handed}", text::line(server, 200)));
    }
    line("quarantine", quarantine(&status["quarantine"]));
    let second_look = &status["second_look"];
    if number(&second_look["waiting"]) + number(&second_look["caught"]) > 0 {
        line("second look", waiting(second_look));
    }
    line("audit", audit(&status["audit"]));
    let lists: Vec<String> = List::ALL
        .iter()
        .map(|list| format!("{} {}", list.name(), number(&status["lists"][list.name()])))
        .collect();
    line("lists", lists.join(", "));
    line("config", configuration(&status["config"]));
    if let Some(until) = status["log"]["until"].as_str() {
        let (level, by) = (shown(&status["log"]["level"], 120), shown(&status["log"]["by"], 80));
        line("log", format!("{level} until {}, asked for by {by}", text::line(until, 40)));
    }
    let waiting: Vec<&str> =
        status["restart_needed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !waiting.is_empty() {
        line("restart", format!("is needed for {}", text::line(&waiting.join(", "), 500)));
    }
    for sentence in status["degraded"].as_array().into_iter().flatten() {
        line("degraded", shown(sentence, 500));
    }
    lines
}

fn counts<'a>(counted: &Value, names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("{name} {}", number(&counted[name]))).collect::<Vec<_>>().join(", ")
}

fn quarantine(held: &Value) -> String {
    let mut told = format!("{} kept, {}", number(&held["entries"]), bytes(number(&held["bytes"])));
    let classes: Vec<String> = held["by_category"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(class, of)| {
            format!("{} {}, {}", text::line(class, 20), number(&of["entries"]), bytes(number(&of["bytes"])))
        })
        .collect();
    if !classes.is_empty() {
        told.push_str(&format!(" ({})", classes.join("; ")));
    }
    told
}

fn waiting(copies: &Value) -> String {
    let since = copies["oldest"].as_str().map(|oldest| format!(" since {}", text::line(oldest, 40)));
    format!(
        "{} delivered and waiting to be scanned again{}, {} found bad, {}",
        number(&copies["waiting"]),
        since.unwrap_or_default(),
        number(&copies["caught"]),
        bytes(number(&copies["bytes"]))
    )
}

fn audit(journal: &Value) -> String {
    let synced = match journal["last_sync"].as_str() {
        Some(at) => format!("on disk at {}", text::line(at, 40)),
        None => "nothing to be written to disk yet".to_owned(),
    };
    let trouble = journal["trouble"].as_str().map(|what| format!("; {}", text::line(what, 300)));
    format!("{synced}, index behind by {}{}", number(&journal["index_lag"]), trouble.unwrap_or_default())
}

fn configuration(config: &Value) -> String {
    let file = config["file"]
        .as_str()
        .map_or_else(|| "the defaults, no file".to_owned(), |file| text::line(file, 300));
    let reload = &config["reload"];
    match (reload["time"].as_str(), reload["ok"].as_bool()) {
        (Some(at), Some(true)) => format!("{file}, read again at {}", text::line(at, 40)),
        (Some(at), _) => format!("{file}; what it says now was refused at {}", text::line(at, 40)),
        (None, _) => format!("{file}, read at the start"),
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_daemon_in_trouble_fits_on_one_screen() {
        let status = json!({
            "version": "0.1.0", "ready": true, "uptime_seconds": 93_784,
            "messages": {"accept": 900, "tag": 3, "quarantine": 2, "reject": 1},
            "verdicts": {"clean": 900, "spam": 5, "malware": 1},
            "verdicts_last_hour": {"clean": 12},
            "in_work": 7, "bytes_held": 1_500_000, "connections": 40,
            "limits": {"messages": 1000, "held": 1_000_000_000},
            "sockets": [
                {"kind": "milter", "address": "unix:/run/m.sock", "inherited": true},
                {"kind": "admin", "address": "127.0.0.1:8890", "inherited": false},
            ],
            "scanners": [
                {"name": "clamd", "health": "degraded: refused\u{1b}[2J", "version": "", "breaker": "open"},
                {"name": "yara", "health": "up", "version": "abc"},
            ],
            "quarantine": {"entries": 2, "bytes": 4096, "by_category": {"spam": {"entries": 2, "bytes": 4096}}},
            "second_look": {"waiting": 3, "oldest": "2026-11-20T11:30:00.000Z", "caught": 1, "bytes": 4096},
            "audit": {"last_sync": "2026-11-20T12:00:00.000Z", "index_lag": 3, "trouble": null},
            "lists": {"allow": 10, "block": 2},
            "config": {"file": "/etc/mailward/mailward.toml", "reload": {"time": "2026-11-20T11:00:00.000Z", "ok": false}},
            "restart_needed": ["[milter]"],
            "degraded": ["clamd: refused"],
        });
        assert_eq!(
            lines(&status),
            [
                "mailward 0.1.0 takes mail, up 1 d 2 h",
                "messages    accept 900, tag 3, quarantine 2, reject 1, discard 0, tempfail 0",
                "verdicts    clean 900, suspicious 0, spam 5, phish 0, malware 1",
                "last hour   clean 12, suspicious 0, spam 0, phish 0, malware 0",
                "in work     7 of 1000, 1.5 MB of 1.0 GB, connections 40",
                "listens     milter: unix:/run/m.sock, systemd's",
                "listens     admin: 127.0.0.1:8890",
                "scanner     clamd: degraded: refused?[2J, left alone for a while",
                "scanner     yara: up, abc",
                "quarantine  2 kept, 4.1 kB (spam 2, 4.1 kB)",
                "second look 3 delivered and waiting to be scanned again since 2026-11-20T11:30:00.000Z, 1 found bad, 4.1 kB",
                "audit       on disk at 2026-11-20T12:00:00.000Z, index behind by 3",
                "lists       allow 10, block 2",
                "config      /etc/mailward/mailward.toml; what it says now was refused at 2026-11-20T11:00:00.000Z",
                "restart     is needed for [milter]",
                "degraded    clamd: refused",
            ]
        );
    }
}
