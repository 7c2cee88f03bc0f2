//! Services that mail leads through or to. Collected by hand from what they say of themselves; an entry is a
//! registrable domain, added in its alphabetical place.

use crate::link::{Registry, host::is_below, public_suffix, registrable};

/// Whether `owner`, a registrable domain, counts the clicks of other people's newsletters.
pub(super) fn is_tracker(owner: &str) -> bool {
    TRACKERS.binary_search(&owner).is_ok() || is_numbered(owner)
}

/// Whether `host` is one of filters and networks that wrap addresses and check them on the click.
pub(super) fn is_rewriter(host: &str) -> bool {
    REWRITERS.iter().any(|name| is_below(host, name))
}

/// Whether anybody puts up a page at `host` within a minute.
pub(super) fn is_free(host: &str) -> bool {
    let is_private = public_suffix(host).is_some_and(|(_, registry)| registry == Registry::Private);
    is_private || FREE.iter().any(|name| is_below(host, name))
}

/// Whether two registrable domains have one owner: the same, of one organisation, or one name under the
/// endings of two countries.
pub(super) fn is_same_organisation(one: &str, other: &str) -> bool {
    if is_known_relative(one, other) {
        return true;
    }
    let (one, other) = (name_of(one), name_of(other));
    one.is_some_and(|name| name.len() >= 4) && one == other
}

/// The same domain, or one that is known to be of the same organisation.
pub(super) fn is_known_relative(one: &str, other: &str) -> bool {
    one == other || ORGANISATIONS.iter().any(|domains| domains.contains(&one) && domains.contains(&other))
}

/// The label before an ending that a registry gives out.
fn name_of(owner: &str) -> Option<&str> {
    let (suffix, registry) = public_suffix(owner)?;
    let name = owner.strip_suffix(suffix)?.strip_suffix('.')?;
    (registry == Registry::Icann).then_some(name)
}

/// Whether `host` has an ending that somebody gives out names below, and is one of those.
pub(super) fn is_known_ending(host: &str) -> bool {
    public_suffix(host).is_some() && registrable(host).is_some()
}

/// `cmail19.com` and `cmail20.com` are of one service; `cmail21.com` anybody may register.
fn is_numbered(owner: &str) -> bool {
    NUMBERED.iter().any(|(label, highest, ending)| {
        let number = owner.strip_prefix(label).and_then(|rest| rest.strip_suffix(ending));
        number.is_some_and(|n| !n.starts_with(['0', '+']) && n.parse::<u32>().is_ok_and(|n| n <= *highest))
    })
}

/// Sorted.
#[rustfmt::skip]
pub(super) const TRACKERS: &[&str] = &[
    "acemlna.com", "acemlnb.com", "acemlnc.com", "acemlnd.com", "activehosted.com", "agnitas.de",
    "amazonses.com", "aweber.com", "awstrack.me", "beehiiv.com", "benchmarkemail.com", "bmsend.com",
    "brevo.com", "campaign-archive.com", "campaign-monitor.com", "ccsend.com", "cheetahmail.com",
    "ciomail.com", "confirmsubscription.com", "constantcontact.com", "convertkit-mail.com",
    "createsend.com", "crsend.com", "customeriomail.com", "dotmailer.com", "doubleclick.net",
    "dripemail2.com", "e2ma.net", "eloqua.com", "emailsys1a.net", "emailsys2a.net", "emarsys.net",
    "emlnk.com", "emlsend.com", "en25.com", "evalanche.com", "exacttarget.com", "exct.net", "feedblitz.com",
    "feedburner.com", "flodesk.com", "getresponse.com", "govdelivery.com", "hs-sites.com",
    "hubspotemail.net", "hubspotlinks.com", "icontact.com", "icptrack.com", "infusionsoft.com",
    "inxmail.com", "inxserver.com", "iterable.com", "klaviyomail.com", "klclick.com", "klclick1.com",
    "klclick2.com", "klclick3.com", "kmail-lists.com", "list-manage.com", "lnkd.in", "mailchi.mp",
    "mailchimp.com", "mailerlite.com", "mailgun.org", "mailjet.com", "mailpoet.com", "mailup.com",
    "mandrillapp.com", "marketo.com", "mcsv.net", "mcusercontent.com", "mjt.lu", "mktomail.com",
    "mktoresp.com", "mktoweb.com", "mlsend.com", "mlsendr.com", "moosend.com", "msgfocus.com",
    "newsletter2go.com", "omnisend.com", "omnisendlink.com", "optivo.net", "pardot.com", "pstmrk.it",
    "rapidmail.com", "rapidmail.de", "responsys.net", "rs6.net", "rsgsv.net", "rsvpsv.net", "sailthru.com",
    "sendgrid.net", "sendinblue.com", "sendpulse.com", "silverpop.com", "smtp2go.com", "sparkpostmail.com",
    "sparkpostmail2.com", "substack.com", "t.co", "tinyletter.com", "unisender.com", "vresp.com",
    "yesmail.com", "zcsend.net",
];

/// Services with numbered domains: what stands before the number, the highest in use, the ending.
const NUMBERED: &[(&str, u32, &str)] = &[
    ("cmail", 20, ".com"),
    ("createsend", 5, ".com"),
    ("mlsend", 5, ".com"),
    ("sendibm", 5, ".com"),
    ("sendibt", 5, ".com"),
];

