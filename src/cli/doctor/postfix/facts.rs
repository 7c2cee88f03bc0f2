//! What Postfix runs with, from `postconf`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::doctor::names::quoted;
use crate::cli::doctor::program::{Failed, output};

/// How deep `$name` leads to `$name`.
const DEPTH: usize = 10;

/// An entry of master.cf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// `smtp`, `127.0.0.1:10025`.
    pub(super) name: String,
    /// `inet`, `unix`, `pass`.
    pub(super) kind: String,
    /// It runs in `queue_directory`.
    pub(super) chroot: bool,
    /// `smtpd`, `cleanup`.
    pub(super) program: String,
    /// Its `-o` lines.
    pub(super) options: BTreeMap<String, String>,
}

impl Service {
    /// As `postconf -P` names it: `smtp/inet`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.name, self.kind)
    }

    /// The port that it listens on, where that is said by number or a well-known name.
    pub(super) fn port(&self) -> Option<u16> {
        let port = self.name.rsplit_once(':').map_or(self.name.as_str(), |(_, port)| port);
        match port {
            "smtp" => Some(25),
            "submission" => Some(587),
            "smtps" | "submissions" => Some(465),
            port => port.parse().ok(),
        }
    }

    /// Strangers hand in mail there: port 25, also behind postscreen.
    pub(super) fn is_public(&self) -> bool {
        self.kind == "pass" || self.kind == "inet" && self.port() == Some(25)
    }

    /// It listens on loopback alone, and not where mail comes in: what hands mail back comes there.
    pub(super) fn is_way_back(&self) -> bool {
        let host = self.name.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
        let loopback =
            host.is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "::1");
        loopback && !matches!(self.port(), Some(25 | 465 | 587))
    }
}

/// One Postfix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Postfix {
    /// Its configuration directory, where it was named.
    folder: Option<PathBuf>,
    values: BTreeMap<String, String>,
    set: BTreeSet<String>,
    pub(super) services: Vec<Service>,
}

impl Postfix {
    /// Asks `postconf`.
    ///
    /// # Errors
    /// If it is not there, or says no.
    pub(in crate::cli::doctor) fn ask(folder: Option<&Path>) -> Result<Self, Failed> {
        let named = folder.map(|folder| folder.display().to_string());
        let ask = |more: &[&str]| {
            let mut arguments: Vec<&str> = named.iter().flat_map(|folder| ["-c", folder.as_str()]).collect();
            arguments.extend(more);
            output("postconf", &arguments, None)
        };
        let (all, set) = (ask(&[])?, ask(&["-n"])?);
        let mut read = Self::read(&all, &set, &ask(&["-M"])?, &ask(&["-P"])?);
        read.folder = folder.map(Path::to_owned);
        Ok(read)
    }

    /// Reads what `postconf`, `postconf -n`, `-M` and `-P` print.
    pub(in crate::cli::doctor) fn read(all: &str, set: &str, services: &str, options: &str) -> Self {
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let mut values: BTreeMap<String, String> = all.lines().filter_map(pair).collect();
        let own: BTreeMap<String, String> = set.lines().filter_map(pair).collect();
        let set = own.keys().cloned().collect();
        values.extend(own);
        let mut services: Vec<Service> = services.lines().filter_map(service).collect();
        for (path, value) in options.lines().filter_map(pair) {
            // `127.0.0.1:10025/inet/smtpd_milters`
            let mut parts = path.rsplitn(3, '/');
            let (Some(option), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if let Some(service) = services.iter_mut().find(|s| s.name == name && s.kind == kind) {
                service.options.insert(option.to_owned(), value);
            }
        }
        Self { folder: None, values, set, services }
    }

    /// Whether main.cf says something of it.
    pub(in crate::cli::doctor) fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// Whether main.cf or any smtpd has a value for it besides these.
    pub(in crate::cli::doctor) fn is_anywhere(&self, name: &str, nothing: &[&str]) -> bool {
        let counts = |value: &str| !nothing.contains(&value);
        counts(&self.get(name)) || self.smtpds().any(|service| counts(&self.of(service, name)))
    }

    /// As main.cf has it, `$name` replaced; empty if there is none.
    pub(in crate::cli::doctor) fn get(&self, name: &str) -> String {
        self.expanded(self.raw(name), None, DEPTH)
    }

    /// As main.cf has it, `$name` as written.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// As it holds for a service.
    pub(super) fn of(&self, service: &Service, name: &str) -> String {
        let value = service.options.get(name).map_or_else(|| self.raw(name), String::as_str);
        self.expanded(value, Some(service), DEPTH)
    }

    fn expanded(&self, value: &str, service: Option<&Service>, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, end) = match after.strip_prefix(['{', '(']) {
                Some(inner) => {
                    let close = inner.find(['}', ')']).unwrap_or(inner.len());
                    (inner.get(..close).unwrap_or_default(), close + 2)
                }
                None => {
                    let end =
                        after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    (after.get(..end).unwrap_or_default(), end)
                }
            };
            let own = service.and_then(|service| service.options.get(name)).map(String::as_str);
            if depth > 0
                && let Some(found) = own.or_else(|| self.values.get(name).map(String::as_str))
            {
                out.push_str(&self.expanded(found, service, depth - 1));
            }
            rest = after.get(end.min(after.len())..).unwrap_or_default();
        }
        out.push_str(rest);
        out.trim().to_owned()
    }

    /// The version, as `3.7.11`.
    pub(super) fn version(&self) -> String {
        self.get("mail_version")
    }

    /// Where its queue is.
    pub(in crate::cli::doctor) fn queue(&self) -> PathBuf {
        PathBuf::from(self.get("queue_directory"))
    }

    /// The user that its servers run as.
    pub(in crate::cli::doctor) fn owner(&self) -> String {
        let owner = self.get("mail_owner");
        if owner.is_empty() { "postfix".to_owned() } else { owner }
    }

    /// The servers that milters are asked by: each smtpd.
    pub(super) fn smtpds(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| service.program == "smtpd")
    }

    /// Whether any server that speaks to milters runs in the chroot, and whether any does not.
    pub(in crate::cli::doctor) fn chroots(&self) -> (bool, bool) {
        let asks = |service: &&Service| matches!(service.program.as_str(), "smtpd" | "cleanup");
        let mut asking = self.services.iter().filter(asks);
        let inside = asking.clone().any(|service| service.chroot);
        (inside, asking.any(|service| !service.chroot))
    }

    /// A shell line that sets a value in main.cf.
    pub(in crate::cli::doctor) fn set(&self, name: &str, value: &str) -> Option<String> {
        Some(self.line("-e", &format!("{name} = {value}")))
    }

    /// A shell line that sets a value for one service; without one, that takes its own away.
    pub(super) fn set_of(&self, service: &Service, name: &str, value: Option<&str>) -> Option<String> {
        let id = service.id();
        Some(match value {
            Some(value) => self.line("-P", &format!("{id}/{name}={value}")),
            None => self.line("-PX", &format!("{id}/{name}")),
        })
    }

    /// A shell line that brings a default back; of several names, apart by blanks.
    pub(in crate::cli::doctor) fn unset(&self, name: &str) -> Option<String> {
        Some(self.line("-X", name))
    }

    fn line(&self, how: &str, what: &str) -> String {
        let folder =
            self.folder.as_deref().map(|folder| format!(" -c {}", quoted(&folder.display().to_string())));
        let folder = folder.unwrap_or_default();
        let what = if how == "-X" { what.to_owned() } else { quoted(what) };
        format!("postconf{folder} {how} {what} && postfix{folder} reload")
    }
}

