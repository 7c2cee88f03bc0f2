//! Names as they are asked.

use super::DnsError;

/// RFC 1035 §2.3.4, in the form with dots: 255 octets on the wire are 253 characters and the final dot.
const MAX_NAME: usize = 254;
const MAX_LABEL: usize = 63;

/// The name as it is asked: lower case, with its final dot. Non-ASCII and characters that no host name
/// has are let through as they are, because selectors and SPF macros make such names; what cannot be put
/// into a question is refused.
///
/// # Errors
/// [`DnsError::NotAName`] for an empty label, a label or name that is too long, a control
/// character, a backslash or what is no ASCII.
pub fn question(name: &str) -> Result<String, DnsError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let odd = |b: u8| b.is_ascii_control() || b == b'\\' || !b.is_ascii();
    let labels_fit = bare.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len()));
    if !labels_fit || bare.len() + 1 > MAX_NAME || bare.bytes().any(odd) {
        return Err(DnsError::NotAName);
    }
    let mut question = String::with_capacity(bare.len() + 1);
    question.push_str(bare);
    question.make_ascii_lowercase();
    question.push('.');
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_in_lower_case_and_whole() {
        assert_eq!(question("Sel._DomainKey.Example.ORG").as_deref(), Ok("sel._domainkey.example.org."));
        assert_eq!(question("example.org.").as_deref(), Ok("example.org."));
        let label = "a".repeat(63);
        let long = [&*label, &label, &label, &"b".repeat(61)].join(".");
        assert_eq!(long.len(), 253);
        assert!(question(&long).is_ok());
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a\tb",
            "a\0b",
            "a\\.b",
            "ä.example",
            &format!("{long}c"),
            &"a".repeat(64),
        ] {
            assert_eq!(question(bad), Err(DnsError::NotAName), "{bad:?}");
        }
    }
}
