//! The milters beside us: who signs before us, who writes results under our name, who judges twice.

use std::path::Path;

use super::Read;
use super::facts::Postfix;
use super::milter::Milter;
use super::places::Place;
use crate::cli::doctor::sheet::Sheet;
use crate::config::Config;

/// Programs whose configuration is known.
const KNOWN: [(&str, &str); 3] = [
    ("opendkim", "/etc/opendkim.conf"),
    ("opendmarc", "/etc/opendmarc.conf"),
    ("dkimpy-milter", "/etc/dkimpy-milter/dkimpy-milter.conf"),
];

/// What is known of another milter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    program: &'static str,
    file: &'static str,
    pub(super) socket: String,
    /// It adds signatures.
    pub(super) signs: bool,
    /// It writes Authentication-Results.
    verifies: bool,
    /// Under this name; `None`: the machine's.
    authserv_id: Option<String>,
}

impl Other {
    /// Reads `Key value` lines.
    fn read(program: &'static str, file: &'static str, text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
                let (name, value) = line.trim().split_once(char::is_whitespace)?;
                name.eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
            })
        };
        let mode = value("Mode").unwrap_or_else(|| "sv".to_owned());
        let dkim = program != "opendmarc";
        Some(Self {
            program,
            file,
            socket: value("Socket")?,
            signs: dkim && mode.contains('s'),
            verifies: !dkim || mode.contains('v'),
            authserv_id: value("AuthservID").filter(|id| id != "HOSTNAME"),
        })
    }
}

/// What is known of the milters of this machine.
pub(super) fn known(sheet: &mut Sheet, read: Read<'_>) -> Vec<Other> {
    let mut known = Vec::new();
    for (program, file) in KNOWN {
        match read(Path::new(file)) {
            Ok(text) => known.extend(Other::read(program, file, &text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => sheet.unseen("other_milters", format!("{file}: {error}")),
        }
    }
    known
}

pub(super) fn judge(
    sheet: &mut Sheet,
    postfix: &Postfix,
    config: &Config,
    places: &[Place<'_>],
    known: &[Other],
) {
    let queue = postfix.queue();
    let our_id =
        config.auth.authserv_id.as_ref().map_or_else(|| postfix.get("myhostname"), ToString::to_string);
    let (mut strangers, mut told) = (0, Vec::new());
    for place in places {
        let Some(ours) = place.ours else { continue };
        for (at, milter) in place.list.iter().enumerate().filter(|(at, _)| *at != ours) {
            if is_rspamd(milter) {
                twice(sheet, config, place);
                continue;
            }
            let Some(other) = known.iter().find(|other| milter.names(&other.socket, &queue)) else {
                strangers += 1;
                continue;
            };
            if other.signs && at < ours {
                let text = format!(
                    "{} stands before mailward in smtpd_milters of {} and signs: what mailward adds and removes \
                     breaks its signatures",
                    other.program,
                    place.names()
                );
                sheet.error("order", text, place.mend.clone());
            }
            let their_id = other.authserv_id.clone().unwrap_or_else(|| postfix.get("myhostname"));
            if other.verifies && their_id.eq_ignore_ascii_case(&our_id) && !told.contains(&other.program) {
                told.push(other.program);
                same_name(sheet, other, &our_id);
            }
        }
    }
    if strangers > 0 {
        let text = "there are other milters that mailward does not know: one that signs belongs after mailward, and \
                    none may write Authentication-Results under mailward's name";
        sheet.note("other_milters", text, None);
    } else if told.is_empty() {
        sheet.ok("other_milters", format!("no other milter writes Authentication-Results as {our_id}"));
    }
}

fn same_name(sheet: &mut Sheet, other: &Other, id: &str) {
    let text = format!(
        "{} writes Authentication-Results as {id}, which is mailward's name as well: mailward takes such fields for \
         forged and removes them, or readers find two that differ",
        other.program
    );
    let mend = if other.signs {
        format!("in {}: Mode s", other.file)
    } else {
        format!("in {}: AuthservID {}.{id}", other.file, other.program)
    };
    sheet.warning("authserv_id", text, Some(mend));
}

/// It is rspamd's proxy.
pub(super) fn is_rspamd(milter: &Milter) -> bool {
    let endpoint = &milter.endpoint;
    endpoint.contains("rspamd") || endpoint.ends_with(":11332") || endpoint.contains(":11332@")
}

/// We ask rspamd ourselves.
pub(super) fn asks_rspamd(config: &Config) -> bool {
    config.scanner.rspamd.as_ref().is_some_and(|rspamd| rspamd.enabled)
}

/// rspamd judges as a milter, and is asked by us.
fn twice(sheet: &mut Sheet, config: &Config, place: &Place<'_>) {
    if !asks_rspamd(config) {
        let text = format!(
            "{} asks rspamd as a milter of its own; mailward does not see what it thinks",
            place.names()
        );
        return sheet.note("rspamd_milter", text, None);
    }
    let text = format!(
        "{} asks rspamd as a milter, and mailward asks it again: each mail is judged twice, counts twice in rspamd's \
         statistics and limits, and rspamd may refuse what mailward would have held",
        place.names()
    );
    sheet.warning("rspamd_milter", text, place.mend.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_another_milter_is_read() {
        let text = "# Mode x\nSocket\tlocal:/run/opendkim/opendkim.sock\nmode s\nAuthservID mx.example.org\n";
        let other = Other::read("opendkim", "/etc/opendkim.conf", text).unwrap();
        assert_eq!(
            (other.signs, other.verifies, other.authserv_id.as_deref()),
            (true, false, Some("mx.example.org"))
        );
        assert_eq!(other.socket, "local:/run/opendkim/opendkim.sock");
        let plain =
            Other::read("opendmarc", "/etc/opendmarc.conf", "Socket inet:8893\nAuthservID HOSTNAME").unwrap();
        assert_eq!((plain.signs, plain.verifies, plain.authserv_id), (false, true, None));
        assert_eq!(Other::read("opendkim", "/etc/opendkim.conf", "Mode sv"), None);
    }
}
