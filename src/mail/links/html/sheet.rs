//! What the style sheets in a page say of its elements, as far as it may hide text: rules for one class, one id
//! or one kind of element (`.h`, `#h`, `td.h`, `td`). Rules that apply under conditions (`@media`) or to elements
//! within others are passed over; whether such a rule might give text another background is remembered.

use std::borrow::Cow;
use std::collections::HashMap;

use super::declared::Declared;
use super::tree::key;

/// Most rules of one page that are kept, and most classes of one element that are looked up.
const RULES: usize = 512;
const CLASSES: usize = 8;

/// The rules of a page.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// By what the selector begins with, and the name in lower case: `.h`, `#h`; elements by their name alone.
    /// Rules for some kind of element have it before.
    rules: HashMap<String, Declared>,
    /// A bit for what each of them is for: most elements are those of no rule, and nothing more is asked about them.
    marks: u64,
    /// Some of them may hide text.
    has_effect: bool,
    /// Something may give text a background that is not known here.
    pub(super) is_unsure: bool,
}

impl Sheet {
    pub(super) fn is_empty(&self) -> bool {
        !self.has_effect
    }

    /// Takes the rules of a sheet. Says whether there was any that may hide text.
    pub(super) fn read(&mut self, content: &str) -> bool {
        let content = without_comments(content);
        let before = self.rules.len();
        let mut rest: &str = &content;
        while let Some(at) = memchr::memchr3(b'{', b';', b'}', rest.as_bytes()) {
            let (head, tail) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
            let head = head.trim_ascii().trim_start_matches("<!--").trim_ascii_start();
            if rest.as_bytes().get(at) != Some(&b'{') {
                self.is_unsure |= head.starts_with("@import");
                rest = tail;
                continue;
            }
            if is_for_all(head) {
                // What is in it stands as if there were no such block; its end ends nothing.
                rest = tail;
                continue;
            }
            let end = if head.starts_with('@') {
                end_of_block(tail)
            } else {
                memchr::memchr(b'}', tail.as_bytes())
            };
            let end = end.unwrap_or(tail.len());
            let body = tail.get(..end).unwrap_or_default();
            if head.starts_with('@') {
                self.is_unsure |= body.contains("background");
            } else {
                self.rule(head, body);
            }
            rest = tail.get(end + 1..).unwrap_or_default();
        }
        self.has_effect && self.rules.len() > before
    }

    fn rule(&mut self, selectors: &str, body: &str) {
        let declared = Declared::read(body);
        if declared.is_empty() {
            return;
        }
        for selector in selectors.split(',') {
            self.has_effect |= declared.may_hide();
            match simple(selector.trim_ascii()) {
                Some(name) if self.rules.len() < RULES || self.rules.contains_key(&name) => {
                    self.marks |= match name.find(MARKS).map(|at| name.split_at(at)) {
                        Some((_, own)) => {
                            mark(own.get(..1).unwrap_or_default(), own.get(1..).unwrap_or_default())
                        }
                        None => mark("", &name),
                    };
                    let rule = self.rules.entry(name).or_default();
                    *rule = rule.then(declared);
                }
                _ => self.is_unsure |= declared.background.is_some(),
            }
        }
    }

    /// What the rules say of an element.
    pub(super) fn of(&self, tag: &str, id: Option<&str>, classes: Option<&str>) -> Declared {
        let may_have = |sign: &str, own: &str| self.marks & mark(sign, own) != 0;
        let mut name = String::new();
        let mut look = |before: &str, mark: &str, own: &str| {
            name.clear();
            [before, mark, own].iter().for_each(|part| name.push_str(part));
            name.make_ascii_lowercase();
            self.rules.get(&name).copied().unwrap_or_default()
        };
        let mut all = if may_have("", tag) { look(tag, "", "") } else { Declared::default() };
        let few = || {
            let classes = classes.unwrap_or_default().split_ascii_whitespace().take(CLASSES);
            classes.filter(|class| may_have(".", class))
        };
        for before in ["", tag] {
            for class in few() {
                all = all.then(look(before, ".", class));
            }
        }
        if let Some(id) = id.filter(|id| may_have("#", id)) {
            for before in ["", tag] {
                all = all.then(look(before, "#", id));
            }
        }
        all
    }
}

/// What stands before the name of a class or an id.
const MARKS: [char; 2] = ['.', '#'];

