//! Postfix: whether it asks us, about all that it should, and gives us the time.
//!
//! `facts` is what `postconf` says, `milter` the syntax of its lists. `places` are the servers that ask milters, each
//! group with the list that holds for it; `main_cf` what is said once for all; `others` the milters beside us;
//! `checks` the fields that strangers must not write; `filter` content filters and the way back from them.

mod checks;
pub(super) mod facts;
mod filter;
mod main_cf;
mod milter;
mod others;
mod places;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use self::facts::Postfix;
use super::look::Look;
use super::program::Failed;
use super::sheet::Sheet;
use crate::config::Config;

/// Reads a file of this machine; in tests, of none.
type Read<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    match look.postfix() {
        Ok(postfix) => judge(sheet, postfix, &look.config(), &|path| std::fs::read_to_string(path)),
        Err(Failed::Missing) => sheet.unseen("installed", "Postfix is not installed: there is no postconf"),
        Err(failed) => sheet.unseen("installed", format!("Postfix's settings cannot be read: {failed}")),
    }
}

fn judge(sheet: &mut Sheet, postfix: &Postfix, config: &Config, read: Read<'_>) {
    sheet.ok("version", format!("Postfix {}", postfix.version()));
    let known = others::known(sheet, read);
    let places = places::of(postfix, config, &known);
    places::judge(sheet, postfix, config, &places);
    main_cf::judge(sheet, postfix, config);
    others::judge(sheet, postfix, config, &places, &known);
    checks::judge(sheet, postfix, &places, read);
    filter::judge(sheet, postfix, config);
}

/// Where `[lmtp]` listens, as Postfix's transports may name it; and whether a value of main.cf does.
pub(super) fn leads_to_lmtp(postfix: &Postfix, config: &Config) -> Vec<&'static str> {
    filter::leading_to(postfix, config)
}
