//! What clamd answers: one text that ends with NUL, because we ask with commands that begin with `z`
//! (clamd(8)).

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::AskError;
use crate::model::text;

/// A longer answer is none: names of signatures have some dozens of bytes.
pub(super) const MAX_REPLY: usize = 4096;
/// As much of foreign text as stands in a sentence.
const MAX_SHOWN: usize = 100;

/// What clamd said of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `OK`.
    Clean,
    /// `FOUND`, with the name of the signature: one word of printable ASCII.
    Found(String),
    /// It is beyond `StreamMaxLength`.
    TooLarge,
    /// It could not look; one line that can be shown.
    Error(String),
}

/// Reads up to the first NUL.
///
/// # Errors
/// If the connection ends before it, or if it does not come.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, AskError> {
    let mut all = Vec::new();
    let mut some = [0; 512];
    loop {
        // An error is the end as well: what was said before it has been read by then.
        let n = stream.read(&mut some).await.unwrap_or(0);
        let new = some.get(..n).unwrap_or_default();
        if let Some(end) = memchr::memchr(0, new) {
            all.extend_from_slice(new.get(..end).unwrap_or_default());
            return if all.len() > MAX_REPLY { Err(AskError::TooLong(MAX_REPLY)) } else { Ok(all) };
        }
        all.extend_from_slice(new);
        if all.len() > MAX_REPLY {
            return Err(AskError::TooLong(MAX_REPLY));
        }
        if n == 0 {
            return Err(if all.is_empty() { AskError::HungUp } else { AskError::Cut(shown(&all)) });
        }
    }
}

/// Understands an answer to `INSTREAM` or `FILDES`: `stream: OK`, `fd[12]: NAME FOUND`,
/// `INSTREAM size limit exceeded. ERROR`.
///
/// # Errors
/// If it is none of clamd's, or if clamd did not take the message: an error that does not begin with `stream:` or
/// `fd[…]:` is not about what is in it.
pub(super) fn parse(reply: &[u8]) -> Result<Said, AskError> {
    let unknown = || AskError::Unknown(shown(reply));
    let line = std::str::from_utf8(reply).map_err(|_| unknown())?.trim_end_matches(['\n', '\r']);
    let Some((_, said)) = line.split_once(": ").filter(|(subject, _)| is_subject(subject)) else {
        let error = line.strip_suffix("ERROR");
        // These two come without the word.
        let error = error.or(matches!(line, "COMMAND READ TIMED OUT" | "UNKNOWN COMMAND").then_some(line));
        return match error.map(str::trim_end) {
            Some(what) if what.contains("size limit exceeded") => Ok(Said::TooLarge),
            Some(what) => Err(AskError::NotTaken(shown(what.as_bytes()))),
            None => Err(unknown()),
        };
    };
    if let Some(found) = said.strip_suffix(" FOUND") {
        Ok(Said::Found(name(found).ok_or_else(unknown)?))
    } else if let Some(what) = said.strip_suffix("ERROR") {
        Ok(Said::Error(shown(what.trim_end().as_bytes())))
    } else if said == "OK" {
        Ok(Said::Clean)
    } else {
        Err(unknown())
    }
}

