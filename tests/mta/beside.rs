//! The neighbours that are installed here, each a private instance, and mailward's configuration with them.
//!
//! **Contract.** What is installed is started; what is not is told with how to get it. Ended on drop.
//!
//! **Failures.** One that is installed and does not start is told, too, and left out: the others still run.

use std::net::SocketAddr;

use super::clamd::{self, Clamd};
use super::neighbour::Plays;
use super::rspamd::{self, Rspamd};

/// Neighbours that run.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    rspamd: Option<Rspamd>,
    clamd: Option<Clamd>,
    /// One line on each.
    pub(crate) told: Vec<String>,
}

impl Beside {
    /// Starts what is installed; `dns` is whom rspamd asks.
    pub(crate) fn start(dns: SocketAddr) -> Self {
        let mut beside = Self::default();
        beside.rspamd = beside.one(Plays::Rspamd, rspamd::missing(), || Rspamd::asking(dns), Rspamd::socket);
        beside.clamd = beside.one(
            Plays::Clamd,
            clamd::missing(),
            || Clamd::start(&clamd::Options::default()),
            Clamd::address,
        );
        beside
    }

    fn one<T>(
        &mut self,
        who: Plays,
        missing: Option<String>,
        start: impl FnOnce() -> anyhow::Result<T>,
        address: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let name = who.name();
        if let Some(missing) = missing {
            self.told.push(format!(
                "{name:<7} is not asked, {missing}: apt-get install {} as root, or tests/mta/install.sh",
                who.packages()
            ));
            return None;
        }
        match start() {
            Ok(running) => {
                self.told.push(format!(
                    "{name:<7} is asked about every mail: a private one at {}",
                    address(&running)
                ));
                Some(running)
            }
            Err(error) => {
                let why = format!("{error:#}");
                let why = why.lines().next().unwrap_or_default();
                self.told.push(format!(
                    "{name:<7} is installed and does not start, mail is judged without it: {why}"
                ));
                None
            }
        }
    }

    /// The sections of mailward's configuration that ask them.
    pub(crate) fn sections(&self) -> String {
        let rspamd = self.rspamd.as_ref().map(|one| Plays::Rspamd.section(&one.socket(), "8s", "tempfail"));
        let clamd = self.clamd.as_ref().map(|one| Plays::Clamd.section(&one.address(), "20s", "tempfail"));
        [rspamd, clamd].into_iter().flatten().collect()
    }
}