/// `smtp inet n - y - - smtpd -o …`
fn service(line: &str) -> Option<Service> {
    let mut words = line.split_whitespace();
    let (name, kind) = (words.next()?, words.next()?);
    let mut rest = words.skip(2);
    let chroot = rest.next()? == "y";
    let program = rest.nth(2)?;
    Some(Service {
        name: name.to_owned(),
        kind: kind.to_owned(),
        chroot,
        program: program.to_owned(),
        options: BTreeMap::new(),
    })
}

/// `30s`, `5m`, `300`, in seconds; `None` if it is no length of time.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let unit = match text.get(digits..)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postconf_is_read() {
        let postfix = Postfix::read(
            "mail_version = 3.7.11\nqueue_directory = /q\nnon_smtpd_milters =\na = $b/${c}x$(d)\nb = 1\nc = $b\n",
            "smtpd_milters = { unix:m, content_timeout=300s }\nnon_smtpd_milters = $smtpd_milters\n",
            "smtp       inet  n       -       y       -       -       smtpd -o a=b\n\
             pickup unix n - n 60 1 pickup\n127.0.0.1:10025 inet n - - - - smtpd\nbroken\n",
            "127.0.0.1:10025/inet/smtpd_milters = \nsmtp/inet/b = 7\nnobody/inet/x = y\n",
        );
        assert_eq!(postfix.get("non_smtpd_milters"), "{ unix:m, content_timeout=300s }");
        assert_eq!(postfix.get("a"), "1/1x");
        let [smtp, pickup, back] = &*postfix.services else { panic!("{postfix:?}") };
        assert_eq!(
            (postfix.of(smtp, "a").as_str(), postfix.of(back, "smtpd_milters").as_str()),
            ("7/7x", "")
        );
        assert_eq!((smtp.chroot, pickup.chroot, back.chroot), (true, false, false));
        assert_eq!((smtp.is_public(), smtp.is_way_back()), (true, false));
        assert_eq!((back.is_public(), back.is_way_back(), back.port()), (false, true, Some(10025)));
        assert!(postfix.is_set("smtpd_milters") && !postfix.is_set("b"));
        assert_eq!(postfix.chroots(), (true, true));
    }

    #[test]
    fn a_name_that_means_itself_ends() {
        let postfix = Postfix::read("a = x$a\n", "", "", "");
        assert_eq!(postfix.get("a"), "x".repeat(DEPTH + 1));
        assert_eq!(Postfix::read("a = 100%$\nb = ${\n", "", "", "").get("a"), "100%");
    }

    #[test]
    fn lines_that_mend_name_the_folder_and_are_quoted() {
        let mut postfix = Postfix::read("", "", "smtp inet n - y - - smtpd\n", "");
        assert_eq!(
            postfix.set("milter_protocol", "6").unwrap(),
            "postconf -e 'milter_protocol = 6' && postfix reload"
        );
        postfix.folder = Some("/etc/post fix".into());
        let smtp = postfix.services[0].clone();
        assert_eq!(
            postfix.set_of(&smtp, "smtpd_milters", None).unwrap(),
            "postconf -c '/etc/post fix' -PX smtp/inet/smtpd_milters && postfix -c '/etc/post fix' reload"
        );
    }

    #[test]
    fn lengths_of_time_as_postfix_writes_them() {
        assert_eq!(
            ["30s", "5m", "300", "1h", "x", ""].map(seconds),
            [Some(30), Some(300), Some(300), Some(3600), None, None]
        );
    }
}
