//! Plain lists, one thing a line: URLs, domains, addresses, and hosts files.

use super::body::Text;
use super::lines::{self, Line};
use super::refusal::Refusal;
use super::{Found, Intake};
use crate::feed::entry::{Entry, Key, network};
use crate::feed::tally::shown;
use crate::link::{Host, Link, registrable};

/// Names in hosts files that are this machine or its net, and block nobody.
const LOCAL: [&str; 11] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

/// Reads a body line by line; `read` gives what it finds in one to the intake.
pub(super) fn lines(
    text: &mut Text<'_>,
    read: fn(&str, Each<'_>) -> Result<(), Refusal>,
    intake: &mut Intake<'_>,
) -> Result<(), Refusal> {
    let limits = intake.reading.limits;
    lines::each(text, &limits, |number, line| {
        let wrong = match line {
            Line::Text(line) if line.starts_with(['#', ';', '!']) => {
                intake.comments += 1;
                return Ok(());
            }
            Line::Text(line) if line.len() <= limits.field => {
                return read(line, &mut |found| {
                    intake.row()?;
                    intake.found(number, found)
                });
            }
            Line::Text(_) | Line::TooLong => format!("it has more than {} bytes", limits.field),
            Line::Garbled(line) => format!("it is not UTF-8: {}", shown(&line)),
        };
        intake.row()?;
        intake.tally.bad(number, wrong);
        Ok(())
    })
    .map(drop)
}

/// What a reader of lines calls for each thing in one.
type Each<'a> = &'a mut dyn FnMut(Found) -> Result<(), Refusal>;

pub(super) fn url(line: &str, each: Each<'_>) -> Result<(), Refusal> {
    each(link(line))
}

/// As OpenPhish writes it, with its scheme.
pub(super) fn whole_url(line: &str, each: Each<'_>) -> Result<(), Refusal> {
    each(match is_url(line) {
        true => link(line),
        false => Found::bad(format!("{} does not begin with http:// or https://", shown(line))),
    })
}

/// Whether a line is an address and no row of CSV.
pub(super) fn is_url(line: &str) -> bool {
    line.starts_with("http://") || line.starts_with("https://") || line.starts_with("ftp://")
}

pub(super) fn link(line: &str) -> Found {
    // No list writes a blank in an address: this is a row of something else.
    if line.contains(char::is_whitespace) {
        return Found::bad(format!("{} is no link: it has white space in it", shown(line)));
    }
    match Link::parse(line) {
        Ok(link) => Found::entry(Entry::new(Key::Link(link))),
        Err(why) => Found::bad(format!("{} is no link: {why}", shown(line))),
    }
}

/// `name`, `*.name`, `.name`, `||name^`, with a comment behind.
pub(super) fn domain(line: &str, each: Each<'_>) -> Result<(), Refusal> {
    let word = line.split([' ', '\t', '#']).next().unwrap_or_default();
    let adblock = word.strip_prefix("||").and_then(|name| name.strip_suffix('^'));
    let with_all_below = adblock.or_else(|| word.strip_prefix('.')).filter(|name| !name.is_empty());
    let found = if let Some(name) = word.strip_prefix("*.") {
        name_or_bad(name, word, Key::Below)
    } else if let Some(name) = with_all_below {
        name_or_bad(name, word, Key::Domain)
    } else {
        name_or_bad(word, word, whole)
    };
    each(found)
}

/// A name that somebody registered stands for all below it.
fn whole(name: String) -> Key {
    if registrable(&name) == Some(&name) { Key::Domain(name) } else { Key::Host(name) }
}

fn name_or_bad(name: &str, shown_as: &str, key: fn(String) -> Key) -> Found {
    match Host::parse(name) {
        Ok(Host::Name(name)) => Found::entry(Entry::new(key(name))),
        Ok(Host::Ip(_)) => Found::bad(format!("{} is an address in a list of names", shown(shown_as))),
        Err(_) => Found::bad(format!("{} is no name of a host", shown(shown_as))),
    }
}

/// An address or a network, with anything behind a blank or a comment sign.
pub(super) fn ip(line: &str, each: Each<'_>) -> Result<(), Refusal> {
    let word = line.split([' ', '\t', '#', ';', ',']).next().unwrap_or_default();
    each(match network(word) {
        Some(net) => Found::entry(Entry::new(Key::Net(net))),
        None => Found::bad(format!("{} is no address or network", shown(word))),
    })
}

/// An address that leads nowhere, and names. Each name is a row.
pub(super) fn hosts(line: &str, each: Each<'_>) -> Result<(), Refusal> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let address = words.next().unwrap_or_default();
    let mut names = words.filter(|name| !is_local(name)).peekable();
    if names.peek().is_none() {
        // A line of the block for this machine; an address without any name is one that was cut.
        let alone = line.split_whitespace().nth(1).is_none();
        return if alone { each(Found::bad(format!("{} has no name", shown(line)))) } else { Ok(()) };
    }
    let nowhere = address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_loopback());
    if !nowhere {
        return each(Found::bad(format!("{} is not 0.0.0.0 or 127.0.0.1", shown(address))));
    }
    names.try_for_each(|name| each(name_or_bad(name, name, Key::Host)))
}

fn is_local(name: &str) -> bool {
    name == "0.0.0.0" || LOCAL.iter().any(|local| local.eq_ignore_ascii_case(name))
}
