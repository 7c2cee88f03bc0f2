//! The open elements of a page: as much of the tree as is needed to know what is raw text, what belongs to
//! SVG or MathML, and what is hidden (WHATWG HTML §13.2.6, simplified).

use super::hiding::{Look, Reason};

/// The name of an element in lower case, as a number: names of up to eight letters as they are.
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "a const fn has no get; the loop has the bound")
)]
pub(super) const fn key(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut packed: u64 = 0;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at].to_ascii_lowercase();
        packed = packed << 8 | b as u64;
        hash = (hash ^ b as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    // Packed names are letters: their first bit is not set.
    if bytes.len() <= 8 && packed >> 63 == 0 { packed } else { hash | 1 << 63 }
}

/// What an element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Html,
    Svg,
    MathMl,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    space: Space,
    /// What stands in it is HTML again.
    is_html_within: bool,
    look: Look,
}

/// The open elements, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Beside `open`, because end tags search it.
    names: Vec<u64>,
    open: Vec<Open>,
}

/// Deeper elements are not followed: browsers stop at 512, too.
const DEEPEST: usize = 512;

impl Tree {
    /// Whether the innermost open element is one of SVG or MathML.
    pub(super) fn is_foreign(&self) -> bool {
        self.open.last().is_some_and(|open| open.space != Space::Html)
    }

    /// How text looks here.
    pub(super) fn look(&self) -> Look {
        self.open.last().map_or_else(Look::default, |open| open.look)
    }

    /// The name of the innermost open element, if it is one of SVG or MathML.
    pub(super) fn foreign_name(&self) -> Option<u64> {
        if self.is_foreign() { self.names.last().copied() } else { None }
    }

    /// A start tag is to come: ends what it ends without an end tag.
    pub(super) fn imply_end(&mut self, name: u64) {
        if self.is_foreign() {
            return;
        }
        let is_ended = match self.names.last() {
            Some(&P) => ENDS_P.binary_search(&name).is_ok(),
            Some(&top) => top == name && is_closed_by_itself(name),
            None => false,
        };
        if is_ended {
            self.pop();
        }
    }

    pub(super) fn hidden(&self) -> Option<Reason> {
        self.look().hidden
    }

    /// A start tag. Says what the element belongs to.
    pub(super) fn start(&mut self, name: u64, tag: &Tag<'_>, look: Look) -> Space {
        let space = self.space_of(name, tag);
        if space == Space::Html {
            if is_void(name) {
                return space;
            }
        } else if tag.is_self_closing {
            return space;
        }
        if self.open.len() < DEEPEST {
            let is_html_within = match space {
                Space::Html => false,
                Space::Svg => matches!(name, FOREIGN_OBJECT | DESC | TITLE),
                Space::MathMl => {
                    matches!(name, MI | MO | MN | MS | MTEXT)
                        || name == ANNOTATION_XML
                            && tag.encoding.is_some_and(|e| {
                                e.eq_ignore_ascii_case("text/html")
                                    || e.eq_ignore_ascii_case("application/xhtml+xml")
                            })
                }
            };
            self.names.push(name);
            self.open.push(Open { space, is_html_within, look });
        }
        space
    }

    fn space_of(&mut self, name: u64, tag: &Tag<'_>) -> Space {
        let Some(top) = self.open.last().copied() else { return Self::root_of(name) };
        let is_glyph = matches!(name, MGLYPH | MALIGNMARK);
        let is_html_here = top.space == Space::Html
            || top.is_html_within
                && !(is_glyph && top.space == Space::MathMl && self.names.last() != Some(&ANNOTATION_XML))
            || self.names.last() == Some(&ANNOTATION_XML) && name == SVG;
        if is_html_here {
            return Self::root_of(name);
        }
        if is_breakout(name) || name == FONT && tag.has_font {
            self.leave_foreign();
            return Space::Html;
        }
        top.space
    }

    const fn root_of(name: u64) -> Space {
        match name {
            SVG => Space::Svg,
            MATH => Space::MathMl,
            _ => Space::Html,
        }
    }

