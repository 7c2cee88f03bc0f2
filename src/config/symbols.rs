//! The symbols that findings can have, where that is known.

use std::collections::BTreeSet;

use super::Config;
use crate::scan::url::signs::table;
use crate::scan::yara;

/// Those of authentication, of the MIME walk and of what scanners say of themselves. `docs/findings.md` explains the
/// former, and a test holds the two together.
const OWN: [&str; 33] = [
    "FROM_MISSING",
    "FROM_SEVERAL_FIELDS",
    "FROM_SEVERAL_DOMAINS",
    "FROM_UNREADABLE",
    "FROM_ODD",
    "FROM_NAME_OF_OTHER",
    "SPF_FAIL",
    "SPF_SOFTFAIL",
    "SPF_PERMERROR",
    "DKIM_FAIL",
    "DKIM_NOT_ACCEPTED",
    "DKIM_PERMERROR",
    "DKIM_TOO_MANY",
    "DMARC_FAIL_NONE",
    "DMARC_FAIL_QUARANTINE",
    "DMARC_FAIL_REJECT",
    "IPREV_FAIL",
    "MIME_NOT_INSPECTED",
    "MIME_BAD_ENCODING",
    "MIME_UNKNOWN_ENCODING",
    "MIME_MISSING_BOUNDARY",
    "MIME_AMBIGUOUS",
    "MIME_UNTERMINATED",
    "MIME_CONTRADICTORY",
    "MIME_STRAY_DELIMITER",
    "MIME_BARE_CR",
    "MIME_FRAGMENT",
    "MIME_EXTERNAL_BODY",
    "MIME_UNOPENED",
    "MIME_ENCRYPTED",
    "ARCHIVE_NAMES_DIFFER",
    "ARCHIVE_PREFIXED",
    "ARCHIVE_PROGRAM_HIDDEN",
];

/// Every symbol that a finding can have; `None` where somebody else names some: rspamd, clamd, feeds and block lists, YARA rules of
/// the admin's.
pub(super) fn known(config: &Config) -> Option<BTreeSet<String>> {
    let scanners = &config.scanner;
    let has_feeds = !config.feed.is_empty();
    let is_open = scanners.rspamd.is_some()
        || scanners.clamd.is_some()
        || scanners.yara.enabled && !scanners.yara.rules.is_empty();
    if is_open || has_feeds {
        return None;
    }
    let signs = table::ALL.iter().map(|sign| sign.symbol);
    let all = OWN.into_iter().chain(["YARA_MORE_MATCHES"]).chain(signs).chain(yara::bundled_names());
    Some(all.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_of_the_documents_is_known() {
        let known = known(&Config::default()).unwrap();
        assert!(known.contains("EXECUTABLE_ATTACHMENT"), "{known:?}");
        for document in [
            include_str!("../../docs/findings.md"),
            include_str!("../../docs/findings-links.md"),
            include_str!("../../docs/findings-mime.md"),
        ] {
            let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
            let symbols = rows.map(|(symbol, _)| symbol);
            for symbol in symbols.filter(|s| s.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')) {
                let open = ["FEED_", "DNSBL_"].iter().any(|prefix| symbol.starts_with(prefix));
                assert!(open || known.contains(symbol), "{symbol}");
            }
        }
    }
}
