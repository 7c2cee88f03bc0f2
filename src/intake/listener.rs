//! A socket on which an MTA connects.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Gid, Group};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::endpoint::Endpoint;
use super::stream::Stream;
use crate::model::SocketMode;

/// Connections that may wait to be accepted; the kernel caps it at its own limit.
const BACKLOG: u32 = 1024;

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process answers on the path.
    #[error("{} is in use: another process answers on it; stop that one first", .0.display())]
    InUse(PathBuf),
    /// The path holds something that is not a socket.
    #[error("{} exists and is no socket; move it away, or change {section}.listen", path.display())]
    NotASocket {
        /// Where.
        path: PathBuf,
        /// The section of the configuration that names it.
        section: &'static str,
    },
    /// The folder of the socket is not there.
    #[error("the folder of {} does not exist; create it so that mailward can write it and the MTA can enter it", .0.display())]
    NoFolder(PathBuf),
    /// The kernel refused.
    #[error("could not {what} {endpoint}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        endpoint: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Who may use a unix socket of ours.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The section of the configuration that says so.
    pub section: &'static str,
    /// Its permissions.
    pub mode: SocketMode,
    /// The group that it is given; empty leaves it as it is.
    pub group: &'a str,
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    endpoint: Arc<str>,
    /// The socket's file if we made it.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who connected to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Somebody whom the socket's mode lets in.
    Unix,
    /// An address, IPv4-mapped IPv6 turned into IPv4.
    Tcp(IpAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("unix"),
            Self::Tcp(ip) => ip.fmt(f),
        }
    }
}

impl Listener {
    /// Opens `endpoint`. A unix socket that is left over from before is removed if nobody answers on
    /// it, and gets mode and group that `access` names.
    ///
    /// # Errors
    /// If the socket cannot be opened, or belongs to another process that runs.
    pub async fn bind<'a>(endpoint: &Endpoint, access: impl Into<Access<'a>>) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Inet(addr) => Self::bind_tcp(*addr),
            Endpoint::Unix(path) => Self::bind_unix(path, &access.into()).await,
        }
    }

    /// Takes a TCP socket that listens already (socket activation).
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn from_std_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let endpoint = listener.local_addr().map_or_else(|_| "inet:?".to_owned(), |a| format!("inet:{a}"));
        Ok(Self {
            socket: Socket::Tcp(TcpListener::from_std(listener)?),
            endpoint: endpoint.into(),
            _file: None,
        })
    }

    /// Takes a unix socket that listens already (socket activation); its file is left alone.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn from_std_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr().ok();
        let path = addr.as_ref().and_then(|a| a.as_pathname()).map(|p| p.display().to_string());
        let endpoint = format!("unix:{}", path.as_deref().unwrap_or("?"));
        Ok(Self {
            socket: Socket::Unix(UnixListener::from_std(listener)?),
            endpoint: endpoint.into(),
            _file: None,
        })
    }

    /// The address of a TCP socket: tells the port where 0 was asked for.
    #[must_use]
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Where it listens, as the configuration writes it.
    pub(super) fn endpoint(&self) -> Arc<str> {
        Arc::clone(&self.endpoint)
    }

    fn bind_tcp(addr: SocketAddr) -> Result<Self, BindError> {
        let endpoint = format!("inet:{addr}");
        let open = || {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            socket.listen(BACKLOG)
        };
        match open() {
            Ok(listener) => {
                Ok(Self { socket: Socket::Tcp(listener), endpoint: endpoint.into(), _file: None })
            }
            Err(source) => Err(BindError::Io { what: "listen on", endpoint, source }),
        }
    }

    async fn bind_unix(path: &Path, access: &Access<'_>) -> Result<Self, BindError> {
        let endpoint = format!("unix:{}", path.display());
        let failed = |what| {
            let endpoint = endpoint.clone();
            move |source| BindError::Io { what, endpoint, source }
        };
        remove_stale(path, access.section).await?;
        let listener = UnixListener::bind(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BindError::NoFolder(path.to_owned()),
            io::ErrorKind::AddrInUse => BindError::InUse(path.to_owned()),
            _ => failed("listen on")(source),
        })?;
        let identity = identity(path).map_err(failed("look at"))?;
        let file = SocketFile { path: path.to_owned(), identity };
        hand_to_group(path, access);
        let SocketMode(mode) = access.mode;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(failed("set the mode of"))?;
        Ok(Self { socket: Socket::Unix(listener), endpoint: endpoint.into(), _file: Some(file) })
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, addr) = listener.accept().await?;
                // Replies are small and the MTA waits for each.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                Ok((Stream::Tcp(stream), Peer::Tcp(addr.ip().to_canonical())))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint)
    }
}

