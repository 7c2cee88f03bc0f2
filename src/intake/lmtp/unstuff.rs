//! The message between DATA and the final dot (RFC 5321 §4.5.2), as it comes.

/// Finds the end of a message and takes doubled dots away. A line ends in CRLF and in nothing else: a bare CR, a bare
/// LF, LF.LF or LF.CRLF never end a message, or what follows could be taken for commands (CVE-2023-51764).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unstuff {
    /// At the start of a line.
    #[default]
    Start,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and CR at the start of a line.
    DotCr,
    /// Inside a line.
    Inside,
    /// After CR inside a line.
    Cr,
}

impl Unstuff {
    /// Takes `input`, giving what belongs to the message to `sink`. How much was taken, and whether the message is at
    /// its end; all is taken unless it is.
    pub(super) fn take(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            match (*self, byte) {
                (Self::Start, b'.') => (*self, at) = (Self::Dot, at + 1),
                (Self::Dot, b'\r') => (*self, at) = (Self::DotCr, at + 1),
                (Self::DotCr, b'\n') => {
                    *self = Self::Start;
                    return (at + 1, true);
                }
                (Self::DotCr, _) => {
                    // The dot was a doubled one; the CR is content.
                    sink(b"\r");
                    *self = Self::Cr;
                }
                (Self::Cr, b'\n') => {
                    sink(b"\n");
                    (*self, at) = (Self::Start, at + 1);
                }
                (Self::Start | Self::Dot | Self::Inside | Self::Cr, _) => {
                    at += self.run(input.get(at..).unwrap_or_default(), &mut sink);
                }
            }
        }
        (at, false)
    }

    /// Hands on what lies up to the end of a line whose next line begins with a dot, or to the end. Returns its length.
    fn run(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> usize {
        // Nearly all of a message goes through here in long runs.
        let end = memchr::memmem::find(input, b"\r\n.").map(|at| at + 2);
        let run = end.and_then(|end| input.get(..end)).unwrap_or(input);
        sink(run);
        *self = match run {
            [.., b'\r', b'\n'] => Self::Start,
            [.., b'\r'] => Self::Cr,
            _ => Self::Inside,
        };
        run.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content, and what is left behind the end; `None` if there is no end.
    fn read(wire: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(wire.len());
        let (mut state, mut content, mut from) = (Unstuff::default(), Vec::new(), 0);
        for to in cuts {
            let (used, end) = state.take(&wire[from..to], |run| content.extend_from_slice(run));
            from += used;
            if end {
                return (content, Some(wire[from..].to_vec()));
            }
            assert_eq!(from, to);
        }
        (content, None)
    }

    #[test]
    fn only_a_dot_on_a_line_of_its_own_between_crlfs_ends_a_message() {
        let ends: [(&[u8], &[u8]); 6] = [
            (b".\r\nQUIT\r\n", b""),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n"),
            (b"..\r\n.\r\nQUIT\r\n", b".\r\n"),
            (b"..a\r\n.b\r\n.\r\nQUIT\r\n", b".a\r\nb\r\n"),
            (b"a\r\r\n.\r\nQUIT\r\n", b"a\r\r\n"),
            (b".\rx\r\n.\r\nQUIT\r\n", b"\rx\r\n"),
        ];
        for (wire, content) in ends {
            let expected = (content.to_vec(), Some(b"QUIT\r\n".to_vec()));
            assert_eq!(read(wire, &[]), expected, "{}", wire.escape_ascii());
        }
        let endless: [(&[u8], &[u8]); 9] = [
            (b"a\n.\nMAIL", b"a\n.\nMAIL"),
            (b"a\n.\r\nMAIL", b"a\n.\r\nMAIL"),
            (b"a\r\n.\nMAIL", b"a\r\n\nMAIL"),
            (b"a\r.\rMAIL", b"a\r.\rMAIL"),
            (b"a\r.\r\nMAIL", b"a\r.\r\nMAIL"),
            (b"a\r\n.\rMAIL", b"a\r\n\rMAIL"),
            (b"\n.\nMAIL", b"\n.\nMAIL"),
            (b".\nMAIL", b"\nMAIL"),
            (b"a\r\n\0.\r\nMAIL", b"a\r\n\0.\r\nMAIL"),
        ];
        for (wire, content) in endless {
            assert_eq!(read(wire, &[]), (content.to_vec(), None), "{}", wire.escape_ascii());
        }
    }

    /// As the letter of RFC 5321 has it, line by line.
    fn by_the_letter(wire: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut content, mut rest) = (Vec::new(), wire);
        while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
            let (line, after) = rest.split_at(at + 2);
            if line == b".\r\n" {
                return (content, Some(after.to_vec()));
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = after;
        }
        (content, None)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn however_it_is_cut_it_is_read_by_the_letter(
            wire in prop::collection::vec(prop::sample::select(b".\r\n\0a".to_vec()), 0..40),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            let (content, rest) = read(&wire, &cuts);
            prop_assert_eq!((&content, &rest), (&read(&wire, &[]).0, &read(&wire, &[]).1));
            let (expected, end) = by_the_letter(&wire);
            prop_assert_eq!(&rest, &end);
            if rest.is_some() {
                prop_assert_eq!(content, expected);
            } else {
                prop_assert!(content.starts_with(&expected));
            }
        }
    }
}
