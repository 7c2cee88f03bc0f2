//! clamd: whether it answers, how old its signatures are, whether its limits fit ours.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clamd_conf::ClamdConf;
use super::look::{Look, block};
use super::names::{self, Who};
use super::permissions::SERVICE;
use super::reach::{barred, way};
use super::sheet::Sheet;
use crate::cli::output::bytes;
use crate::config::Clamd;
use crate::config::Server;
use crate::model::Timestamp;
use crate::named_file;
use crate::scan::clamd::{Version, version_of};
use crate::telemetry::Clock;

/// How long it may take to answer; while it loads signatures it takes a while.
const LIMIT: Duration = Duration::from_secs(8);
/// Signatures are published daily: older than this they are warned of, and older than that wrong.
const OLD: Duration = Duration::from_secs(3 * 24 * 3600);
const STALE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Where clamd.conf may be.
const FILES: [&str; 3] = ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf", "/etc/clamd.conf"];
/// The most that is read of one: what lies beside a socket may be anybody's.
const MAX_CONF: u64 = 1024 * 1024;

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let Some(clamd) = config.scanner.clamd.as_ref().filter(|clamd| clamd.enabled) else {
        return sheet.ok("configured", "clamd is not asked: there is no [scanner.clamd]");
    };
    let largest = look.largest();
    if clamd.max_size.0 < largest {
        let text = format!(
            "clamd is not asked about messages over {} (scanner.clamd.max_size), and mail may have {}: their coverage says \
             clamd=skipped(too-large)",
            clamd.max_size,
            bytes(largest)
        );
        let line = format!("max_size = \"{}\"", config.limits.message);
        sheet.note("max_size", text, look.line("scanner.clamd", &line));
    }
    socket(sheet, &clamd.address);
    match block(version_of(&clamd.address, Instant::now() + LIMIT)).flatten() {
        Ok(version) => signatures(sheet, &version, Clock::system().now()),
        Err(why) => {
            let text = format!("clamd cannot be asked: {why}");
            sheet.error("answers", text, Some("systemctl restart clamav-daemon".to_owned()));
        }
    }
    limits_of(sheet, clamd);
}

/// Its socket as mailward's user.
fn socket(sheet: &mut Sheet, address: &Server) {
    let Server::Unix(path) = address else { return };
    let Some(who) = Who::named(SERVICE) else {
        return sheet
            .unseen("socket", format!("there is no user {SERVICE} who would open {}", path.display()));
    };
    match way(Path::new("/"), path) {
        Ok(way) => match barred(&way, &who) {
            None => sheet.ok("socket", format!("the user {SERVICE} may open {}", path.display())),
            Some(barred) => {
                let group = names::group(barred.file.gid);
                let text = format!(
                    "the user {SERVICE} may not open {}: {} is {}",
                    path.display(),
                    barred.path.display(),
                    barred.file.shown()
                );
                let mend =
                    format!("adduser {SERVICE} {} && systemctl restart mailward", names::quoted(&group));
                sheet.error("socket", text, Some(mend));
            }
        },
        // That it is not there is told by who asks it.
        Err(error) => sheet.unseen("socket", format!("{}: {error}", path.display())),
    }
}

fn signatures(sheet: &mut Sheet, version: &Version, now: Timestamp) {
    let Some(database) = version.database else {
        let text = format!(
            "{} has no signatures of ClamAV's own: it finds only what others of its lists have",
            version.program
        );
        return sheet.warning("database", text, Some("systemctl start clamav-freshclam".to_owned()));
    };
    sheet.ok("answers", version.to_string());
    let age = now.since(database.made);
    let days = age.as_secs() / 86_400;
    let text = format!(
        "clamd's signatures are {days} days old; they are published daily, and what is new is not found"
    );
    let mend = || Some("systemctl restart clamav-freshclam".to_owned());
    match age {
        age if age > STALE => sheet.error("database", text, mend()),
        age if age > OLD => sheet.warning("database", text, mend()),
        _ => sheet.ok("database", format!("its signatures are of {}", database.made.day())),
    }
}

/// Of the clamd.conf that belongs to the clamd that is asked.
fn limits_of(sheet: &mut Sheet, clamd: &Clamd) {
    // One that was started by hand has its file beside its socket.
    let beside = match &clamd.address {
        Server::Unix(path) => path.parent().map(|folder| folder.join("clamd.conf")),
        Server::Tcp { .. } => None,
    };
    let files = beside.into_iter().chain(FILES.map(PathBuf::from));
    let mut unread = Vec::new();
    for file in files {
        match named_file::read(&file, MAX_CONF) {
            Ok(text) => {
                let conf = ClamdConf::read(&String::from_utf8_lossy(&text));
                if is_of(&conf, &clamd.address) {
                    let file = file.display().to_string();
                    return conf.judge(sheet, &file, clamd.max_size.0, clamd.connections.into());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => unread.push(format!("{}: {error}", file.display())),
        }
    }
    let why =
        if unread.is_empty() { "no clamd.conf names its address".to_owned() } else { unread.join("; ") };
    sheet.unseen("limits", format!("the limits of clamd at {}: {why}", clamd.address));
}

fn is_of(conf: &ClamdConf, address: &Server) -> bool {
    match address {
        Server::Unix(path) => {
            // /var/run is /run.
            let named = conf.socket.as_deref().map(|socket| socket.trim_start_matches("/var"));
            named == Some(path.display().to_string().trim_start_matches("/var"))
        }
        Server::Tcp { port, .. } => conf.port == Some(*port),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;
    use crate::scan::clamd::Database;

    fn told(age_days: u64) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Clamd);
        let made = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
        let version =
            Version { program: "ClamAV 1.4.3".to_owned(), database: Some(Database { number: 27_800, made }) };
        signatures(&mut sheet, &version, Timestamp::from_millis(made.millis() + age_days * 86_400_000));
        sheet.told()
    }

    #[test]
    fn old_signatures_are_warned_of_and_stale_ones_are_an_error() {
        assert_eq!(
            told(2),
            [
                "ok answers: ClamAV 1.4.3, database 27800 of 2026-11-01",
                "ok database: its signatures are of 2026-11-01"
            ]
        );
        let old = "clamd's signatures are 4 days old; they are published daily, and what is new is not found";
        assert_eq!(told(4)[1], format!("warning database: {old} | systemctl restart clamav-freshclam"));
        assert!(told(8)[1].starts_with("error database: clamd's signatures are 8 days old"));
        let mut sheet = Sheet::new(Topic::Clamd);
        let none = Version { program: "ClamAV 1.4.3".to_owned(), database: None };
        signatures(&mut sheet, &none, Timestamp::from_millis(0));
        assert!(
            sheet.told()[0].starts_with("warning database: ClamAV 1.4.3 has no signatures of ClamAV's own")
        );
    }

    #[test]
    fn a_file_belongs_to_the_clamd_whose_address_it_names() {
        let conf = ClamdConf::read("LocalSocket /var/run/clamav/clamd.ctl\nTCPSocket 3310\n");
        assert!(is_of(&conf, &"unix:/run/clamav/clamd.ctl".parse().unwrap()));
        assert!(!is_of(&conf, &"unix:/run/other.ctl".parse().unwrap()));
        assert!(is_of(&conf, &"tcp:127.0.0.1:3310".parse().unwrap()));
        assert!(!is_of(&conf, &"tcp:127.0.0.1:3311".parse().unwrap()));
    }
}
