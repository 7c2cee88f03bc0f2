//! A running daemon behind its sockets: milter and LMTP sessions and requests on the admin socket, mutated whole. It stays
//! up, answers in form, judges the next mail as ever, keeps its journal whole, and does not grow.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::common::{judge, mail, verify};
use super::super::milter_client::{MilterClient, fields, split};
use super::super::mta::{self, PATIENCE, Smtp, free_port, wait_until};
use super::corpus;
use super::mutation::{Campaign, rss_of};
use super::{Daemon, effort};

/// How much more a daemon may hold afterwards.
const GROWTH: u64 = 256 << 20;
/// Longer than this nobody waits for the end of a connection.
const LONGEST: Duration = Duration::from_secs(25);

/// A daemon, and what it held when it had judged a few mails.
struct Held {
    daemon: Daemon,
    rss: u64,
}

impl Held {
    fn start(more: &str) -> Self {
        let daemon = Daemon::start(more).unwrap();
        for n in 0..20 {
            judge(&daemon, &mail(&format!("warm {n}"), "text"));
        }
        let rss = rss_of(&daemon.pid().to_string());
        Self { daemon, rss }
    }

    /// It is as it was.
    fn assert_well(&self) {
        let answer = judge(&self.daemon, &mail("after all that", "text"));
        assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
        let (_, metrics) = self.daemon.get("/metrics").unwrap();
        let panics =
            metrics.lines().filter(|line| line.starts_with("mailward_panics_total") && !line.ends_with(" 0"));
        assert_eq!(panics.collect::<Vec<_>>(), Vec::<&str>::new());
        let log = self.daemon.log();
        let panicked = log.lines().filter(|line| line.contains("panicked")).take(5);
        assert_eq!(panicked.collect::<Vec<_>>(), Vec::<&str>::new());
        let rss = rss_of(&self.daemon.pid().to_string());
        assert!(rss <= self.rss + GROWTH, "it held {} bytes and holds {rss}", self.rss);
        verify(&self.daemon);
    }
}

/// Says it all, then that there is no more, and hears what is said until the other closes.
fn play(mut stream: UnixStream, input: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    stream.set_write_timeout(Some(LONGEST)).unwrap();
    let mut hearing = stream.try_clone().unwrap();
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        // A connection that is reset has ended, too.
        let ended = match hearing.read_to_end(&mut heard) {
            Ok(_) => true,
            Err(error) => {
                !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
            }
        };
        (heard, ended)
    });
    if stream.write_all(input).is_ok() {
        drop(stream.shutdown(Shutdown::Write));
    }
    let (heard, ended) = heard.join().unwrap();
    assert!(ended, "the connection does not end");
    heard
}

fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], payload].concat()
}

/// A session of one mail as Postfix sends it.
fn milter_session(raw: &[u8]) -> Vec<u8> {
    let offer: Vec<u8> = [6u32, 0x1ff, 0x001f_ffff].iter().flat_map(|n| n.to_be_bytes()).collect();
    let mut all = vec![
        packet(b'O', &offer),
        packet(b'D', b"Cj\0mx.example.org\0{daemon_name}\0smtpd\0v\0Postfix 3.7.11\0"),
        packet(b'C', b"mail.sender.example\x004\x11\xd7192.0.2.7\0"),
        packet(b'H', b"mail.sender.example\0"),
        packet(b'M', b"<a@sender.example>\0SIZE=100\0"),
        packet(b'R', b"<alice@example.org>\0"),
        packet(b'D', b"Ti\x004F1\0"),
        packet(b'T', b""),
    ];
    let (header, body) = split(raw);
    let begins = header.first().is_some_and(u8::is_ascii_alphabetic);
    let good = begins
        && header.split_inclusive(|b| *b == b'\n').all(|line| line.contains(&b':') || line.starts_with(b" "));
    for (name, value) in if good { fields(header) } else { Vec::new() } {
        all.push(packet(b'L', &[name.as_slice(), b"\0", &value, b"\0"].concat()));
    }
    all.push(packet(b'N', b""));
    all.extend(body.chunks(8_000).map(|chunk| packet(b'B', chunk)));
    all.extend([packet(b'E', b""), packet(b'Q', b"")]);
    all.concat()
}

