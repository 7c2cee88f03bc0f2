//! Sockets that systemd opened before us and keeps open after us (sd_listen_fds(3)).
//!
//! What connects while mailward restarts waits in their queue and is served by the next one. Socket units say by
//! `FileDescriptorName=` what a socket is for: [`MILTER`], [`LMTP`] or [`ADMIN`]; several may have one name.
//!
//! **Contract.** An inherited socket takes the place of the configured one at the same address; every other address
//! of the configuration is opened as without systemd, so that nothing is closed because a socket unit was enabled.
//! An inherited socket that no configuration names is served too, and said. Mode, owner and file of an inherited
//! socket are systemd's. Descriptors are close-on-exec and non-blocking.
//!
//! **Failures.** A socket of an unknown name, one that does not listen, one that is no stream: a warning, and it is
//! closed. An admin socket on an address that is not loopback is refused in the same way.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use super::notify;

/// Where MTAs speak milter.
pub(super) const MILTER: &str = "milter";
/// Where mail is handed over by LMTP.
pub(super) const LMTP: &str = "lmtp";
/// The admin's door.
pub(super) const ADMIN: &str = "admin";

/// The most that are looked at: a mistake in `LISTEN_FDS` must not close what is not ours.
const MOST: usize = 4096;

/// What systemd handed over and nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Activation(Vec<Inherited>);

/// One socket that listens already.
#[derive(Debug)]
pub(super) struct Inherited {
    name: String,
    address: Address,
    /// The socket itself.
    pub(super) socket: Socket,
}

/// Either kind.
#[derive(Debug)]
pub(super) enum Socket {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP socket.
    Tcp(TcpListener),
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A path; empty for an abstract name, which nothing in a configuration can be.
    Unix(PathBuf),
    /// An address and port.
    Tcp(SocketAddr),
}

impl Activation {
    /// What the environment says is ours, checked. To be called once, before anything else opens files.
    pub(super) fn inherited() -> Self {
        // The variables stay as they are: LISTEN_PID names us alone, and no process that we start has our number.
        let (count, fds) = match sd_notify::listen_fds_with_names() {
            Ok(fds) => (fds.len(), fds),
            Err(error) => {
                tracing::warn!(%error, "the sockets that systemd hands over cannot be made out; own ones are opened");
                return Self::default();
            }
        };
        if count > MOST {
            tracing::warn!(
                count,
                most = MOST,
                "systemd hands over too many sockets; the last ones are not used"
            );
        }
        let owned = |(fd, name): (RawFd, String)| match own(fd) {
            // The last daemon's connections: systemd has them too, and we only let go of ours.
            Ok(_) if name == notify::LEFT => None,
            Ok(owned) => Some((name, owned)),
            Err(error) => {
                tracing::warn!(fd, name, %error, "a socket that systemd hands over cannot be used");
                None
            }
        };
        Self::of(fds.take(MOST).filter_map(owned))
    }

    /// Checks these.
    fn of(handed: impl Iterator<Item = (String, OwnedFd)>) -> Self {
        let checked = |(name, fd)| match Inherited::new(name, fd) {
            Ok(inherited) => Some(inherited),
            Err(refused) => {
                tracing::warn!("{refused}");
                None
            }
        };
        Self(handed.filter_map(checked).collect())
    }

    /// All of this name, in the order of the socket units.
    pub(super) fn take(&mut self, name: &str) -> Vec<Inherited> {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|one| one.name == name);
        self.0 = left;
        taken
    }

    /// Says what is left; it is closed.
    pub(super) fn finish(self) {
        for Inherited { name, address, .. } in self.0 {
            tracing::warn!(name, %address, "systemd hands over a socket that is not used: nothing here takes mail on it");
        }
    }
}

impl Inherited {
    /// Checks one.
    ///
    /// # Errors
    /// Why it is not used.
    pub(super) fn new(name: String, fd: OwnedFd) -> Result<Self, String> {
        let refused = |why: &str| {
            format!(
                "systemd hands over a socket named {name:?} that is not used: {why}; look at its socket unit"
            )
        };
        if ![MILTER, LMTP, ADMIN].contains(&name.as_str()) {
            return Err(refused("FileDescriptorName= must be milter, lmtp or admin"));
        }
        let failed = |error: io::Error| refused(&error.to_string());
        if socket_type(&fd).map_err(|e| failed(e.into()))? != SocketType::STREAM {
            return Err(refused("it is no stream (ListenStream=)"));
        }
        if !socket_acceptconn(&fd).map_err(|e| failed(e.into()))? {
            return Err(refused("it does not listen (Accept=no)"));
        }
        let (socket, address) = match socket_domain(&fd).map_err(|e| failed(e.into()))? {
            AddressFamily::UNIX => {
                let listener = UnixListener::from(fd);
                listener.set_nonblocking(true).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                let path = bound.as_pathname().map(Path::to_owned).unwrap_or_default();
                (Socket::Unix(listener), Address::Unix(path))
            }
            AddressFamily::INET | AddressFamily::INET6 => {
                let listener = TcpListener::from(fd);
                listener.set_nonblocking(true).map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                (Socket::Tcp(listener), Address::Tcp(address))
            }
            _ => return Err(refused("it is neither a unix nor a TCP socket")),
        };
        if let (ADMIN, Address::Tcp(address)) = (name.as_str(), &address)
            && !address.ip().is_loopback()
        {
            return Err(refused("the admin's door is not for the network, only for loopback addresses"));
        }
        Ok(Self { name, address, socket })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> &Address {
        &self.address
    }
}

impl Address {
    /// The same socket, by whatever path.
    pub(super) fn is(&self, other: &Self) -> bool {
        let identity = |path: &Path| {
            let found = std::fs::symlink_metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        match (self, other) {
            (Self::Unix(one), Self::Unix(two)) => {
                one == two || identity(one).is_some_and(|found| identity(two) == Some(found))
            }
            (one, two) => one == two,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) if path.as_os_str().is_empty() => f.write_str("unix:@"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "inet:{address}"),
        }
    }
}

/// Makes a number from the environment a descriptor that is ours.
///
/// Design note: to take a number's word for it is unsafe code, of which there is none here. The kernel can be asked
/// instead: what is sent to ourselves through a socket pair arrives as a new descriptor of the same socket, or the
/// number was of nothing. The old one is closed then.
fn own(fd: RawFd) -> io::Result<OwnedFd> {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    let (bytes, rights) = ([io::IoSlice::new(&[0])], [fd]);
    sendmsg::<()>(here.as_raw_fd(), &bytes, &[ControlMessage::ScmRights(&rights)], MsgFlags::empty(), None)?;
    let received = receive(&there)?;
    nix::unistd::close(fd)?;
    Ok(received)
}

/// The one descriptor that waits in a socket.
fn receive(socket: impl AsFd) -> io::Result<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [io::IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let rights = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    rights.ok_or_else(|| io::Error::other("it did not arrive"))
}

#[cfg(test)]
mod tests;
