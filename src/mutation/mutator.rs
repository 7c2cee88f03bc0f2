//! Makes samples malformed.

use super::dice::Dice;

/// Numbers that break arithmetic, as texts.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "00000000000000000001",
    "127",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "1e309",
    "99999999999999999999999999999999999999",
];

/// What ends lines and texts, and what is no UTF-8.
const ODD: [&[u8]; 30] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"\n\t",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\t",
    b" ",
    b"\x0b",
    b"\x0c",
    b"\x1b[2J",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xef\xbb\xbf",
    b"\xfe\xff",
    b"\xe2\x80\xae",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
    b"\xcc\x80",
    b"\xef\xbf\xbd",
];

/// What opens and closes: nested deeply.
const NESTS: [(&[u8], &[u8]); 16] = [
    (b"(", b")"),
    (b"[", b"]"),
    (b"{", b"}"),
    (b"<", b">"),
    (b"\"", b"\""),
    (b"\\", b""),
    (b"{\"a\":", b"}"),
    (b"[[", b"]]"),
    (b"<div>", b"</div>"),
    (b"<a href='", b"'>"),
    (b"<!--", b"-->"),
    (b"=?utf-8?q?", b"?="),
    (b"!", b""),
    (b"-", b""),
    (b"a.", b""),
    (b"%25", b""),
];

/// Makes samples malformed, with words of their format.
#[derive(Clone, Debug)]
pub(crate) struct Mutator<'a> {
    samples: &'a [Vec<u8>],
    words: &'a [Vec<u8>],
    largest: usize,
    dice: Dice,
}

impl<'a> Mutator<'a> {
    /// Of `samples`, by this seed; what it makes has at most `largest` bytes.
    pub(crate) fn new(samples: &'a [Vec<u8>], words: &'a [Vec<u8>], largest: usize, seed: u64) -> Self {
        Self { samples, words, largest, dice: Dice::new(seed) }
    }

    /// One mutation.
    pub(crate) fn make(&mut self) -> Vec<u8> {
        let mut input = self.sample().to_vec();
        // Most have few faults, or nothing behind the first would be reached.
        let faults = 1 + self.dice.size(12);
        for _ in 0..faults {
            self.mutate(&mut input);
            input.truncate(self.largest);
        }
        input
    }

