//! What went wrong on the way, in words for people.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError};

use super::Patience;
use crate::model::{Span, text};

/// Why there is no answer, or only a part of one.
pub(super) fn why(error: &reqwest::Error, patience: Patience) -> String {
    let seconds = |of: std::time::Duration| Span::seconds(of.as_secs());
    if let Some(tls) = tls(error) {
        return certificate(tls);
    }
    let root = text::line(&root(error), 200);
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => format!("there was no connection within {}", seconds(patience.connect)),
        (true, false) => format!("nothing came for {}", seconds(patience.silence)),
        (false, true) => format!("there is no connection: {root}"),
        (false, false) if error.is_body() || error.is_decode() => {
            format!("the answer broke off before its end: {root}")
        }
        (false, false) => format!("there is no answer that can be read: {root}"),
    }
}

/// The TLS error among the causes.
fn tls(error: &reqwest::Error) -> Option<&TlsError> {
    let mut next = error.source();
    while let Some(cause) = next {
        let found = cause.downcast_ref().or_else(|| cause.downcast_ref().and_then(held));
        if found.is_some() {
            return found;
        }
        next = cause.source();
    }
    None
}

/// What an [`io::Error`] holds is not its source; and it may hold another one.
fn held(error: &io::Error) -> Option<&TlsError> {
    let inside = error.get_ref()?;
    inside.downcast_ref().or_else(|| inside.downcast_ref().and_then(held))
}

fn certificate(error: &TlsError) -> String {
    use CertificateError as E;
    let TlsError::InvalidCertificate(wrong) = error else {
        return format!("TLS cannot be used with it: {}", text::line(&error.to_string(), 200));
    };
    match wrong {
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock of this machine right?".to_owned()
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        E::UnknownIssuer => {
            "its certificate is signed by nobody whom this machine trusts; a CA of your own belongs into the \
             system's store"
                .to_owned()
        }
        E::Revoked => "its certificate was revoked".to_owned(),
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is one of a CA and not of a server, as self-signed ones often are".to_owned()
        }
        other => format!("its certificate is not accepted: {}", text::line(&other.to_string(), 200)),
    }
}

/// The last of the causes: those before say only whom it passed.
fn root(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let said = last.to_string();
    said.split(" (os error").next().unwrap_or_default().to_owned()
}
