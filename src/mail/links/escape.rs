//! Escapes that several readers undo: percent, base64.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// Percent-encoding undone; what is not UTF-8 then is replaced.
pub(super) fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|d| char::from(*d).to_digit(16));
        match (b, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Base64 in either alphabet, padded or not, white space and what else is foreign left out.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    static ENCODING: LazyLock<Option<Encoding>> = LazyLock::new(|| {
        let mut spec = Specification::new();
        spec.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        spec.translate.from.push_str("-_");
        spec.translate.to.push_str("+/");
        spec.ignore.push_str(" \t\r\n=");
        spec.check_trailing_bits = false;
        spec.encoding().ok()
    });
    let usable = text.bytes().filter(|b| !b" \t\r\n=".contains(b)).count();
    // One digit too many says nothing.
    let text = if usable % 4 == 1 {
        text.trim_end_matches('=').get(..text.trim_end_matches('=').len().checked_sub(1)?)?
    } else {
        text
    };
    ENCODING.as_ref()?.decode(text.as_bytes()).ok()
}
