//! What browsers take for no markup: raw text, and comments. Other programs show it.

use super::super::found::Source;
use super::super::{style, text};
use super::Page;
use super::attribute::Attribute;
use super::names::{IFRAME, NOEMBED, NOFRAMES, NOSCRIPT, SCRIPT, STYLE, TEXTAREA, TITLE, XMP};
use super::pass::{Mode, Pass};
use super::sheet::is_any_medium;

impl Page<'_, '_> {
    /// Elements whose content is no markup to browsers. Their content is read as markup all the same,
    /// because other programs show it; where the element ends is what browsers say.
    pub(super) fn raw(&mut self, tag: &str, name: u64, pass: &mut Pass<'_>) {
        let content = match name {
            SCRIPT => {
                self.seen.scripts = self.seen.scripts.saturating_add(1);
                let content = pass.tokens.script();
                self.script(content, Source::Script, pass.mode.depth);
                return;
            }
            STYLE | XMP | IFRAME | NOEMBED | NOFRAMES | TITLE | TEXTAREA => pass.tokens.raw_text(tag),
            NOSCRIPT if pass.mode.runs_scripts => {
                pass.tokens.raw_text(tag);
                return;
            }
            NOSCRIPT => {
                let at = pass.tokens.at();
                if pass.noscript_end < at {
                    pass.noscript_end = pass.tokens.end_tag(tag, at);
                }
                pass.in_noscript = true;
                return;
            }
            _ => return,
        };
        if name == STYLE {
            style::find(content, Source::Style, self.into);
            self.rules(content, pass);
        }
        let is_raw = matches!(name, STYLE | TITLE);
        if memchr::memchr(b'<', content.as_bytes()).is_some() {
            self.within(content, Mode { within_raw: true, is_raw, ..pass.mode });
        } else if !is_raw {
            text::find(content, Source::Text, self.into);
        }
    }

    /// The rules of a sheet of the page itself: what is only for Outlook hides nothing elsewhere.
    fn rules(&mut self, content: &str, pass: &Pass<'_>) {
        let is_first = !pass.mode.runs_scripts && !pass.mode.no_foreign;
        if is_first && pass.mode.depth == 0 && pass.attributes.get(Attribute::Media).is_none_or(is_any_medium)
        {
            let has_rules = self.sheet.read(content);
            self.has_late_rules |= has_rules && self.seen.visible > 0;
        }
    }
}

/// What Outlook reads in a comment: `[if …]>` to `<![endif]`.
pub(super) fn for_outlook(comment: &str) -> Option<&str> {
    let begin = comment.trim_start().get(..3)?;
    if !begin.eq_ignore_ascii_case("[if") {
        return None;
    }
    let (_, body) = comment.split_once("]>")?;
    let end = memchr::memmem::rfind(body.as_bytes(), b"<![").unwrap_or(body.len());
    body.get(..end).filter(|body| body.contains('<'))
}
