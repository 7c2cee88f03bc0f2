//! Sendmail, where it is the mail server: whether its configuration names our socket.

use std::path::Path;

use super::look::Look;
use super::program::Failed;
use super::sheet::Sheet;
use crate::config::Config;
use crate::intake::milter::Endpoint;

/// What it runs with; made from sendmail.mc.
const CF: &str = "/etc/mail/sendmail.cf";

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    // Where Postfix is, a left-over file says nothing.
    if !matches!(look.postfix(), Err(Failed::Missing)) {
        return;
    }
    match std::fs::read_to_string(Path::new(CF)) {
        Ok(cf) => judge(sheet, &cf, &look.config()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => sheet.unseen("filter", format!("{CF}: {error}")),
    }
}

/// A milter of `sendmail.cf`: `Xmailward, S=local:/run/…, F=T, T=S:30s;R:60s;E:5m`.
struct Filter<'a> {
    name: &'a str,
    equates: Vec<(&'a str, &'a str)>,
}

impl<'a> Filter<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (name, rest) = line.strip_prefix('X')?.split_once(',')?;
        let equates = rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        Some(Self { name: name.trim(), equates })
    }

    fn get(&self, key: &str) -> &'a str {
        self.equates.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    fn is(&self, ours: &Endpoint) -> bool {
        let Some((kind, rest)) = self.get("S").split_once(':') else { return false };
        match (kind, ours) {
            ("local" | "unix", Endpoint::Unix(path)) => Path::new(rest) == path,
            ("inet" | "inet6", Endpoint::Inet(address)) => {
                rest.split('@').next().and_then(|port| port.parse().ok()) == Some(address.port())
            }
            _ => false,
        }
    }
}

fn written(ours: &Endpoint) -> String {
    match ours {
        Endpoint::Unix(path) => format!("local:{}", path.display()),
        Endpoint::Inet(address) => format!("inet:{}@{}", address.port(), address.ip()),
    }
}

fn judge(sheet: &mut Sheet, cf: &str, config: &Config) {
    let Some(ours) = config.milter.listen.first() else { return };
    let line = format!(
        "in /etc/mail/sendmail.mc, then make -C /etc/mail: INPUT_MAIL_FILTER(`mailward', `S={}, F=T, \
         T=C:30s;S:30s;R:60s;E:5m')dnl",
        written(ours)
    );
    let listed: Vec<&str> = cf
        .lines()
        .find_map(|line| line.strip_prefix("O InputMailFilters="))
        .map(|names| names.split([',', ';']).map(str::trim).collect())
        .unwrap_or_default();
    let filters: Vec<Filter<'_>> = cf.lines().filter_map(Filter::read).collect();
    let Some(filter) = filters.iter().find(|filter| config.milter.listen.iter().any(|ours| filter.is(ours)))
    else {
        return sheet.error(
            "filter",
            "sendmail.cf does not name mailward's socket: no mail is filtered",
            Some(line),
        );
    };
    if !listed.contains(&filter.name) {
        let text = format!(
            "the filter {} of sendmail.cf is not in InputMailFilters: no mail is filtered",
            filter.name
        );
        return sheet.error("filter", text, Some(line));
    }
    sheet.ok("filter", format!("Sendmail asks mailward at {}", filter.get("S")));
    match filter.get("F") {
        "T" | "4" => {
            sheet.ok("default_action", "while mailward does not answer, Sendmail asks senders to come back")
        }
        flag => {
            let what = if flag == "R" { "mail is refused for good" } else { "mail is delivered unfiltered" };
            let text = format!("F={flag}: while mailward does not answer, {what}");
            sheet.warning("default_action", text, Some(line.clone()));
        }
    }
    let end = filter.get("T").split(';').find_map(|part| part.trim().strip_prefix("E:"));
    let end = end.map_or(Some(300), seconds);
    let needs = config.limits.deadline.duration().as_secs() + 10;
    if end.is_none_or(|end| end <= needs) {
        let text = format!(
            "Sendmail waits {} s for the answer to a message, and mailward may take {needs} s: Sendmail then goes on without \
             the verdict",
            end.unwrap_or(0)
        );
        sheet.error("content_timeout", text, Some(line));
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    const MEND: &str = "in /etc/mail/sendmail.mc, then make -C /etc/mail: INPUT_MAIL_FILTER(`mailward', \
                        `S=local:/run/mailward/m.sock, F=T, T=C:30s;S:30s;R:60s;E:5m')dnl";

    fn told(cf: &str) -> Vec<String> {
        let toml = "[milter]\nlisten = [\"unix:/run/mailward/m.sock\"]\n";
        let config = Config::parse(Path::new("x"), toml.as_bytes()).unwrap().config;
        let mut sheet = Sheet::new(Topic::Sendmail);
        judge(&mut sheet, cf, &config);
        sheet.told()
    }

    #[test]
    fn our_line_is_in_order() {
        let cf = "O InputMailFilters=mailward\nXmailward, S=local:/run/mailward/m.sock, F=T, T=C:30s;S:30s;R:60s;E:5m\n";
        assert_eq!(
            told(cf),
            [
                "ok filter: Sendmail asks mailward at local:/run/mailward/m.sock",
                "ok default_action: while mailward does not answer, Sendmail asks senders to come back",
            ]
        );
    }

    #[test]
    fn each_mistake_in_it() {
        assert_eq!(
            told(""),
            [format!(
                "error filter: sendmail.cf does not name mailward's socket: no mail is filtered | {MEND}"
            )]
        );
        let line = "Xm, S=local:/run/mailward/m.sock, T=E:30s\n";
        assert_eq!(
            told(line),
            [format!(
                "error filter: the filter m of sendmail.cf is not in InputMailFilters: no mail is filtered | {MEND}"
            )]
        );
        let told = told(&format!("O InputMailFilters=x, m\n{line}"));
        assert!(
            told[1]
                .starts_with("warning default_action: F=: while mailward does not answer, mail is delivered")
        );
        assert!(told[2].starts_with("error content_timeout: Sendmail waits 30 s"), "{told:?}");
    }
}
