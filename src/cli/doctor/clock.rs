//! The clock: signatures, tokens and the record's order depend on it.

use std::path::Path;

use super::look::Look;
use super::program::output;
use super::sheet::Sheet;
use crate::model::Timestamp;
use crate::telemetry::Clock;

/// This program is younger than any right clock (2026-01-01).
const YEAR: u64 = 1_767_225_600_000;
/// Beyond it a certificate is more likely to be out of date than the clock to be right (2076).
const FAR: u64 = 3_345_062_400_000;
/// A record may be so much younger than the clock says: another process may just have written it.
const SLACK: u64 = 2_000;

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let now = Clock::system().now();
    year(sheet, now);
    synchronised(
        sheet,
        &[Path::new("/run/systemd/timesync/synchronized"), Path::new("/run/chrony/chronyd.pid")],
    );
    match newest_record(&look.config().audit_dir()) {
        Ok(Some(newest)) => jump(sheet, now, newest),
        Ok(None) => sheet.ok("jump", "there is no record yet that could be from later than now"),
        Err(why) => sheet.unseen("jump", why),
    }
}

fn year(sheet: &mut Sheet, now: Timestamp) {
    let mend = || Some("timedatectl set-ntp true".to_owned());
    match now.millis() {
        ..YEAR => sheet.error(
            "year",
            format!("the clock says {now}: signatures look as if they were not valid yet"),
            mend(),
        ),
        FAR.. => sheet.error(
            "year",
            format!("the clock says {now}: signatures look as if they had run out"),
            mend(),
        ),
        _ => sheet.ok("year", format!("it is {}", now.day())),
    }
}

/// By what the system says of itself, or by what a time service left behind.
fn synchronised(sheet: &mut Sheet, signs: &[&Path]) {
    let told = output("timedatectl", &["show", "-p", "NTPSynchronized", "--value"], None);
    let is_signed = signs.iter().find(|sign| sign.exists());
    match (told.as_deref().map(str::trim), is_signed) {
        (Ok("yes"), _) => sheet.ok("ntp", "the clock is kept by a time service"),
        (_, Some(sign)) => {
            sheet.ok("ntp", format!("the clock is kept by a time service ({})", sign.display()))
        }
        (Ok("no"), None) => {
            let text = "no time service keeps the clock: when it drifts, signatures and links of releases expire too early or \
                        too late, and records cannot be put beside the MTA's log";
            sheet.warning("ntp", text, Some("timedatectl set-ntp true".to_owned()));
        }
        (Ok(other), None) => sheet.unseen("ntp", format!("timedatectl says {other:?}")),
        (Err(_), None) => {
            sheet.unseen("ntp", "whether a time service keeps the clock: timedatectl does not say")
        }
    }
}

/// When the newest day of the journal was last written.
fn newest_record(folder: &Path) -> Result<Option<Timestamp>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut newest = None;
    for entry in entries.take(100_000) {
        let entry = entry.map_err(failed)?;
        if entry.path().extension().is_none_or(|end| end != "log") {
            continue;
        }
        let at = entry.metadata().and_then(|found| found.modified()).map_err(failed)?;
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        newest = newest.max(Some(at));
    }
    Ok(newest)
}

fn jump(sheet: &mut Sheet, now: Timestamp, newest: Timestamp) {
    if newest.millis() > now.millis() + SLACK {
        let text = format!(
            "the audit journal was last written at {newest}, and the clock says {now}: it was set back; records are out of \
             order, and what counts by age waits"
        );
        return sheet.error("jump", text, Some("timedatectl set-ntp true".to_owned()));
    }
    sheet.ok("jump", format!("the newest record is not from later than now ({newest})"));
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn told(work: impl FnOnce(&mut Sheet)) -> String {
        let mut sheet = Sheet::new(Topic::Clock);
        work(&mut sheet);
        sheet.told().remove(0)
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_clock_that_cannot_be_right() {
        assert_eq!(told(|sheet| year(sheet, at("2026-11-21T00:00:00Z"))), "ok year: it is 2026-11-21");
        let early = told(|sheet| year(sheet, at("1970-01-01T00:05:00Z")));
        assert!(early.starts_with("error year: the clock says 1970-01-01T00:05:00.000Z"), "{early}");
        assert!(told(|sheet| year(sheet, at("2106-02-07T00:00:00Z"))).contains("run out"));
    }

    #[test]
    fn a_clock_that_was_set_back() {
        let now = at("2026-11-21T10:00:00Z");
        assert!(told(|sheet| jump(sheet, now, at("2026-11-21T10:00:01Z"))).starts_with("ok jump: "));
        assert_eq!(
            told(|sheet| jump(sheet, now, at("2026-11-21T12:00:00Z"))),
            "error jump: the audit journal was last written at 2026-11-21T12:00:00.000Z, and the clock says \
             2026-11-21T10:00:00.000Z: it was set back; records are out of order, and what counts by age waits | \
             timedatectl set-ntp true"
        );
    }

    #[test]
    fn the_newest_day_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_record(&dir.path().join("none")), Ok(None));
        assert_eq!(newest_record(dir.path()), Ok(None));
        std::fs::write(dir.path().join("2026-11-21.log"), "x").unwrap();
        assert!(newest_record(dir.path()).unwrap().is_some());
    }
}