/// Filters that wrap; `mail::links` unwraps what does not need a question.
const REWRITERS: &[&str] = &[
    "avanan.click",
    "clicktime.symantec.com",
    "cudasvc.com",
    "edgepilot.com",
    "emails.azure.net",
    "fireeye.com",
    "esvalabs.com",
    "googleadservices.com",
    "hornetsecurity.com",
    "l.facebook.com",
    "l.instagram.com",
    "linklock.titanhq.com",
    "linkscan.io",
    "mimecast.com",
    "mimecastprotect.com",
    "office365.us",
    "protect.checkpoint.com",
    "safelinks.protection.outlook.com",
    "safelinks.protection.partner.outlook.cn",
    "secure-web.cisco.com",
    "sophos.com",
    "trendmicro.com",
    "trustwave.com",
    "url.emailprotection.link",
    "urldefense.com",
    "urldefense.proofpoint.com",
    "urldefense.us",
    "vadesecure.com",
    "webdefence.global.blackspider.com",
    "www.google.com",
];

/// Builders of sites and pages beside those of the public suffix list's private section.
const FREE: &[&str] = &[
    "000webhostapp.com",
    "about.me",
    "beacons.ai",
    "bio.link",
    "carrd.co",
    "glitch.me",
    "godaddysites.com",
    "jimdosite.com",
    "linktr.ee",
    "mystrikingly.com",
    "site123.me",
    "sites.google.com",
    "square.site",
    "strikingly.com",
    "telegra.ph",
    "webflow.io",
    "weebly.com",
    "weeblysite.com",
    "wixsite.com",
    "yolasite.com",
];

/// Domains of one organisation whose names do not show it.
const ORGANISATIONS: &[&[&str]] = &[
    &["google.com", "gmail.com", "goo.gl", "g.co", "youtube.com", "youtu.be", "withgoogle.com", "forms.gle"],
    &[
        "microsoft.com",
        "office.com",
        "office365.com",
        "live.com",
        "outlook.com",
        "aka.ms",
        "windows.com",
        "sharepoint.com",
        "onedrive.com",
        "1drv.ms",
        "msn.com",
        "bing.com",
        "microsoftonline.com",
        "azure.com",
        "visualstudio.com",
        "cloud.microsoft",
    ],
    &["facebook.com", "fb.com", "fb.me", "facebookmail.com", "instagram.com", "messenger.com", "meta.com"],
    &["twitter.com", "x.com", "t.co"],
    &["linkedin.com", "lnkd.in"],
    &["amazon.com", "amzn.to", "a.co", "amazonaws.com", "audible.com"],
    &["apple.com", "icloud.com", "itunes.com", "apple.co"],
    &["github.com", "githubusercontent.com", "github.blog"],
    &["paypal.com", "paypal.me", "paypalobjects.com"],
    &["ebay.com", "ebay.to", "ebaystatic.com"],
    &["dropbox.com", "db.tt", "dropboxusercontent.com"],
    &["telegram.org", "t.me", "telegram.me"],
    &["whatsapp.com", "wa.me"],
    &["wordpress.com", "wp.me", "wordpress.org"],
    &["yahoo.com", "yhoo.it", "ymail.com"],
    &["spotify.com", "spoti.fi", "spotify.link"],
    &["atlassian.com", "atlassian.net", "bitbucket.org", "trello.com"],
];

/// Proxies and networks of caches, below which the name of another's site is the name of a host.
const PROXIES: &[&str] = &[
    "akadns.net",
    "akamai.net",
    "akamaiedge.net",
    "akamaized.net",
    "azureedge.net",
    "cdn.cloudflare.net",
    "edgekey.net",
    "edgesuite.net",
    "fastly.net",
    "mcas.ms",
];

/// Whether `host` is that of a proxy. Libraries have theirs under a label of that name.
pub(super) fn is_proxy(host: &str) -> bool {
    PROXIES.iter().any(|name| is_below(host, name))
        || host.split('.').any(|label| label == "proxy" || label.contains("ezproxy") || label == "idm")
}

/// Words by which a name claims to be the place to trust.
#[rustfmt::skip]
pub(super) const TRUST: &[&str] = &[
    "access", "account", "accounts", "alert", "alerts", "auth", "authenticate", "banking", "billing", "confirm", "helpdesk",
    "invoice", "invoices", "konto", "kundenservice", "login", "logon", "mfa", "notification", "office365", "onlinebanking",
    "owa", "password", "payment", "payments", "payroll", "recovery", "reset", "secure", "secured", "security", "service",
    "sharepoint", "sicherheit", "signin", "sso", "support", "unlock", "update", "updates", "validate", "validation",
    "verification", "verify", "webmail",
];

/// Words that stand between those and say nothing by themselves.
#[rustfmt::skip]
pub(super) const FILLERS: &[&str] = &[
    "admin", "app", "bank", "care", "center", "centre", "check", "client", "cloud", "customer", "customers", "desk", "doc",
    "docs", "document", "documents", "drive", "email", "file", "files", "help", "id", "info", "it", "kunde", "kunden", "log",
    "mail", "microsoft", "my", "net", "notice", "office", "online", "pass", "pay", "portal", "server", "services", "share",
    "sign", "site", "team", "teams", "user", "vpn", "web", "www",
];