    fn sample(&mut self) -> &'a [u8] {
        let at = self.dice.below(self.samples.len());
        self.samples.get(at).map(Vec::as_slice).unwrap_or_default()
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        match self.dice.below(20) {
            0 | 1 => self.flip(input),
            2 => self.bytes(input),
            3 | 4 => self.delete(input),
            5 => self.double(input),
            6 => self.cut(input),
            7 => self.splice(input),
            8 | 9 => self.length(input),
            10..=12 => self.word(input),
            13 | 14 => self.number(input),
            15 => self.odd(input),
            16 => self.line_ends(input),
            17 => self.nest(input),
            18 => self.lines(input),
            _ => self.long(input),
        }
    }

    fn at(&mut self, input: &[u8]) -> usize {
        self.dice.below(input.len() + 1)
    }

    /// A stretch of the input, more often short than long.
    fn stretch(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.at(input);
        let length = self.dice.size(input.len() - from);
        from..from + length
    }

    fn flip(&mut self, input: &mut [u8]) {
        for _ in 0..=self.dice.size(8) {
            let at = self.dice.below(input.len());
            let bit = 1 << self.dice.below(8);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= bit;
            }
        }
    }

    fn bytes(&mut self, input: &mut Vec<u8>) {
        let at = self.at(input);
        let new: Vec<u8> = (0..=self.dice.size(32)).map(|_| self.dice.next().to_le_bytes()[0]).collect();
        let over = if self.dice.one_in(2) { new.len().min(input.len() - at) } else { 0 };
        input.splice(at..at + over, new);
    }

    fn delete(&mut self, input: &mut Vec<u8>) {
        let gone = self.stretch(input);
        input.drain(gone);
    }

    fn double(&mut self, input: &mut Vec<u8>) {
        let what = self.stretch(input);
        let what = input[what].to_vec();
        let room = self.largest.saturating_sub(input.len()) / what.len().max(1);
        let times = (1 + self.dice.often(4, 8, 2000)).min(room);
        let at = self.at(input);
        input.splice(at..at, what.repeat(times));
    }

    fn cut(&mut self, input: &mut Vec<u8>) {
        let at = self.at(input);
        input.truncate(at);
    }

    fn splice(&mut self, input: &mut Vec<u8>) {
        let other = self.sample();
        let from = self.stretch(other);
        let to = self.stretch(input);
        let at = if self.dice.one_in(2) { to.start..to.start } else { to };
        input.splice(at, other[from].iter().copied());
    }

    /// A length or a count in a binary format: a little too large, far too large, nothing.
    fn length(&mut self, input: &mut [u8]) {
        let width = [4, 4, 2, 1, 8][self.dice.below(5)];
        let Some(last) = input.len().checked_sub(width) else { return };
        let at = self.dice.below(last + 1);
        let big = self.dice.one_in(2);
        let field = &mut input[at..at + width];
        let mut value = field.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        if !big {
            value = value.swap_bytes() >> (64 - 8 * width);
        }
        let step = self.dice.next() % 16;
        value = match self.dice.below(8) {
            0 => value.wrapping_add(step),
            1 => value.wrapping_sub(step),
            2 => 0,
            3 => u64::MAX,
            4 => u64::MAX >> 1,
            5 => 1 << self.dice.below(8 * width),
            6 => value << 1,
            _ => self.dice.next(),
        };
        let bytes = value.to_be_bytes();
        for (i, byte) in bytes[8 - width..].iter().enumerate() {
            field[if big { i } else { width - 1 - i }] = *byte;
        }
    }

    fn word(&mut self, input: &mut Vec<u8>) {
        if self.words.is_empty() {
            return self.odd(input);
        }
        let word = &self.words[self.dice.below(self.words.len())];
        let at = self.at(input);
        let over = if self.dice.one_in(3) { word.len().min(input.len() - at) } else { 0 };
        input.splice(at..at + over, word.iter().copied());
    }

    /// A number in the text is another one.
    fn number(&mut self, input: &mut Vec<u8>) {
        let start = self.at(input);
        let Some(from) = input[start..].iter().position(u8::is_ascii_digit).map(|at| at + start) else {
            return;
        };
        let length = input[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let new = self.dice.pick(&NUMBERS);
        input.splice(from..from + length, new.bytes());
    }

    fn odd(&mut self, input: &mut Vec<u8>) {
        let at = self.at(input);
        let odd = self.dice.pick(&ODD);
        let over = if self.dice.one_in(2) { odd.len().min(input.len() - at) } else { 0 };
        input.splice(at..at + over, odd.repeat(1 + self.dice.size(3)));
    }

    /// Line ends of one stretch become others.
    fn line_ends(&mut self, input: &mut Vec<u8>) {
        let stretch = self.stretch(input);
        let end: &[u8] = self.dice.pick(&[b"\n".as_slice(), b"\r", b"\r\n", b"\r\r\n", b"\0", b"", b"\r\n "]);
        let mut new = Vec::new();
        for byte in &input[stretch.clone()] {
            match byte {
                b'\r' => {}
                b'\n' => new.extend_from_slice(end),
                other => new.push(*other),
            }
        }
        input.splice(stretch, new);
    }

    fn nest(&mut self, input: &mut Vec<u8>) {
        let (open, close) = NESTS[self.dice.below(NESTS.len())];
        let depth = 1 + self.dice.often(64, 4, 20_000);
        let depth = depth.min(self.largest / (open.len() + close.len()));
        let around = self.stretch(input);
        if self.dice.one_in(2) {
            input.splice(around.end..around.end, close.repeat(depth));
        }
        input.splice(around.start..around.start, open.repeat(depth));
    }

    /// Lines change places, go, or come again.
    fn lines(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let (a, b) = (self.dice.below(lines.len()), self.dice.below(lines.len()));
        if lines.is_empty() {
            return;
        }
        match self.dice.below(3) {
            0 => lines.swap(a, b),
            1 => drop(lines.remove(a)),
            _ => {
                let line = lines[a];
                let times = 1 + self.dice.often(4, 8, 3000);
                let times = times.min(self.largest / line.len().max(1));
                lines.splice(b..b, std::iter::repeat_n(line, times));
            }
        }
        *input = lines.concat();
    }

    /// One byte, many times.
    fn long(&mut self, input: &mut Vec<u8>) {
        let at = self.at(input);
        let byte = match input.get(at) {
            Some(byte) if self.dice.one_in(2) => *byte,
            _ => *self
                .dice
                .pick(&[b" ", b"A", b"0", b"=", b".", b"\\", b"\"", b",", b";", b"/"])
                .first()
                .unwrap(),
        };
        let times = self.dice.often(300, 6, self.largest);
        input.splice(at..at, std::iter::repeat_n(byte, times));
    }
}
