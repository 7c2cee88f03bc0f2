//! Flowed text (RFC 3676) whose lines are put together without the space at their end (`DelSp=yes`).

/// `text` with its flowed lines put together; `None` where there is none. A line goes on with the next one if
/// it ends in a space, both are quoted alike, and it is not the one above a signature.
pub(super) fn joined(text: &str) -> Option<String> {
    memchr::memmem::find(text.as_bytes(), b" \r\n")
        .or_else(|| memchr::memmem::find(text.as_bytes(), b" \n"))?;
    let mut out = String::with_capacity(text.len());
    // How deep the line before is quoted, if it goes on.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start_matches('>');
        let depth = line.len() - content.len();
        // One space at the beginning is stuffing (§4.4).
        let content = content.strip_prefix(' ').unwrap_or(content);
        if open != Some(depth) || content == "-- " {
            out.push('\n');
        }
        let flowed = content.strip_suffix(' ').filter(|_| content != "-- ");
        out.push_str(flowed.unwrap_or(content));
        open = flowed.map(|_| depth);
    }
    Some(out)
}
