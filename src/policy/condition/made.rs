//! What is made of a message once, when a condition first asks for it.

use std::cell::OnceCell;

use super::super::Facts;
use crate::mail::header as words;
use crate::model::{Recipient, SeenUrl};

/// Things that several conditions look at and that are not cheap.
#[derive(Debug, Default)]
pub(in super::super) struct Made {
    links: OnceCell<Vec<Link>>,
    subject: OnceCell<String>,
    from: OnceCell<Vec<String>>,
    files: OnceCell<Vec<Named>>,
}

/// A file under one of its names: its position, and that of the name among the other ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) file: usize,
    pub(super) name: Option<usize>,
}

/// A link with its host.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) seen: SeenUrl,
    pub(super) host: String,
    pub(super) domain: String,
}

impl Made {
    /// The message's links.
    pub(super) fn links(&self, facts: &Facts<'_>) -> &[Link] {
        self.links.get_or_init(|| {
            let all = (0..facts.urls.count()).filter_map(|at| facts.urls.get(at));
            all.map(|seen| Link::new(seen.into_owned())).collect()
        })
    }

    /// The message's files. One that other programs save under a name with another extension is there under each
    /// such name: who asks for a name asks for what may become of the file.
    pub(super) fn files(&self, facts: &Facts<'_>) -> &[Named] {
        self.files.get_or_init(|| {
            let all = facts.attachments.iter().enumerate();
            all.flat_map(|(at, file)| {
                let others = (0..file.other_names.len()).map(Some);
                std::iter::once(None).chain(others).map(move |name| Named { file: at, name })
            })
            .collect()
        })
    }

    /// Its subject, decoded.
    pub(super) fn subject(&self, facts: &Facts<'_>) -> &str {
        self.subject.get_or_init(|| facts.subject.map(words::decode_words).unwrap_or_default())
    }

    /// The addresses of its From fields; none where there is no message.
    pub(super) fn from(&self, facts: &Facts<'_>) -> &[String] {
        self.from.get_or_init(|| {
            let Some(message) = facts.message else { return Vec::new() };
            let all = message.values("From").flat_map(words::addresses);
            all.filter(|a| !a.address.is_empty())
                .map(|a| Recipient::new(a.address).mailbox().to_owned())
                .collect()
        })
    }
}

impl Link {
    fn new(seen: SeenUrl) -> Self {
        let link = crate::link::Link::from_normal(&seen.url);
        let host = link.as_ref().map(|link| link.host_text().to_owned()).unwrap_or_default();
        let domain = match link.and_then(|link| link.ip()) {
            Some(_) => String::new(),
            None => crate::link::registrable(&host).unwrap_or_default().to_owned(),
        };
        Self { seen, host, domain }
    }
}
