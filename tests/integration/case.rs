//! The case language: a session, a mail, and what must come of it.
//!
//! ```text
//! # a comment
//! client: 192.0.2.7 mx.sender.example      address and name; default as here
//! helo: mx.sender.example
//! user: alice                              authenticated
//! from: <a@sender.example>
//! to: <alice@example.org>                      repeat for more
//! config: [policy]                         a line of configuration; repeat for more
//! policy: [[rule]]                         a line of policy.toml; repeat for more
//! list: block add x.example --for @example.org     `mailward list …`, before the mail comes; repeat
//! dns: example.com TXT v=spf1 -all         a record; repeat. Then authentication is on, and asks this DNS only
//! feed: urls http://evil.example/a         a line of a feed of that format and name; repeat. Then links are
//!                                          looked at, and the feed has been read before the mail comes
//! neighbour: clamd hangs                   one that misbehaves; `config:` names its address by {{NEIGHBOUR}}
//! --- mail
//! Subject: hello
//!
//! {{EICAR}}
//! --- expect
//! answer: accept | discard | 550 5.7.1 *   the reply; `*` stands for anything
//! rcpt: <bob@example.org> 550 5.7.1 *        the reply to this RCPT; those without one are taken; repeat
//! verdict: clean                           X-Mailward-Verdict of what is delivered, or of the record
//! disposition: tag                         of the first recipient
//! rule: malware                            the rule that decided
//! header: X-Spam-Flag: YES                 among the delivered header fields, unfolded; repeat for more
//! raw-header: Subject: one\n\ttwo          the same to the byte, `\n`, `\t` and a last space `\s` so written
//! no-header: X-Spam-Status: No*            not among them
//! body: *Beware*                           some line of the delivered body; repeat
//! no-body: *Beware*                        none of them is so
//! delivered: <alice@example.org>               exactly these get the mail, who was added among them; repeat.
//!                                          Without it, of mail that is accepted: all who were taken
//! held-by-mta: yes                         it waits in the MTA's hold queue first, and is let go then
//! quarantined: <bob@example.org>             exactly these are held for; repeat
//! url: phish html:href http://evil.example/  some link on record, its judgement and source; repeat
//! no-url: * html:src *                     none of them is so
//! no-explain: *DNSBL*                      no line of the explanation; repeat
//! explain: *Eicar*                         some line of the explanation; repeat
//! ```
//!
//! What is put into the mail when the case runs: `{{EICAR}}`, `{{EICAR-BASE64}}` and `{{GTUBE}}`, so that no
//! virus scanner takes the repository away; `{{FILL 20}}`, twenty lines of text; `{{x:fc}}`, the byte 0xFC;
//! `{{LINKS 20}}`, a line each with another link; `{{QR http://a.example/}}`, a picture of that code, PNG in base64.
//! In the line of a feed `{{TODAY}}` is the day.
//!
//! What is held must be what was sent, byte for byte; that needs no word.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use data_encoding::{BASE64, HEXLOWER};

use super::milter_client::Peer;
use super::mta::samples::{eicar, gtube};
use super::mta::{Fault, Faulty, Over, Plays};

/// One case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub path: PathBuf,
    pub peer: Peer,
    pub from: String,
    pub to: Vec<String>,
    pub config: Vec<String>,
    /// Lines of the admin's rules.
    pub policy: Vec<String>,
    /// Arguments of `mailward list`.
    pub lists: Vec<String>,
    /// Whom a misbehaving server plays, and how it does; see [`neighbour`].
    pub neighbour: Option<String>,
    /// Lines of feeds, each after the name of its format, which is the feed's name as well.
    pub feeds: Vec<(String, String)>,
    /// What the DNS knows; where it is empty, nobody is asked.
    pub dns: Vec<String>,
    pub mail: Vec<u8>,
    pub expect: Vec<(String, String)>,
}

impl Case {
    /// Every case under `tests/cases`, by path.
    pub fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"), &mut paths);
        paths.sort();
        assert!(!paths.is_empty(), "no cases were found");
        paths.iter().map(|p| Self::read(p)).collect()
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut case = Self { path: path.to_owned(), from: "<a@sender.example>".into(), ..Self::default() };
        let (head, rest) =
            text.split_once("--- mail\n").unwrap_or_else(|| panic!("{}: no mail", path.display()));
        let (mail, expect) =
            rest.split_once("--- expect\n").unwrap_or_else(|| panic!("{}: no expect", path.display()));
        for (key, value) in pairs(head, path) {
            match key.as_str() {
                "client" => {
                    let (ip, name) = value.split_once(' ').unwrap_or((&value, "unknown"));
                    (case.peer.ip, case.peer.name) = (ip.into(), name.into());
                }
                "helo" => case.peer.helo = value,
                "user" => case.peer.user = Some(value),
                "from" => case.from = value,
                "to" => case.to.push(value),
                "config" => case.config.push(value),
                "policy" => case.policy.push(value),
                "list" => case.lists.push(value),
                "dns" => case.dns.push(value),
                "feed" => {
                    let (format, line) = value.split_once(' ').unwrap_or((&value, ""));
                    case.feeds.push((format.into(), line.replace("{{TODAY}}", &today())));
                }
                "neighbour" => case.neighbour = Some(value),
                other => panic!("{}: {other:?} is no word of the case language", path.display()),
            }
        }
        if case.to.is_empty() {
            case.to.push("<alice@example.org>".into());
        }
        case.mail = filled_in(mail);
        case.expect = pairs(expect, path);
        assert!(!case.expect.is_empty(), "{}: nothing is expected", path.display());
        case
    }

    /// The values expected under `key`.
    pub fn expected(&self, key: &str) -> Vec<&str> {
        self.expect.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect()
    }

    /// The reply that is expected at the RCPT of `to`; `None`: that recipient is taken.
    pub fn refused(&self, to: &str) -> Option<&str> {
        let lines = self.expected("rcpt").into_iter().filter_map(|line| line.split_once(' '));
        lines.into_iter().find(|(who, _)| *who == to).map(|(_, reply)| reply)
    }

    /// Exactly who gets it, sorted: who is named, or all who are taken where it is accepted and nobody is named.
    pub fn getting(&self, answer: &str) -> Vec<String> {
        let named = self.expected("delivered");
        let mut all: Vec<String> = match named.is_empty() && answer == "accept" {
            true => self.to.iter().filter(|to| self.refused(to).is_none()).cloned().collect(),
            false => named.into_iter().map(str::to_owned).collect(),
        };
        all.sort();
        all
    }

    /// The Message-ID that the mail has, without its brackets.
    pub fn message_id(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.mail).into_owned();
        let line = text.lines().take_while(|l| !l.is_empty()).find_map(|l| l.strip_prefix("Message-ID:"))?;
        Some(line.trim().trim_matches(['<', '>']).to_owned())
    }

    pub fn name(&self) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
        self.path.strip_prefix(root).unwrap().display().to_string()
    }
}

