//! The names of elements that decide how they are read.

use super::tree::key;

pub(super) const A: u64 = key("a");
pub(super) const BASE: u64 = key("base");
pub(super) const EMBED: u64 = key("embed");
pub(super) const FORM: u64 = key("form");
pub(super) const FRAME: u64 = key("frame");
pub(super) const FRAMESET: u64 = key("frameset");
pub(super) const IFRAME: u64 = key("iframe");
pub(super) const INPUT: u64 = key("input");
pub(super) const META: u64 = key("meta");
pub(super) const NOEMBED: u64 = key("noembed");
pub(super) const NOFRAMES: u64 = key("noframes");
pub(super) const NOSCRIPT: u64 = key("noscript");
pub(super) const OBJECT: u64 = key("object");
pub(super) const PARAM: u64 = key("param");
pub(super) const SCRIPT: u64 = key("script");
pub(super) const SELECT: u64 = key("select");
pub(super) const STYLE: u64 = key("style");
pub(super) const TEXTAREA: u64 = key("textarea");
pub(super) const TITLE: u64 = key("title");
pub(super) const XMP: u64 = key("xmp");

/// Elements in which text runs on.
pub(super) const fn is_inline(name: u64) -> bool {
    const B: u64 = key("b");
    const I: u64 = key("i");
    const U: u64 = key("u");
    const S: u64 = key("s");
    const EM: u64 = key("em");
    const STRONG: u64 = key("strong");
    const SPAN: u64 = key("span");
    const FONT: u64 = key("font");
    const WBR: u64 = key("wbr");
    const SMALL: u64 = key("small");
    const BIG: u64 = key("big");
    const SUB: u64 = key("sub");
    const SUP: u64 = key("sup");
    const TT: u64 = key("tt");
    const CODE: u64 = key("code");
    const MARK: u64 = key("mark");
    matches!(
        name,
        B | I | U | S | EM | STRONG | SPAN | FONT | WBR | SMALL | BIG | SUB | SUP | TT | CODE | MARK
    )
}
