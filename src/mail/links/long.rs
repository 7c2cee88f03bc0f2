//! Addresses longer than the limit: what says nothing goes first, so that the host is not what is cut.

use crate::link::dropped_breaks;

/// What is kept of user information, in bytes: enough to see that there was some.
const USER: usize = 256;

/// `written` without line breaks and tabs, with two slashes where there are many and little user information.
/// Where that fits into `limit` nothing is lost that browsers would use; the caller cuts what does not.
pub(super) fn shortened(written: &str, limit: usize) -> String {
    let clean = dropped_breaks(written);
    let scheme = ["https:", "http:", "ftp:"]
        .into_iter()
        .find(|scheme| clean.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
        .unwrap_or_default();
    let rest = clean.get(scheme.len()..).unwrap_or_default();
    let after = rest.trim_start_matches(['/', '\\']);
    let slashes = if after.len() < rest.len() || !scheme.is_empty() { "//" } else { "" };
    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    let (authority, tail) = after.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let mut out = format!("{scheme}{slashes}");
    if !user.is_empty() {
        out.push_str(user.get(..user.floor_char_boundary(USER)).unwrap_or_default());
        out.push('@');
    }
    out.push_str(host);
    // One byte more than the limit says that there was more.
    let room = limit.saturating_sub(out.len()).saturating_add(4);
    out.push_str(tail.get(..tail.floor_char_boundary(room)).unwrap_or_default());
    out
}
