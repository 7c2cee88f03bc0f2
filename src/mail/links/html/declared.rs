//! What declarations of a style say that may hide text; the last of a property counts, as in CSS.

use super::hiding::Reason;

/// A colour that was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// `0xRRGGBB`.
    Colour(u32),
    /// `transparent`.
    Clear,
    /// A picture, or a run of colours.
    Unknown,
}

/// A property that may hide text; a bit of [`Declared`].
#[derive(Clone, Copy)]
enum Property {
    Display,
    Visibility,
    Opacity,
    Overflow,
    FontSize,
    Height,
    MaxHeight,
    Width,
    MaxWidth,
    TextIndent,
    Left,
    Top,
    MarginLeft,
    MarginTop,
}

use Property::*;

const NAMES: [(&str, Property); 14] = [
    ("display", Display),
    ("visibility", Visibility),
    ("opacity", Opacity),
    ("overflow", Overflow),
    ("font-size", FontSize),
    ("height", Height),
    ("max-height", MaxHeight),
    ("width", Width),
    ("max-width", MaxWidth),
    ("text-indent", TextIndent),
    ("left", Left),
    ("top", Top),
    ("margin-left", MarginLeft),
    ("margin-top", MarginTop),
];

/// Declarations, as far as they may hide text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// A bit for each property: declared, in a way that hides, `!important`.
    set: u16,
    hiding: u16,
    important: u16,
    pub(super) colour: Option<Paint>,
    pub(super) background: Option<Paint>,
}

impl Declared {
    /// Reads declarations: the value of a `style`, or what a rule has in its brackets.
    pub(super) fn read(style: &str) -> Self {
        let mut read = Self::default();
        for declaration in style.split(';').take(64) {
            let Some((property, value)) = declaration.split_once(':') else { continue };
            let (value, important) = value.split_once('!').unwrap_or((value, ""));
            read.declare(
                property.trim_ascii(),
                value.trim_ascii(),
                starts(important.trim_ascii_start(), "important"),
            );
        }
        read
    }

    fn declare(&mut self, name: &str, value: &str, is_important: bool) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.as_bytes().first().map(u8::to_ascii_lowercase) {
            Some(b'c') if is("color") => {
                let paint = match starts(value, "transparent") {
                    true => Some(Paint::Clear),
                    false => colour_of(value).map(Paint::Colour),
                };
                self.colour = paint.or(self.colour);
            }
            Some(b'b') if is("background") || is("background-color") || is("background-image") => {
                // A picture behind the text: nobody knows.
                let paint = if value.contains("url(") || value.contains("gradient(") {
                    Some(Paint::Unknown)
                } else {
                    colour_of(value).map(Paint::Colour)
                };
                self.background = paint.or(self.background);
            }
            Some(b'd' | b'v' | b'o' | b'f' | b'h' | b'm' | b'w' | b't' | b'l') => {
                if let Some((_, property)) = NAMES.iter().find(|(known, _)| is(known)) {
                    self.say(*property, hides(*property, value), is_important);
                }
            }
            _ => {}
        }
    }

    const fn say(&mut self, property: Property, hides: bool, is_important: bool) {
        let bit = 1 << property as u16;
        if self.important & bit != 0 && !is_important {
            return;
        }
        self.set |= bit;
        self.hiding = if hides { self.hiding | bit } else { self.hiding & !bit };
        if is_important {
            self.important |= bit;
        }
    }

    /// These, and then `later` ones.
    pub(super) fn then(self, later: Self) -> Self {
        let taken = later.set & (!self.important | later.important);
        Self {
            set: self.set | taken,
            hiding: self.hiding & !taken | later.hiding & taken,
            important: self.important | later.important,
            colour: later.colour.or(self.colour),
            background: later.background.or(self.background),
        }
    }

    /// Whether nothing is declared that matters.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether text may be hidden by these, with others.
    pub(super) const fn may_hide(&self) -> bool {
        self.hiding != 0 || self.colour.is_some() || self.background.is_some()
    }

    const fn has(&self, property: Property) -> bool {
        self.hiding >> property as u16 & 1 == 1
    }

    /// Whether the font is too small to be read, if that is declared.
    pub(super) fn is_small(&self) -> Option<bool> {
        (self.set >> FontSize as u16 & 1 == 1).then_some(self.has(FontSize))
    }

    /// Why text is not seen by these alone, colours aside.
    pub(super) fn hides(&self) -> Option<Reason> {
        let any = |properties: &[Property]| properties.iter().any(|property| self.has(*property));
        Some(if self.has(Display) {
            Reason::NotDisplayed
        } else if any(&[Visibility, Opacity]) {
            Reason::Invisible
        } else if self.has(FontSize) {
            Reason::ZeroFont
        } else if self.has(Overflow) && any(&[Height, MaxHeight, Width, MaxWidth]) {
            Reason::Clipped
        } else if any(&[TextIndent, Left, Top, MarginLeft, MarginTop]) {
            Reason::OffPage
        } else {
            return None;
        })
    }
}

