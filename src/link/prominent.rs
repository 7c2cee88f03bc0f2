//! Names so large that a row of a list about the whole of one can only be a slip: next to every mail links to some of
//! them, and a list that has one of them holds all that mail.
//!
//! Collected by hand. A name is here if ordinary mail links to it every day – the most visited sites, mail providers,
//! payment and banks, parcels, travel, news, public authorities, what software comes from – and if its owner
//! answers for what stands there. Where strangers publish, a name belongs in [`shared`](super::shared) instead. An
//! entry stands for all that its owner has below it; what others have there by the public suffix list
//! is theirs. Added in its alphabetical place, in normal form.

use super::host::{is_below, registrable};

/// Whether `host` is one of these, or below one and of the same owner; in normal form.
#[must_use]
pub fn is_prominent(host: &str) -> bool {
    let mut rest = host;
    loop {
        if TABLE.binary_search(&rest).is_ok() {
            // Asked last: nearly no host comes this far.
            return registrable(host).is_some_and(|owner| is_below(rest, owner));
        }
        match rest.split_once('.') {
            Some((_, above)) => rest = above,
            None => return false,
        }
    }
}

/// Sorted.
#[rustfmt::skip]
pub(super) const TABLE: &[&str] = &[
    "abuse.ch", "adobe.com", "airbnb.com", "akamai.com", "alibaba.com", "aliexpress.com", "amazon.ca",
    "amazon.co.jp", "amazon.co.uk", "amazon.com", "amazon.com.au", "amazon.com.br", "amazon.de",
    "amazon.es", "amazon.fr", "amazon.in", "amazon.it", "amazon.nl", "amazon.pl", "americanexpress.com",
    "android.com", "aol.com", "apache.org", "apple.com", "bahn.de", "baidu.com", "bankofamerica.com",
    "barclays.co.uk", "bbc.co.uk", "bbc.com", "bing.com", "bloomberg.com", "booking.com", "bund.de",
    "chase.com", "chatgpt.com", "chrome.com", "cisco.com", "citi.com", "cloud.microsoft", "cloudflare.com",
    "cnn.com", "commerzbank.de", "debian.org", "dell.com", "deutsche-bank.de", "deutschepost.de", "dhl.com",
    "dhl.de", "disneyplus.com", "docker.com", "dpd.com", "duckduckgo.com", "ea.com", "ebay.co.uk",
    "ebay.com", "ebay.de", "elpais.com", "elster.de", "epicgames.com", "europa.eu", "expedia.com",
    "fastmail.com", "faz.net", "fedex.com", "firefox.com", "gmail.com", "gmx.de", "gmx.net", "gnu.org",
    "godaddy.com", "google.at", "google.ca", "google.ch", "google.co.in", "google.co.jp", "google.co.uk",
    "google.com", "google.com.au", "google.com.br", "google.de", "google.es", "google.fr", "google.it",
    "google.nl", "google.pl", "googlemail.com", "gstatic.com", "heise.de", "hermesworld.com", "hetzner.com",
    "hotmail.com", "hp.com", "hsbc.com", "ibm.com", "ietf.org", "ikea.com", "ing.com", "ing.de",
    "intel.com", "intuit.com", "ionos.com", "ionos.de", "irs.gov", "itunes.com", "kernel.org", "klarna.com",
    "laposte.fr", "lemonde.fr", "letsencrypt.org", "live.com", "lufthansa.com", "mail.com", "mail.ru",
    "mailbox.org", "mastercard.com", "me.com", "microsoft.com", "microsoftonline.com", "mozilla.org",
    "msn.com", "n26.com", "nasa.gov", "naver.com", "netflix.com", "nih.gov", "nvidia.com", "nytimes.com",
    "office.com", "office365.com", "openai.com", "oracle.com", "otto.de", "outlook.com", "ovh.com",
    "paypal.com", "php.net", "posteo.de", "proton.me", "protonmail.com", "python.org", "qq.com",
    "reuters.com", "revolut.com", "royalmail.com", "rust-lang.org", "ryanair.com", "salesforce.com",
    "samsung.com", "sap.com", "skype.com", "slack.com", "sony.com", "spamhaus.org", "sparkasse.de",
    "spiegel.de", "spotify.com", "stackexchange.com", "stackoverflow.com", "steampowered.com", "strato.de",
    "stripe.com", "sueddeutsche.de", "t-online.de", "tagesschau.de", "target.com", "temu.com",
    "theguardian.com", "tripadvisor.com", "twitch.tv", "uber.com", "ubuntu.com", "un.org", "ups.com",
    "usa.gov", "usps.com", "virustotal.com", "visa.com", "visualstudio.com", "w3.org", "walmart.com",
    "washingtonpost.com", "web.de", "wellsfargo.com", "who.int", "wikidata.org", "wikimedia.org",
    "wikipedia.org", "windows.com", "wise.com", "www.gov.uk", "xbox.com", "yahoo.co.jp", "yahoo.com",
    "yandex.ru", "zalando.de", "zeit.de", "zoom.us",
];
