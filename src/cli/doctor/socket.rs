//! The milter's socket: there, ours, and open to Postfix, as Postfix's user and in its chroot.

use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::look::Look;
use super::names::Who;
use super::postfix::facts::Postfix;
use super::probe::{self, Answer};
use super::program::output;
use super::reach::{barred, way};
use super::sheet::Sheet;
use crate::config::Config;
use crate::intake::milter::Endpoint;

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let postfix = look.postfix().ok();
    for endpoint in &config.milter.listen {
        match endpoint {
            Endpoint::Unix(path) => unix(sheet, postfix, path),
            Endpoint::Inet(address) => {
                said(sheet, &endpoint.to_string(), &probe::over_tcp(reachable(*address)), None);
                allowed(sheet, &config, *address);
            }
        }
    }
}

/// An address that stands for all of them is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
        _ => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// Who may connect over TCP.
fn allowed(sheet: &mut Sheet, config: &Config, address: SocketAddr) {
    let allow: Vec<String> = config.milter.allow.iter().map(|cidr| cidr.0.to_string()).collect();
    if let Some(wide) = config.milter.allow.iter().find(|cidr| cidr.0.prefix_len() == 0) {
        let text = format!(
            "milter.allow has {}: anybody who reaches {address} may hand in mail as whoever they like",
            wide.0
        );
        return sheet.error("allow", text, Some("in [milter]: allow = [\"ADDRESS OF THE MTA\"]".to_owned()));
    }
    if address.ip().is_loopback() && !allow.is_empty() {
        let text =
            format!("milter.allow names {}, who cannot reach {address}: it is loopback", allow.join(", "));
        return sheet.note("allow", text, None);
    }
    if !address.ip().is_loopback() && allow.is_empty() {
        let text = format!(
            "{address} is open to the net, and nobody but this machine may connect: milter.allow is empty"
        );
        return sheet.note("allow", text, None);
    }
    let who = if allow.is_empty() {
        "this machine".to_owned()
    } else {
        format!("this machine, {}", allow.join(", "))
    };
    sheet.ok("allow", format!("{address} takes {who}"));
}

fn unix(sheet: &mut Sheet, postfix: Option<&Postfix>, path: &Path) {
    let shown = path.display().to_string();
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => sheet.ok("exists", format!("{shown} is a socket")),
        Ok(_) => {
            let text = format!("{shown} is no socket: mailward cannot listen there");
            let mend = format!("mv {0} {0}.away && systemctl restart mailward", super::names::path(path));
            return sheet.error("exists", text, Some(mend));
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return sheet.unseen("exists", format!("{shown}: {error}; run this as root"));
        }
        Err(error) => {
            let text = format!("the socket {shown} of [milter] is not there ({error}): the MTA finds nobody");
            return sheet.error("exists", text, Some("systemctl restart mailward".to_owned()));
        }
    }
    let Some(postfix) = postfix else {
        return said(sheet, &shown, &probe::over_unix(path), None);
    };
    let queue = postfix.queue();
    in_chroot(sheet, postfix, path, &queue);
    let owner = postfix.owner();
    let Some(who) = Who::named(&owner) else {
        return sheet.unseen("reach", format!("there is no user {owner}, whom Postfix's servers run as"));
    };
    reached(sheet, path, &queue, &who);
    as_postfix(sheet, path, &queue, &who);
}

/// A server in the chroot sees nothing outside.
fn in_chroot(sheet: &mut Sheet, postfix: &Postfix, path: &Path, queue: &Path) {
    let (inside, _) = postfix.chroots();
    if inside && !path.starts_with(queue) {
        let text = format!(
            "{} is outside of {}, where Postfix's smtpd or cleanup run chrooted: they never find it",
            path.display(),
            queue.display()
        );
        let mend = format!("in [milter]: listen = [\"unix:{}/mailward/milter.sock\"]", queue.display());
        sheet.error("chroot", text, Some(mend));
    } else if inside {
        sheet.ok("chroot", format!("it is inside of Postfix's chroot {}", queue.display()));
    }
}

/// By what the modes say.
fn reached(sheet: &mut Sheet, path: &Path, queue: &Path, who: &Who) {
    // Postfix stands in its queue directory; what leads there is no matter of the user's.
    let start = if path.starts_with(queue) { queue } else { Path::new("/") };
    match way(start, path) {
        Ok(way) => match barred(&way, who) {
            None => sheet.ok("reach", format!("the user {} may connect to {}", who.name, path.display())),
            Some(barred) => {
                let text = format!(
                    "the user {} may not connect to {}: {} is {}",
                    who.name,
                    path.display(),
                    barred.path.display(),
                    barred.file.shown()
                );
                sheet.error("reach", text, Some(barred.mend(&group(who))));
            }
        },
        Err(error) => {
            sheet.unseen("reach", format!("the way to {}: {error}; run this as root", path.display()))
        }
    }
}

fn group(who: &Who) -> String {
    who.groups.first().map_or_else(|| who.name.clone(), |gid| super::names::group(*gid))
}

