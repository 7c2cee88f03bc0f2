//! rspamd: whether it answers, and whether it lets us teach it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::look::{Look, block};
use super::sheet::Sheet;
use crate::cli::output::bytes;
use crate::config::{HttpServer, Rspamd, Secret};
use crate::scan::rspamd::{Controller, Endpoint, Rspamd as Client, Settings};
use crate::telemetry::{Clock, Metrics};

/// How long each of the two may take.
const LIMIT: Duration = Duration::from_secs(6);

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let Some(rspamd) = config.scanner.rspamd.as_ref().filter(|rspamd| rspamd.enabled) else {
        return sheet.ok("configured", "rspamd is not asked: there is no [scanner.rspamd]");
    };
    sizes(sheet, look, rspamd);
    if is_proxy(&rspamd.url) {
        let text = "scanner.rspamd.url is port 11332, which is usually rspamd's proxy for milters: the normal worker knows \
                    more and costs less";
        sheet.note("worker", text, look.line("scanner.rspamd", "url = \"http://127.0.0.1:11333\""));
    }
    let secret = |secret: &Option<Secret>| secret.as_ref().map(Secret::fetch).transpose();
    let (password, controller_password) =
        match (secret(&rspamd.password), secret(&rspamd.controller_password)) {
            (Ok(password), Ok(controller)) => (password, controller),
            (Err(error), _) | (_, Err(error)) => return sheet.unseen("answers", error.to_string()),
        };
    let settings = Settings {
        url: rspamd.url.clone(),
        password,
        connections: 1,
        max_size: rspamd.max_size,
        max_reply: rspamd.max_reply,
        controller: rspamd.controller.clone(),
        controller_password,
    };
    let client = match Client::new(settings, Clock::system(), Arc::new(Metrics::new())) {
        Ok(client) => client,
        Err(error) => return sheet.error("answers", error.to_string(), None),
    };
    let asked = block(async {
        let until = Instant::now() + LIMIT;
        tokio::join!(client.ping(until), client.controller(until))
    });
    let (worker, controller) = match asked {
        Ok(answers) => answers,
        Err(why) => return sheet.unseen("answers", why),
    };
    match worker {
        Ok(version) => sheet.ok("answers", format!("{} answers at {}", known(&version), rspamd.url)),
        Err(error) => {
            let text = format!("rspamd cannot be asked: {error}");
            sheet.error("answers", text, Some("systemctl restart rspamd".to_owned()));
        }
    }
    match controller {
        Ok(answer) => taught(sheet, look, rspamd, &answer),
        Err(error) => {
            let text = format!("rspamd's controller cannot be asked, and nobody can teach it: {error}");
            sheet.warning(
                "controller",
                text,
                look.line("scanner.rspamd", "controller = \"http://127.0.0.1:11334\""),
            );
        }
    }
}

fn known(version: &str) -> &str {
    if version.is_empty() { "rspamd" } else { version }
}

fn is_proxy(url: &HttpServer) -> bool {
    Endpoint::new(url).is_ok_and(|endpoint| endpoint.to_string().ends_with(":11332"))
}

fn sizes(sheet: &mut Sheet, look: &Look, rspamd: &Rspamd) {
    let largest = look.largest();
    if rspamd.max_size.0 < largest {
        let text = format!(
            "rspamd is not asked about messages over {} (scanner.rspamd.max_size), and mail may have {}: their coverage says \
             rspamd=skipped(too-large)",
            rspamd.max_size,
            bytes(largest)
        );
        let line = format!("max_size = \"{}\"", look.config().limits.message);
        sheet.note("max_size", text, look.line("scanner.rspamd", &line));
    }
}

fn taught(sheet: &mut Sheet, look: &Look, rspamd: &Rspamd, answer: &Controller) {
    let place = &rspamd.controller;
    match answer {
        Controller::Teaches => {
            sheet.ok("controller", format!("its controller at {place} lets mailward teach it"))
        }
        Controller::ReadOnly => {
            let text = format!(
                "rspamd's controller at {place} lets mailward look and not teach: what people report is not learned"
            );
            let line =
                "in /etc/rspamd/local.d/worker-controller.inc: enable_password = \"(rspamadm pw of it)\";";
            sheet.warning("controller", text, Some(line.to_owned()));
        }
        Controller::Refused(what) => {
            let text = format!(
                "rspamd's controller at {place} refuses our password ({what}): what people report is not learned"
            );
            let line = "controller_password = { file = \"/etc/mailward/rspamd.password\" }";
            sheet.warning("controller", text, look.line("scanner.rspamd", line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::sheet::Topic;
    use super::*;

    fn told(answer: &Controller) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Rspamd);
        let look = Look::new(Some(Path::new("/etc/m.toml")), None);
        taught(&mut sheet, &look, &Rspamd::default(), answer);
        sheet.told()
    }

    #[test]
    fn what_the_controller_makes_of_our_password() {
        assert_eq!(
            told(&Controller::Teaches),
            ["ok controller: its controller at http://127.0.0.1:11334 lets mailward teach it"]
        );
        assert_eq!(
            told(&Controller::Refused("Unauthorized".to_owned())),
            [
                "warning controller: rspamd's controller at http://127.0.0.1:11334 refuses our password (Unauthorized): \
              what people report is not learned | in /etc/m.toml, [scanner.rspamd]: controller_password = { file = \
              \"/etc/mailward/rspamd.password\" }"
            ]
        );
        assert!(told(&Controller::ReadOnly)[0].starts_with("warning controller: rspamd's controller"));
    }

    #[test]
    fn the_proxy_is_not_taken_for_the_worker() {
        assert!(is_proxy(&"http://127.0.0.1:11332".parse().unwrap()));
        assert!(!is_proxy(&"http://127.0.0.1:11333".parse().unwrap()));
    }
}