/// Removes a socket file on which nobody answers.
async fn remove_stale(path: &Path, section: &'static str) -> Result<(), BindError> {
    let endpoint = || format!("unix:{}", path.display());
    let failed = |what| move |source| BindError::Io { what, endpoint: endpoint(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned(), section });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "a socket was left over from before; it is replaced");
            std::fs::remove_file(path).map_err(failed("remove the old"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It answers, or its queue is full: somebody is there.
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::InUse(path.to_owned())),
        Err(error) => Err(failed("find out whether somebody answers on")(error)),
    }
}

/// Gives the socket to the MTA's group, unless it has it: a folder with the set-group-id bit hands its
/// group down, and where the unit forbids chown that is the only way. Where it fails the daemon still
/// starts, because another socket may do, and says what is wrong.
fn hand_to_group(path: &Path, access: &Access<'_>) {
    let Access { section, group, .. } = *access;
    if group.is_empty() {
        return;
    }
    let path_shown = path.display();
    match Group::from_name(group) {
        Ok(Some(found)) if has_group(path, found.gid) => {}
        Ok(Some(found)) => {
            if let Err(error) = std::os::unix::fs::chown(path, None, Some(found.gid.as_raw())) {
                tracing::warn!(path = %path_shown, group, %error, "the socket could not be given to its group: is mailward's user a member? The MTA may not be able to connect");
            }
        }
        Ok(None) => {
            tracing::warn!(path = %path_shown, group, "there is no such group ({section}.socket_group); the MTA may not be able to connect");
        }
        Err(error) => {
            tracing::warn!(path = %path_shown, group, %error, "the group could not be looked up ({section}.socket_group)");
        }
    }
}

fn has_group(path: &Path, group: Gid) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.gid() == group.as_raw())
}

/// The file of our own socket: removed with it, unless another one took its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device and inode of a file.
type Identity = (u64, u64);

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = identity(&self.path).is_ok_and(|now| now == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "our socket could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    const ANY: Access<'_> = Access { section: "test", mode: SocketMode(0o600), group: "" };

    #[test]
    fn a_socket_that_has_its_group_already_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("milter.sock");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let own = Gid::from_raw(std::fs::metadata(&path).unwrap().gid());
        assert!(has_group(&path, own));
        assert!(!has_group(&path, Gid::from_raw(own.as_raw() + 1)));
        assert!(!has_group(&folder.path().join("none"), own));
        // No change at all: not even the time of the last one moves.
        let changed = || std::fs::metadata(&path).map(|m| (m.ctime(), m.ctime_nsec())).unwrap();
        let before = changed();
        let Ok(Some(group)) = Group::from_gid(own) else { return };
        std::thread::sleep(std::time::Duration::from_millis(20));
        hand_to_group(&path, &Access { group: &group.name, ..ANY });
        assert_eq!(changed(), before);
        // Proof that a chown would have shown, even one that changes nothing.
        chown(&path, None, Some(own.as_raw())).unwrap();
        assert_ne!(changed(), before);
    }

    #[tokio::test]
    async fn replies_on_tcp_leave_at_once() {
        let any = Endpoint::Inet("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any, ANY).await.unwrap();
        let addr = listener.tcp_addr().unwrap();
        let (client, accepted) = tokio::join!(tokio::net::TcpStream::connect(addr), listener.accept());
        let (Stream::Tcp(stream), peer) = accepted.unwrap() else { panic!("accepted on TCP") };
        assert_eq!((stream.nodelay().unwrap(), peer), (true, Peer::Tcp("127.0.0.1".parse().unwrap())));
        assert_eq!(&*listener.endpoint(), "inet:127.0.0.1:0");
        drop(client);
    }
}
