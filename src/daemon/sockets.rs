//! Opens the sockets of the configuration, or takes them from systemd, and knows which.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::DaemonError;
use super::activation::{self, Activation, Address, Inherited, Socket};
use crate::admin::{Bound, Listen};
use crate::config::Config;
use crate::intake::Listener;
use crate::intake::endpoint::Endpoint;

/// The sockets that are open, for `status` and for the end.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<Open>);

#[derive(Debug)]
struct Open {
    /// What it is for: one of the names in [`activation`].
    kind: &'static str,
    /// As the configuration writes it.
    address: String,
    /// systemd has it, too, and keeps it open.
    inherited: bool,
    /// Its file, where we have to remove it.
    file: Option<PathBuf>,
}

impl Sockets {
    /// Where the MTA speaks milter.
    pub(super) async fn milter(
        &mut self,
        config: &Config,
        activation: &mut Activation,
    ) -> Result<Vec<Listener>, DaemonError> {
        let given = activation.take(activation::MILTER);
        let mut listeners = Vec::new();
        for place in places(addressed(config.milter.listen.iter().cloned()), given, "milter.listen") {
            let (listener, inherited) = match place {
                Place::Own(endpoint) => (Listener::bind(&endpoint, &config.milter).await?, false),
                Place::Given(given) => (listener(given)?, true),
            };
            tracing::info!(endpoint = %listener, inherited, "takes mail");
            self.opened(activation::MILTER, listener.to_string(), inherited, None);
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// Where mail is handed over by LMTP; what systemd opened for that is left alone where it is off.
    pub(super) async fn lmtp(
        &mut self,
        config: &Config,
        activation: &mut Activation,
    ) -> Result<Vec<Listener>, DaemonError> {
        let Some(section) = config.lmtp.as_ref().filter(|section| section.enabled) else {
            return Ok(Vec::new());
        };
        let given = activation.take(activation::LMTP);
        let mut listeners = Vec::new();
        for place in places(addressed(section.endpoints()), given, "lmtp.listen") {
            let (listener, inherited) = match place {
                Place::Own(endpoint) => (Listener::bind(&endpoint, section).await?, false),
                Place::Given(given) => (listener(given)?, true),
            };
            tracing::info!(endpoint = %listener, relay = %section.relay, inherited, "takes mail over LMTP");
            self.opened(activation::LMTP, listener.to_string(), inherited, None);
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// The admin's door.
    pub(super) fn admin(
        &mut self,
        config: &Config,
        activation: &mut Activation,
    ) -> Result<Vec<Bound>, DaemonError> {
        let wanted = config.admin.listen.iter().map(|listen| {
            let address = match listen {
                Listen::Unix(path) => Address::Unix(path.clone()),
                Listen::Tcp(address) => Address::Tcp(*address),
            };
            (listen, address)
        });
        let mut doors = Vec::new();
        for place in places(wanted, activation.take(activation::ADMIN), "admin.listen") {
            let door = match place {
                Place::Own(listen) => {
                    let door = Bound::open(listen, &config.admin)?;
                    let file = listen.unix_path().map(ToOwned::to_owned);
                    self.opened(activation::ADMIN, listen.to_string(), false, file);
                    door
                }
                Place::Given(given) => {
                    let address = given.address().to_string();
                    tracing::info!(%address, inherited = true, "the admin's door");
                    self.opened(activation::ADMIN, address, true, None);
                    match given.socket {
                        Socket::Unix(listener) => Bound::Unix(listener),
                        Socket::Tcp(listener) => Bound::Tcp(listener),
                    }
                }
            };
            doors.push(door);
        }
        Ok(doors)
    }

    fn opened(&mut self, kind: &'static str, address: String, inherited: bool, file: Option<PathBuf>) {
        self.0.push(Open { kind, address, inherited, file });
    }

    /// Whether the MTA can connect while nobody accepts: every socket of this kind is systemd's as well.
    pub(super) fn outlive_us(&self, kind: &str) -> bool {
        let mut ours = self.0.iter().filter(|open| open.kind == kind).peekable();
        ours.peek().is_some() && ours.all(|open| open.inherited)
    }

    /// What `status` shows.
    pub(super) fn shown(&self) -> Value {
        let one =
            |open: &Open| json!({"kind": open.kind, "address": open.address, "inherited": open.inherited});
        self.0.iter().map(one).collect()
    }

    /// Removes the files of our own doors; those of systemd stay.
    pub(super) fn remove_files(&self) {
        for path in self.0.iter().filter_map(|open| open.file.as_ref()) {
            drop(std::fs::remove_file(path));
        }
    }
}

/// A place to listen at.
enum Place<T> {
    /// Ours to open.
    Own(T),
    /// Open already.
    Given(Inherited),
}

/// Every place of the configuration, and every inherited socket, once.
fn places<T>(
    wanted: impl Iterator<Item = (T, Address)>,
    mut given: Vec<Inherited>,
    key: &str,
) -> Vec<Place<T>> {
    let mut places = Vec::new();
    for (own, address) in wanted {
        match given.iter().position(|one| one.address().is(&address)) {
            Some(at) => places.push(Place::Given(given.remove(at))),
            None => places.push(Place::Own(own)),
        }
    }
    for one in given {
        tracing::warn!(
            address = %one.address(),
            "systemd hands over a socket that {key} does not name; it is served, too. Change the socket unit or the \
             configuration, so that both say the same"
        );
        places.push(Place::Given(one));
    }
    places
}

fn addressed(endpoints: impl Iterator<Item = Endpoint>) -> impl Iterator<Item = (Endpoint, Address)> {
    endpoints.map(|endpoint| {
        let address = match &endpoint {
            Endpoint::Unix(path) => Address::Unix(path.clone()),
            Endpoint::Inet(address) => Address::Tcp(*address),
        };
        (endpoint, address)
    })
}

fn listener(given: Inherited) -> Result<Listener, DaemonError> {
    let address = given.address().clone();
    let listener = match given.socket {
        Socket::Unix(listener) => Listener::from_std_unix(listener),
        Socket::Tcp(listener) => Listener::from_std_tcp(listener),
    };
    listener.map_err(|source| DaemonError::Inherited { address: address.to_string(), source })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn given(fd: impl Into<std::os::fd::OwnedFd>) -> Inherited {
        Inherited::new(activation::MILTER.to_owned(), fd.into()).unwrap()
    }

    #[test]
    fn an_inherited_socket_takes_its_own_place_and_no_other_and_none_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.sock");
        let (unix, tcp) = (UnixListener::bind(&path).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let extra = Address::Tcp(tcp.local_addr().unwrap());
        let other = Address::Tcp("127.0.0.1:1".parse().unwrap());
        let wanted = [("tcp", other), ("unix", Address::Unix(path.clone()))];
        let shown: Vec<String> = places(wanted.into_iter(), vec![given(tcp), given(unix)], "milter.listen")
            .into_iter()
            .map(|place| match place {
                Place::Own(name) => format!("opens {name}"),
                Place::Given(given) => format!("has {}", given.address()),
            })
            .collect();
        let unix = Address::Unix(path);
        assert_eq!(shown, ["opens tcp".to_owned(), format!("has {unix}"), format!("has {extra}")]);
    }

    #[test]
    fn new_sessions_can_wait_only_where_every_socket_of_their_kind_outlives_us() {
        let mut sockets = Sockets::default();
        sockets.opened(activation::ADMIN, "127.0.0.1:8890".into(), false, None);
        let outlive =
            |sockets: &Sockets| [activation::MILTER, activation::LMTP].map(|kind| sockets.outlive_us(kind));
        assert_eq!(outlive(&sockets), [false, false]);
        sockets.opened(activation::MILTER, "unix:/m".into(), true, None);
        assert_eq!(outlive(&sockets), [true, false]);
        sockets.opened(activation::LMTP, "inet:127.0.0.1:8024".into(), true, None);
        assert_eq!(outlive(&sockets), [true, true]);
        sockets.opened(activation::MILTER, "inet:127.0.0.1:8891".into(), false, None);
        assert_eq!(outlive(&sockets), [false, true]);
    }
}
