//! `mailward explain ID`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::admin_client::Client;
use super::output::{err, json, out};
use crate::audit::{Entry, Record, Stage};
use crate::config::Config;
use crate::daemon;
use crate::model::{MailId, text};
use crate::pipeline::{changed, story};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The id, as in X-Mailward-Id, in the reply to the sender, in the log.
    id: MailId,
    /// Print the JSON object that `scan --json` prints.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let found = Client::new(config)?.get(&format!("/api/v1/audit/{}", arguments.id), &())?;
    let record: Record =
        serde_json::from_value(found["record"].clone()).context("the record cannot be read")?;
    if arguments.json {
        let mut object = story::object(&record);
        object["answered"] = found["answered"].clone();
        object["instead"] = found["instead"].clone();
        object["events"] = found["events"].clone();
        changed(&record, path)?.add_to(&mut object);
        json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    let instead = found["instead"].as_str();
    let answered = match found["answered"].as_bool() {
        Some(true) if instead.is_some() => "not delivered: nobody has taken it, and that was answered",
        Some(true) => "answered",
        Some(false) if instead.is_some() => "not delivered, and the MTA was gone before it had the answer",
        Some(false) => "the MTA was gone before it had the answer",
        None => "not known whether the answer reached the MTA",
    };
    out(&format!("{}  {}", record.time, answered));
    let client = record.session.client.addr.ip().map_or_else(|| "no address".to_owned(), |ip| ip.to_string());
    let client = format!("[{client}]");
    // Postfix calls a client without a name by its address.
    let name = Some(record.session.client.name.as_str()).filter(|name| !name.is_empty() && *name != client);
    out(&format!(
        "client    {}{client}, helo {}",
        name.map(|name| format!("{} ", text::line(name, 120))).unwrap_or_default(),
        text::line(record.session.helo.as_deref().unwrap_or("none"), 120),
    ));
    out(&format!("from      <{}>", text::line(record.envelope.reverse_path.address(), 120)));
    if let Some(subject) = &record.message.subject {
        out(&format!("subject   {}", text::line(subject, 120)));
    }
    out(&format!("queue id  {}", record.envelope.queue_id.as_deref().unwrap_or("none")));
    match record.stage {
        Stage::Mail => out("refused   at MAIL, before recipients and message were sent"),
        Stage::Rcpt => {
            out("refused   at RCPT, before the message was sent; further recipients may have been refused")
        }
        Stage::End => {}
    }
    for hit in &record.lists.0 {
        let comment = hit.comment.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        out(&format!("listed    {}", text::line(&format!("{hit}{comment}"), 700)));
    }
    if let Some(advice) = &record.advice {
        let reply =
            advice.reply.as_deref().map(|reply| format!(": {}", text::line(reply, 200))).unwrap_or_default();
        let (score, required) = (advice.score, advice.required);
        out(&format!("rspamd    {}, score {score:.2} of {required:.2}{reply}", advice.action));
    }
    for (scanner, version) in &record.versions {
        out(&format!("with      {scanner}: {}", text::line(version, 120)));
    }
    if let Some(entry) = record.released {
        out(&format!("released  from quarantine entry {entry}"));
    }
    match instead {
        Some(said) => {
            out(&format!("answer    {} (decided: {})", text::line(said, 500), story::answer(&record)))
        }
        None => out(&format!("answer    {}", story::answer(&record))),
    }
    if let Some(entry) = record.quarantine {
        out(&format!("held as   {entry}"));
    }
    for event in found["events"].as_array().into_iter().flatten() {
        let (what, by, time, detail) = match serde_json::from_value(event.clone()) {
            Ok(Entry::Quarantine { what, by, time, detail, .. }) => (what.name(), by, time, detail),
            Ok(Entry::Caught(caught)) => {
                ("caught afterwards", caught.by.name().to_owned(), caught.time, caught.told())
            }
            Ok(Entry::Handed(handed)) => {
                for told in handed.told() {
                    out(&format!("handed    {}  {}", handed.time, text::line(&told, 700)));
                }
                continue;
            }
            Ok(Entry::Reported(report)) => (report.kind.name(), report.who(), report.time, report.told()),
            _ => continue,
        };
        let detail =
            if detail.is_empty() { String::new() } else { format!(": {}", text::line(&detail, 300)) };
        out(&format!("then      {time}  {} by {}{detail}", what, text::line(&by, 80)));
    }
    out(story::text(&record).trim_end());
    changed(&record, path)?.lines().iter().for_each(|line| out(line));
    Ok(ExitCode::SUCCESS)
}

/// What would have changed the verdict by the rules of now. They are needed for nothing else.
fn changed(record: &Record, path: Option<&Path>) -> anyhow::Result<changed::Told> {
    match Config::load(path) {
        Ok(loaded) => Ok(changed::of(record, &daemon::offline_terms(&loaded.config)?, None)),
        Err(errors) => {
            err(&format!(
                "mailward: what would have changed the verdict is not said, as the rules cannot be used:\n{errors}"
            ));
            Ok(changed::Told::default())
        }
    }
}
