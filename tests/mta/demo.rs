//! `make run` and `make demo`: mailward on its embedded defaults behind a private Postfix, with rspamd and clamd beside it
//! where they are installed, a DNS of its own on loopback – the machine's is never asked – and seven mails. The
//! first is signed by opendkim where that is installed, the sixth is sent in another's name, the last leads to
//! what a feed lists.
//!
//! Shows for each mail the server's reply, the headers added and taken away, where it landed, what each scanner said and why. With
//! `--stay` it then keeps everything running until Ctrl-C. Ends with status 1 if a mail that was taken is found
//! neither in the mailbox nor in quarantine.
#![expect(clippy::print_stdout, reason = "this program is there to be read")]

#[path = "mod.rs"]
mod mta;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use mta::beside::Beside;
use mta::samples::{eicar, gtube};
use mta::smtp::{SmtpReply, crlf};
use mta::{Daemon, Delivered, Dns, Opendkim, Options, Postfix, Smtp, Transaction, delivered};

const RECIPIENT: &str = "alice@example.org";

/// What the DNS knows of the two who send: one domain says which server may send for it, and what to do with
/// mail in its name that is from elsewhere; the other one says where its own mail comes from.
const ZONE: &str = "
remote.example TXT v=spf1 ip4:203.0.113.7 -all
_dmarc.remote.example TXT v=DMARC1; p=reject
7.113.0.203.in-addr.arpa PTR mail.remote.example
mail.remote.example A 203.0.113.7
remote.example MX 10 mail.remote.example
bulk.example MX 10 host66.bulk.example
bulk.example TXT v=spf1 ip4:198.51.100.66 -all
66.100.51.198.in-addr.arpa PTR host66.bulk.example
host66.bulk.example A 198.51.100.66
";

/// The server of remote.example.
const REMOTE: &str = "203.0.113.7 mail.remote.example";
/// The server of bulk.example.
const BULK: &str = "198.51.100.66 host66.bulk.example";
/// The mail that is signed.
const SIGNED: &str = "1-clean.eml";

/// File in `tests/samples/demo` (with blanks that [`mail`] fills in), the client's address and name, the sender
/// in the envelope, what it is.
const MAILS: [(&str, &str, &str, &str); 7] = [
    (SIGNED, REMOTE, "martha@remote.example", "an ordinary mail"),
    ("2-eicar.eml", REMOTE, "accounts@remote.example", "the EICAR test virus, attached"),
    ("3-gtube.eml", REMOTE, "deals@remote.example", "the GTUBE test spam"),
    ("4-phish.eml", REMOTE, "security@remote.example", "a form that asks for a bank password"),
    ("5-forged.eml", REMOTE, "somebody@remote.example", "forged verdict headers"),
    ("6-spoofed.eml", BULK, "news@bulk.example", "a mail in another's name: From: martha@remote.example"),
    ("7-listed.eml", REMOTE, "info@remote.example", "a link that a feed lists, wrapped by another filter"),
];

/// What the one feed of the demo lists.
const LISTED: &str = "https://parcel.bad.example/label/open?id=7\n";