/// `stream`, or `fd[12]`: clamd's number of the file that it was handed.
fn is_subject(subject: &str) -> bool {
    let number = subject.strip_prefix("fd[").and_then(|rest| rest.strip_suffix(']'));
    subject == "stream" || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The name alone: with `ExtendedDetectionInfo yes` the hash and size of the file stand behind it.
fn name(found: &str) -> Option<String> {
    let info = found.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    let bare = match info {
        Some((name, info)) if is_hash_and_size(info) => name,
        _ => found,
    };
    let safe = text::ascii_line(bare.trim(), MAX_SHOWN).replace(' ', "_");
    (!safe.is_empty()).then_some(safe)
}

fn is_hash_and_size(info: &str) -> bool {
    info.split_once(':').is_some_and(|(hash, size)| {
        hash.len() >= 32
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && !size.is_empty()
            && size.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Foreign bytes as they may stand in a sentence.
pub(super) fn shown(bytes: &[u8]) -> String {
    text::line(&String::from_utf8_lossy(bytes), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(reply: &str) -> Option<Said> {
        parse(reply.as_bytes()).ok()
    }

    #[test]
    fn every_answer_of_clamd_is_told_from_the_others() {
        let found = |name: &str| Some(Said::Found(name.to_owned()));
        let error = |what: &str| Some(Said::Error(what.to_owned()));
        assert_eq!(said("stream: OK"), Some(Said::Clean));
        assert_eq!(said("fd[12]: OK"), Some(Said::Clean));
        assert_eq!(said("stream: Win.Test.EICAR_HDB-1 FOUND"), found("Win.Test.EICAR_HDB-1"));
        assert_eq!(said("fd[9]: Eicar-Test FOUND"), found("Eicar-Test"));
        let hash = "44d88612fea8a8f36de82e1278abb02f";
        assert_eq!(said(&format!("stream: Eicar({hash}:68) FOUND")), found("Eicar"));
        assert_eq!(said("stream: Odd(name) FOUND"), found("Odd(name)"));
        assert_eq!(said("INSTREAM size limit exceeded. ERROR"), Some(Said::TooLarge));
        assert_eq!(said("stream: Can't allocate memory ERROR"), error("Can't allocate memory"));
        for (reply, what) in [
            ("COMMAND READ TIMED OUT", "COMMAND READ TIMED OUT"),
            ("Error writing to temporary file ERROR", "Error writing to temporary file"),
            ("PROTOCOL ERROR: ancillary data. ERROR", "PROTOCOL ERROR: ancillary data."),
        ] {
            let Err(AskError::NotTaken(said)) = parse(reply.as_bytes()) else { panic!("{reply}") };
            assert_eq!(said, what);
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for reply in [
            "",
            "OK",
            "stream: ",
            "stream: ok",
            "stream: OK OK",
            "stream:OK",
            "PONG",
            "a: OK",
            "fd[]: OK",
            "fd[x]: OK",
            "stream:  FOUND",
            "HTTP/1.1 200 OK",
            "220 mx.example.org ESMTP",
            "1: stream: OK",
            "stream: OK FOUN",
        ] {
            assert!(parse(reply.as_bytes()).is_err(), "{reply:?}");
        }
        assert!(parse(b"stream: \xff\xfe FOUND").is_err());
    }

    #[test]
    fn a_name_cannot_break_the_line_it_stands_in() {
        assert_eq!(
            said("stream: A b\x1b[31m\u{202e}\r\nX: y FOUND"),
            Some(Said::Found("A_b?[31m__X:_y".into()))
        );
        let Some(Said::Found(name)) = said(&format!("stream: {} FOUND", "n".repeat(3000))) else { panic!() };
        assert!(name.len() <= MAX_SHOWN, "{name}");
    }

    proptest! {
        #[test]
        fn only_the_two_words_of_clamd_are_clean(reply in "(stream|fd\\[[0-9]{0,3}\\]|[a-z]{0,6}):? ?(OK|[A-Za-z. ]{0,12})( FOUND| ERROR)?") {
            let clean = parse(reply.as_bytes()).is_ok_and(|said| said == Said::Clean);
            let number = reply.strip_prefix("fd[").and_then(|r| r.strip_suffix("]: OK"));
            let expected = reply == "stream: OK" || number.is_some_and(|n| !n.is_empty());
            prop_assert_eq!(clean, expected);
        }

        #[test]
        fn no_bytes_bring_it_down_and_all_that_is_kept_can_be_shown(reply in proptest::collection::vec(any::<u8>(), 0..200), end in "( FOUND|ERROR|)") {
            let all = [b"stream: ".as_slice(), &reply, end.as_bytes()].concat();
            match parse(&all) {
                Ok(Said::Found(name)) => {
                    prop_assert!(!name.is_empty() && name.len() <= MAX_SHOWN);
                    prop_assert!(name.bytes().all(|b| b.is_ascii_graphic()));
                }
                Ok(Said::Error(what)) => prop_assert!(!what.contains(|c: char| c.is_control())),
                Ok(_) => {}
                Err(error) => prop_assert!(!error.to_string().contains(|c: char| c.is_control())),
            }
        }

        #[test]
        fn an_answer_is_read_alike_however_it_is_cut(name in "[!-~]{1,80}", cuts in proptest::collection::vec(1usize..9, 0..40)) {
            let whole = format!("stream: {name} FOUND\0");
            let mut pieces = tokio_test_stream(whole.as_bytes(), &cuts);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let reply = runtime.block_on(read(&mut pieces)).unwrap();
            prop_assert_eq!(&reply, &whole.as_bytes()[..whole.len() - 1]);
        }
    }

    /// A reader that gives its bytes in pieces of these sizes.
    fn tokio_test_stream<'a>(bytes: &'a [u8], cuts: &[usize]) -> impl AsyncRead + Unpin + use<'a> {
        struct Pieces<'a>(&'a [u8], Vec<usize>);
        impl AsyncRead for Pieces<'_> {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let this = self.get_mut();
                let n = this.1.pop().unwrap_or(7).min(this.0.len()).min(buf.remaining());
                let (now, later) = this.0.split_at(n);
                buf.put_slice(now);
                this.0 = later;
                std::task::Poll::Ready(Ok(()))
            }
        }
        Pieces(bytes, cuts.to_vec())
    }
}
