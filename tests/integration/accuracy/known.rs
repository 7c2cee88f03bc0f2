//! Honest mail that is held all the same, because criminals send the same: outside of the bar, and said so.

use super::Sample;
use super::own::attached;

/// What a page of figures has in it that saves its own picture.
const PLOT: &[u8] = b"<!doctype html><html><script>const data = new Uint8Array(9); const url = URL.createObjectURL(new Blob([data]));\
    link.download = 'plot.png'; link.click();</script><body></body></html>";

/// Each with what it is.
pub fn mails() -> Vec<Sample> {
    let sample = |kind, name: &str, content: &[u8]| Sample {
        kind,
        name: name.to_owned(),
        raw: attached(name, content),
    };
    vec![
        sample("a file named after a host (`.com`)", "Report for shop.com", b"%PDF-1.7\n%%EOF"),
        sample("a text about a program (`.js`)", "Introduction to Node.js", b"%PDF-1.7\n%%EOF"),
        sample("notes of OneNote", "Meeting.one", b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d and notes"),
        sample("a page of figures that saves its own picture", "plot.html", PLOT),
    ]
}
