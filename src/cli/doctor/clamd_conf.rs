//! clamd.conf: the limits under which clamd looks.

use crate::cli::doctor::sheet::Sheet;
use crate::cli::output::bytes;

/// What of it matters to us, with clamd's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClamdConf {
    pub(super) stream_max: u64,
    pub(super) scan_size: u64,
    pub(super) file_size: u64,
    pub(super) alerts: bool,
    pub(super) concurrent_reload: bool,
    pub(super) threads: u64,
    /// `LocalSocket`, `TCPSocket`: to know whether it is the clamd that is asked.
    pub(super) socket: Option<String>,
    pub(super) port: Option<u16>,
}

impl Default for ClamdConf {
    fn default() -> Self {
        Self {
            stream_max: 100 << 20,
            scan_size: 400 << 20,
            file_size: 100 << 20,
            alerts: false,
            concurrent_reload: true,
            threads: 10,
            socket: None,
            port: None,
        }
    }
}

impl ClamdConf {
    /// Reads `Key value` lines (clamd.conf(5)).
    pub(super) fn read(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once(char::is_whitespace) else { continue };
            let value = value.trim().trim_matches('"');
            let is_on = || matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "1");
            match key {
                "StreamMaxLength" => size_into(&mut read.stream_max, value),
                "MaxScanSize" => size_into(&mut read.scan_size, value),
                "MaxFileSize" => size_into(&mut read.file_size, value),
                "AlertExceedsMax" => read.alerts = is_on(),
                "ConcurrentDatabaseReload" => read.concurrent_reload = is_on(),
                "MaxThreads" => size_into(&mut read.threads, value),
                "LocalSocket" => read.socket = Some(value.to_owned()),
                "TCPSocket" => read.port = value.parse().ok(),
                _ => {}
            }
        }
        read
    }

    /// The limits against ours. `file` is where they stand, `max` the largest message that is sent there.
    pub(super) fn judge(&self, sheet: &mut Sheet, file: &str, max: u64, connections: u64) {
        let mend = |key: &str, value: &str| {
            let file = super::names::quoted(file);
            let line = format!("{key} {value}");
            Some(format!(
                "sed -i '/^[[:space:]]*{key}[[:space:]]/d' {file} && printf '%s\\n' '{line}' >> {file} && systemctl restart \
                 clamav-daemon"
            ))
        };
        let mut is_enough = true;
        for (key, limit, costs) in [
            (
                "StreamMaxLength",
                self.stream_max,
                "it refuses larger ones, and mailward treats that as a failure",
            ),
            ("MaxScanSize", self.scan_size, "what lies beyond is not looked at"),
            ("MaxFileSize", self.file_size, "a larger file is passed over"),
        ] {
            // 0 is no limit.
            if limit != 0 && limit < max {
                is_enough = false;
                let text = format!(
                    "{key} is {} and mailward sends messages up to {} (scanner.clamd.max_size): {costs}",
                    bytes(limit),
                    bytes(max)
                );
                sheet.warning("limits", text, mend(key, &max.to_string()));
            }
        }
        if is_enough {
            sheet.ok("limits", format!("clamd takes messages up to {}, all that mailward sends", bytes(max)));
        }
        if self.alerts {
            sheet.ok("alert_exceeds_max", "clamd says where it gave up (AlertExceedsMax)");
        } else {
            let text = "AlertExceedsMax is off: where clamd gives up half-way (a huge archive, an encrypted one) it says \
                        clean, and nobody learns that it did not look";
            sheet.warning("alert_exceeds_max", text, mend("AlertExceedsMax", "yes"));
        }
        if self.threads < connections {
            let text = format!(
                "MaxThreads is {} and mailward asks {connections} at once (scanner.clamd.connections): the others wait inside \
                 of clamd",
                self.threads
            );
            sheet.note("threads", text, mend("MaxThreads", &connections.to_string()));
        }
        if self.concurrent_reload {
            let text = "ConcurrentDatabaseReload is on: while clamd loads new signatures it holds two sets, about 2.5 GB in \
                        all; where memory is short the kernel ends it. Off, it answers late for a minute instead";
            sheet.note("memory", text, None);
        }
    }
}

/// `25M`, `1G`, `100`.
fn size_into(into: &mut u64, text: &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return,
    };
    if let Some(size) = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        *into = size;
    }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Clamd);
        ClamdConf::read(text).judge(&mut sheet, "/etc/clamd.conf", 25 << 20, 10);
        sheet.told()
    }

    #[test]
    fn limits_that_hold_all_that_we_send() {
        let text = "# StreamMaxLength 1M\nStreamMaxLength 25M\nMaxScanSize 0\nMaxFileSize 1G\nAlertExceedsMax yes\n\
                    ConcurrentDatabaseReload no\nLocalSocket /run/c\nTCPSocket 3310\n";
        assert_eq!(
            told(text),
            [
                "ok limits: clamd takes messages up to 26.2 MB, all that mailward sends",
                "ok alert_exceeds_max: clamd says where it gave up (AlertExceedsMax)",
            ]
        );
        let read = ClamdConf::read(text);
        assert_eq!((read.socket.as_deref(), read.port), (Some("/run/c"), Some(3310)));
    }

    #[test]
    fn limits_that_do_not() {
        let text = "StreamMaxLength 10M\nMaxScanSize 20M\nMaxFileSize 5M\nMaxThreads 4\n";
        let mend = |key: &str, value: &str| {
            format!(
                "sed -i '/^[[:space:]]*{key}[[:space:]]/d' /etc/clamd.conf && printf '%s\\n' '{key} {value}' >> \
                 /etc/clamd.conf && systemctl restart clamav-daemon"
            )
        };
        let told = told(text);
        let sent = "and mailward sends messages up to 26.2 MB (scanner.clamd.max_size)";
        assert_eq!(
            told[0],
            format!(
                "warning limits: StreamMaxLength is 10.5 MB {sent}: it refuses larger ones, and mailward treats that as \
                 a failure | {}",
                mend("StreamMaxLength", "26214400")
            )
        );
        assert!(told[1].starts_with("warning limits: MaxScanSize is 21.0 MB"), "{told:?}");
        assert!(told[2].starts_with("warning limits: MaxFileSize is 5.2 MB"), "{told:?}");
        assert!(told[3].ends_with(&mend("AlertExceedsMax", "yes")), "{told:?}");
        assert!(
            told[4].starts_with("note threads: MaxThreads is 4 and mailward asks 10 at once"),
            "{told:?}"
        );
        assert!(told[5].starts_with("note memory: ConcurrentDatabaseReload is on"), "{told:?}");
    }
}