/// The server that the words after `neighbour:` ask for: `rspamd` or `clamd`, and how it misbehaves.
pub fn neighbour(words: &str) -> Faulty {
    let plays = |name| match name {
        "rspamd" => Plays::Rspamd,
        "clamd" => Plays::Clamd,
        _ => panic!("{name:?} is no neighbour"),
    };
    let (name, fault) = words.split_once(' ').unwrap_or_else(|| panic!("{words:?}: how does it misbehave?"));
    let mut server = Faulty::start(plays(name), Over::Unix).unwrap();
    let fault = match fault {
        "refuses" => return server,
        "hangs" => Fault::Hangs,
        "trickles" => Fault::Trickles,
        "garbage" => Fault::Garbage,
        "nonsense" => Fault::Nonsense,
        "closes-in-request" => Fault::ClosesInRequest,
        "closes-in-reply" => Fault::ClosesInReply,
        "floods" => Fault::Floods,
        _ => panic!("{fault:?} is no way to misbehave"),
    };
    server.turn(fault).unwrap();
    server
}

/// The mail with everything in double braces replaced, lines ending in CRLF.
fn filled_in(mail: &str) -> Vec<u8> {
    let mut pieces = mail.split("{{");
    let mut out = pieces.next().unwrap_or_default().replace('\n', "\r\n").into_bytes();
    for piece in pieces {
        let (word, text) = piece.split_once("}}").unwrap_or_else(|| panic!("{{{{{piece} is not closed"));
        let put: Vec<u8> = match word.split_once([' ', ':']).unwrap_or((word, "")) {
            ("EICAR", "") => eicar().into(),
            ("EICAR-BASE64", "") => BASE64.encode(eicar().as_bytes()).into(),
            ("GTUBE", "") => gtube().into(),
            ("FILL", lines) => {
                "The quick brown fox jumps over the lazy dog.\r\n".repeat(lines.parse().unwrap()).into()
            }
            ("LINKS", n) => {
                let link = |n| format!("https://www.site{n}.example/\r\n");
                (0..n.parse::<u32>().unwrap()).map(link).collect::<String>().into()
            }
            ("QR", link) => qr(link).into(),
            ("x", bytes) => HEXLOWER.decode(bytes.as_bytes()).unwrap(),
            _ => panic!("{{{{{word}}}}} is no word of the case language"),
        };
        out.extend(put);
        out.extend(text.replace('\n', "\r\n").bytes());
    }
    out
}

/// The day by UTC, as feeds write it.
pub fn today() -> String {
    let days = UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    mailward::feed::Day(u16::try_from(days).unwrap()).to_string()
}

/// A PNG of the QR code of `text`, in lines of base64.
fn qr(text: &str) -> String {
    const SCALE: u32 = 6;
    const MARGIN: u32 = 4;
    let code = qrcode::QrCode::new(text).unwrap();
    let (colors, width) = (code.to_colors(), u32::try_from(code.width()).unwrap());
    let side = (width + 2 * MARGIN) * SCALE;
    let picture = image::GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = ((x / SCALE).wrapping_sub(MARGIN), (y / SCALE).wrapping_sub(MARGIN));
        let dark = x < width && y < width && colors[(y * width + x) as usize] == qrcode::Color::Dark;
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let text = BASE64.encode(png.get_ref());
    text.as_bytes().chunks(76).map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap())).collect()
}

fn pairs(text: &str, path: &Path) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (key, value) =
                line.split_once(':').unwrap_or_else(|| panic!("{}: {line:?} has no colon", path.display()));
            (key.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|e| e == "case") {
            paths.push(path);
        }
    }
}

/// `*` stands for any text; the rest must be there to the letter.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn a_pattern_matches_by_its_pieces() {
    assert!(matches("550 5.7.1 *id *", "550 5.7.1 malware (id 0abc)"));
    assert!(matches("accept", "accept"));
    assert!(!matches("accept", "accepted"));
    assert!(!matches("a*c", "ab"));
}
