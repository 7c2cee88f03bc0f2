//! Nothing that an HTML parser sees in the tree is missed: held to html5ever.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use html5ever::tendril::TendrilSink as _;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;
use url::Url;

use super::values;
use crate::link::Link;
use crate::mail::links::tests::mutated::{Random, SAMPLES, mutated};
use crate::mail::links::{Limits, Skipped, find};
use crate::mail::{header, walk};
use crate::model::{Part, Parts};
use crate::testing::suite;

/// The addresses that html5ever sees in the tree, as written.
#[derive(Default)]
struct Tree {
    base: Option<String>,
    addresses: Vec<String>,
}

impl Tree {
    fn of(page: &str, scripting_enabled: bool) -> Self {
        let options = ParseOpts {
            tree_builder: TreeBuilderOpts { scripting_enabled, ..TreeBuilderOpts::default() },
            ..ParseOpts::default()
        };
        let dom = parse_document(RcDom::default(), options).one(page);
        let mut tree = Self::default();
        let mut waiting = vec![dom.document.clone()];
        while let Some(node) = waiting.pop() {
            tree.node(&node);
            waiting.extend(node.children.borrow().iter().rev().cloned());
            if let NodeData::Element { template_contents, .. } = &node.data {
                waiting.extend(template_contents.borrow().clone());
            }
        }
        // To drop a deep tree recurses; take it apart.
        let mut apart = vec![dom.document];
        while let Some(node) = apart.pop() {
            apart.extend(node.children.take());
        }
        tree
    }

    fn node(&mut self, node: &Handle) {
        let NodeData::Element { name, attrs, .. } = &node.data else { return };
        let attrs = attrs.borrow();
        let is_base = name.ns == html5ever::ns!(html) && &*name.local == "base";
        let get = |wanted: &str| attrs.iter().find(|a| &*a.name.local == wanted).map(|a| a.value.to_string());
        let is_refresh = get("http-equiv").is_some_and(|value| value.trim().eq_ignore_ascii_case("refresh"));
        for attribute in attrs.iter() {
            let value = attribute.value.to_string();
            match &*attribute.name.local {
                // Only the first base is one; none is relative to another.
                "href" if is_base && self.base.is_some() => {}
                "href" if is_base => {
                    self.base = Some(value);
                }
                "href" | "xlink:href" | "src" | "action" | "formaction" | "background" | "poster"
                | "data" | "cite" | "longdesc" | "lowsrc" | "dynsrc" => self.addresses.push(value),
                "srcset" | "imagesrcset" => self.addresses.extend(values::srcset(&value).map(str::to_owned)),
                "content" if is_refresh && &*name.local == "meta" => {
                    self.addresses.push(values::refresh(&value).to_owned());
                }
                _ => {}
            }
        }
    }

    /// Where they lead on the web.
    fn links(&self) -> BTreeSet<Link> {
        let base = self.base.as_deref().and_then(|base| Url::parse(base).ok());
        let web = |url: Url| {
            matches!(url.scheme(), "http" | "https" | "ftp").then(|| Link::parse(url.as_str()).ok()).flatten()
        };
        let mut links: BTreeSet<Link> = self
            .addresses
            .iter()
            .filter(|address| !address.trim_matches(|c: char| c <= ' ').starts_with('#'))
            .filter(|address| !address.trim_matches(|c: char| c <= ' ').is_empty())
            .filter_map(|address| match &base {
                Some(base) => base.join(address).ok().and_then(web),
                None => Url::parse(address).ok().and_then(web),
            })
            .collect();
        links.extend(base.and_then(web));
        links
    }
}

const MANY: Limits = Limits {
    urls: 1_000_000,
    text: usize::MAX,
    url_bytes: 1 << 20,
    kept_bytes: 256,
    unwrap: 1,
    images: 0,
    image_bytes: 0,
    image_pixels: 0,
    images_pixels: 0,
    unpacked: 0,
    only_texts: false,
};

