//! Which lines are written: a level, or levels for modules.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The words for levels, the quietest first.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// Crates whose lines tell whole mails, tokens, or nothing that anybody needs, with the most that may be had of them.
const HELD: [(&str, LevelFilter); 9] = [
    ("indymilter", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("hyper_util", LevelFilter::INFO),
    ("h2", LevelFilter::INFO),
    ("reqwest", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
    ("sled", LevelFilter::WARN),
    ("wasmtime", LevelFilter::WARN),
    ("cranelift", LevelFilter::WARN),
];

/// The longest filter, in bytes.
const MAX: usize = 500;

/// The map of the crate: what modules there are.
const MAP: &str = include_str!("../../lib.rs");

/// What the program is made of: crates that may write lines.
const CRATES: &str = include_str!("../../../Cargo.lock");

/// A level, levels for modules, or both: `info`, `mailward::scan::clamd=debug`, `warn,mailward::dns=trace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// For all that no target names.
    general: Option<LevelFilter>,
    /// Modules, and crates, with their own.
    targets: Vec<(String, LevelFilter)>,
}

/// Why a text is no filter; a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAFilter {
    /// Neither a level nor `MODULE=LEVEL`.
    #[error(
        "{0:?} is no level; write one of error, warn, info, debug, trace, off, or a filter such as \
         \"info,mailward::intake=debug\""
    )]
    Level(String),
    /// Not the form of a module.
    #[error("{0:?} is no module; write one as in \"mailward::scan::clamd=debug\"")]
    Module(String),
    /// Not in the map.
    #[error("mailward has no module {0:?}; there are {1}")]
    Unknown(String, String),
    /// Not in the program at all.
    #[error(
        "nothing in mailward is called {0:?}; its own modules are named as in \"mailward::scan::clamd=debug\""
    )]
    Crate(String),
    /// Held at a level, because of what its lines would show.
    #[error("{0} cannot be asked for more than {1}: its lines would hold mails or secrets whole")]
    Held(String, &'static str),
    /// Two levels for everything.
    #[error("{0:?} names two levels for everything; name one, and others as MODULE=LEVEL")]
    Twice(String),
    /// Too long.
    #[error("the filter has {0} bytes; {MAX} are the most")]
    Long(usize),
    /// Not ASCII.
    #[error("{0:?} is no level and no filter: it holds letters beyond ASCII")]
    Letters(String),
}

fn word(level: LevelFilter) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("off", |(word, _)| *word)
}

fn level(text: &str) -> Result<LevelFilter, NotAFilter> {
    let found = LEVELS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, level)| *level).ok_or_else(|| NotAFilter::Level(text.to_owned()))
}

/// A module, as the lines name it.
fn target(text: &str) -> Result<&str, NotAFilter> {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut parts = text.split("::");
    let root = text.split("::").next().unwrap_or(text);
    if !text.split("::").all(plain) {
        return Err(NotAFilter::Module(text.to_owned()));
    }
    if held(root).is_none() && !is_crate(root) {
        return Err(NotAFilter::Crate(root.to_owned()));
    }
    if let (Some("mailward"), Some(module)) = (parts.next(), parts.next()) {
        let mut known = MAP.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        if !known.any(|known| known == module) {
            let all: Vec<_> =
                MAP.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
            return Err(NotAFilter::Unknown(module.to_owned(), all.join(", ")));
        }
    }
    Ok(text)
}

fn is_crate(root: &str) -> bool {
    let names = CRATES.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.map(|name| name.replace('-', "_")).any(|name| name == root)
}

fn held(target: &str) -> Option<LevelFilter> {
    let root = target.split("::").next().unwrap_or(target);
    // wasmtime and cranelift are families of crates.
    HELD.iter()
        .find(|(name, _)| root == *name || root.starts_with(&format!("{name}_")))
        .map(|(_, most)| *most)
}

impl FromStr for Filter {
    type Err = NotAFilter;

    fn from_str(text: &str) -> Result<Self, NotAFilter> {
        if text.len() > MAX {
            return Err(NotAFilter::Long(text.len()));
        }
        if !text.is_ascii() {
            return Err(NotAFilter::Letters(text.to_owned()));
        }
        let mut filter = Self { general: None, targets: Vec::new() };
        for part in text.split(',').map(str::trim) {
            let Some((of, asked)) = part.split_once('=') else {
                if filter.general.replace(level(part)?).is_some() {
                    return Err(NotAFilter::Twice(text.to_owned()));
                }
                continue;
            };
            let (of, asked) = (target(of.trim())?, level(asked.trim())?);
            if let Some(most) = held(of).filter(|most| asked > *most) {
                return Err(NotAFilter::Held(of.to_owned(), word(most)));
            }
            filter.targets.retain(|(other, _)| other != of);
            filter.targets.push((of.to_owned(), asked));
        }
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let general = self.general.map(|level| word(level).to_owned());
        let targets = self.targets.iter().map(|(of, level)| format!("{of}={}", word(*level)));
        f.write_str(&general.into_iter().chain(targets).collect::<Vec<_>>().join(","))
    }
}

