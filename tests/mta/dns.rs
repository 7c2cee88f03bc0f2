//! A DNS server that knows of nothing: what asks it asks nobody else.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

/// Answers every question with NXDOMAIN, on a UDP port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub(crate) struct NoNames {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl NoNames {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free UDP port on 127.0.0.1")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let address = socket.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = buffer.get(..length).and_then(no_such_name) {
                    drop(socket.send_to(&answer, from));
                }
            }
        });
        Ok(Self { address, ended })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NoNames {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// The answer to a question (RFC 1035 §4.1): its id and question, and that there is no such name.
fn no_such_name(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut end = HEADER;
    loop {
        let label = usize::from(*question.get(end)?);
        end += 1 + label;
        if label == 0 {
            break;
        }
    }
    let mut answer = question.get(..2)?.to_vec();
    // A response, recursion available, NXDOMAIN; one question, nothing else.
    answer.extend_from_slice(&[0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
    answer.extend_from_slice(question.get(HEADER..end + 4)?);
    Some(answer)
}
