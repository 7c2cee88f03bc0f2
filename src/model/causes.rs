//! An error with its causes, in one sentence.

use std::error::Error;

/// What `error` says, then what each cause adds to it, parted by `: `. Many errors name their cause in
/// their own words; it is not said a second time.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        next = cause.source();
    }
    told
}

/// What the system says of `error`, in lower case and without `(os error 2)`.
#[must_use]
pub fn system_says(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        Layer { text: first, source: (!rest.is_empty()).then(|| Box::new(layers(rest))) }
    }

    #[test]
    fn each_cause_is_told_once() {
        let told = |texts: &[&'static str]| causes(&layers(texts));
        assert_eq!(told(&["alone"]), "alone");
        assert_eq!(told(&["cannot listen: in use", "in use"]), "cannot listen: in use");
        assert_eq!(told(&["a", "b", "b", "c"]), "a: b: c");
    }
}
