//! A next server that answers as a test tells it, and writes down what it is sent.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// What it says to a line that begins so, instead of yes. `hang up` and `hang` are no replies.
type Says = HashMap<String, String>;

/// A running one.
pub(super) struct Next {
    says: Arc<Mutex<Says>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Next {
    pub(super) fn start(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (says, taken) = (Arc::<Mutex<Says>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let own = (Arc::clone(&says), Arc::clone(&taken));
        #[expect(clippy::disallowed_methods, reason = "a test's own server")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = (Arc::clone(&own.0), Arc::clone(&own.1));
                tokio::spawn(async move { drop(session(stream, &own.0, &own.1).await) });
            }
        });
        Self { says, taken }
    }

    /// To a line that begins with `line` it says `reply`; `. 2` is the second answer to the dot.
    pub(super) fn says(&self, line: &str, reply: &str) {
        self.says.lock().unwrap().insert(line.to_owned(), reply.to_owned());
    }

    /// The envelopes and messages that came to their end.
    pub(super) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

async fn session(stream: UnixStream, says: &Mutex<Says>, taken: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 next\r\n").await?;
    let (mut lmtp, mut accepted, mut all) = (false, 0, String::new());
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let told = || {
            let says = says.lock().unwrap();
            says.iter().find(|(begin, _)| line.starts_with(begin.as_str())).map(|(_, reply)| reply.clone())
        };
        let told = told();
        if told.as_deref() == Some("hang up") {
            return Ok(());
        }
        if told.as_deref() == Some("hang") {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let reply = match line.get(..4) {
            Some("LHLO") => {
                lmtp = true;
                told.unwrap_or_else(|| "250-next\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned())
            }
            Some("RCPT") => {
                accepted += usize::from(told.as_ref().is_none_or(|reply| reply.starts_with("250")));
                told.unwrap_or_else(|| "250 ok".to_owned())
            }
            Some("DATA") => "354 go".to_owned(),
            Some("QUIT") => "221 bye".to_owned(),
            _ => told.unwrap_or_else(|| "250 ok".to_owned()),
        };
        if !line.starts_with("LHLO") && !line.starts_with("EHLO") && !line.starts_with("QUIT") {
            all.push_str(&line);
        }
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        let is_data = line.starts_with("DATA");
        line.clear();
        if !is_data {
            continue;
        }
        while stream.read_line(&mut line).await? > 0 && line != ".\r\n" {
            all.push_str(&line);
            line.clear();
        }
        line.clear();
        for n in 1..=if lmtp { accepted } else { 1 } {
            let told = says.lock().unwrap().get(&format!(". {n}")).cloned();
            match told.as_deref() {
                Some("hang up") => return Ok(()),
                Some("hang") => tokio::time::sleep(Duration::from_secs(60)).await,
                _ => {}
            }
            let reply = told.unwrap_or_else(|| format!("250 2.6.0 taken {n}"));
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        taken.lock().unwrap().push(std::mem::take(&mut all));
        accepted = 0;
    }
    Ok(())
}