/// The bit in [`Sheet::marks`] of a name behind its sign, in any case.
fn mark(sign: &str, name: &str) -> u64 {
    let letter = |letter: Option<&u8>| letter.map_or(0, |b| u32::from(b.to_ascii_lowercase()));
    let bytes = name.as_bytes();
    let length = u32::try_from(name.len() & 63).unwrap_or_default();
    let sum =
        letter(sign.as_bytes().first()) * 3 + letter(bytes.first()) * 5 + letter(bytes.last()) * 7 + length;
    1 << (sum & 63)
}

/// A simple selector as it is kept: for anything else `None`. What every page has around it says nothing.
fn simple(selector: &str) -> Option<String> {
    let mut words =
        selector.split(|c: char| c.is_ascii_whitespace() || c == '>').filter(|word| !word.is_empty());
    let last = words.next_back()?;
    let is_around =
        |word: &str| ["html", "body", ":root", "*"].iter().any(|all| word.eq_ignore_ascii_case(all));
    let name = last.strip_prefix('*').filter(|rest| !rest.is_empty()).unwrap_or(last);
    let mark = name.find(MARKS);
    let (tag, own) = name.split_at(mark.unwrap_or(name.len()));
    let is_name =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') || b >= 0x80);
    let own_name = own.get(1..).unwrap_or_default();
    let fits =
        words.all(is_around) && is_name(tag) && is_name(own_name) && (own.is_empty() || !own_name.is_empty());
    (fits && name.len() <= 128).then(|| name.to_ascii_lowercase())
}

/// Whether a block applies wherever the page is shown.
fn is_for_all(head: &str) -> bool {
    let Some(media) = head.get(..6).filter(|word| word.eq_ignore_ascii_case("@media")).and(head.get(6..))
    else {
        return false;
    };
    is_any_medium(media)
}

/// Whether a list of media names any screen.
pub(super) fn is_any_medium(media: &str) -> bool {
    let media = media.trim_ascii();
    media.is_empty() || media.split(',').any(|one| matches!(key(one.trim_ascii()), ALL | SCREEN))
}

const ALL: u64 = key("all");
const SCREEN: u64 = key("screen");

/// Where a block ends that may have others in it.
fn end_of_block(content: &str) -> Option<usize> {
    let mut depth = 0_usize;
    memchr::memchr2_iter(b'{', b'}', content.as_bytes()).find(|at| match content.as_bytes().get(*at) {
        Some(b'{') => {
            depth += 1;
            false
        }
        _ if depth == 0 => true,
        _ => {
            depth -= 1;
            false
        }
    })
}

fn without_comments(content: &str) -> Cow<'_, str> {
    super::super::style::without_comments(content).map_or(Cow::Borrowed(content), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_that_are_simple_are_told() {
        for (selector, expected) in [
            (".h", Some(".h")),
            ("#H", Some("#h")),
            ("TD.h", Some("td.h")),
            ("*.h", Some(".h")),
            ("span", Some("span")),
            ("body > .h", Some(".h")),
            ("html body td.h", Some("td.h")),
            ("div .h", None),
            (".a.b", None),
            (".h:hover", None),
            ("a[href]", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(simple(selector).as_deref(), expected, "{selector}");
        }
    }

    #[test]
    fn what_applies_under_conditions_is_passed_over() {
        let hides = |css: &str| {
            let mut sheet = Sheet::default();
            sheet.read(css);
            sheet.of("span", Some("i"), Some("a h")).hides().is_some()
        };
        for css in [
            ".h{display:none}",
            "@import 'x';.x{color:red} SPAN.H { Display : none !important }",
            "/* .x{ */ #i{font-size:0px;line-height:1}",
            "@media all{.x{color:red}.h{opacity:0}}",
            "@media print{.h{color:red}}.h,.b{visibility:hidden}",
            ".h{display:none}@media screen and (max-width:600px){.h{display:block!important}}",
            "<!-- .h{display:none} -->",
            ".h{display:none",
        ] {
            assert!(hides(css), "{css}");
        }
        for css in [
            "@media print{.h{display:none}}",
            "@media only screen and (max-width:600px){.x{color:red}.h{display:none}}",
            "@supports (x:y){@media all{.h{display:none}}}",
            ".h{display:none}.h{display:block}",
            ".h{display:none}#i{display:inline}",
            "div .h{display:none}",
            ".hh{display:none}",
            "{}}}{{;",
        ] {
            assert!(!hides(css), "{css}");
        }
    }
}
