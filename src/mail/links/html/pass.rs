//! One pass over the tokens of a page.

use super::super::found::Source;
use super::super::{style, text};
use super::attribute::Attribute;
use super::declared::Declared;
use super::hiding::{self, Look};
use super::names::{A, FRAMESET, SCRIPT, SELECT, STYLE, is_inline};
use super::raw::for_outlook;
use super::token::{Attributes, Token, Tokens};
use super::tree::{self, Space, Tree, key};
use super::words::{characters, folded, read_characters};
use super::{Page, reference};

/// How a page is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    /// 0 for the page itself.
    pub(super) depth: usize,
    /// As a browser that runs scripts: what is in `<noscript>` is text.
    pub(super) runs_scripts: bool,
    /// As if there were no SVG and MathML: where a browser expects frames or options, it drops their tags.
    pub(super) no_foreign: bool,
    /// It stood in raw text: no raw text in it ends before it does.
    pub(super) within_raw: bool,
    /// It is raw text, in which nobody is meant to see markup: its own text says nothing.
    pub(super) is_raw: bool,
}

/// A link that is open: its text is being read.
pub(super) struct Anchor {
    pub(super) written: String,
    pub(super) source: Source,
    pub(super) shown: String,
    /// The text of a picture in it, should it have no other.
    pub(super) alt: String,
}

/// The state of a pass.
pub(super) struct Pass<'a> {
    pub(super) tokens: Tokens<'a>,
    pub(super) attributes: Attributes<'a>,
    pub(super) tree: Tree,
    pub(super) anchor: Option<Anchor>,
    /// Text outside links that runs on without a break.
    pub(super) run: String,
    /// The same without what is hidden, if any of it is.
    pub(super) seen_run: Option<String>,
    pub(super) mode: Mode,
    /// Where the `<noscript>` that is open ends for a browser that runs scripts; at most the one place is
    /// looked up ahead.
    pub(super) noscript_end: usize,
    pub(super) in_noscript: bool,
    /// A tag or comment lies across that end: such a browser sees another page.
    pub(super) differs: bool,
    /// There is SVG or MathML, and something in which their tags would be dropped.
    pub(super) has_foreign: bool,
    pub(super) may_drop: bool,
    /// The text that is seen ends in a letter here, and whether something hidden came after it.
    pub(super) in_word: bool,
    pub(super) split: bool,
}

impl Page<'_, '_> {
    /// Reads the page, or one within it.
    pub(super) fn pass(&mut self, content: &str, mode: Mode) {
        let mut pass = Pass {
            tokens: Tokens::new(content),
            attributes: Attributes::default(),
            tree: Tree::default(),
            anchor: None,
            run: String::new(),
            seen_run: None,
            mode,
            noscript_end: 0,
            in_noscript: false,
            differs: false,
            has_foreign: false,
            may_drop: false,
            in_word: false,
            split: false,
        };
        loop {
            let begin = pass.tokens.at();
            let Some(token) = pass.tokens.next(pass.tree.is_foreign(), &mut pass.attributes) else { break };
            match token {
                Token::Text(raw) => self.text(raw, &mut pass),
                Token::Start { name, is_self_closing } => self.start(name, is_self_closing, &mut pass),
                Token::End(name) => self.end(name, &mut pass),
                Token::Cdata(text) => self.shown_or_run(text, &mut pass),
                Token::Comment(comment) => {
                    if let Some(body) = for_outlook(comment) {
                        self.inner(body, mode.depth);
                    }
                }
                Token::Entity(text) => text::find_explicit(text, Source::Href, self.into),
                Token::Other => {}
            }
            // Raw text counts with its start tag.
            pass.differs |=
                pass.in_noscript && begin < pass.noscript_end && pass.tokens.at() > pass.noscript_end;
            pass.in_noscript &= begin < pass.noscript_end;
        }
        self.close_anchor(&mut pass);
        self.flush(&mut pass);
        // Other readers see another page. Each of the readings is given once.
        if !mode.runs_scripts && !mode.no_foreign {
            let drops = pass.has_foreign && pass.may_drop;
            for (runs_scripts, no_foreign) in [(true, false), (false, true), (true, true)] {
                if runs_scripts <= pass.differs && no_foreign <= drops {
                    self.pass(content, Mode { runs_scripts, no_foreign, ..mode });
                }
            }
        }
    }

    fn text(&mut self, raw: &str, pass: &mut Pass<'_>) {
        let text = reference::resolved(raw, false);
        self.shown_or_run(&text, pass);
    }