/// By connecting: as root, as that user from Postfix's queue directory.
fn as_postfix(sheet: &mut Sheet, path: &Path, queue: &Path, who: &Who) {
    let me = Who::me();
    let relative = path.strip_prefix(queue).map_or_else(|_| path.to_owned(), Path::to_owned);
    if !me.is_root() {
        let answer = probe::over_unix(path);
        if answer == Answer::Denied {
            let text = format!("who answers on {}: you may not connect; run this as root", path.display());
            return sheet.unseen("answers", text);
        }
        return said(sheet, &path.display().to_string(), &answer, None);
    }
    let Some(program) = this_program() else {
        return sheet.unseen("answers", "where this program is cannot be told");
    };
    let relative = relative.display().to_string();
    let program = program.display().to_string();
    let arguments = ["-u", &who.name, "--", &program, "doctor", "--probe-socket", &relative];
    match output("runuser", &arguments, Some(queue)) {
        Ok(word) => match Answer::of_word(word.trim()) {
            Some(answer) => said(sheet, &path.display().to_string(), &answer, Some(&who.name)),
            None => sheet.unseen("answers", "the probe said nothing that can be understood"),
        },
        Err(why) => {
            // A program in somebody's home cannot be run by postfix; the daemon can be asked all the same.
            sheet.unseen("answers", format!("a connection as the user {}: {why}", who.name));
            said(sheet, &path.display().to_string(), &probe::over_unix(path), Some("root"));
        }
    }
}

fn this_program() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// What came of connecting.
fn said(sheet: &mut Sheet, place: &str, answer: &Answer, user: Option<&str>) {
    let asked_as = user.map(|user| format!(", asked as {user}")).unwrap_or_default();
    let start = || Some("systemctl restart mailward".to_owned());
    match answer {
        Answer::Mailward => sheet.ok("answers", format!("mailward answers on {place}{asked_as}")),
        Answer::OtherMilter => {
            let text = format!("on {place} another milter answers, not mailward: mail goes there");
            sheet.error(
                "answers",
                text,
                Some(format!("ss -lxtnp | grep -F {}", super::names::quoted(place))),
            );
        }
        Answer::Denied => {
            let text = format!("{place} may not be opened{asked_as}: Postfix does what default_action says");
            // What keeps that user out was told with the line that lets it in.
            let is_told = sheet.checks.iter().any(|check| check.check == "reach" && check.mend.is_some());
            let mend = (!is_told).then(|| format!("namei -l {}", super::names::quoted(place)));
            sheet.error("answers", text, mend);
        }
        Answer::Refused | Answer::Missing => {
            sheet.error(
                "answers",
                format!("nobody answers on {place}: mailward does not run, or listens elsewhere"),
                start(),
            );
        }
        Answer::Silent => {
            sheet.error("answers", format!("{place} takes connections and does not speak milter"), start());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn told(work: impl FnOnce(&mut Sheet)) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Socket);
        work(&mut sheet);
        sheet.told()
    }

    #[test]
    fn who_may_connect_over_tcp_is_held_against_where_we_listen() {
        let with = |allow: &str, address: &str| {
            let toml = format!("[milter]\nlisten = [\"inet:{address}\"]\nallow = [{allow}]\n");
            let config = Config::parse(Path::new("x"), toml.as_bytes()).unwrap().config;
            told(|sheet| allowed(sheet, &config, address.parse().unwrap()))
        };
        assert_eq!(with("", "127.0.0.1:8891"), ["ok allow: 127.0.0.1:8891 takes this machine"]);
        assert_eq!(
            with("\"192.0.2.1\"", "192.0.2.9:8891"),
            ["ok allow: 192.0.2.9:8891 takes this machine, 192.0.2.1/32"]
        );
        assert_eq!(
            with("", "0.0.0.0:8891"),
            [
                "note allow: 0.0.0.0:8891 is open to the net, and nobody but this machine may connect: milter.allow is \
              empty"
            ]
        );
        assert_eq!(
            with("\"192.0.2.1\"", "127.0.0.1:8891"),
            ["note allow: milter.allow names 192.0.2.1/32, who cannot reach 127.0.0.1:8891: it is loopback"]
        );
    }

    #[test]
    fn a_socket_outside_of_the_chroot_is_never_found() {
        let of = |chroot: &str, path: &str| {
            let master = format!("smtp inet n - {chroot} - - smtpd\n");
            let postfix = Postfix::read("queue_directory = /q\n", "", &master, "");
            told(|sheet| in_chroot(sheet, &postfix, Path::new(path), Path::new("/q")))
        };
        assert_eq!(of("y", "/q/mailward/m.sock"), ["ok chroot: it is inside of Postfix's chroot /q"]);
        assert_eq!(
            of("y", "/run/m.sock"),
            [
                "error chroot: /run/m.sock is outside of /q, where Postfix's smtpd or cleanup run chrooted: they never \
              find it | in [milter]: listen = [\"unix:/q/mailward/milter.sock\"]"
            ]
        );
        assert_eq!(of("n", "/run/m.sock"), Vec::<String>::new());
    }

    #[test]
    fn each_answer_of_a_socket_is_told() {
        let of = |answer: Answer| told(|sheet| said(sheet, "/q/m", &answer, Some("postfix"))).remove(0);
        assert_eq!(of(Answer::Mailward), "ok answers: mailward answers on /q/m, asked as postfix");
        assert_eq!(
            of(Answer::Denied),
            "error answers: /q/m may not be opened, asked as postfix: Postfix does what default_action says | namei -l \
             /q/m"
        );
        for answer in [Answer::OtherMilter, Answer::Refused, Answer::Missing, Answer::Silent] {
            assert!(of(answer).starts_with("error answers: "));
        }
    }
}
