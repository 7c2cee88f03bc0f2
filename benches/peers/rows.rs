//! Who is measured, and how each is started.

use std::any::Any;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::mta::clamd::{self, Clamd};
use super::super::mta::guard::Dir;
use super::super::mta::rspamd::{self, Rspamd, Workers};
use super::super::mta::{Daemon, Dns, Plays, free_port};
use super::super::{Floor, links};
use super::mail::Press;
use super::{amavis, milters, mimedefang};

/// Where the DNS of all of them answers: programs that read resolv.conf ask port 53 only.
const NAMESERVER: Ipv4Addr = Ipv4Addr::new(127, 87, 53, 1);
/// Entries of the list of links.
const ENTRIES: usize = 200_000;
/// Processes that amavis and mimedefang may scan with.
pub(super) const WORKERS: usize = 4;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Nobody,
    Floor,
    Native,
    NativeAndBoth,
    Opendkim,
    InARow,
    Rspamd,
    RspamdAndClamd,
    Amavis,
    Mimedefang,
}

impl Who {
    pub(super) const ALL: [Self; 10] = [
        Self::Nobody,
        Self::Floor,
        Self::Native,
        Self::NativeAndBoth,
        Self::Opendkim,
        Self::InARow,
        Self::Rspamd,
        Self::RspamdAndClamd,
        Self::Amavis,
        Self::Mimedefang,
    ];