    /// Text, its references resolved.
    fn shown_or_run(&mut self, text: &str, pass: &mut Pass<'_>) {
        match pass.tree.foreign_name() {
            Some(SCRIPT) => return self.script(text, Source::Script, pass.mode.depth),
            Some(STYLE) => return style::find(text, Source::Style, self.into),
            _ => {}
        }
        if pass.mode.is_raw && pass.anchor.is_none() {
            return;
        }
        let hidden = pass.tree.hidden();
        if let Some(reason) = hidden {
            let count = reason.count(&mut self.seen.hidden);
            let read = read_characters(text);
            *count = count.saturating_add(read);
            pass.split |= pass.in_word && read > 0;
        } else if let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) {
            self.seen.visible = self.seen.visible.saturating_add(characters(text));
            if pass.split && first.is_alphanumeric() {
                self.seen.split_words = self.seen.split_words.saturating_add(1);
            }
            pass.split = false;
            pass.in_word = last.is_alphanumeric();
        }
        match &mut pass.anchor {
            Some(anchor) => {
                // All of it: if the link leads nowhere, its text is text.
                if hidden.is_none() {
                    anchor.shown.push_str(text);
                }
            }
            None => {
                // Programs that show no markup show both; the others what is seen alone.
                if hidden.is_some() && pass.seen_run.is_none() {
                    pass.seen_run = Some(pass.run.clone());
                }
                if let Some(run) = &mut pass.seen_run
                    && hidden.is_none()
                {
                    run.push_str(text);
                }
                pass.run.push_str(text);
            }
        }
    }

    /// The text so far runs no further.
    pub(super) fn flush(&mut self, pass: &mut Pass<'_>) {
        if !pass.run.is_empty() {
            text::find(&pass.run, Source::Text, self.into);
            pass.run.clear();
        }
        if let Some(run) = pass.seen_run.take().filter(|run| !run.is_empty()) {
            text::find(&run, Source::Text, self.into);
        }
    }

    pub(super) fn close_anchor(&mut self, pass: &mut Pass<'_>) {
        if let Some(anchor) = pass.anchor.take() {
            // White space is folded, so that twice as much may come to what is kept.
            let end = anchor.shown.floor_char_boundary(self.into.limits.kept_bytes.saturating_mul(2));
            let mut shown = folded(anchor.shown.get(..end).unwrap_or_default());
            if shown.is_empty() {
                shown = folded(&anchor.alt);
            }
            let before = self.into.taken();
            self.address(&anchor.written, anchor.source, &shown, pass.mode.depth);
            // It leads nowhere on the web: programs drop it and link the text.
            if self.into.taken() == before && !anchor.shown.is_empty() {
                text::find(&anchor.shown, Source::Text, self.into);
            }
        }
    }

    fn end(&mut self, name: &str, pass: &mut Pass<'_>) {
        let name = key(name);
        if name == A {
            self.close_anchor(pass);
        } else if !is_inline(name) {
            self.break_text(pass);
        }
        pass.tree.end(name);
    }

    fn break_text(&mut self, pass: &mut Pass<'_>) {
        if pass.tree.hidden().is_none() {
            (pass.in_word, pass.split) = (false, false);
        }
        match &mut pass.anchor {
            Some(anchor) => {
                if !anchor.shown.is_empty() {
                    anchor.shown.push(' ');
                }
            }
            None => self.flush(pass),
        }
    }

    /// How text looks within an element.
    fn look(&self, tag: &str, style: Option<&str>, pass: &Pass<'_>) -> Look {
        let all = &pass.attributes;
        let own = hiding::Attributes {
            colour: all.get(Attribute::Color),
            background: all.get(Attribute::Bgcolor),
            has_picture: all.get(Attribute::Background).is_some(),
            is_hidden: all.get(Attribute::Hidden).is_some(),
        };
        let mut declared = Declared::default();
        if !self.sheet.is_empty() {
            declared = self.sheet.of(tag, all.get(Attribute::Id), all.get(Attribute::Class));
        }
        if let Some(style) = style {
            declared = declared.then(Declared::read(style));
        }
        let look = pass.tree.look();
        let is_plain = own.colour.is_none() && own.background.is_none() && !own.has_picture && !own.is_hidden;
        if is_plain && declared.is_empty() {
            return look;
        }
        look.within(&own, &declared, !self.sheet.is_unsure)
    }

    fn start(&mut self, tag: &str, is_self_closing: bool, pass: &mut Pass<'_>) {
        let name = key(tag);
        pass.tree.imply_end(name);
        let attributes = &pass.attributes;
        let style = attributes.get(Attribute::Style).map(|raw| reference::resolved(raw, true));
        let colour = attributes.get(Attribute::Color);
        let look = self.look(tag, style.as_deref(), pass);
        let facts = tree::Tag {
            is_self_closing,
            has_font: colour.is_some()
                || attributes.get(Attribute::Face).is_some()
                || attributes.get(Attribute::Size).is_some(),
            encoding: attributes.get(Attribute::Encoding),
        };
        let space = if pass.mode.no_foreign { Space::Html } else { pass.tree.start(name, &facts, look) };
        pass.has_foreign |= space != Space::Html;
        pass.may_drop |= matches!(name, FRAMESET | SELECT);
        if !is_inline(name) {
            self.break_text(pass);
        }
        self.count(name, pass);
        self.sheet.is_unsure |= pass
            .attributes
            .get(Attribute::Rel)
            .is_some_and(|rel| rel.to_ascii_lowercase().contains("stylesheet"));
        self.addresses(name, space, pass);
        if let Some(style) = style {
            style::find(&style, Source::Style, self.into);
        }
        if space == Space::Html && !pass.mode.within_raw {
            self.raw(tag, name, pass);
        }
    }
}
