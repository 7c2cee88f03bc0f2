//! The message between DATA and the final dot (RFC 5321 §4.5.2).

use bytes::Bytes;

use super::SmtpError;

/// What must be known of a message before a server is asked to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// It holds a byte above 127.
    pub(super) eight_bit: bool,
    /// Its size in bytes, an added CRLF included, doubled dots not.
    pub(super) size: u64,
}

impl Survey {
    /// Reads the message once, letting other tasks run between pieces.
    ///
    /// # Errors
    /// [`SmtpError::Hazard`]
    pub(super) async fn of(pieces: &[Bytes]) -> Result<Self, SmtpError> {
        let (mut before, mut eight_bit) = (0, false);
        for (k, piece) in pieces.iter().enumerate() {
            let hazard = memchr::memchr_iter(b'.', piece).find(|at| place(pieces, k, *at) == Place::Unclear);
            if let Some(at) = hazard {
                return Err(SmtpError::Hazard { offset: before + at });
            }
            eight_bit |= !piece.is_ascii();
            before += piece.len();
            if piece.len() == STRETCH {
                tokio::task::yield_now().await;
            }
        }
        let added = ending(pieces).len();
        Ok(Self { eight_bit, size: u64::try_from(before + added).unwrap_or(u64::MAX) })
    }
}

/// Longest piece that is looked at in one go: a tenth of a millisecond, two at worst.
const STRETCH: usize = 256 * 1024;

/// The same message in pieces that are not too long to look at in one go. Copies nothing.
pub(super) fn stretches(pieces: &[Bytes]) -> Vec<Bytes> {
    let cut = |piece: &Bytes| {
        let piece = piece.clone();
        let starts = (0..piece.len()).step_by(STRETCH);
        starts.map(move |at| piece.slice(at..piece.len().min(at + STRETCH)))
    };
    pieces.iter().flat_map(cut).collect()
}

/// Where a dot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the start of a line: at the start of all, or after CRLF.
    LineStart,
    /// After something that only some servers take for a line break, or after NULs that some leave out.
    Unclear,
    /// Anywhere else.
    Inside,
}

/// Where the dot at `pieces[k][at]` stands. Looks back over piece borders.
fn place(pieces: &[Bytes], k: usize, at: usize) -> Place {
    let earlier = pieces.get(..k).unwrap_or_default().iter().rev().flat_map(|piece| piece.iter().rev());
    let here = pieces.get(k).and_then(|piece| piece.get(..at)).unwrap_or_default();
    let mut back = here.iter().rev().chain(earlier);
    let mut nuls = false;
    let line_start = loop {
        match back.next() {
            Some(0) => nuls = true,
            Some(b'\n') => break back.next() == Some(&b'\r'),
            Some(b'\r') => break false,
            Some(_) => return Place::Inside,
            None => break true,
        }
    };
    if line_start && !nuls { Place::LineStart } else { Place::Unclear }
}

/// What is missing at the end: CRLF, or nothing. An empty message misses nothing.
fn ending(pieces: &[Bytes]) -> &'static [u8] {
    let mut back = pieces.iter().rev().flat_map(|piece| piece.iter().rev());
    match (back.next(), back.next()) {
        (Some(b'\n'), Some(b'\r')) | (None, _) => b"",
        _ => b"\r\n",
    }
}

/// What goes over the wire before the final dot, in runs that lie in the pieces themselves.
pub(super) fn runs(pieces: &[Bytes]) -> impl Iterator<Item = &[u8]> {
    Runs { pieces, k: 0, from: 0, search: 0 }.chain(std::iter::once(ending(pieces)))
}

