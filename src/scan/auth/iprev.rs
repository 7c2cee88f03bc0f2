//! Whether the client's address has a name that leads back to it (RFC 8601 §3).

use std::net::IpAddr;

use futures_util::future::join_all;

use crate::dns::{DnsError, Inquiry};
use crate::model::AuthResult;
use crate::model::authentication::Iprev;

/// RFC 7208 §5.5 looks at ten names of an address; so do we.
const MAX_NAMES: usize = 10;

/// Looks the address up, and each of its names.
pub(super) async fn check(inquiry: &Inquiry, ip: IpAddr) -> Iprev {
    let names = match inquiry.ptr(ip).await {
        Ok(names) => names,
        // RFC 8601 §2.7.3: without a name it has failed; whether there is one may be unknown.
        Err(error) => return Iprev { result: unanswered(&error, AuthResult::Fail), name: None },
    };
    let asked = names.iter().take(MAX_NAMES).map(|name| leads_back(inquiry, name, ip));
    let answers = join_all(asked).await;
    let shown = |name: &String| Some(name.trim_end_matches('.').to_owned());
    if let Some((name, _)) = names.iter().zip(&answers).find(|(_, answer)| **answer == Ok(true)) {
        return Iprev { result: AuthResult::Pass, name: shown(name) };
    }
    let temporary = answers.iter().any(|answer| answer.as_ref().is_err_and(DnsError::is_temporary));
    let result = if temporary { AuthResult::TempError } else { AuthResult::Fail };
    Iprev { result, name: names.first().and_then(shown) }
}

async fn leads_back(inquiry: &Inquiry, name: &str, ip: IpAddr) -> Result<bool, DnsError> {
    Ok(match ip {
        IpAddr::V4(ip) => inquiry.a(name).await?.contains(&ip),
        IpAddr::V6(ip) => inquiry.aaaa(name).await?.contains(&ip),
    })
}

fn unanswered(error: &DnsError, otherwise: AuthResult) -> AuthResult {
    if error.is_temporary() { AuthResult::TempError } else { otherwise }
}
