//! The servers that are asked, or the file that is asked instead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::{DnsError, Kind, Record, Zone};
use crate::telemetry::Metrics;

/// The most records of one answer that are looked at.
const MAX_RECORDS: usize = 200;
/// The longest a positive answer is kept, whatever its TTL says: a key that was withdrawn should not
/// verify for days.
const LONGEST_POSITIVE: Duration = Duration::from_hours(24);
/// The longest that "there is nothing" is kept.
const LONGEST_NEGATIVE: Duration = Duration::from_mins(15);

/// How the DNS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers in the order in which they are asked; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one server gets for one answer.
    pub timeout: Duration,
    /// How often a question is asked before it has failed, at least once.
    pub attempts: u32,
    /// The most answers that are kept.
    pub cache: u64,
}

/// Answers questions.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    metrics: Arc<Metrics>,
}

enum Source {
    Servers(Box<TokioResolver>),
    File(Box<Zone>),
    /// There is nobody to ask; why.
    Nobody(String),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Servers(_) => "Servers",
            Self::File(_) => "File",
            Self::Nobody(_) => "Nobody",
        })
    }
}

impl Resolver {
    /// A resolver that asks servers. Where the system's list is to be used and cannot be read there is
    /// nobody to ask: every question fails, and [`Self::probe`] says why.
    #[must_use]
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let source = servers(settings).unwrap_or_else(|error| {
            Source::Nobody(format!(
                "the system's DNS servers cannot be found ({error}); name some in dns.servers"
            ))
        });
        Self { source, metrics }
    }

    /// A resolver that asks nobody and answers from a file.
    #[must_use]
    pub fn of_zone(zone: Zone, metrics: Arc<Metrics>) -> Self {
        Self { source: Source::File(Box::new(zone)), metrics }
    }

    /// Whether a server answers at all: asks for the root's name servers' addresses in effect, by way of
    /// a name that always exists.
    ///
    /// # Errors
    /// If no server answers.
    pub async fn probe(&self) -> Result<(), DnsError> {
        match self.records("localhost.", Kind::A).await {
            Err(error) if error.is_temporary() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn records(&self, question: &str, kind: Kind) -> Result<Vec<Record>, DnsError> {
        match &self.source {
            Source::File(zone) => zone.records(question, kind),
            Source::Nobody(why) => Err(DnsError::Failed(why.clone())),
            Source::Servers(resolver) => {
                // By labels: read as text, a name with odd characters would be refused or taken apart.
                let labels = question.trim_end_matches('.').split('.').map(str::as_bytes);
                let mut name = Name::from_labels(labels).map_err(|_| DnsError::NotAName)?;
                name.set_fqdn(true);
                let found = resolver.lookup(name, record_type(kind)).await;
                let found = found.map_err(|error| reason(&error))?;
                Ok(found.answers().iter().take(MAX_RECORDS).filter_map(|r| record(&r.data)).collect())
            }
        }
    }

    pub(super) fn count(&self, answer: Result<(), &DnsError>) {
        let label = answer.map_or_else(DnsError::label, |()| "found");
        self.metrics.dns_questions.with_label_values(&[label]).inc();
    }
}

fn servers(settings: &Settings) -> Result<Source, NetError> {
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = settings.servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    tune(builder.options_mut(), settings);
    Ok(Source::Servers(Box::new(builder.build()?)))
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = connections.into();
    server
}

fn tune(options: &mut ResolverOpts, settings: &Settings) {
    options.timeout = settings.timeout;
    // The library counts the tries after the first.
    options.attempts = settings.attempts.saturating_sub(1) as usize;
    options.cache_size = settings.cache;
    options.ndots = 0;
    options.edns0 = true;
    options.try_tcp_on_error = true;
    // Mail is judged by the public DNS, not by this machine's hosts file.
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(LONGEST_POSITIVE);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE);
    // One mail with ten signatures asks more than the library lets through by itself.
    options.max_active_requests = 1024;
}

const fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Txt => RecordType::TXT,
    }
}

fn record(data: &RData) -> Option<Record> {
    Some(match data {
        RData::A(ip) => Record::A(ip.0),
        RData::AAAA(ip) => Record::Aaaa(ip.0),
        RData::MX(mx) => Record::Mx(mx.preference, mx.exchange.to_ascii().to_ascii_lowercase()),
        RData::PTR(name) => Record::Ptr(name.0.to_ascii().to_ascii_lowercase()),
        RData::TXT(text) => Record::Txt(text.txt_data.iter().flat_map(|s| s.iter().copied()).collect()),
        _ => return None,
    })
}

fn reason(error: &NetError) -> DnsError {
    match error {
        NetError::Dns(HickoryError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsError::NoName,
            ResponseCode::NoError => DnsError::NoRecords,
            other => DnsError::Failed(other.to_string()),
        },
        NetError::Timeout => DnsError::TimedOut,
        other => DnsError::Failed(other.to_string()),
    }
}
