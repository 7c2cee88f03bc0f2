//! The daemon: whether it runs, as this program, with this configuration, and what it says of itself.

use std::path::Path;

use serde_json::Value;

use super::look::{Look, Silent};
use super::sheet::Sheet;

/// What is on disk, to hold against what runs.
struct Here<'a> {
    version: &'a str,
    digest: &'a str,
    file: Option<&'a Path>,
}

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let digest = look.config().digest();
    let here = Here { version: env!("CARGO_PKG_VERSION"), digest: &digest, file: look.file.as_deref() };
    match look.status() {
        Ok(status) => judge(sheet, status, &here),
        Err(silent) => not_there(sheet, silent),
    }
}

fn not_there(sheet: &mut Sheet, silent: &Silent) {
    match silent {
        Silent::Forbidden(why) => sheet.unseen("running", why),
        Silent::Unreachable(why) => {
            let text = format!("mailward does not run: {why}");
            sheet.error("running", text, Some("systemctl start mailward".to_owned()));
        }
        Silent::Failed(why) => {
            let text = format!("mailward does not answer as it should: {why}");
            sheet.error("running", text, Some("systemctl restart mailward".to_owned()));
        }
    }
}

fn judge(sheet: &mut Sheet, status: &Value, here: &Here<'_>) {
    let restart = || Some("systemctl restart mailward".to_owned());
    let runs = status["version"].as_str().unwrap_or("?");
    if runs == here.version {
        sheet.ok("version", format!("mailward {runs} runs"));
    } else {
        let text = format!(
            "mailward {runs} runs, and this is {}: the new program works from its next start on",
            here.version
        );
        sheet.warning("version", text, restart());
    }
    if status["ready"] == true {
        sheet.ok("ready", "it takes mail");
    } else {
        sheet.error("ready", "it takes no mail: it is starting or stopping; see its log", restart());
    }
    let degraded = status["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut is_whole = true;
    for sentence in degraded {
        is_whole = false;
        sheet.warning("degraded", sentence, None);
    }
    if is_whole {
        sheet.ok("degraded", "nothing is degraded");
    }
    let waiting: Vec<&str> =
        status["restart_needed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !waiting.is_empty() {
        let text = format!("a reload found {} changed, which only a restart takes over", waiting.join(", "));
        sheet.warning("restart", text, restart());
    }
    let config = &status["config"];
    if config["reload"]["ok"] == false {
        let text = "the last reload was refused, and the configuration from before goes on";
        sheet.warning("reload", text, Some("mailward check-config".to_owned()));
    }
    let file = config["file"].as_str().map(Path::new);
    if file != here.file {
        let shown = |file: Option<&Path>| {
            file.map_or_else(|| "its defaults".to_owned(), |file| file.display().to_string())
        };
        let text = format!("it runs with {}, and this looks at {}", shown(file), shown(here.file));
        sheet.note("config", text, None);
    }
    match config["digest"].as_str() {
        Some(digest) if digest == here.digest => {
            sheet.ok("config", "it runs with the configuration that is on disk");
        }
        Some(_) => {
            let text = "the configuration on disk is not the one that it runs with";
            sheet.warning("config", text, Some("mailward reload".to_owned()));
        }
        None => sheet.unseen("config", "this daemon does not say which configuration it runs with"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sheet::Topic;
    use super::*;

    fn told(status: &Value) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Daemon);
        let here = Here { version: "1.2.0", digest: "aa", file: Some(Path::new("/etc/m.toml")) };
        judge(&mut sheet, status, &here);
        sheet.told()
    }

    #[test]
    fn a_daemon_as_it_should_be() {
        let status = json!({"version": "1.2.0", "ready": true, "degraded": [], "restart_needed": [],
            "config": {"file": "/etc/m.toml", "digest": "aa", "reload": null}});
        assert_eq!(
            told(&status),
            [
                "ok version: mailward 1.2.0 runs",
                "ok ready: it takes mail",
                "ok degraded: nothing is degraded",
                "ok config: it runs with the configuration that is on disk",
            ]
        );
    }

    #[test]
    fn each_way_in_which_it_is_not() {
        let status = json!({"version": "1.1.0", "ready": false, "degraded": ["clamd is down"],
            "restart_needed": ["[milter]"], "config": {"file": null, "digest": "bb", "reload": {"ok": false}}});
        assert_eq!(
            told(&status),
            [
                "warning version: mailward 1.1.0 runs, and this is 1.2.0: the new program works from its next start \
                 on | systemctl restart mailward",
                "error ready: it takes no mail: it is starting or stopping; see its log | systemctl restart mailward",
                "warning degraded: clamd is down",
                "warning restart: a reload found [milter] changed, which only a restart takes over | systemctl restart \
                 mailward",
                "warning reload: the last reload was refused, and the configuration from before goes on | mailward \
                 check-config",
                "note config: it runs with its defaults, and this looks at /etc/m.toml",
                "warning config: the configuration on disk is not the one that it runs with | mailward reload",
            ]
        );
    }

    #[test]
    fn who_may_not_ask_does_not_take_it_for_dead() {
        let told = |silent: Silent| {
            let mut sheet = Sheet::new(Topic::Daemon);
            not_there(&mut sheet, &silent);
            sheet.told()
        };
        assert_eq!(
            told(Silent::Unreachable("no daemon listens on /run/x".to_owned())),
            ["error running: mailward does not run: no daemon listens on /run/x | systemctl start mailward"]
        );
        assert_eq!(
            told(Silent::Forbidden("you may not open /run/x".to_owned())),
            ["not looked at running: you may not open /run/x"]
        );
        assert!(
            told(Silent::Failed("x".to_owned()))[0].starts_with("error running: mailward does not answer")
        );
    }
}