#[test]
fn sessions_of_an_mta() {
    let held = Held::start("");
    let samples: Vec<_> = corpus::messages()
        .iter()
        .filter(|raw| raw.len() < 12_000)
        .step_by(effort(8, 1))
        .map(|raw| milter_session(raw))
        .collect();
    let words: [&[u8]; 12] = [
        b"\0\0\0\x01E",
        b"\0\0\0\x01A",
        b"\0\0\0\x01N",
        b"\0\0\0\x01K",
        b"\0\x10\0\0B",
        b"\0\0\0\x05L\0\0\0\0",
        b"\0\0\0\x06M<a>\0",
        b"\0\0\0\x06R<a>\0",
        b"{auth_authen}\0x\0",
        b"\r\n\r\n",
        b"Content-Type\0 multipart/mixed; boundary=x\0",
        b"X-Mailward-Release\0",
    ];
    let mut campaign = Campaign::new("mta", effort(60, 25_000), samples).words(&words);
    (campaign.threads, campaign.bound) = (4, Duration::from_secs(8));
    campaign.run(|input| {
        let heard = play(UnixStream::connect(held.daemon.site().milter_socket()).unwrap(), input);
        let mut rest = heard.as_slice();
        while !rest.is_empty() {
            let (length, more) =
                rest.split_first_chunk::<4>().unwrap_or_else(|| panic!("half a packet: {heard:?}"));
            let length = u32::from_be_bytes(*length) as usize;
            assert!(length > 0 && length <= more.len(), "half a packet: {heard:?}");
            assert!(b"Oacdrtyphmibq+-2esi".contains(&more[0]), "{:?} is no answer", char::from(more[0]));
            rest = &more[length..];
        }
    });
    held.assert_well();
    let mut client = MilterClient::negotiate(&held.daemon.site().milter_socket());
    client.session(&Default::default());
    client.quit();
}

/// Postfix' own server that takes everything.
struct Sink(Child);

impl Sink {
    fn start(port: u16) -> Self {
        let mut command = Command::new("/usr/sbin/smtp-sink");
        if nix::unistd::Uid::effective().is_root() {
            command.args(["-u", "root"]);
        }
        command.args(["-L", &format!("inet:127.0.0.1:{port}"), "10"]).stdin(Stdio::null());
        let sink = Self(command.spawn().unwrap());
        wait_until("smtp-sink", PATIENCE, || Ok(Smtp::connect(port).is_ok().then_some(()))).unwrap();
        sink
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn lmtp_session(raw: &[u8], chunks: bool) -> Vec<u8> {
    let mut all = b"LHLO mta.example\r\nXFORWARD NAME=mail.sender.example ADDR=192.0.2.7 HELO=mail.sender.example\r\n\
        MAIL FROM:<a@sender.example> SIZE=100\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n"
        .to_vec();
    if chunks {
        let (first, second) = raw.split_at(raw.len() / 2);
        all.extend([format!("BDAT {}\r\n", first.len()).as_bytes(), first].concat());
        all.extend([format!("BDAT {} LAST\r\n", second.len()).as_bytes(), second].concat());
    } else {
        all.extend_from_slice(b"DATA\r\n");
        all.extend(mta::smtp::dot_stuffed(raw));
        all.extend_from_slice(b"\r\n.\r\n");
    }
    all.extend_from_slice(b"QUIT\r\n");
    all
}

#[test]
fn sessions_of_lmtp_with_a_server_behind() {
    if !mta::not_run::postfix_ready("sessions_of_lmtp_with_a_server_behind") {
        return;
    }
    let next = free_port().unwrap();
    let sink = Sink::start(next);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("lmtp.sock");
    let held = Held::start(&format!(
        "[lmtp]\nlisten = [\"unix:{}\"]\nrelay = \"inet:127.0.0.1:{next}\"\nhelo = \"mx.example.org\"\n",
        path.display()
    ));
    let messages = corpus::messages();
    let short = messages.iter().filter(|raw| raw.len() < 12_000).step_by(effort(8, 1)).enumerate();
    let samples: Vec<_> = short.map(|(at, raw)| lmtp_session(raw, at % 2 == 0)).collect();
    let words = [
        "MAIL FROM:<>\r\n",
        "RCPT TO:<a@b>\r\n",
        "DATA\r\n",
        "\r\n.\r\n",
        "BDAT 10\r\n",
        "BDAT 0 LAST\r\n",
        "RSET\r\n",
        "EHLO x\r\n",
        "SIZE=99999999999",
        "X-Mailward-Pass: v2; id=",
        "Received: from x by mx.example.org with LMTP id y; z\r\n",
        "BODY=BINARYMIME",
        "NOTIFY=NEVER",
        "SMTPUTF8",
        "\n.\n",
    ];
    let mut campaign = Campaign::new("served-lmtp", effort(100, 12_000), samples).words(&words);
    (campaign.threads, campaign.bound) = (4, Duration::from_secs(8));
    campaign.run(|input| {
        let heard = play(UnixStream::connect(&path).unwrap(), input);
        let text = String::from_utf8(heard).unwrap();
        for line in text.split_inclusive('\n') {
            let form = line.len() > 5
                && line.ends_with("\r\n")
                && line.as_bytes()[..3].iter().all(u8::is_ascii_digit);
            assert!(form && b" -".contains(&line.as_bytes()[3]), "{line:?}");
        }
    });
    held.assert_well();
    drop(sink);
}

const REQUESTS: [(&str, &str, &str); 34] = [
    ("GET", "/healthz", ""),
    ("GET", "/readyz", ""),
    ("GET", "/metrics", ""),
    ("GET", "/api/v1/status", ""),
    ("GET", "/api/v1/audit?limit=5&since=2026-01-01T00:00:00Z&sender=a%40b&text=x", ""),
    ("GET", "/api/v1/audit/events?limit=3", ""),
    ("GET", "/api/v1/audit/verify", ""),
    ("GET", "/api/v1/audit/export?format=csv&since=1d", ""),
    ("GET", "/api/v1/audit/about?address=a@b.example", ""),
    ("POST", "/api/v1/audit/erase", "{\"address\":\"nobody@b.example\",\"dry_run\":true}"),
    ("GET", "/api/v1/audit/01a2b3c4d5e6f7g8h9", ""),
    ("GET", "/api/v1/quarantine?limit=2&cursor=x", ""),
    ("GET", "/api/v1/quarantine/01a2b3c4d5e6f7g8h9", ""),
    ("DELETE", "/api/v1/quarantine/01a2b3c4d5e6f7g8h9", ""),
    ("GET", "/api/v1/quarantine/01a2b3c4d5e6f7g8h9/message", ""),
    ("GET", "/api/v1/lists/changes?limit=2&before=3", ""),
    ("POST", "/api/v1/lists/changes/1/undo", "{}"),
    ("GET", "/api/v1/lists/block?limit=5&prefix=a", ""),
    (
        "POST",
        "/api/v1/lists/block",
        "{\"entry\":\"evil.example\",\"comment\":\"x\",\"expires\":\"2027-01-01T00:00:00Z\"}",
    ),
    ("DELETE", "/api/v1/lists/block", "{\"entry\":\"evil.example\"}"),
    ("GET", "/api/v1/lists/allow/entry?entry=a@b.example", ""),
    ("POST", "/api/v1/lists/allow/import?mode=merge", "a@b.example\n192.0.2.0/24 # x\n"),
    ("GET", "/api/v1/lists/block/export?format=plain", ""),
    ("GET", "/api/v1/feeds", ""),
    ("GET", "/api/v1/feeds/lookup?q=http://evil.test/", ""),
    ("GET", "/api/v1/retro?limit=1", ""),
    ("POST", "/api/v1/notify/x/test", "{}"),
    ("POST", "/api/v1/learn/spam", "Subject: x\r\n\r\ntext\r\n"),
    ("POST", "/api/v1/report/ham", "X-Mailward-Id: 01a2b3c4d5e6f7g8h9\r\nSubject: x\r\n\r\ntext\r\n"),
    (
        "POST",
        "/api/v1/scan?ip=192.0.2.7&helo=a&from=a@b&rcpt=c@d",
        "From: a@b\r\nSubject: x\r\n\r\nhttp://evil.test/\r\n",
    ),
    ("GET", "/api/v1/log/level", ""),
    ("POST", "/api/v1/log/level", "{\"level\":\"info\",\"for\":\"1s\"}"),
    ("GET", "/api/v1/tokens", ""),
    ("POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"viewer\",\"expires\":\"1d\"}"),
];

fn request((method, path, body): &(&str, &str, &str)) -> Vec<u8> {
    let length = if *method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let kind = if body.starts_with('{') { "Content-Type: application/json\r\n" } else { "" };
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}{length}\r\n{body}")
        .into_bytes()
}

/// The server may take the end of what is said for the end of all: that is said only when it is silent.
fn ask(mut stream: UnixStream, input: &[u8]) -> Vec<u8> {
    let (mut heard, mut some, mut is_told) = (Vec::new(), [0; 8192], false);
    stream.set_write_timeout(Some(LONGEST)).unwrap();
    drop(stream.write_all(input));
    stream.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    loop {
        match stream.read(&mut some) {
            Ok(0) => return heard,
            Ok(read) => heard.extend_from_slice(&some[..read]),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                assert!(!is_told, "the connection does not end");
                is_told = true;
                drop(stream.shutdown(Shutdown::Write));
                stream.set_read_timeout(Some(LONGEST)).unwrap();
            }
            Err(_) => return heard,
        }
    }
}

