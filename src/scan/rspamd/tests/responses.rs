//! Reading HTTP: every way to frame a body, in pieces of any size.

use proptest::prelude::*;

use crate::scan::rspamd::response::ResponseError::Malformed;
use crate::scan::rspamd::response::{Answer, MAX_HEAD, Reader, ResponseError};

/// Reads `bytes` in pieces of `piece`.
fn read(bytes: &[u8], piece: usize, limit: usize) -> Result<Answer, ResponseError> {
    let mut reader = Reader::new(limit);
    for part in bytes.chunks(piece) {
        if reader.feed(part)? {
            return Ok(reader.into_answer());
        }
    }
    reader.end()
}

fn answer(status: u16, reason: &str, body: &str, stays_open: bool) -> Answer {
    Answer { status, reason: reason.into(), server: None, body: body.into(), stays_open }
}

#[test]
fn each_way_to_frame_a_body_is_read_in_pieces_of_any_size() {
    for (bytes, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", answer(200, "OK", "hello", true)),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", answer(200, "OK", "", false)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", answer(200, "OK", "x", false)),
        (
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length:1\r\n\r\nx",
            answer(200, "OK", "x", true),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", answer(200, "OK", "to the end", false)),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
            answer(200, "OK", "abcde", true),
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204\r\n\r\n", answer(204, "", "", true)),
        (
            // As rspamd 3.4 refuses to learn.
            "HTTP/1.1 204 <x> contains less tokens\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
            answer(204, "<x> contains less tokens", "{}", false),
        ),
    ] {
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(read(bytes.as_bytes(), piece, 100), Ok(expected.clone()), "{piece}: {bytes}");
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101)),
    ] {
        assert_eq!(read(bytes.as_bytes(), 10, 100), Err(ResponseError::TooLarge), "{bytes}");
    }
}

#[test]
fn what_is_no_reply_is_told_apart_from_one_that_was_cut() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
    for bytes in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 +20 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1",
        &endless,
    ] {
        let read = read(bytes.as_bytes(), 1000, 100);
        assert!(matches!(read, Err(Malformed(_))), "{bytes:.80}: {read:?}");
    }
    for bytes in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx"] {
        assert_eq!(read(bytes.as_bytes(), 1000, 100), Err(ResponseError::Cut), "{bytes}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_or_take_more_memory_than_allowed(
        start in prop_oneof![
            Just(""),
            Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        ],
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..300),
        piece in 1..50_usize,
    ) {
        let all = [start.as_bytes(), &bytes].concat();
        if let Ok(answer) = read(&all, piece, 50) {
            prop_assert!(answer.body.len() <= 50);
        }
    }
}