struct Runs<'a> {
    pieces: &'a [Bytes],
    /// The piece we are in.
    k: usize,
    /// Where the next run starts in it.
    from: usize,
    /// Where the next dot to be doubled may be in it.
    search: usize,
}

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let piece = self.pieces.get(self.k)?;
        let rest = piece.get(self.search..).unwrap_or_default();
        let mut dots = memchr::memchr_iter(b'.', rest).map(|at| self.search + at);
        match dots.find(|at| place(self.pieces, self.k, *at) == Place::LineStart) {
            Some(dot) => {
                // Up to and with the dot; the next run begins with it again.
                let run = piece.get(self.from..=dot);
                (self.from, self.search) = (dot, dot + 1);
                run
            }
            None => {
                let run = piece.get(self.from..);
                (self.k, self.from, self.search) = (self.k + 1, 0, 0);
                run
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn survey_of(pieces: &[Bytes]) -> Result<Survey, SmtpError> {
        Survey::of(pieces).now_or_never().unwrap()
    }

    fn cut(message: &[u8], cuts: &[usize]) -> Vec<Bytes> {
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (message.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(message.len());
        let mut from = 0;
        let mut pieces = Vec::new();
        for to in cuts {
            pieces.push(Bytes::copy_from_slice(&message[from..to]));
            from = to;
        }
        pieces
    }

    fn wire(pieces: &[Bytes]) -> Vec<u8> {
        runs(pieces).collect::<Vec<_>>().concat()
    }

    /// A server that goes by the letter: lines end in CRLF, the first dot of a line goes. `None` if the
    /// message would have ended before its end.
    fn strict(wire: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = wire;
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\r\n").map_or(rest.len(), |at| at + 2);
            let (line, after) = rest.split_at(end);
            if line == b".\r\n" {
                return None;
            }
            out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = after;
        }
        Some(out)
    }

    /// A server that leaves NULs out and takes any of CR, LF and CRLF for a line break; the lines it sees,
    /// or `None` if the message ended before its end.
    fn lenient(wire: &[u8]) -> Option<Vec<Vec<u8>>> {
        let seen: Vec<u8> = wire.iter().copied().filter(|b| *b != 0).collect();
        let text = String::from_utf8_lossy(&seen).replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = text.split('\n').collect();
        if lines.contains(&".") {
            return None;
        }
        Some(lines.iter().map(|l| l.strip_prefix('.').unwrap_or(l).as_bytes().to_vec()).collect())
    }

    fn lines_without_dots_removed(message: &[u8]) -> Vec<Vec<u8>> {
        let seen: Vec<u8> = message.iter().copied().filter(|b| *b != 0).collect();
        let text = String::from_utf8_lossy(&seen).replace("\r\n", "\n").replace('\r', "\n");
        text.split('\n').map(|l| l.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_dot_is_doubled_at_the_start_of_a_line_and_nowhere_else() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b".", b"..\r\n"),
            (b".\r\n", b"..\r\n"),
            (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"..a.\r\n", b"...a.\r\n"),
            (b"a\r", b"a\r\r\n"),
            (b"a\n", b"a\n\r\n"),
            (b"a\r\r\n.b", b"a\r\r\n..b\r\n"),
        ];
        for (message, expected) in cases {
            for cuts in [&[][..], &[1], &[2], &[3], &[1, 2, 3, 4]] {
                let pieces = cut(message, cuts);
                assert_eq!(wire(&pieces), expected, "{} cut at {cuts:?}", message.escape_ascii());
            }
        }
    }

    #[test]
    fn a_dot_that_servers_read_differently_is_a_hazard() {
        let hazards: [(&[u8], usize); 9] = [
            (b"a\n.\r\nMAIL FROM:<x>\r\n", 2),
            (b"a\n.\n", 2),
            (b"a\r.\r", 2),
            (b"a\r\n\0.\r\n", 4),
            (b"a\r\0\n.\r\n", 4),
            (b"\n.", 1),
            (b"\0\0.", 2),
            (b"a\n\0\0.b", 4),
            (b"a\r\0.b", 3),
        ];
        for (message, offset) in hazards {
            for cuts in [&[][..], &[1], &[2], &[3], &[1, 2, 3, 4]] {
                let found = survey_of(&cut(message, cuts));
                assert_eq!(found, Err(SmtpError::Hazard { offset }), "{}", message.escape_ascii());
            }
        }
        for harmless in [&b"a\nb\rc\0.\r\n"[..], b"a\r\n.\rb", b"a\r\n.\n", b".\0\r\n"] {
            assert!(survey_of(&cut(harmless, &[2])).is_ok(), "{}", harmless.escape_ascii());
        }
    }

    #[tokio::test]
    async fn long_pieces_are_cut_and_say_the_same() {
        let message = [b".".repeat(STRETCH - 1), b"\r\n.\r\n".repeat(STRETCH), vec![0xe9]].concat();
        let pieces = [Bytes::new(), Bytes::from(message.clone()), Bytes::from_static(b"\r")];
        let stretches = stretches(&pieces);
        assert!(stretches.iter().all(|s| (1..=STRETCH).contains(&s.len())));
        assert!(stretches.concat() == pieces.concat() && wire(&stretches) == wire(&pieces));
        let size = message.len() as u64 + 3;
        assert_eq!(Survey::of(&stretches).await, Ok(Survey { eight_bit: true, size }));
        let hazard = [Bytes::from(b"\n.".repeat(STRETCH))];
        assert_eq!(Survey::of(&hazard).await, Err(SmtpError::Hazard { offset: 1 }));
    }

    #[test]
    fn a_survey_tells_size_and_eight_bit() {
        let survey = |m: &[u8]| survey_of(&cut(m, &[1])).unwrap();
        assert_eq!(survey(b"a\r\n.\r\n"), Survey { eight_bit: false, size: 6 });
        assert_eq!(survey("é".as_bytes()), Survey { eight_bit: true, size: 4 });
        assert_eq!(survey(b""), Survey { eight_bit: false, size: 0 });
        assert_eq!(survey_of(&[]), Ok(Survey { eight_bit: false, size: 0 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_server_gets_the_message_or_it_is_not_sent(
            message in prop::collection::vec(prop::sample::select(b".\r\n\0a".to_vec()), 0..24),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
        ) {
            let pieces = cut(&message, &cuts);
            let survey = survey_of(&pieces);
            prop_assert_eq!(&survey, &survey_of(&cut(&message, &[])));
            let wire = wire(&pieces);
            if let Ok(survey) = survey {
                let mut expected = message.clone();
                if !message.is_empty() && !message.ends_with(b"\r\n") {
                    expected.extend_from_slice(b"\r\n");
                }
                prop_assert_eq!(survey.size, expected.len() as u64);
                prop_assert_eq!(strict(&wire), Some(expected.clone()));
                prop_assert_eq!(lenient(&wire), Some(lines_without_dots_removed(&expected)));
            }
        }

        #[test]
        fn any_bytes_in_crlf_lines_arrive_as_they_are(
            lines in prop::collection::vec(prop::collection::vec(
                any::<u8>().prop_filter("no break, no NUL", |b| !b"\r\n\0".contains(b)), 0..9), 0..9),
            cuts in prop::collection::vec(any::<usize>(), 0..9),
        ) {
            let message = lines.iter().flat_map(|l| [l.as_slice(), b"\r\n"].concat()).collect::<Vec<u8>>();
            let pieces = cut(&message, &cuts);
            prop_assert!(survey_of(&pieces).is_ok());
            prop_assert_eq!(strict(&wire(&pieces)), Some(message));
        }
    }
}
