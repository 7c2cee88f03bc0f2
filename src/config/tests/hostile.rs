//! Any bytes end in a report or a configuration.

use proptest::prelude::*;

use super::*;

/// Small, fast, and the same on each run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % below.max(1)
    }
}

/// What hurts in TOML, and what hurts a terminal.
const SPICES: [&[u8]; 20] = [
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"=",
    b".",
    b"\"",
    b"'''",
    b"\"\"\"",
    b"\n",
    b"\r",
    b"#",
    b"\\u0000",
    b"\0",
    b"\x1b[2J",
    b"\xff",
    "\u{202e}".as_bytes(),
    b"99999999999999999999",
    b"-1e999",
];

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        let to = (at + dice.roll(40)).min(bytes.len());
        match dice.roll(6) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let spice = SPICES[dice.roll(SPICES.len())];
                bytes.splice(at..at, spice.iter().copied()).for_each(drop);
            }
            2 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
            3 => {
                let piece = bytes[at..to].to_vec();
                let target = dice.roll(bytes.len());
                bytes.splice(target..target, piece).for_each(drop);
            }
            4 => bytes.truncate(at),
            _ => bytes[at..to].reverse(),
        }
    }
}

fn look(bytes: &[u8]) -> usize {
    match Config::parse(Path::new("mailward.toml"), bytes) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("{w}{w:#}").len()).sum(),
        Err(errors) => {
            assert!(!errors.problems().is_empty());
            errors.to_string().len()
        }
    }
}

#[test]
fn ten_thousand_mutations_of_the_shipped_file_end_in_a_report() {
    let shipped = std::fs::read_to_string(in_tree("conf/mailward.toml")).unwrap();
    let plain = conf_file::uncommented(&shipped);
    let dice = &mut Dice(0x6d61_696c_7761_7264);
    let mut said = 0;
    for i in 0..10_000 {
        let mut bytes = if i % 10 == 0 { shipped.clone() } else { plain.clone() }.into_bytes();
        mutate(&mut bytes, dice);
        said += look(&bytes);
    }
    assert!(said > 0);
}

#[test]
fn nesting_without_end_does_not_end_the_stack() {
    let n = 200_000;
    for text in [
        format!("{}a = 1", "a.".repeat(n)),
        format!("[{}a]", "a.".repeat(n)),
        format!("a = {}", "[".repeat(n)),
        format!("a = {}", "{a=".repeat(n)),
        format!("a = \"{}\"", "\\".repeat(n)),
        "[[a]]\n".repeat(n / 2),
        (0..n / 4).map(|i| format!("k{i}=1\n")).collect::<String>(),
    ] {
        assert!(parse(&text).is_err());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_end_in_a_report(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        look(&bytes);
    }

    #[test]
    fn arbitrary_text_in_a_value_ends_in_a_report(key in "[a-z_.]{1,20}", value in "\\PC{0,60}") {
        look(format!("[limits]\n{key} = \"{value}\"\n[log]\nlevel = \"{value}\"\n").as_bytes());
    }
}

#[test]
fn a_log_level_beyond_ascii_is_refused() {
    // The parser of filters panics at this one.
    let problems = parse("[log]\nlevel = \"\u{2009}ir=.\"\n").unwrap_err().to_string();
    assert!(problems.contains("it holds letters beyond ASCII"), "{problems}");
}
