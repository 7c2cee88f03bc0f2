//! Sockets as systemd would hand them over.

use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use super::*;

fn named(name: &str, fd: impl Into<OwnedFd>) -> (String, OwnedFd) {
    (name.to_owned(), fd.into())
}

fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn addresses(taken: &[Inherited]) -> Vec<&Address> {
    taken.iter().map(Inherited::address).collect()
}

#[test]
fn sockets_are_taken_by_their_name_in_order_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("milter.sock");
    let (tcp, door) = (loopback(), loopback());
    let (tcp_at, door_at) = (tcp.local_addr().unwrap(), door.local_addr().unwrap());
    let unix = UnixListener::bind(&path).unwrap();
    let handed = [named(MILTER, unix), named(ADMIN, door), named(MILTER, tcp)];
    let mut activation = Activation::of(handed.into_iter());
    assert_eq!(addresses(&activation.take(MILTER)), [&Address::Unix(path), &Address::Tcp(tcp_at)]);
    assert!(activation.take(MILTER).is_empty() && activation.take(LMTP).is_empty());
    assert_eq!(addresses(&activation.take(ADMIN)), [&Address::Tcp(door_at)]);
    activation.finish();
}

#[test]
fn what_is_no_listening_stream_of_a_known_name_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let datagrams = UnixDatagram::bind(dir.path().join("d")).unwrap();
    let (stream, _other) = UnixStream::pair().unwrap();
    let file = std::fs::File::open(dir.path()).unwrap();
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let why = |name: &str, fd: OwnedFd| Inherited::new(name.to_owned(), fd).unwrap_err();
    for (name, fd, reason) in [
        (MILTER, OwnedFd::from(datagrams), "it is no stream (ListenStream=)"),
        (MILTER, stream.into(), "it does not listen (Accept=no)"),
        ("smtp", loopback().into(), "FileDescriptorName= must be milter, lmtp or admin"),
        (ADMIN, open.into(), "the admin's door is not for the network, only for loopback addresses"),
    ] {
        let said = why(name, fd);
        let expected = format!(
            "systemd hands over a socket named {name:?} that is not used: {reason}; look at its socket unit"
        );
        assert_eq!(said, expected);
    }
    assert!(why(MILTER, file.into()).contains("non-socket"));
}

#[test]
fn a_milter_socket_may_be_for_the_network() {
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    assert!(Inherited::new(MILTER.to_owned(), open.into()).is_ok());
}

#[test]
fn one_socket_under_two_paths_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("run"), dir.path().join("var-run"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let _one = UnixListener::bind(real.join("a.sock")).unwrap();
    let _two = UnixListener::bind(real.join("b.sock")).unwrap();
    let at = |folder: &Path, name: &str| Address::Unix(folder.join(name));
    assert!(at(&real, "a.sock").is(&at(&link, "a.sock")));
    assert!(!at(&real, "a.sock").is(&at(&link, "b.sock")));
    assert!(!at(&real, "a.sock").is(&at(&real, "none")));
}

#[test]
fn a_number_becomes_a_descriptor_of_the_same_socket() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    // The number is given away: nobody else closes it.
    let number = std::os::fd::IntoRawFd::into_raw_fd(listener);
    let owned = own(number).unwrap();
    let inherited = Inherited::new(MILTER.to_owned(), owned).unwrap();
    assert_eq!(inherited.address(), &Address::Tcp(address));
    std::net::TcpStream::connect(address).unwrap();
    let Socket::Tcp(listener) = inherited.socket else { panic!("a TCP socket") };
    let flags = rustix::io::fcntl_getfd(&listener).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    drop(listener);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_number_of_nothing_is_an_error() {
    assert!(own(RawFd::MAX).is_err());
}