impl Filter {
    /// This one where `below` holds already: one that names modules alone adds to it, one with a level for everything
    /// takes its place.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        if self.general.is_some() {
            return self.clone();
        }
        let mut targets = below.targets.clone();
        targets.retain(|(of, _)| !self.targets.iter().any(|(ours, _)| ours == of));
        targets.extend(self.targets.iter().cloned());
        Self { general: below.general, targets }
    }

    /// For the library. Other crates come at `info` at most where nobody names them.
    pub(super) fn compiled(&self) -> EnvFilter {
        let general = self.general.unwrap_or(LevelFilter::INFO);
        let mut parts =
            vec![word(general.min(LevelFilter::INFO)).to_owned(), format!("mailward={}", word(general))];
        let capped = HELD.iter().map(|(name, most)| (*name, (*most).min(general)));
        parts.extend(capped.map(|(name, level)| format!("{name}={}", word(level))));
        parts.extend(self.targets.iter().map(|(of, level)| format!("{of}={}", word(*level))));
        // Of several for one target the last one counts.
        EnvFilter::new(parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        text.parse::<Filter>().map(|filter| filter.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn levels_modules_and_both_are_filters() {
        for good in
            ["info", "off", "mailward::scan::clamd=debug", "warn,mailward::dns=trace,hickory_proto=debug"]
        {
            assert_eq!(shown(good).as_deref(), Ok(good));
        }
        assert_eq!(shown(" WARN , mailward::dns = Trace").as_deref(), Ok("warn,mailward::dns=trace"));
        assert_eq!(shown("mailward::dns=info,mailward::dns=debug").as_deref(), Ok("mailward::dns=debug"));
    }

    #[test]
    fn what_is_none_is_told_in_a_sentence() {
        let told = |text: &str| shown(text).unwrap_err();
        assert!(told("debgu").starts_with("\"debgu\" is no level; write one of error, warn"));
        assert!(told("mailward::scan").starts_with("\"mailward::scan\" is no level"));
        assert!(told("").contains("is no level"));
        assert!(told("mailward::scan=loud").starts_with("\"loud\" is no level"));
        assert!(told("[x{y=1}]=trace").contains("is no module"), "{}", told("[x{y=1}]=trace"));
        assert!(told("Mailward=debug").contains("is no module"));
        assert!(
            told("mailward::clamd=debug")
                .starts_with("mailward has no module \"clamd\"; there are admin, audit")
        );
        assert!(told("nosuch::x=debug").starts_with("nothing in mailward is called \"nosuch\"; "));
        assert!(told("scan=debug").contains("\"scan\""), "the crate's name stands before its modules");
        assert!(told("info,debug").contains("two levels"));
        assert!(told("ï").contains("beyond ASCII"));
        assert!(told(&"x".repeat(501)).contains("501 bytes"));
    }

    #[test]
    fn what_shows_whole_mails_cannot_be_asked_for() {
        for held in ["indymilter=debug", "indymilter::message=trace", "hyper=trace", "h2::codec=debug"] {
            assert!(shown(held).unwrap_err().contains("cannot be asked for more than info"), "{held}");
        }
        assert!(shown("wasmtime_cranelift=info").unwrap_err().contains("more than warn"));
        assert!(shown("indymilter=error").is_ok());
        let all = "trace".parse::<Filter>().unwrap().compiled().to_string();
        assert!(all.contains("indymilter=info") && all.contains("mailward=trace"), "{all}");
        let none = "off".parse::<Filter>().unwrap().compiled().to_string();
        assert!(none.contains("indymilter=off"), "{none}");
    }

    #[test]
    fn modules_stand_on_what_is_configured_and_a_level_replaces_it() {
        let below: Filter = "warn,mailward::dns=debug,mailward::scan=info".parse().unwrap();
        let over = |text: &str| text.parse::<Filter>().unwrap().over(&below).to_string();
        assert_eq!(over("mailward::scan=trace"), "warn,mailward::dns=debug,mailward::scan=trace");
        assert_eq!(over("debug"), "debug");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_filter_panic(text in "\\PC{0,60}") {
            if let Ok(filter) = text.parse::<Filter>() {
                drop(filter.compiled());
                proptest::prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
            }
        }
    }
}
