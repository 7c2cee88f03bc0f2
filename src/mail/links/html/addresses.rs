//! The addresses that start tags have in their attributes.

use super::super::found::Source;
use super::attribute::Attribute;
use super::names::{A, BASE, META, PARAM};
use super::pass::{Anchor, Mode, Pass};
use super::token::Attributes;
use super::tree::Space;
use super::words::folded;
use super::{Page, reference, values};

impl Page<'_, '_> {
    /// The addresses of a start tag.
    pub(super) fn addresses(&mut self, name: u64, space: Space, pass: &mut Pass<'_>) {
        use Attribute as At;
        let depth = pass.mode.depth;
        if name == A {
            self.close_anchor(pass);
            self.flush(pass);
        }
        let attributes = std::mem::take(&mut pass.attributes);
        let is_svg = space == Space::Svg;
        for (attribute, raw) in attributes.iter() {
            let source = match attribute {
                At::Href if name == BASE && space == Space::Html => {
                    self.set_base(raw, depth == 0 && !pass.in_noscript && !pass.mode.within_raw);
                    continue;
                }
                At::Href | At::XlinkHref => {
                    let source =
                        if is_svg || attribute == At::XlinkHref { Source::Svg } else { Source::Href };
                    if name == A && pass.anchor.is_none() {
                        pass.anchor = Some(Anchor {
                            written: reference::resolved(raw, true).into_owned(),
                            source,
                            shown: String::new(),
                            alt: String::new(),
                        });
                    } else {
                        let alt = attributes.get(At::Alt).unwrap_or_default();
                        self.attribute(raw, source, &folded(&reference::resolved(alt, true)), depth);
                    }
                    continue;
                }
                At::Src
                | At::Data
                | At::Poster
                | At::Dynsrc
                | At::Lowsrc
                | At::Icon
                | At::Manifest
                | At::Code
                | At::Codebase
                | At::Classid
                | At::Archive => Source::Src,
                At::Cite | At::Longdesc | At::Profile | At::SavedUrl => Source::Href,
                At::Action => Source::Form,
                At::Background => Source::Background,
                At::Value if name == PARAM => Source::Src,
                At::Formaction => {
                    let value = attributes.get(At::Value).unwrap_or_default();
                    self.attribute(
                        raw,
                        Source::Formaction,
                        &folded(&reference::resolved(value, true)),
                        depth,
                    );
                    continue;
                }
                other => {
                    self.several(other, name, raw, &attributes, pass.mode);
                    continue;
                }
            };
            self.attribute(raw, source, "", depth);
        }
        if let (Some(anchor), Some(alt)) = (&mut pass.anchor, attributes.get(At::Alt)) {
            anchor.alt.push_str(&reference::resolved(alt, true));
            anchor.alt.push(' ');
            let end = anchor.alt.floor_char_boundary(self.into.limits.kept_bytes);
            anchor.alt.truncate(end);
        }
        pass.attributes = attributes;
    }

    /// Attributes that hold more than one address.
    fn several(&mut self, attribute: Attribute, name: u64, raw: &str, all: &Attributes<'_>, mode: Mode) {
        let depth = mode.depth;
        match attribute {
            Attribute::Srcset | Attribute::Imagesrcset => {
                let value = reference::resolved(raw, true);
                for address in values::srcset(&value) {
                    self.address(address, Source::Srcset, "", depth);
                }
            }
            Attribute::Ping => {
                for address in reference::resolved(raw, true).split_ascii_whitespace() {
                    self.address(address, Source::Href, "", depth);
                }
            }
            Attribute::From | Attribute::To | Attribute::By | Attribute::Values => {
                for address in reference::resolved(raw, true).split(';') {
                    if address.contains(':') {
                        self.address(address.trim(), Source::Svg, "", depth);
                    }
                }
            }
            Attribute::Event => {
                self.seen.event_handlers = self.seen.event_handlers.saturating_add(1);
                self.script(&reference::resolved(raw, true), Source::Event, depth);
            }
            Attribute::Srcdoc => self.inner(&reference::resolved(raw, true), depth),
            Attribute::Content if name == META => {
                let equivalent = reference::resolved(all.get(Attribute::HttpEquiv).unwrap_or_default(), true);
                if equivalent.trim().eq_ignore_ascii_case("refresh") {
                    self.seen.refreshes = self.seen.refreshes.saturating_add(1);
                    let value = reference::resolved(raw, true);
                    self.address(values::refresh(&value), Source::Meta, "", depth);
                }
            }
            _ => {}
        }
    }
}