/// Whether such a value hides text; of `overflow` and of sizes, only together.
fn hides(property: Property, value: &str) -> bool {
    match property {
        Display => starts(value, "none"),
        Visibility => starts(value, "hidden") || starts(value, "collapse"),
        Opacity => is_clear(value),
        Overflow => starts(value, "hidden"),
        FontSize => is_tiny(value),
        Height | MaxHeight | Width | MaxWidth => pixels(value).is_some_and(|p| p.abs() <= 1.0),
        TextIndent | Left | Top | MarginLeft | MarginTop => pixels(value).is_some_and(|p| p <= -500.0),
    }
}

fn starts(value: &str, with: &str) -> bool {
    value.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

/// A length in pixels; other units are taken for pixels where zero is zero.
fn pixels(value: &str) -> Option<f32> {
    let end = value.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let number: f32 = number.parse().ok()?;
    let factor = match unit.trim_ascii() {
        u if u.eq_ignore_ascii_case("em") || u.eq_ignore_ascii_case("rem") => 16.0,
        u if u.eq_ignore_ascii_case("pt") => 1.33,
        "%" => 100.0,
        _ => 1.0,
    };
    Some(number * factor)
}

/// An opacity through which nothing is seen.
fn is_clear(value: &str) -> bool {
    value.trim_end_matches('%').parse::<f32>().is_ok_and(|opacity| opacity < 0.05)
}

/// A font that nobody can read.
fn is_tiny(value: &str) -> bool {
    match value.strip_suffix('%') {
        Some(percent) => percent.trim_ascii().parse::<f32>().is_ok_and(|p| p < 10.0),
        None => pixels(value).is_some_and(|p| p <= 1.0),
    }
}

/// A colour: `#rgb`, `#rrggbb`, `rgb(…)`, the first word that names one.
pub(super) fn colour_of(value: &str) -> Option<u32> {
    let value = value.trim_ascii();
    if let Some(at) = value.find('#') {
        let digits = value.get(at + 1..)?;
        let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digits = digits.get(..len)?;
        return match len {
            3 | 4 => {
                let n = u32::from_str_radix(digits.get(..3)?, 16).ok()?;
                Some((n >> 8 & 15) * 0x11_0000 + (n >> 4 & 15) * 0x1100 + (n & 15) * 0x11)
            }
            6 | 8 => u32::from_str_radix(digits.get(..6)?, 16).ok(),
            _ => None,
        };
    }
    if let Some((head, rest)) = value.split_once('(') {
        if !starts(head.trim_ascii(), "rgb") {
            return None;
        }
        let mut out = 0;
        let mut parts = rest.split([',', ' ', '/', ')']).filter(|part| !part.is_empty());
        for _ in 0..3 {
            out = out << 8 | parts.next()?.parse::<u32>().ok()?.min(255);
        }
        return Some(out);
    }
    let word = value.split_ascii_whitespace().next()?;
    const NAMED: [(&str, u32); 14] = [
        ("white", 0xff_ffff),
        ("black", 0),
        ("snow", 0xff_fafa),
        ("ivory", 0xff_fff0),
        ("whitesmoke", 0xf5_f5f5),
        ("ghostwhite", 0xf8_f8ff),
        ("floralwhite", 0xff_faf0),
        ("red", 0xff_0000),
        ("blue", 0x00_00ff),
        ("green", 0x00_8000),
        ("yellow", 0xff_ff00),
        ("gray", 0x80_8080),
        ("grey", 0x80_8080),
        ("silver", 0xc0_c0c0),
    ];
    if let Some((_, colour)) = NAMED.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)) {
        return Some(*colour);
    }
    // `bgcolor=ffffff`.
    (word.len() == 6).then(|| u32::from_str_radix(word, 16).ok()).flatten()
}
