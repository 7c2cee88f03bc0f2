//! A web server at every address of the machine, which notes who came to which: for namespaces, see `netns`.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Somebody came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// To which address and port.
    pub at: SocketAddr,
    /// The request's head, as it was sent; of TLS or a proxy's client, what was sent first.
    pub head: String,
}

impl Visit {
    /// `HEAD http://bit.ly/a`, by the Host field.
    pub fn asked(&self) -> String {
        let mut lines = self.head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let host = lines.find_map(|line| line.strip_prefix("host: ").or_else(|| line.strip_prefix("Host: ")));
        format!("{method} http://{}{path}", host.unwrap_or_default())
    }
}

/// It serves until the process ends.
#[derive(Clone, Default)]
pub struct Web {
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Web {
    /// Listens at `ports` and answers what `says` says to a visit: a response, head and body.
    pub fn start(ports: &[u16], says: impl Fn(&Visit) -> String + Send + Sync + 'static) -> Self {
        let web = Self::default();
        let says = Arc::new(says);
        for port in ports {
            // For both families.
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).unwrap();
            let (web, says) = (web.clone(), Arc::clone(&says));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (web, says) = (web.clone(), Arc::clone(&says));
                    std::thread::spawn(move || drop(web.serve(stream, &*says)));
                }
            });
        }
        web
    }

    /// Who came so far.
    pub fn visits(&self) -> Vec<Visit> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Addresses that somebody came to, each once.
    pub fn visited(&self) -> Vec<SocketAddr> {
        let mut visited: Vec<SocketAddr> = self.visits().iter().map(|visit| visit.at).collect();
        visited.sort();
        visited.dedup();
        visited
    }

    fn serve(&self, mut stream: TcpStream, says: &dyn Fn(&Visit) -> String) -> std::io::Result<()> {
        let local = stream.local_addr()?;
        let at = SocketAddr::new(IpAddr::to_canonical(&local.ip()), local.port());
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => head.extend_from_slice(&buffer[..length]),
            }
        }
        let visit = Visit { at, head: String::from_utf8_lossy(&head).into_owned() };
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).push(visit.clone());
        stream.write_all(says(&visit).as_bytes())
    }
}
