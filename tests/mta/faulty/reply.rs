//! What a misbehaving server says.

use std::io::{self, Write};
use std::time::Duration;

use super::{Fault, Plays};

/// Time between two bytes that trickle. Shorter than any sensible limit on a single read, so that only a
/// limit on the whole helps; the shortest good reply takes 2.75 s.
pub(crate) const TRICKLE: Duration = Duration::from_millis(250);

/// Bytes of a flood.
pub(crate) const FLOOD: usize = 100_000_000;

/// Answers a request that was read.
///
/// # Errors
/// When the peer has had enough.
pub(super) fn send(plays: Plays, fault: Fault, output: &mut impl Write) -> io::Result<()> {
    let well = well(plays);
    match fault {
        Fault::Well => output.write_all(&well),
        Fault::Trickles => {
            for byte in well {
                output.write_all(&[byte])?;
                std::thread::sleep(TRICKLE);
            }
            Ok(())
        }
        Fault::Garbage => output.write_all(&random(64 * 1024)),
        Fault::Nonsense => output.write_all(&nonsense(plays)),
        Fault::ClosesInReply => output.write_all(well.get(..well.len() / 2).unwrap_or_default()),
        Fault::Floods => flood(plays, "\r\n", output),
        Fault::FloodsAnnounced => flood(plays, &format!("Content-Length: {FLOOD}\r\n\r\n"), output),
        Fault::FloodsHead => flood(plays, "X-Long: ", output),
        Fault::Says(bytes) => output.write_all(&bytes),
        Fault::Hangs | Fault::ClosesInRequest => Ok(()),
    }
}

/// An HTTP reply with this body.
pub(crate) fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Nothing found.
fn well(plays: Plays) -> Vec<u8> {
    match plays {
        Plays::Rspamd => http(
            "200 OK",
            br#"{"is_skipped":false,"score":0.0,"required_score":15.0,"action":"no action","symbols":{},"messages":{}}"#,
        ),
        Plays::Clamd => b"stream: OK\0".to_vec(),
    }
}

/// Every word is known, nothing means anything.
fn nonsense(plays: Plays) -> Vec<u8> {
    match plays {
        Plays::Rspamd => {
            http("200 OK", br#"{"action":["reject"],"score":"OK","symbols":7,"milter":"FOUND"}"#)
        }
        Plays::Clamd => b"stream: FOUND OK no action\0".to_vec(),
    }
}

/// The same on every run.
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = (0..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    });
    bytes.collect()
}

/// `head` is what follows the first lines of an HTTP head.
fn flood(plays: Plays, head: &str, output: &mut impl Write) -> io::Result<()> {
    let (begin, piece) = match plays {
        Plays::Rspamd => {
            let begin = r#"{"is_skipped":false,"score":0.0,"action":"no action","symbols":{"#;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}");
            (head + begin, r#""A_SYMBOL":{"name":"A_SYMBOL","score":0.0,"options":["an option"]},"#)
        }
        Plays::Clamd => ("stream: ".to_owned(), "Signature."),
    };
    output.write_all(begin.as_bytes())?;
    let piece = piece.repeat(64 * 1024 / piece.len());
    let mut sent = begin.len();
    while sent < FLOOD {
        output.write_all(piece.as_bytes())?;
        sent += piece.len();
    }
    Ok(())
}
