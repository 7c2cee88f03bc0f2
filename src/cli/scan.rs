//! `mailward scan`: judges files without any effect.

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use super::output::{err, json, out};
use crate::config::Config;
use crate::daemon;
use crate::mail;
use crate::model::{Message, causes};
use crate::pipeline::{Engine, Trial, story};
use crate::telemetry::{Clock, Metrics};

/// What `mailward scan --help` says at its end.
const STATUS: &str = "\
Exit status: 0 when every file was judged, whatever the verdict; 1 when one could not be read; 78 when the \
configuration is wrong.";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Arguments {
    /// Mail to judge, one message a file; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Address of the client that sent it.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Its HELO name.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// MAIL FROM.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    from: String,
    /// RCPT TO; repeat for more.
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
    /// Print one JSON object a message.
    #[arg(long)]
    json: bool,
}

/// Judges each file. A file that cannot be read does not keep the others from being judged.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::new());
    let limit = config.limits.message.bytes();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let engine = daemon::offline_engine(&config, &metrics, None)?;
    let trial = Trial {
        ip: arguments.ip,
        helo: arguments.helo.clone(),
        from: arguments.from.clone(),
        rcpt: arguments.rcpt.clone(),
    };
    let mut code = ExitCode::SUCCESS;
    for (position, file) in arguments.files.iter().enumerate() {
        let raw = match read(file, limit) {
            Ok(raw) => raw,
            Err(error) => {
                err(&format!("mailward: {}", causes(error.as_ref())));
                code = ExitCode::FAILURE;
                continue;
            }
        };
        let messages = messages_in_mbox(&raw);
        let message = mail::header::parse(raw);
        for doubt in doubts(messages, &message) {
            err(&format!("mailward: {} {doubt}", name(file)));
        }
        let mut record = runtime.block_on(judge(&engine, &trial, message))?;
        if arguments.json {
            json(&trial.object(&record))?;
        } else {
            if arguments.rcpt.is_empty() {
                record.envelope.recipients.clear();
            }
            if arguments.files.len() > 1 {
                out(&format!("{}{}:", if position > 0 { "\n" } else { "" }, file.display()));
            }
            out(story::text(&record).trim_end());
        }
    }
    Ok(code)
}

async fn judge(engine: &Engine, trial: &Trial, message: Message) -> anyhow::Result<crate::audit::Record> {
    let clock = Clock::system();
    let id = clock.mail_id().map_err(|e| anyhow!("the machine gives no random numbers: {e}"))?;
    // The daemon has the lists; a file is judged without them.
    Ok(trial.judge(engine, id, clock.now(), message, None, None).await)
}

/// What speaks against a file being one mail, as ends of a sentence that begins with its name.
fn doubts(messages_in_mbox: usize, message: &Message) -> Vec<String> {
    let mut doubts = Vec::new();
    if messages_in_mbox > 1 {
        doubts.push(format!(
            "is an mbox with {messages_in_mbox} messages and is judged as one message; split it first (formail -s, \
             git mailsplit)"
        ));
    }
    if message.field_count() == 0 {
        doubts.push("has no header field at all: is it a mail? It is judged all the same".to_owned());
    }
    doubts
}

/// Messages in an mbox file: `From ` lines with a time of day, each the first line or after an empty one. 0
/// if it is none.
fn messages_in_mbox(raw: &[u8]) -> usize {
    if !raw.starts_with(b"From ") {
        return 0;
    }
    let mut after_empty = true;
    let mut messages = 0;
    for line in raw.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if after_empty && line.starts_with(b"From ") && has_time_of_day(line) {
            messages += 1;
        }
        after_empty = line.is_empty();
    }
    messages
}

/// `12:34` somewhere.
fn has_time_of_day(line: &[u8]) -> bool {
    line.windows(5).any(|w| match w {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    })
}

fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let most = limit as u64 + 1;
    let name = name(file);
    if file.as_os_str() == "-" {
        let read = std::io::stdin().lock().take(most).read_to_end(&mut raw);
        read.with_context(|| format!("{name} cannot be read"))?;
    } else {
        if std::fs::metadata(file).is_ok_and(|found| found.is_dir()) {
            bail!("{name} is a directory; name the files in it");
        }
        let open = std::fs::File::open(file).with_context(|| format!("{name} cannot be opened"))?;
        open.take(most).read_to_end(&mut raw).with_context(|| format!("{name} cannot be read"))?;
    }
    if raw.len() > limit {
        bail!("{name} is larger than limits.message ({limit} bytes)");
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_told_from_a_mail() {
        let first = "From a@sender.example Mon Jan  5 10:11:12 2026\nSubject: one\n\ntext\n";
        assert_eq!(messages_in_mbox(first.as_bytes()), 1);
        let two = format!("{first}\n{first}").replace('\n', "\r\n");
        assert_eq!(messages_in_mbox(two.as_bytes()), 2);
        let quoted = format!("{first}\nFrom the beginning it was clear.\n");
        assert_eq!(messages_in_mbox(quoted.as_bytes()), 1);
        assert_eq!(messages_in_mbox(b"Subject: x\n\nFrom a Mon 10:11\n"), 0);
    }

    #[test]
    fn what_may_be_no_mail_is_doubted() {
        let doubts = |raw: &str| doubts(1, &mail::header::parse(raw.to_owned()));
        assert_eq!(doubts("Subject: x\n\ntext\n"), Vec::<String>::new());
        assert!(doubts("just some text\n")[0].starts_with("has no header field at all"));
        assert_eq!(doubts("").len(), 1);
    }
}
