//! Where the admin's door is, and opening it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::Host;
use crate::model::SocketMode;

/// `[admin]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen: `unix:/path` for everything, a loopback `address:port` for health, and for the
    /// rest with a token.
    pub listen: Vec<Listen>,
    /// Names under which the TCP port may be asked besides those of this machine's loopback.
    pub hosts: Vec<Host>,
    /// Permissions of the unix socket, in octal. Who can open it can do everything.
    pub socket_mode: SocketMode,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                Listen::Unix(PathBuf::from("/run/mailward/admin.sock")),
                Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8890))),
            ],
            hosts: Vec::new(),
            socket_mode: SocketMode(0o660),
        }
    }
}

/// One address of the admin's door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A unix socket.
    Unix(PathBuf),
    /// A loopback TCP address.
    Tcp(SocketAddr),
}

impl Listen {
    /// The path of a unix socket.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp(_) => None,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(format!("{text:?} needs an absolute path after \"unix:\""));
            }
            return Ok(Self::Unix(path));
        }
        let address: SocketAddr = text.strip_prefix("inet:").unwrap_or(text).parse().map_err(|_| {
            format!("{text:?} is neither \"unix:/path\" nor an address such as \"127.0.0.1:8890\"")
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{text:?} is not a loopback address; the admin's door is not for the network"
            ));
        }
        Ok(Self::Tcp(address))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why the admin's door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers on that socket.
    #[error("another process answers on {0}; is mailward running already?")]
    Busy(String),
    /// Something that is no socket is in the way.
    #[error("{0} exists and is no socket; move it away or change admin.listen")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// An open door.
#[derive(Debug)]
pub enum Bound {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl Bound {
    /// Opens `listen`. A stale unix socket – nobody answers on it – is removed first.
    ///
    /// # Errors
    /// If somebody answers there, something else is in the way, or the system refuses.
    pub fn open(listen: &Listen, config: &Config) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Io { address: listen.to_string(), source };
        match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Self::Tcp(listener))
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(failed)?;
                }
                let listener = UnixListener::bind(path).map_err(failed)?;
                let SocketMode(mode) = config.socket_mode;
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Self::Unix(listener))
            }
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Io { address: path.display().to_string(), source };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Busy(format!("unix:{}", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(e) => Err(failed(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_opens_to_loopback_only() {
        assert!("127.0.0.1:8890".parse::<Listen>().is_ok());
        assert!("[::1]:8890".parse::<Listen>().is_ok());
        assert!("0.0.0.0:8890".parse::<Listen>().is_err());
        assert!("unix:admin.sock".parse::<Listen>().is_err());
    }

    #[test]
    fn a_stale_socket_is_removed_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen::Unix(dir.path().join("admin.sock"));
        let config = Config::default();
        let open = Bound::open(&listen, &config).unwrap();
        assert!(matches!(Bound::open(&listen, &config), Err(ListenError::Busy(_))));
        drop(open);
        assert!(Bound::open(&listen, &config).is_ok());
        fs::write(dir.path().join("file"), "x").unwrap();
        let file = Listen::Unix(dir.path().join("file"));
        assert!(matches!(Bound::open(&file, &config), Err(ListenError::NotASocket(_))));
    }
}
