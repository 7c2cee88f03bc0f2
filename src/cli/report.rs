//! `mailward report spam|ham`.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::admin_client::Client;
use super::output::out;
use crate::admin::ReportQuery;
use crate::config::Config;
use crate::pipeline::release::Class;
use crate::pipeline::reports::LARGEST;

/// A mail program waits while its user moves mail.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a message that is too large so much is sent, to put it on record.
const BEGINNING: usize = 64 << 10;

/// What `mailward report --help` says at its end.
const STATUS: &str = "\
Exit status: 0 when mailward has taken the report, 1 when not. What came of it is in `mailward explain ID` and \
`mailward audit events --reports`.";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Arguments {
    /// spam or ham.
    class: Class,
    /// Whose mailbox the message is in.
    #[arg(long, default_value = "", value_name = "NAME")]
    user: String,
    /// Into which mailbox it was moved.
    #[arg(long, default_value = "", value_name = "NAME")]
    mailbox: String,
    /// A file with a token of the role reporter. It is shown on the TCP port, and the configuration is not read: so
    /// whoever runs this needs to read nothing else.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where that port is.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8890", requires = "token_file")]
    port: SocketAddr,
}

pub(super) fn run(arguments: &Arguments, config: impl FnOnce() -> Config) -> anyhow::Result<ExitCode> {
    let (message, cut) = read()?;
    let query = ReportQuery { user: arguments.user.clone(), mailbox: arguments.mailbox.clone(), cut };
    let client = match &arguments.token_file {
        None => Client::new(&config())?,
        Some(file) => Client::over_tcp(arguments.port, &token(file)?)?,
    };
    let answer = client.within(PATIENCE).post_message(
        &format!("/api/v1/report/{}", arguments.class.name()),
        &query,
        message,
    )?;
    out(answer["message"].as_str().unwrap_or("taken"));
    Ok(ExitCode::SUCCESS)
}

/// The message on standard input, and whether only its beginning is here. It is read to its end in any case, so that
/// whoever writes it is not cut off.
fn read() -> anyhow::Result<(Vec<u8>, bool)> {
    let mut stdin = std::io::stdin().lock();
    let mut message = Vec::new();
    let failed = "the message on standard input cannot be read";
    (&mut stdin).take(LARGEST as u64 + 1).read_to_end(&mut message).context(failed)?;
    let cut = message.len() > LARGEST;
    if cut {
        message.truncate(BEGINNING);
        std::io::copy(&mut stdin, &mut std::io::sink()).context(failed)?;
    }
    Ok((message, cut))
}

fn token(file: &Path) -> anyhow::Result<String> {
    let open = std::fs::File::open(file).with_context(|| {
        format!(
            "{} cannot be opened; it must hold a token of the role reporter and be readable by \
            whom Dovecot runs the script as",
            file.display()
        )
    })?;
    let mut text = String::new();
    open.take(1000)
        .read_to_string(&mut text)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        bail!("{} holds no token; `mailward token create dovecot --role reporter` makes one", file.display());
    }
    Ok(token.to_owned())
}
