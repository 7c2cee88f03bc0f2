//! Replies as they go out: gathered, and written in one piece.

/// Replies that are not yet written.
#[derive(Debug, Default)]
pub(super) struct Replies(pub(super) Vec<u8>);

impl Replies {
    /// One line; `text` begins with the enhanced status code where there is one (RFC 2034).
    pub(super) fn say(&mut self, code: u16, text: &str) {
        self.push(code, b' ', text);
    }

    /// Several lines as one reply.
    pub(super) fn say_all(&mut self, code: u16, lines: &[String]) {
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            self.push(code, if at == last { b' ' } else { b'-' }, line);
        }
    }

    fn push(&mut self, code: u16, separator: u8, text: &str) {
        self.0.extend_from_slice(code.to_string().as_bytes());
        self.0.push(separator);
        // Our own words, and what `model::text` or `Said` made safe; a line break would be a second reply.
        self.0.extend(text.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
        self.0.extend_from_slice(b"\r\n");
    }
}
