//! Services that wrap addresses in a manner of their own.

/// Services that carry an address in a parameter, also without its scheme: host, begin of the path, names of
/// the parameter. Sorted by host, which stands for all below it.
pub(super) const PARAMETERS: &[(&str, &str, &[&str])] = &[
    ("bing.com", "/ck/", &["u"]),
    ("clicktime.symantec.com", "/", &["u"]),
    ("doubleclick.net", "/", &["adurl"]),
    ("duckduckgo.com", "/l/", &["uddg"]),
    ("edgepilot.com", "/", &["u"]),
    ("facebook.com", "/flx/warn", &["u"]),
    ("fireeye.com", "/", &["u"]),
    ("googleadservices.com", "/pagead/aclk", &["adurl"]),
    ("l.facebook.com", "/", &["u"]),
    ("l.instagram.com", "/", &["u"]),
    ("l.messenger.com", "/", &["u"]),
    ("l.threads.com", "/", &["u"]),
    ("linkedin.com", "/redir", &["url"]),
    ("linkedin.com", "/safety/go", &["url"]),
    ("linkedin.com", "/authwall", &["sessionRedirect"]),
    ("linkprotect.cudasvc.com", "/url", &["a"]),
    ("lm.facebook.com", "/", &["u"]),
    ("mimecast.com", "/", &["domain", "url", "u"]),
    ("mimecastprotect.com", "/", &["domain", "url", "u"]),
    ("out.reddit.com", "/", &["url"]),
    ("safelink.emails.azure.net", "/", &["destination"]),
    ("safelinks.protection.office365.us", "/", &["url"]),
    ("safelinks.protection.outlook.com", "/", &["url"]),
    ("safelinks.protection.partner.outlook.cn", "/", &["url"]),
    ("slack-redir.net", "/link", &["url"]),
    ("sophos.com", "/", &["u", "d"]),
    ("statics.teams.cdn.office.net", "/evergreen-assets/safelinks", &["url"]),
    ("steamcommunity.com", "/linkfilter", &["url", "u"]),
    ("translate.google.com", "/", &["u"]),
    ("trendmicro.com", "/wis/clicktime", &["url"]),
    ("trustwave.com", "/", &["u"]),
    ("urldefense.proofpoint.com", "/v1/url", &["u"]),
    ("vadesecure.com", "/", &["u"]),
    ("vk.com", "/away.php", &["to"]),
    ("youtube.com", "/redirect", &["q"]),
];

/// Hosts of the last two labels of all that [`special`](super::services) knows, sorted: most links are of none of these.
pub(super) const OWNERS: &[&str] = &[
    "ampproject.org",
    "azure.net",
    "bing.com",
    "checkpoint.com",
    "cudasvc.com",
    "doubleclick.net",
    "duckduckgo.com",
    "edgepilot.com",
    "facebook.com",
    "fireeye.com",
    "google.com",
    "googleadservices.com",
    "instagram.com",
    "linkedin.com",
    "messenger.com",
    "mimecast.com",
    "mimecastprotect.com",
    "office.net",
    "office365.us",
    "outlook.cn",
    "outlook.com",
    "proofpoint.com",
    "reddit.com",
    "slack-redir.net",
    "sophos.com",
    "steamcommunity.com",
    "symantec.com",
    "threads.com",
    "translate.goog",
    "trendmicro.com",
    "trustwave.com",
    "urldefense.com",
    "urldefense.us",
    "vadesecure.com",
    "vk.com",
    "yahoo.com",
    "youtube.com",
];

/// How Google's hosts in any country begin.
pub(super) const GOOGLE: [&str; 6] =
    ["google.", "www.google.", "maps.google.", "news.google.", "images.google.", "plus.google."];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_agree() {
        assert!(OWNERS.is_sorted());
        for (name, ..) in PARAMETERS {
            assert!(OWNERS.iter().any(|owner| name.ends_with(owner)), "{name}");
        }
        assert!(PARAMETERS.is_sorted_by_key(|(name, ..)| name));
    }
}
