//! What was done besides, as text for people.

use crate::model::{Also, text};

/// Longest line.
const MAX: usize = 600;

/// One line that says what was done besides and what was left out; `None` where there is nothing to say. No
/// recipient of the message is named: their positions are counted from 1.
#[must_use]
pub(super) fn told(also: &Also) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    if also.held_by_mta {
        said.push("held-by-mta: in its hold queue, no copy here".to_owned());
    }
    let moved = also.redirected.iter();
    said.extend(moved.map(|one| format!("recipient {} redirected to {}", one.recipient + 1, one.to)));
    if !also.copies.is_empty() {
        said.push(format!("copy to {}", also.copies.join(", ")));
    }
    if also.banner {
        said.push("banner put in front".to_owned());
    }
    said.extend(also.left_out.iter().map(|one| format!("left out {}: {}", one.what.name(), one.why)));
    (!said.is_empty()).then(|| text::line(&said.join("; "), MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Extra, LeftOut, Redirected};

    #[test]
    fn what_was_done_besides_is_one_line() {
        assert_eq!(told(&Also::default()), None);
        let also = Also {
            copies: vec!["c@x".into(), "d@x".into()],
            redirected: vec![Redirected { recipient: 1, to: "e@x".into() }],
            held_by_mta: true,
            banner: true,
            left_out: vec![LeftOut { what: Extra::Prefix, why: "a\nb".into() }],
        };
        assert_eq!(
            told(&also).as_deref(),
            Some(
                "held-by-mta: in its hold queue, no copy here; recipient 2 redirected to e@x; copy to c@x, d@x; \
                 banner put in front; left out prefix: a b"
            )
        );
    }
}