#[test]
fn requests_of_an_admin() {
    let held = Held::start("");
    let words = [
        "GET ",
        "DELETE ",
        "/api/v1/",
        "..%2f",
        "%00",
        "limit=18446744073709551615",
        "Content-Length: 99999999999\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Authorization: Bearer x\r\n",
        "Origin: http://evil.test\r\n",
        "Expect: 100-continue\r\n",
        "\r\n\r\n",
        "{\"a\":",
        "\\u0000",
        "Upgrade: h2c\r\n",
        "since=9999999d",
        "subject:*",
    ];
    let mut campaign =
        Campaign::new("admin", effort(150, 12_000), REQUESTS.iter().map(request).collect()).words(&words);
    (campaign.threads, campaign.bound, campaign.largest) = (4, Duration::from_secs(8), 20 << 10);
    campaign.run(|input| {
        let heard = ask(UnixStream::connect(held.daemon.site().admin_socket()).unwrap(), input);
        let status = heard.split(|byte| *byte == b'\r').next().unwrap_or_default();
        assert!(heard.is_empty() || status.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(status));
        let is_ours = |code: &[u8]| status.windows(5).any(|w| w == code);
        assert!(!is_ours(b" 500 "), "{}", String::from_utf8_lossy(&heard));
    });
    held.assert_well();
}
