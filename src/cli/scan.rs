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
use crate::dns::Zone;
use crate::mail;
use crate::model::{Message, Skip, causes};
use crate::pipeline::{Engine, Trial, changed, story};
use crate::telemetry::{Clock, Metrics};

/// What `mailward scan --help` says at its end.
const STATUS: &str = "\
SPF and iprev are about the client, so they are looked at with --ip only. Nothing is read from Received or \
Return-Path fields of the file: say --helo and --from as the sender did. Without --from the null sender is meant, \
for whom SPF judges the HELO name. Behind one of network.trusted_relays the client is the one that the relay names. \
DKIM and ARC need the file alone, and DMARC passes with DKIM alone.

The DNS is asked as the daemon asks it ([dns]), unless --dns-zone answers, for a mail of yesterday or a record that \
is not published yet. A line of that file is NAME TYPE VALUE, with A, AAAA, MX, PTR, TXT or CNAME; NAME FAIL and NAME \
TIMEOUT are servers that fail; what is not there does not exist:

    sender.example         TXT   v=spf1 mx -all
    sender.example         MX    10 mx.sender.example
    mx.sender.example      A     192.0.2.7
    _dmarc.sender.example  TXT   \"v=DMARC1; p=reject\"

    mailward scan --ip 192.0.2.7 --from a@sender.example --dns-zone zone.txt mail.eml

Exit status: 0 when every file was judged, whatever the verdict; 1 when one, or the zone, could not be read; 78 when the \
configuration is wrong.";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Arguments {
    /// Mail to judge, one message a file; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    peer: Peer,
    /// Print one JSON object a message.
    #[arg(long)]
    json: bool,
}

/// As whose mail it is judged.
#[derive(Debug, clap::Args)]
pub(super) struct Peer {
    /// Address of the client that sent it; without it SPF and iprev have nobody to judge.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Its HELO name.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// MAIL FROM; empty is the null sender.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    from: String,
    /// RCPT TO; repeat for more.
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
    /// Answer every DNS question from this file instead of asking servers.
    #[arg(long, value_name = "ZONE")]
    dns_zone: Option<PathBuf>,
}

impl Peer {
    /// The same for the pipeline.
    pub(super) fn trial(&self) -> Trial {
        Trial { ip: self.ip, helo: self.helo.clone(), from: self.from.clone(), rcpt: self.rcpt.clone() }
    }

    /// The file that answers DNS questions.
    pub(super) fn zone(&self) -> anyhow::Result<Option<Zone>> {
        self.dns_zone.as_deref().map(zone).transpose()
    }
}

/// Judges each file. A file that cannot be read does not keep the others from being judged.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::new());
    let limit = config.limits.message.bytes();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let zone = arguments.peer.zone()?;
    let urls = &config.scanner.urls;
    let asks_lists = urls.enabled && !urls.lookups.blocklists.is_empty();
    if zone.is_some() && !config.scanner.auth.enabled && !asks_lists {
        err("mailward: scanner.auth is off, so nothing asks the DNS and --dns-zone changes nothing");
    }
    if zone.is_some() && urls.enabled && urls.lookups.unshorten {
        err("mailward: with --dns-zone nobody is asked on the net, so short links are not followed");
    }
    let (known, notes) = daemon::offline_feeds(&config);
    if config.scanner.urls.enabled {
        notes.iter().for_each(|note| err(&format!("mailward: {note}")));
        if known.is_empty() {
            let asked = if asks_lists { "only block lists are" } else { "nobody is" };
            err(&format!(
                "mailward: no feed is loaded, so links are shown and {asked} asked about them (not-looked-up)"
            ));
        }
    }
    let engine = daemon::offline_engine(&config, &metrics, zone, known)?;
    let terms = daemon::offline_terms(&config)?;
    let trial = arguments.peer.trial();
    let mut code = ExitCode::SUCCESS;
    let mut told_of_client = arguments.json;
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
        let mut record = runtime.block_on(judge(&engine, &trial, message.clone()))?;
        if arguments.json {
            let mut object = trial.object(&record);
            changed::of(&record, &terms, Some(&message)).add_to(&mut object);
            json(&object)?;
        } else {
            let changes = changed::of(&record, &terms, Some(&message));
            if arguments.peer.rcpt.is_empty() {
                record.envelope.recipients.clear();
            }
            if arguments.files.len() > 1 {
                out(&format!("{}{}:", if position > 0 { "\n" } else { "" }, file.display()));
            }
            out(story::text(&record).trim_end());
            changes.lines().iter().for_each(|line| out(line));
            let nobody = record.authentication.as_ref().and_then(|seen| seen.no_client);
            if nobody == Some(Skip::NoClient) && !std::mem::replace(&mut told_of_client, true) {
                err(
                    "mailward: no client is given, so SPF and iprev were not looked at; say --ip, --helo and --from",
                );
            }
        }
    }
    Ok(code)
}

pub(super) async fn judge(
    engine: &Engine,
    trial: &Trial,
    message: Message,
) -> anyhow::Result<crate::audit::Record> {
    let clock = Clock::system();
    let id = clock.mail_id().map_err(|e| anyhow!("the machine gives no random numbers: {e}"))?;
    // The daemon has the lists; a file is judged without them.
    Ok(trial.judge(engine, id, clock.now(), message, None, None).await)
}

/// The largest file with answers.
const MAX_ZONE: u64 = 16 * 1024 * 1024;

/// The answers in a file.
fn zone(file: &Path) -> anyhow::Result<Zone> {
    let name = file.display();
    if std::fs::metadata(file).is_ok_and(|found| found.is_dir()) {
        bail!("{name} is a directory; --dns-zone takes a file");
    }
    let open = std::fs::File::open(file).with_context(|| format!("{name} cannot be opened"))?;
    let mut raw = Vec::new();
    open.take(MAX_ZONE + 1).read_to_end(&mut raw).with_context(|| format!("{name} cannot be read"))?;
    if raw.len() as u64 > MAX_ZONE {
        bail!("{name} is larger than a zone file may be ({MAX_ZONE} bytes)");
    }
    let text = String::from_utf8(raw).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        anyhow!("{name}: line {line}: this is no UTF-8")
    })?;
    Zone::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)).map_err(|error| anyhow!("{name}: {error}"))
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

pub(super) fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
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
