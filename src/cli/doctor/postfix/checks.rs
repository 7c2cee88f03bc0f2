//! header_checks: forged X-Mailward-* fields are dropped on port 25, also while mailward is down.

use std::path::Path;

use super::Read;
use super::facts::{Postfix, Service};
use super::places::Place;
use crate::cli::doctor::names::quoted;
use crate::cli::doctor::sheet::Sheet;

pub(super) fn judge(sheet: &mut Sheet, postfix: &Postfix, places: &[Place<'_>], read: Read<'_>) {
    in_main_cf(sheet, postfix, read);
    for service in places.iter().flat_map(|place| &place.services).filter(|service| service.is_public()) {
        on_port_25(sheet, postfix, service, read);
    }
}

/// The patterns of a list of tables; `None`: not all could be read.
fn patterns(list: &str, read: Read<'_>) -> Result<String, String> {
    let mut all = String::new();
    for table in list.split([',', ' ']).filter(|table| !table.is_empty()) {
        let Some((kind, path)) = table.split_once(':') else { continue };
        if matches!(kind, "regexp" | "pcre") {
            all.push_str(&read(Path::new(path)).map_err(|error| format!("{path}: {error}"))?);
        }
    }
    Ok(all)
}

fn drops_ours(patterns: &str) -> bool {
    let live = patterns.lines().filter(|line| !line.trim_start().starts_with('#'));
    live.map(str::to_ascii_lowercase).any(|line| line.contains("x-mailward") && line.contains("ignore"))
}

fn in_main_cf(sheet: &mut Sheet, postfix: &Postfix, read: Read<'_>) {
    let list = postfix.get("header_checks");
    if patterns(&list, read).is_ok_and(|patterns| drops_ours(&patterns)) {
        let text = "header_checks in main.cf drop X-Mailward-*: where mail passes cleanup a second time (postsuper -r, a \
                    content filter) the verdict is lost with them; they belong to port 25 alone";
        sheet.warning("header_checks", text, postfix.unset("header_checks"));
    }
}

fn on_port_25(sheet: &mut Sheet, postfix: &Postfix, service: &Service, read: Read<'_>) {
    let named = postfix.of(service, "cleanup_service_name");
    let named = if named.is_empty() { "cleanup" } else { &named };
    let id = service.id();
    let Some(cleanup) = postfix.services.iter().find(|s| s.name == named && s.program == "cleanup") else {
        let text = format!(
            "{id} hands mail to the cleanup service {named}, which master.cf does not have: it takes none"
        );
        return sheet.error("header_checks", text, postfix.set_of(service, "cleanup_service_name", None));
    };
    let list = postfix.of(cleanup, "header_checks");
    match patterns(&list, read) {
        Ok(patterns) if drops_ours(&patterns) => {
            sheet.ok("header_checks", format!("{id} drops X-Mailward-* that strangers wrote"));
            nested(sheet, postfix, cleanup);
        }
        Ok(_) => {
            let text = format!(
                "header_checks of {id} do not drop X-Mailward-*: mailward removes forged ones itself, but what comes in \
                 while it does not answer could carry a verdict of the sender's making"
            );
            sheet.note("header_checks", text, by_hand(postfix, service, &list));
        }
        Err(why) => sheet.unseen("header_checks", format!("the header_checks of {id} cannot be read: {why}")),
    }
}

/// They are inherited, and would change messages inside messages.
fn nested(sheet: &mut Sheet, postfix: &Postfix, cleanup: &Service) {
    let checks = postfix.of(cleanup, "header_checks");
    for name in ["mime_header_checks", "nested_header_checks"] {
        if !checks.is_empty() && postfix.of(cleanup, name) == checks {
            let text = format!(
                "{name} of {} are its header_checks: a forwarded mail loses fields inside, and its signature breaks",
                cleanup.id()
            );
            sheet.warning("nested_header_checks", text, postfix.set_of(cleanup, name, Some("")));
        }
    }
}

/// A cleanup of its own for port 25, with a table of two lines.
fn by_hand(postfix: &Postfix, service: &Service, own: &str) -> Option<String> {
    let folder = Some(postfix.get("config_directory")).filter(|folder| !folder.is_empty())?;
    let table = format!("{folder}/mailward_header_checks");
    let lines =
        r"'/^X-Mailward-[^:]*:/ IGNORE' '/^X-(Spam-Flag|Spam-Status|Virus-Status)[[:space:]]*:/ IGNORE'";
    let checks = [format!("regexp:{table}"), own.to_owned()]
        .into_iter()
        .filter(|c| !c.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let chroot = if service.chroot { "y" } else { "n" };
    let name = "cleanup-inbound";
    let entry = quoted(&format!("{name}/unix={name} unix n - {chroot} - 0 cleanup"));
    let settings = [
        format!("{name}/unix/header_checks={checks}"),
        format!("{name}/unix/mime_header_checks="),
        format!("{name}/unix/nested_header_checks="),
        format!("{}/cleanup_service_name={name}", service.id()),
    ];
    let settings = settings.map(|setting| quoted(&setting)).join(" ");
    let folder = quoted(&folder);
    Some(format!(
        "printf '%s\\n' {lines} > {} && postconf -c {folder} -M {entry} && postconf -c {folder} -P {settings} && \
         postfix -c {folder} reload",
        quoted(&table)
    ))
}