    /// As `--only` and the file of figures name it.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Floor => "floor",
            Self::Native => "mailward",
            Self::NativeAndBoth => "mailward-all",
            Self::Opendkim => "opendkim",
            Self::InARow => "in-a-row",
            Self::Rspamd => "rspamd",
            Self::RspamdAndClamd => "rspamd-clamd",
            Self::Amavis => "amavis",
            Self::Mimedefang => "mimedefang",
        }
    }

    /// As the table names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no filter",
            Self::Floor => "floor",
            Self::Native => "mailward",
            Self::NativeAndBoth => "mailward + rspamd + clamd",
            Self::Opendkim => "opendkim",
            Self::InARow => "opendkim + opendmarc + clamav-milter",
            Self::Rspamd => "rspamd's own milter",
            Self::RspamdAndClamd => "rspamd's own milter + clamd",
            Self::Amavis => "amavis + clamd",
            Self::Mimedefang => "mimedefang + clamd",
        }
    }

    /// Whether mail with a virus may not come through.
    pub(super) const fn stops_viruses(self) -> bool {
        !matches!(self, Self::Nobody | Self::Floor | Self::Opendkim | Self::Rspamd)
    }

    /// What is not installed for it, as a sentence.
    pub(super) fn missing(self) -> Option<String> {
        match self {
            Self::Nobody | Self::Floor | Self::Native => None,
            Self::NativeAndBoth | Self::RspamdAndClamd => rspamd::missing().or_else(clamd::missing),
            Self::Rspamd => rspamd::missing(),
            Self::Opendkim => milters::missing(&["opendkim"]),
            Self::InARow => {
                milters::missing(&["opendkim", "opendmarc", "clamav-milter"]).or_else(clamd::missing)
            }
            Self::Amavis => amavis::missing().or_else(clamd::missing),
            Self::Mimedefang => mimedefang::missing().or_else(clamd::missing),
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// If something of it is not installed, or does not answer in time.
    pub(super) fn start(self, world: &World) -> anyhow::Result<Running> {
        if let Some(missing) = self.missing() {
            anyhow::bail!("{missing}; benches/peers/install.sh installs it");
        }
        match self {
            Self::Nobody => Ok(Running::default()),
            Self::Floor => {
                let floor = Floor::start()?;
                let (endpoint, pid) = (floor.endpoint.clone(), floor.child.id());
                Ok(Running::milter(endpoint, vec![pid], None, floor))
            }
            Self::Native => {
                let daemon = mailward(world, "")?;
                Ok(Running::milter(daemon.endpoint(), vec![daemon.pid()], None, daemon))
            }
            Self::NativeAndBoth => {
                let rspamd = Rspamd::with_workers(world.dns.address(), Workers::Normal(processors()))?;
                let clamd = Clamd::start(&clamd::Options::default())?;
                let both = [
                    Plays::Rspamd.section(&rspamd.socket(), "8s", "tempfail"),
                    Plays::Clamd.section(&clamd.address(), "20s", "tempfail"),
                ];
                let daemon = mailward(world, &both.concat())?;
                let mut mains = rspamd.pids();
                mains.extend([clamd.pid(), daemon.pid()]);
                let log = Some(rspamd.log_file());
                Ok(Running::milter(daemon.endpoint(), mains, log, (daemon, rspamd, clamd)))
            }
            Self::Rspamd => {
                let rspamd = Rspamd::with_workers(world.dns.address(), Workers::Milter(processors()))?;
                let log = Some(rspamd.log_file());
                Ok(Running::milter(rspamd.milter(), rspamd.pids(), log, rspamd))
            }
            Self::RspamdAndClamd => {
                let clamd = Clamd::start(&clamd::Options::default())?;
                let workers = Workers::MilterAskingClamd(processors(), clamd.socket());
                let rspamd = Rspamd::with_workers(world.dns.address(), workers)?;
                let mut mains = rspamd.pids();
                mains.push(clamd.pid());
                let log = Some(rspamd.log_file());
                Ok(Running::milter(rspamd.milter(), mains, log, (rspamd, clamd)))
            }
            Self::Opendkim => milters::opendkim(world),
            Self::InARow => milters::in_a_row(world),
            Self::Amavis => amavis::start(world),
            Self::Mimedefang => mimedefang::start(world),
        }
    }
}

/// mailward with everything of its own on: YARA, authentication, links and feeds, policy, audit, quarantine.
fn mailward(world: &World, more: &str) -> anyhow::Result<Daemon> {
    links::daemon_with(ENTRIES, &format!("{}{more}", world.dns.section()))
}

/// As many workers as rspamd is given, behind mailward and as a milter.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A filter that runs; dropped = ended.
#[derive(Default)]
pub(super) struct Running {
    /// What its port of Postfix is told.
    pub(super) options: Vec<(&'static str, String)>,
    /// Its processes; what is below them counts, too.
    pub(super) mains: Vec<u32>,
    /// A log that tells of each message.
    pub(super) log: Option<PathBuf>,
    /// What it consists of.
    pub(super) parts: Vec<Box<dyn Any>>,
}

impl Running {
    fn milter(endpoint: String, mains: Vec<u32>, log: Option<PathBuf>, parts: impl Any) -> Self {
        Self { options: vec![("smtpd_milters", endpoint)], mains, log, parts: vec![Box::new(parts)] }
    }
}

/// What all of them are given.
pub(super) struct World {
    pub(super) press: Press,
    /// Knows the sender's domain and nothing else.
    pub(super) dns: Dns,
    pub(super) nameserver: Ipv4Addr,
    /// Where a filter before the queue hands mail back to Postfix.
    pub(super) reinjection: u16,
    resolv: PathBuf,
    _dir: Dir,
}

impl World {
    /// # Errors
    /// If port 53 is not to be had: for root only, and only if nobody serves all addresses.
    pub(super) fn new() -> anyhow::Result<Self> {
        let press = Press::new()?;
        let dns = Dns::serving_on((NAMESERVER, 53).into(), &press.zone())
            .context("programs that read resolv.conf need a DNS on port 53; run this as root")?;
        let dir = Dir::new("peers")?;
        let resolv = dir.path().join("resolv.conf");
        std::fs::write(&resolv, format!("nameserver {NAMESERVER}\noptions timeout:2 attempts:2\n"))?;
        Ok(Self { press, dns, nameserver: NAMESERVER, reinjection: free_port()?, resolv, _dir: dir })
    }

    /// The file that stands in for a program's own.
    pub(super) fn over(&self) -> Vec<(&Path, &'static str)> {
        vec![(&self.resolv, "/etc/resolv.conf")]
    }
}
