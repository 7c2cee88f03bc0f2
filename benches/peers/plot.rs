//! The plot: for each mail messages a second and the processor's time, a bar a row, with whiskers from least to most.
//!
//! Plain SVG that brings its own ground and both of its colour schemes, so that it can be read wherever it is
//! shown. Each bar says its numbers as text, beside it and as its title.

use super::super::mails::Kind;
use super::super::table::Spread;
use super::figures::{Figure, Figures};
use super::rows::Who;
use super::tables::signed;

const WIDTH: f64 = 1000.0;
/// Where names end and the first column of bars begins.
const NAMES: f64 = 280.0;
/// Width of the longest bar of a column.
const BARS: f64 = 250.0;
/// From one column to the next.
const COLUMN: f64 = 365.0;
const ROW: f64 = 22.0;
const HEAD: f64 = 92.0;
const PANEL_HEAD: f64 = 46.0;
/// Below a panel.
const GAP: f64 = 24.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.ground{fill:#fff}.big{font-size:17px;font-weight:600}\
.panel{font-weight:600}.small{font-size:11px;fill:#59636e}.end{text-anchor:end}.bar{fill:#9aa4af}.ours{fill:#0969da}\
.whisker{stroke:#1f2328;stroke-width:1.2;fill:none}.axis{stroke:#d1d9e0}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.small{fill:#9198a1}.bar{fill:#656c76}\
.ours{fill:#4493f8}.whisker{stroke:#e6edf3}.axis{stroke:#3d444d}}";

/// A column of bars.
struct Column {
    title: &'static str,
    unit: &'static str,
    figure: Figure,
    digits: usize,
    /// Tenfold steps instead of equal ones.
    tenfold: bool,
}

const COLUMNS: [Column; 2] = [
    Column {
        title: "messages a second",
        unit: "messages/s",
        figure: |cell| cell.rate,
        digits: 0,
        tenfold: false,
    },
    Column {
        title: "CPU of the filter, ms a message (logarithmic)",
        unit: "ms",
        figure: |cell| cell.cpu,
        digits: 2,
        tenfold: true,
    },
];

/// All of it.
pub(super) fn svg(figures: &Figures, rows: &[Who]) -> String {
    let count = f64::from(u32::try_from(rows.len()).unwrap_or(0));
    let panel = PANEL_HEAD + count * ROW + GAP;
    let height = HEAD + panel * 3.0;
    let mut body = String::new();
    let mut described = String::new();
    for (number, kind) in (0_u32..).zip(Kind::ALL) {
        let top = HEAD + panel * f64::from(number);
        body.push_str(&text(20.0, top + 16.0, "panel", &signed(kind)));
        for (column, place) in COLUMNS.iter().zip([NAMES, NAMES + COLUMN]) {
            body.push_str(&text(place, top + 34.0, "small", column.title));
            described.push_str(&drawn(&mut body, figures, (kind, rows), column, (place, top + PANEL_HEAD)));
        }
        for (line, who) in (0_u32..).zip(rows) {
            let y = top + PANEL_HEAD + f64::from(line) * ROW + 15.0;
            body.push_str(&text(NAMES - 10.0, y, "end", who.name()));
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">mailward beside other filters behind the same Postfix</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n{}{}{body}</svg>\n",
        escaped(&described),
        text(20.0, 34.0, "big", "mailward beside other filters behind the same Postfix"),
        text(
            20.0,
            58.0,
            "small",
            "Bars: median of the rounds; whiskers: least to most. Longer is better on the left, shorter on the right."
        ),
    )
}

/// One column of one mail; what it shows, in words.
fn drawn(
    body: &mut String,
    figures: &Figures,
    (kind, rows): (Kind, &[Who]),
    column: &Column,
    (left, top): (f64, f64),
) -> String {
    let spreads: Vec<(u32, Who, Option<Spread>)> = (0..)
        .zip(rows)
        .map(|(line, who)| {
            // Nobody uses nothing.
            let spread = figures.spread(kind, *who, column.figure);
            (line, *who, spread.filter(|_| !(column.tenfold && *who == Who::Nobody)))
        })
        .collect();
    let most =
        spreads.iter().filter_map(|(_, _, spread)| spread.map(|spread| spread.most)).fold(0.0, f64::max);
    let least = spreads.iter().filter_map(|(_, _, spread)| spread.map(|spread| spread.least));
    let least = least.filter(|least| *least > 0.0).fold(f64::INFINITY, f64::min);
    let scale = Scale::new(column.tenfold, least, most);
    let bottom = top + f64::from(u32::try_from(rows.len()).unwrap_or(0)) * ROW;
    for value in scale.lines() {
        let x = left + scale.at(value);
        body.push_str(&format!("<path class=\"axis\" d=\"M{x:.1} {top}V{bottom}\"/>\n"));
        if column.tenfold {
            body.push_str(&text(x - 3.0, bottom + 11.0, "small", &value.to_string()));
        }
    }
    let mut told = format!("{}, {}: ", signed(kind), column.title);
    for (line, who, spread) in spreads {
        let y = top + f64::from(line) * ROW;
        let Some(spread) = spread else {
            let why = if who == Who::Nobody { "–" } else { "not measured" };
            body.push_str(&text(left + 6.0, y + 15.0, "small", why));
            continue;
        };
        let [width, low, high] = [spread.median, spread.least, spread.most].map(|value| scale.at(value));
        let class = if matches!(who, Who::Native | Who::NativeAndBoth) { "ours" } else { "bar" };
        let digits = column.digits;
        let sentence = format!("{}: {spread:.digits$} {}", who.name(), column.unit);
        let (middle, under) = (y + 11.0, y + 15.0);
        let [tip, low, high] = [width, low, high].map(|length| left + length);
        body.push_str(&format!(
            "<g><title>{}</title><rect class=\"{class}\" x=\"{left}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"2\"/>\
             <path class=\"whisker\" d=\"M{low:.1} {middle}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\"/></g>\n",
            escaped(&sentence),
            y + 3.0,
            tip - left,
            y + 7.0,
            y + 7.0,
        ));
        body.push_str(&text(high.max(tip) + 7.0, under, "", &format!("{:.digits$}", spread.median)));
        told.push_str(&sentence);
        told.push_str("; ");
    }
    told + "\n"
}

/// From values to lengths.
struct Scale {
    tenfold: bool,
    least: f64,
    most: f64,
}

impl Scale {
    fn new(tenfold: bool, least: f64, most: f64) -> Self {
        // The power of ten below, so that the shortest bar can be seen.
        let below = 10_f64.powf(least.log10().floor());
        Self { tenfold, least: if tenfold && below.is_finite() { below } else { 0.0 }, most }
    }

    /// Where a line is drawn: at the begin, and at each power of ten.
    fn lines(&self) -> Vec<f64> {
        if self.least <= 0.0 {
            return vec![0.0];
        }
        let next = |value: &f64| Some(value * 10.0).filter(|value| *value <= self.most);
        std::iter::successors(Some(self.least), next).take(12).collect()
    }

    fn at(&self, value: f64) -> f64 {
        if self.most <= self.least || value <= self.least {
            return 0.0;
        }
        let share = if self.tenfold && self.least > 0.0 {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        };
        share * BARS
    }
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>\n", escaped(content))
}

fn escaped(content: &str) -> String {
    content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