/// What html5ever sees in a page and we do not.
fn missed(page: &str) -> Vec<Link> {
    let part =
        Part { media_type: "text/html".to_owned(), content: page.to_owned().into(), ..Part::default() };
    let found = find(&Parts { list: vec![part], not_inspected: Vec::new() }, "", &MANY);
    assert!(!found.not_inspected.contains(&Skipped::Unreadable));
    let found: BTreeSet<Link> = found.list.into_iter().map(|f| f.link).collect();
    let mut seen = Tree::of(page, false).links();
    seen.extend(Tree::of(page, true).links());
    seen.into_iter().filter(|link| !found.contains(link)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

#[test]
fn nothing_is_missed_in_mail_that_people_sent() {
    let Some(folder) = suite("nothing_is_missed_in_mail_that_people_sent", "mime") else { return };
    let (mut pages, mut links, mut wrong) = (0, 0, Vec::new());
    for file in files(&folder) {
        // Whole messages, read as if they were pages: rubbish, as it comes.
        let bytes = std::fs::read(&file).unwrap();
        let of_all = missed(&String::from_utf8_lossy(&bytes));
        if !of_all.is_empty() {
            wrong.push(format!("{} as a page: {of_all:?}", file.display()));
        }
        let parts = walk(&header::parse(bytes), &crate::mail::Limits::default());
        for part in parts.list.iter().filter(|p| !p.is_container && p.media_type == "text/html") {
            let Ok(page) = std::str::from_utf8(&part.content) else { continue };
            pages += 1;
            links += Tree::of(page, false).links().len();
            let missed = missed(page);
            if !missed.is_empty() {
                wrong.push(format!("{}: {missed:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(pages > 50 && links > 20, "{pages} pages, {links} links");
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "p",
    "div",
    "table",
    "tr",
    "td",
    "form",
    "img",
    "br",
    "svg",
    "math",
    "style",
    "script",
    "title",
    "textarea",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "template",
    "foreignObject",
    "desc",
    "mtext",
    "mi",
    "annotation-xml",
    "mglyph",
    "font",
    "span",
    "head",
    "body",
    "link",
    "base",
    "li",
    "A",
    "STYLE",
    "image",
    "h1",
    "object",
    "select",
    "option",
    "button",
    "frameset",
    "frame",
    "plaintext",
    "caption",
    "input",
    "p",
];

/// Pieces of pages, put together without regard for what they were.
fn pieces() -> impl Strategy<Value = String> {
    let names = prop::sample::select(NAMES.to_vec());
    let value = (
        prop::sample::select(vec![
            "http://",
            "https:/",
            "HTTP:\\\\",
            "//",
            "ht\ntp://",
            " http:",
            "&#104;ttp&colon;//",
            "",
            "/",
        ]),
        0..1_000u32,
    )
        .prop_map(|(scheme, n)| format!("{scheme}n{n}.example/x"));
    let attribute = (
        prop::sample::select(vec![
            "href",
            "src",
            "HREF",
            "action",
            "xlink:href",
            "title",
            "srcset",
            "x",
            "background",
            "=href",
        ]),
        prop::sample::select(vec!["=\"", "='", "=", " = \"", "=\n'"]),
        value,
    )
        .prop_map(|(name, open, value)| {
            let close = open.trim_start_matches([' ', '=', '\n']);
            format!(" {name}{open}{value}{close}")
        });
    let tag = (
        names.clone(),
        prop::collection::vec(attribute, 0..3),
        prop::sample::select(vec![">", "/>", " >", "/", " "]),
    )
        .prop_map(|(name, attributes, close)| format!("<{name}{}{close}", attributes.concat()));
    let end = names.prop_map(|name| format!("</{name}>"));
    let other = prop::sample::select(vec![
        "<!--",
        "-->",
        "--!>",
        "<![CDATA[",
        "]]>",
        "<!",
        "<?",
        ">",
        "\"",
        "'",
        "<",
        "</",
        "text",
        " ",
        "=",
        "&",
        "/",
        "-",
        "<!-->",
        "<font color=x>",
        "<annotation-xml encoding=text/html>",
        "<input type=hidden>",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![5 => tag, 2 => end, 2 => other], 0..20)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_missed_in_pages_that_nobody_would_write(page in pieces()) {
        let missed = missed(&page);
        prop_assert!(missed.is_empty(), "{missed:?} in {page}");
    }
}

#[test]
fn nothing_is_missed_in_pages_that_were_broken() {
    let mut random = Random(0x0062_726f_6b65_6e21);
    for round in 0..3_000 {
        let (media_type, sample) = SAMPLES[round % SAMPLES.len()];
        if media_type == "text/html" {
            let page = mutated(sample, &mut random);
            let missed = missed(&page);
            assert!(missed.is_empty(), "{missed:?} in {page}");
        }
    }
}