fn main() -> ExitCode {
    match demonstrate() {
        Ok(status) => status,
        Err(error) => {
            println!("\nThe demo cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> anyhow::Result<ExitCode> {
    let stay = std::env::args().any(|argument| argument == "--stay");
    let signer = signer();
    let dns = Dns::serving(&format!("{ZONE}{}", signer.as_ref().map_or("", Opendkim::record)))?;
    println!("the DNS is a private one at {}, and knows remote.example and bulk.example only", dns.address());
    let neighbours = Beside::start(dns.address());
    for line in &neighbours.told {
        println!("{line}");
    }
    println!("Starting mailward on its embedded defaults, with the places redirected.");
    let (feed, _place) = feed()?;
    let daemon = Daemon::start(&format!("{}{}{feed}", dns.section(), neighbours.sections()))?;
    let fetched = daemon.cli(&["feed", "refresh", "demo", "--force"])?;
    anyhow::ensure!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    println!("one feed, a file of one link: {}", LISTED.trim_end());
    println!("Starting a private Postfix on 127.0.0.1, with mailward as its milter.");
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint()))?;
    let mut lost = 0;
    for (number, (file, client, from, what)) in MAILS.iter().enumerate() {
        println!("\n{}\n{}. {what}", "─".repeat(78), number + 1);
        let id = format!("{file}.{}@remote.example", std::process::id());
        let mut message = mail(file, &id)?;
        if let Some(signer) = signer.as_ref().filter(|_| *file == SIGNED) {
            message = signer.signed(&message)?;
        }
        if !show(&daemon, &postfix, &message, &id, client, from)? {
            lost += 1;
        }
    }
    println!("\n{}", "─".repeat(78));
    if lost > 0 {
        println!("{lost} of the mails that were taken cannot be found: this is a fault.");
        return Ok(ExitCode::FAILURE);
    }
    if stay {
        invite(&daemon, &postfix)?;
        wait_for_ctrl_c()?;
        println!("\nStopping Postfix, mailward and its neighbours.");
    } else {
        println!("Done. `make run` does the same and stays up for mails of your own.");
    }
    Ok(ExitCode::SUCCESS)
}

/// A section with a feed in a file, and where that is.
fn feed() -> anyhow::Result<(String, mta::guard::Dir)> {
    let place = mta::guard::Dir::new("feed")?;
    let file = place.path().join("links.txt");
    std::fs::write(&file, LISTED)?;
    let section = format!(
        "\n[feed.demo]\nformat = \"urls\"\ncategory = \"phish\"\nurl = \"file://{}\"\n",
        file.display()
    );
    Ok((section, place))
}

/// Who signs the mail of remote.example, if it is installed.
fn signer() -> Option<Opendkim> {
    if let Some(missing) = mta::opendkim::missing() {
        println!("opendkim signs nothing, {missing}: SPF alone speaks for remote.example");
        return None;
    }
    match Opendkim::start(&mta::opendkim::Options { domain: "remote.example", ..Default::default() }) {
        Ok(running) => {
            println!("opendkim signs the first mail, with a key that was made for this run");
            Some(running)
        }
        Err(error) => {
            let why = format!("{error:#}");
            println!("opendkim is installed and does not start: {}", why.lines().next().unwrap_or_default());
            None
        }
    }
}

/// Sends one mail and tells what became of it. False if it was taken and is nowhere.
fn show(
    daemon: &Daemon,
    postfix: &Postfix,
    message: &[u8],
    id: &str,
    client: &str,
    from: &str,
) -> anyhow::Result<bool> {
    let before = audited(daemon)?;
    println!("   from            {from}, by {client}");
    let transaction = send(postfix, client, from, message)?;
    let reply = transaction.last();
    println!("   SMTP reply      {reply}");
    let arrived = if transaction.taken() { arrival(postfix, reply, id)? } else { None };
    let audit_id = audited(daemon)?.into_iter().find(|id| !before.contains(id));
    let found = match &arrived {
        Some(mail) => {
            headers(message, mail);
            println!("   landed in       the mailbox: {}", mail.path.display());
            true
        }
        None if !transaction.taken() => {
            let how = if reply.code >= 500 { "refused" } else { "refused for now: the sender tries again" };
            println!("   landed          nowhere: {how}");
            true
        }
        None => quarantined(daemon, audit_id.as_deref())?,
    };
    match audit_id {
        Some(id) => {
            scanners(daemon, &id)?;
            explain(daemon, &id)?;
        }
        None => println!("   why             mailward has no record of it"),
    }
    Ok(found)
}

/// Hands a mail to Postfix as its sender's server would: XCLIENT stands in for the Internet.
fn send(postfix: &Postfix, client: &str, from: &str, message: &[u8]) -> anyhow::Result<Transaction> {
    let (ip, name) = client.split_once(' ').context("a client has an address and a name")?;
    let mut smtp = Smtp::hello(postfix.smtp_port(), name)?;
    smtp.pretend(&format!("ADDR={ip} NAME={name}"), name)?;
    let transaction = smtp.send(from, &[RECIPIENT], message)?;
    smtp.quit()?;
    Ok(transaction)
}

/// The sample with its blanks filled in.
fn mail(file: &str, id: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/demo").join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let now = mailward::telemetry::Clock::system().now().millis() / 1000;
    let now = time::OffsetDateTime::from_unix_timestamp(i64::try_from(now)?)?;
    let date = now.format(&time::format_description::well_known::Rfc2822)?;
    Ok(crlf(
        &text
            .replace("@ID@", id)
            .replace("@DATE@", &date)
            .replace("@GTUBE@", &gtube())
            .replace("@EICAR_BASE64@", &data_encoding::BASE64.encode(eicar().as_bytes())),
    ))
}

/// First words of the rows of `mailward audit list`: the ids, newest first, and a word of the head line.
fn audited(daemon: &Daemon) -> anyhow::Result<Vec<String>> {
    let output = daemon.cli(&["audit", "list"])?;
    anyhow::ensure!(
        output.status.success(),
        "mailward audit list: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows = String::from_utf8_lossy(&output.stdout);
    Ok(rows.lines().filter_map(|row| row.split_whitespace().next()).map(str::to_owned).collect())
}

/// Waits until Postfix has done with a message it took: delivered, or dropped because mailward keeps it.
fn arrival(postfix: &Postfix, reply: &SmtpReply, id: &str) -> anyhow::Result<Option<Delivered>> {
    let queue_id = reply.queue_id().context("Postfix took the mail and named no queue id")?;
    mta::wait_until("the delivery", mta::PATIENCE, || {
        let log = postfix.log();
        let ended = |line: &str| line.contains("status=") || line.contains("milter-discard");
        Ok(log.lines().any(|line| line.contains(queue_id) && ended(line)).then_some(()))
    })?;
    let mailbox = postfix.mailbox(RECIPIENT)?;
    Ok(mailbox.into_iter().find(|mail| mail.value("Message-ID").is_some_and(|value| value.contains(id))))
}

/// What was taken from the header and what was added. A field of the sender's can read like one of ours, so
/// they are told apart by their place: ours stand above Postfix's Received, the sender's below it.
fn headers(sent: &[u8], arrived: &Delivered) {
    const OURS: [&str; 4] = ["x-mailward-", "x-spam-", "x-virus-", "authentication-results"];
    let of_filters = |field: &&String| {
        let name = field.to_ascii_lowercase();
        OURS.iter().any(|ours| name.starts_with(ours))
    };
    let mut taken: Vec<String> = delivered::fields(sent).iter().filter(of_filters).cloned().collect();
    let arrived = arrived.fields();
    let received = arrived.iter().position(|field| field.to_ascii_lowercase().starts_with("received:"));
    let (above, below) = arrived.split_at(received.unwrap_or(0));
    let kept: Vec<&String> = below.iter().filter(of_filters).collect();
    for field in &kept {
        if let Some(at) = taken.iter().position(|sent| sent == *field) {
            taken.remove(at);
        }
    }
    let print = |title: &str, fields: Vec<&String>| {
        for (number, field) in fields.iter().enumerate() {
            println!(
                "   {:<15} {}",
                if number == 0 { title } else { "" },
                field.replace('\n', "\n                   ")
            );
        }
    };
    print("headers taken", taken.iter().collect());
    print("headers left", kept);
    print("headers added", above.iter().filter(of_filters).collect());
}

fn quarantined(daemon: &Daemon, id: Option<&str>) -> anyhow::Result<bool> {
    let output = daemon.cli(&["quarantine", "list"])?;
    let rows = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = rows.lines().find(|row| id.is_some_and(|id| row.contains(id)));
    match row {
        Some(row) => println!("   landed in       quarantine: {}", row.trim()),
        None => println!("   landed          NOWHERE: taken, but neither in the mailbox nor in quarantine"),
    }
    Ok(row.is_some())
}

/// What each scanner said of a mail.
fn scanners(daemon: &Daemon, id: &str) -> anyhow::Result<()> {
    const SYMBOLS: usize = 4;
    let output = daemon.cli(&["explain", "--json", id])?;
    let record: Value = serde_json::from_slice(&output.stdout).context("mailward explain --json")?;
    let coverage = record["coverage"].as_object().context("a record without coverage")?;
    for (number, (scanner, outcome)) in coverage.iter().enumerate() {
        let findings = record["findings"].as_array().into_iter().flatten();
        let mut symbols: Vec<&str> =
            findings.filter(|f| f["scanner"] == **scanner).filter_map(|f| f["symbol"].as_str()).collect();
        let more = symbols.len().saturating_sub(SYMBOLS);
        symbols.truncate(SYMBOLS);
        let symbols = symbols.join(", ") + &if more > 0 { format!(", {more} more") } else { String::new() };
        let title = if number == 0 { "scanners" } else { "" };
        let line = format!("   {title:<15} {scanner:<8}{:<8}{symbols}", outcome.as_str().unwrap_or_default());
        println!("{}", line.trim_end());
    }
    Ok(())
}

/// The explanation without the findings, which [`scanners`] has told, and the rules that did not decide.
fn explain(daemon: &Daemon, id: &str) -> anyhow::Result<()> {
    let output = daemon.cli(&["explain", id])?;
    let told = if output.status.success() { &output.stdout } else { &output.stderr };
    let told = String::from_utf8_lossy(told);
    println!("   why             mailward explain {id}");
    let mut block = "";
    for line in told.lines() {
        block = if line.starts_with("  ") || line.starts_with('>') { block } else { line };
        let is_left_out = block.starts_with("findings") || (block == "rules" && !line.starts_with('>'));
        if !is_left_out && !line.is_empty() {
            println!("                   │ {line}");
        }
    }
    Ok(())
}

fn invite(daemon: &Daemon, postfix: &Postfix) -> anyhow::Result<()> {
    let config = daemon.site().config();
    let config = config.display();
    let binary = mta::daemon::binary()?;
    let binary = binary.display();
    println!(
        "Up, until Ctrl-C. Send more:

  swaks --server 127.0.0.1:{port} --from you@remote.example --xclient-addr 203.0.113.7 --to {RECIPIENT} --attach @FILE
  swaks --server 127.0.0.1:{port} --from you@remote.example --xclient-addr 203.0.113.7 --to {RECIPIENT} --data @MESSAGE.eml

  mailbox         {mailbox}
  what was done   {binary} audit list --config {config}
  why             {binary} explain ID --config {config}
  what is held    {binary} quarantine list --config {config}
  mailward's log  {log}
  Postfix's log   {postfix_log}",
        port = postfix.smtp_port(),
        mailbox = postfix.maildir(RECIPIENT).join("new").display(),
        log = daemon.site().path().join("mailward.log").display(),
        postfix_log = postfix.dir().join("postfix.log").display(),
    );
    Ok(())
}

fn wait_for_ctrl_c() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}
