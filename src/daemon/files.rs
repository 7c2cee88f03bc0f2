//! File descriptors: connections get as many as there are, but for those that mail in work needs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::notify::{Kind, Sight};

/// What is open besides connections of MTAs, at the most and with some room: the database, journal and quarantine,
/// scanners, the DNS, the admin's door.
const OTHERS: u64 = 500;

/// How the descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allotted {
    /// The most that the process may have open.
    limit: u64,
    /// Connections by milter at once.
    pub(super) milter: u32,
    /// Connections by LMTP at once.
    pub(super) lmtp: u32,
    /// Fewer than configured.
    is_less: bool,
}

impl Allotted {
    /// Raises the soft limit as far as the configuration needs it and the hard one lets it. Where that is not enough fewer
    /// connections are taken than configured: others wait in the listen queue, rather than that a message in work
    /// cannot be stored. Says so in the log.
    pub(super) fn of(config: &Config) -> Self {
        let milter = config.milter.max_connections;
        let lmtp = config.lmtp.as_ref().filter(|section| section.enabled).map_or(0, |l| l.max_connections);
        let needs = u64::from(milter) + u64::from(lmtp) + OTHERS;
        let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((soft, _)) if soft >= needs => soft,
            Ok((soft, hard)) => {
                let raised = needs.min(hard).max(soft);
                match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
                    Ok(()) => raised,
                    Err(error) => {
                        tracing::warn!(%error, "the limit of open files could not be raised");
                        soft
                    }
                }
            }
            Err(error) => {
                // A sandbox may forbid to ask.
                tracing::debug!(%error, "the limit of open files cannot be read");
                needs
            }
        };
        let allotted = share(limit, milter, lmtp);
        if let Some(sentence) = allotted.sentence() {
            tracing::warn!("{sentence}");
        }
        allotted
    }

    /// What is wrong with the limit, or with what is left of it just now. Opens a file.
    pub(super) fn sight(self) -> Sight {
        let none_left = std::fs::File::open("/dev/null").err().filter(is_lack).map(|_| {
            format!(
                "no file descriptor is left of {}: connections wait, mail that is to be held is put off. In the unit: LimitNOFILE=65536",
                getrlimit(Resource::RLIMIT_NOFILE).map_or(self.limit, |(soft, _)| soft)
            )
        });
        Sight { kind: Kind::DaemonTrouble, about: "files".to_owned(), trouble: none_left.or(self.sentence()) }
    }

    fn sentence(self) -> Option<String> {
        let Self { limit, milter, lmtp, is_less } = self;
        let lmtp = if lmtp > 0 { format!(" and {lmtp} by LMTP") } else { String::new() };
        is_less.then(|| {
            format!(
                "the daemon may open {limit} files, so {milter} connections are taken at once{lmtp}, fewer than max_connections; \
                 others wait. In the unit: LimitNOFILE=65536"
            )
        })
    }
}

/// Whether there are no more descriptors.
fn is_lack(error: &std::io::Error) -> bool {
    [nix::errno::Errno::EMFILE, nix::errno::Errno::ENFILE]
        .iter()
        .any(|e| error.raw_os_error() == Some(*e as i32))
}

/// What connections get of `limit`: all but [`OTHERS`], half of it at least.
fn share(limit: u64, milter: u32, lmtp: u32) -> Allotted {
    let wanted = u64::from(milter) + u64::from(lmtp);
    let room = limit.saturating_sub(OTHERS).max(limit / 2).max(2);
    if room >= wanted {
        return Allotted { limit, milter, lmtp, is_less: false };
    }
    let part = |of: u32| match of {
        0 => 0,
        of => u32::try_from(room * u64::from(of) / wanted).unwrap_or(of).max(1),
    };
    Allotted { limit, milter: part(milter), lmtp: part(lmtp), is_less: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_what_mail_in_work_needs() {
        let all = |limit| Allotted { limit, milter: 2000, lmtp: 200, is_less: false };
        assert_eq!(share(65_536, 2000, 200), all(65_536));
        assert_eq!(share(2_700, 2000, 200), all(2_700));
        let less = |limit, milter, lmtp| Allotted { limit, milter, lmtp, is_less: true };
        assert_eq!(share(1_600, 2000, 200), less(1_600, 1000, 100));
        assert_eq!(share(1_024, 2000, 0), less(1_024, 524, 0));
        assert_eq!(share(100, 2000, 0), less(100, 50, 0));
        assert_eq!(share(3, 2000, 200), less(3, 1, 1));
        assert_eq!(
            share(3, 2000, 200).sentence().unwrap().split(':').next(),
            Some(
                "the daemon may open 3 files, so 1 connections are taken at once and 1 by LMTP, fewer than max_connections; others wait. In the unit"
            )
        );
    }
}
