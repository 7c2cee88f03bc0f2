//! Pages: HTML, XHTML and SVG.
//!
//! Where to find what: the page as a whole here; one pass over its tokens `pass`; the tokens `token`; which
//! attributes matter `attribute` and the addresses in them `addresses`; values with several addresses `values`;
//! `&amp;` and the like `reference`; raw text and comments `raw`; names of elements `names`; the open elements
//! `tree`; what hides text `hiding`, in declarations `declared`, by the page's own sheets `sheet`; the text shown `words`; forms and frames `count`.

mod addresses;
mod attribute;
mod count;
mod declared;
mod hiding;
mod names;
mod pass;
mod raw;
pub(super) mod reference;
mod sheet;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod values;
mod words;

use std::collections::HashSet;

use url::Url;

use super::collect::Collector;
use super::escape::{base64, percent};
use super::found::{Seen, Skipped, Source};
use super::{qr, script, style, text};
use crate::link::dropped_breaks;

/// How deep pages within pages are read: in comments for Outlook, in `srcdoc`, in data: addresses, in what a
/// script writes.
const DEEPEST: usize = 4;
/// Of a page, pages within it are read so many times its size all together, and never less than that many bytes.
const WITHIN: (usize, usize) = (8, 1 << 20);

/// Reads a page.
pub(super) fn read(content: &str, into: &mut Collector<'_>) {
    let left = content.len().saturating_mul(WITHIN.0).max(WITHIN.1);
    let seen = Seen { part: into.part(), ..Seen::default() };
    let mut page = Page {
        into,
        seen,
        bases: [None, None],
        waiting: Vec::new(),
        queued: HashSet::new(),
        left_out: [None; 2],
        left,
        sheet: sheet::Sheet::default(),
        has_late_rules: false,
    };
    page.pass(content, pass::Mode::default());
    if page.has_late_rules {
        // Rules that came after text hold for it, too. What text is seen is found out anew.
        page.seen = Seen { part: page.seen.part, ..Seen::default() };
        page.left = left;
        page.pass(content, pass::Mode::default());
    }
    page.resolve_waiting();
    let Page { seen, .. } = page;
    into.saw(seen);
}

/// A page, and the pages within it.
struct Page<'c, 'l> {
    into: &'c mut Collector<'l>,
    seen: Seen,
    /// The page's own base; one of a page within it, or that only some readers see.
    bases: [Option<Url>; 2],
    /// Relative addresses that came before the base, with source and shown text.
    waiting: Vec<(String, Source, String)>,
    /// Keys of those, so that each waits once.
    queued: HashSet<u64>,
    /// Why some did not wait, or not whole.
    left_out: [Option<Skipped>; 2],
    /// Bytes of pages within it that may still be read.
    left: usize,
    /// What its style sheets say.
    sheet: sheet::Sheet,
    /// Some of that came after text that is seen.
    has_late_rules: bool,
}

/// Reads a shortcut: an address in lines of text or in XML.
pub(super) fn shortcut(content: &str, into: &mut Collector<'_>) {
    text::find(content, Source::Text, into);
    if memchr::memchr(b'&', content.as_bytes()).is_some() {
        text::find(&reference::resolved(content, false), Source::Text, into);
    }
}

impl Page<'_, '_> {
    /// An address as it stands in an attribute.
    fn attribute(&mut self, raw: &str, source: Source, shown: &str, depth: usize) {
        let text = reference::resolved(raw, true);
        self.address(&text, source, shown, depth);
    }

