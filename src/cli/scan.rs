//! `mailward scan`: judges files without any effect.

use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use super::output::{err, json, out};
use super::story;
use crate::config::Config;
use crate::daemon;
use crate::mail;
use crate::model::{Client, ClientAddr, Envelope, Message, Recipient, ReversePath, Session};
use crate::pipeline::engine::{Engine, Subject};
use crate::pipeline::record;
use crate::telemetry::{Clock, Metrics};

#[derive(Debug, clap::Args)]
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
    let engine = daemon::offline_engine(&config, &metrics)?;
    let mut code = ExitCode::SUCCESS;
    for (position, file) in arguments.files.iter().enumerate() {
        let message = match read(file, limit) {
            Ok(message) => message,
            Err(error) => {
                err(&format!("mailward: {error:#}"));
                code = ExitCode::FAILURE;
                continue;
            }
        };
        let record = runtime.block_on(judge(&engine, arguments, message))?;
        if arguments.json {
            json(&story::object(&record))?;
        } else {
            if arguments.files.len() > 1 {
                out(&format!("{}{}:", if position > 0 { "\n" } else { "" }, file.display()));
            }
            out(story::text(&record).trim_end());
        }
    }
    Ok(code)
}

async fn judge(
    engine: &Engine,
    arguments: &Arguments,
    message: Message,
) -> anyhow::Result<crate::audit::Record> {
    let clock = Clock::system();
    let id = clock.mail_id().map_err(|e| anyhow!("the machine gives no random numbers: {e}"))?;
    let session = Arc::new(session(arguments));
    let direction = engine.direction(&session);
    let subject =
        Subject { id, session, envelope: envelope(arguments), message, fault: None, direction, share: None };
    let looked = engine.look(subject).await;
    let judged = engine.judge(&looked, 0);
    Ok(record::of(id, clock.now(), &looked, &judged, None, engine))
}

fn session(arguments: &Arguments) -> Session {
    let addr = arguments.ip.map_or(ClientAddr::Unknown, ClientAddr::Ip);
    Session {
        client: Client { name: arguments.helo.clone().unwrap_or_default(), addr },
        helo: arguments.helo.clone(),
        ..Session::default()
    }
}

fn envelope(arguments: &Arguments) -> Envelope {
    let path = |address: &str| Recipient::new(format!("<{}>", address.trim_matches(['<', '>'])));
    // A file has no recipients of its own; the judgement is then shown for one without a name.
    let recipients = match arguments.rcpt.as_slice() {
        [] => vec![path("")],
        given => given.iter().map(|r| path(r)).collect(),
    };
    Envelope { reverse_path: ReversePath(path(&arguments.from)), recipients, ..Envelope::default() }
}

fn read(file: &PathBuf, limit: usize) -> anyhow::Result<Message> {
    let mut raw = Vec::new();
    let most = limit as u64 + 1;
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut raw).context("standard input cannot be read")?;
    } else {
        let name = file.display();
        if std::fs::metadata(file).is_ok_and(|found| found.is_dir()) {
            bail!("{name} is a directory; name the files in it");
        }
        let open = std::fs::File::open(file).with_context(|| format!("{name} cannot be opened"))?;
        open.take(most).read_to_end(&mut raw).with_context(|| format!("{name} cannot be read"))?;
    }
    if raw.len() > limit {
        bail!("{} is larger than limits.message ({limit} bytes)", file.display());
    }
    Ok(mail::header::parse(raw))
}