    fn leave_foreign(&mut self) {
        while self.open.last().is_some_and(|open| open.space != Space::Html && !open.is_html_within) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.names.pop();
        self.open.pop();
    }

    /// An end tag.
    pub(super) fn end(&mut self, name: u64) {
        if self.is_foreign() && matches!(name, P | BR) {
            self.leave_foreign();
            return;
        }
        let mut was_foreign = self.is_foreign();
        for at in (0..self.names.len()).rev() {
            let Some(open) = self.open.get(at) else { return };
            let is_html = open.space == Space::Html;
            if was_foreign && is_html {
                was_foreign = false;
            }
            // From within HTML no end tag reaches what it stands in.
            if !was_foreign && !is_html {
                return;
            }
            if self.names.get(at) == Some(&name) {
                self.names.truncate(at);
                self.open.truncate(at);
                return;
            }
        }
    }
}

/// What of a start tag decides where it belongs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tag<'a> {
    pub(super) is_self_closing: bool,
    /// `<font>` with color, face or size.
    pub(super) has_font: bool,
    pub(super) encoding: Option<&'a str>,
}

const fn is_void(name: u64) -> bool {
    const AREA: u64 = key("area");
    const BASE: u64 = key("base");
    const COL: u64 = key("col");
    const EMBED: u64 = key("embed");
    const HR: u64 = key("hr");
    const IMG: u64 = key("img");
    const INPUT: u64 = key("input");
    const LINK: u64 = key("link");
    const META: u64 = key("meta");
    const PARAM: u64 = key("param");
    const SOURCE: u64 = key("source");
    const TRACK: u64 = key("track");
    const WBR: u64 = key("wbr");
    const BGSOUND: u64 = key("bgsound");
    const BASEFONT: u64 = key("basefont");
    const KEYGEN: u64 = key("keygen");
    const FRAME: u64 = key("frame");
    const IMAGE: u64 = key("image");
    matches!(
        name,
        AREA | BASE
            | BR
            | COL
            | EMBED
            | HR
            | IMG
            | INPUT
            | LINK
            | META
            | PARAM
            | SOURCE
            | TRACK
            | WBR
            | BGSOUND
            | BASEFONT
            | KEYGEN
            | FRAME
            | IMAGE
    )
}

const fn is_closed_by_itself(name: u64) -> bool {
    const LI: u64 = key("li");
    const TD: u64 = key("td");
    const TH: u64 = key("th");
    const TR: u64 = key("tr");
    const DT: u64 = key("dt");
    const DD: u64 = key("dd");
    const OPTION: u64 = key("option");
    const A: u64 = key("a");
    matches!(name, LI | TD | TH | TR | DT | DD | OPTION | A)
}

/// Tags that end a paragraph.
static ENDS_P: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| {
    keys(
        "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer \
          form h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre section table ul",
    )
});

/// Tags that end SVG and MathML (§13.2.6.5), sorted.
static BREAKOUT: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| {
    keys(
        "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li \
          listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var",
    )
});

fn keys(names: &str) -> Vec<u64> {
    let mut keys: Vec<u64> = names.split_ascii_whitespace().map(key).collect();
    keys.sort_unstable();
    keys
}

fn is_breakout(name: u64) -> bool {
    BREAKOUT.binary_search(&name).is_ok()
}

const P: u64 = key("p");
const BR: u64 = key("br");
const SVG: u64 = key("svg");
const MATH: u64 = key("math");
const FONT: u64 = key("font");
const FOREIGN_OBJECT: u64 = key("foreignobject");
const DESC: u64 = key("desc");
const TITLE: u64 = key("title");
const MI: u64 = key("mi");
const MO: u64 = key("mo");
const MN: u64 = key("mn");
const MS: u64 = key("ms");
const MTEXT: u64 = key("mtext");
const MGLYPH: u64 = key("mglyph");
const MALIGNMARK: u64 = key("malignmark");
const ANNOTATION_XML: u64 = key("annotation-xml");