    /// An address, by its scheme.
    fn address(&mut self, written: &str, source: Source, shown: &str, depth: usize) {
        if written.starts_with("https://") || written.starts_with("http://") {
            self.into.add(written, source, shown);
            return;
        }
        let written = written.trim_matches(|c: char| c <= ' ');
        if written.is_empty() || written.starts_with('#') {
            return;
        }
        let Some((scheme, rest)) = scheme(written) else {
            self.without_scheme(written, source, shown);
            return;
        };
        match scheme.as_str() {
            "http" | "https" | "ftp" => {
                self.into.add(written, source, shown);
                // With a base of that scheme, `http:x` is relative.
                if rest.bytes().take(2).filter(|b| matches!(b, b'/' | b'\\')).count() < 2 {
                    self.relative(written, source, shown);
                }
            }
            "data" if qr::read_data(written, self.into) => {}
            "data" => self.data(rest, source, depth),
            "javascript" | "vbscript" | "livescript" | "jscript" => {
                self.seen.javascript_links = self.seen.javascript_links.saturating_add(1);
                self.script(&percent(rest), Source::Script, depth);
            }
            "mailto" | "cid" | "mid" | "tel" | "sms" | "callto" | "sip" | "xmpp" | "about" | "clsid" => {}
            "intent" | "googlechrome" | "googlechromes" | "webcal" | "webcals" | "feed" => {
                self.seen.other_links = self.seen.other_links.saturating_add(1);
                self.handed_on(&scheme, rest, source, shown);
            }
            "file" => self.seen.file_links = self.seen.file_links.saturating_add(1),
            other if other.contains('.') || other == "localhost" => self.loose(written, source, shown),
            _ => {
                self.seen.other_links = self.seen.other_links.saturating_add(1);
                text::find_explicit(written, source, self.into);
                if written.contains('%') {
                    text::find_explicit(&percent(written), source, self.into);
                }
            }
        }
    }

    /// An address of the web under a scheme that says which program opens it; `rest` behind the colon.
    fn handed_on(&mut self, scheme: &str, rest: &str, source: Source, shown: &str) {
        let rest = dropped_breaks(rest);
        let (address, fragment) = rest.split_once('#').unwrap_or((&rest, ""));
        let is_secure = scheme.ends_with('s') || fragment.contains("scheme=https");
        // `googlechrome://navigate?url=…` names no host.
        if address.starts_with("//") && !address.starts_with("//navigate?") {
            let web = if is_secure { "https:" } else { "http:" };
            self.into.add(&format!("{web}{address}"), source, shown);
        }
        if let Some((_, inner)) = address.split_once("url=") {
            self.into.add(&percent(inner), source, shown);
        }
        text::find_explicit(&rest, source, self.into);
        if rest.contains('%') {
            text::find_explicit(&percent(&rest), source, self.into);
        }
    }

    fn without_scheme(&mut self, written: &str, source: Source, shown: &str) {
        let is_net = |b: &u8| matches!(b, b'/' | b'\\');
        let written = &*dropped_breaks(written);
        let mut begin = written.bytes().take(2);
        let (first, second) = (begin.next(), begin.next());
        if first.as_ref().is_some_and(is_net) && second.as_ref().is_some_and(is_net) {
            if first == Some(b'\\') {
                self.seen.file_links = self.seen.file_links.saturating_add(1);
            }
            self.into.add(written, source, shown);
        } else if !first.as_ref().is_some_and(is_net) {
            self.loose(written, source, shown);
        }
        self.relative(written, source, shown);
    }

    /// An address without scheme that some programs complete: `www.example.org`, `example.org/login`.
    fn loose(&mut self, written: &str, source: Source, shown: &str) {
        let host = written.split(['/', '\\', '?', '#', ':']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default().trim_end_matches('.');
        let Some((name, tld)) = host.rsplit_once('.') else { return };
        if !name.is_empty()
            && (text::is_domain(&tld.to_ascii_lowercase()) || host.parse::<std::net::Ipv4Addr>().is_ok())
        {
            // `page.md` and the like are files; an address has more than a name.
            self.into.add(written, source, shown);
        }
    }

    fn relative(&mut self, written: &str, source: Source, shown: &str) {
        for base in self.bases.iter().flatten() {
            if let Ok(url) = base.join(written) {
                self.into.add(url.as_str(), source, shown);
            }
        }
        match &self.bases[0] {
            Some(_) => {}
            None => {
                let end = written.floor_char_boundary(self.into.limits.url_bytes);
                let cut = written.get(..end).unwrap_or_default();
                if !self.queued.insert(self.into.key(cut, source, shown)) {
                    return;
                }
                if cut.len() < written.len() {
                    self.left_out[0] = Some(Skipped::UrlTooLong);
                }
                if self.waiting.len() < self.into.limits.urls {
                    self.waiting.push((cut.to_owned(), source, shown.to_owned()));
                } else {
                    self.left_out[1] = Some(Skipped::TooManyUrls);
                }
            }
        }
    }

    /// What stood before the base. What was left out of it matters only if one came.
    fn resolve_waiting(&mut self) {
        if self.bases.iter().any(Option::is_some) {
            self.left_out.into_iter().flatten().for_each(|why| self.into.skip(why));
            for (written, source, shown) in std::mem::take(&mut self.waiting) {
                self.relative(&written, source, &shown);
            }
        }
    }

    /// The base: the first of a page counts, for what stands before it, too.
    fn set_base(&mut self, raw: &str, is_own: bool) {
        let text = reference::resolved(raw, true);
        let text = text.trim_matches(|c: char| c <= ' ');
        self.into.add(text, Source::Base, "");
        let Some(base) = self.bases.get_mut(usize::from(!is_own)) else { return };
        if base.is_none() {
            let url = Url::parse(text)
                .or_else(|_| Url::parse("https://invalid./").and_then(|none| none.join(text)));
            *base = url.ok().filter(|url| {
                matches!(url.scheme(), "http" | "https" | "ftp")
                    && url.host_str().is_some_and(|h| h != "invalid.")
            });
        }
    }

    /// A data: address that is no picture; `rest` behind the scheme.
    fn data(&mut self, rest: &str, source: Source, depth: usize) {
        let Some((head, payload)) = rest.split_once(',') else { return };
        let head = head.to_ascii_lowercase();
        let is_base64 = head.split(';').any(|word| word.trim() == "base64");
        self.seen.data_links = self.seen.data_links.saturating_add(1);
        if is_base64 {
            let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            self.seen.smuggling.longest_base64 = self.seen.smuggling.longest_base64.max(size);
        }
        let plain = percent(payload);
        let bytes = if is_base64 { base64(&plain) } else { Some(plain.into_bytes()) };
        let Some(bytes) = bytes else { return };
        let text = String::from_utf8_lossy(&bytes);
        if head.contains("css") {
            style::find(&text, source, self.into);
        } else if head.contains("script") {
            self.script(&text, source, depth);
        } else if head.contains("html") || head.contains("xml") {
            self.inner(&text, depth);
        } else {
            text::find_explicit(&text, source, self.into);
        }
    }

    fn script(&mut self, content: &str, source: Source, depth: usize) {
        let pages = script::read(content, source, self.into, &mut self.seen.smuggling);
        for page in pages {
            let is_raw = page.is_raw;
            self.within(
                &page.text,
                pass::Mode { depth, within_raw: is_raw, is_raw, ..pass::Mode::default() },
            );
        }
    }

    /// A page one deeper than `mode` says, if there may be one.
    fn within(&mut self, content: &str, mode: pass::Mode) {
        if mode.depth >= DEEPEST || self.left < content.len() {
            self.into.skip(Skipped::TooDeep);
            text::find_explicit(content, Source::Href, self.into);
            return;
        }
        self.left -= content.len();
        self.pass(content, pass::Mode { depth: mode.depth + 1, ..mode });
    }

    /// A page within the page.
    fn inner(&mut self, content: &str, depth: usize) {
        self.within(content, pass::Mode { depth, ..pass::Mode::default() });
    }
}

/// The scheme in lower case, and what follows its colon. Browsers drop tabs and line breaks in it.
fn scheme(written: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    for (at, c) in written.char_indices() {
        match c {
            '\t' | '\n' | '\r' => {}
            _ if out.len() > 64 => return None,
            ':' if !out.is_empty() => return Some((out, written.get(at + 1..)?)),
            c if c.is_ascii_alphabetic() || !out.is_empty() && (c.is_ascii_digit() || "+-.".contains(c)) => {
                out.push(c.to_ascii_lowercase());
            }
            _ => return None,
        }
    }
    None
}
