//! The parameters of MAIL (RFC 5321 §4.1.1.11).

use super::command::{Fault, fault};

/// What the parameters of MAIL say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// SIZE (RFC 1870).
    pub(super) size: Option<u64>,
    /// SMTPUTF8 (RFC 6531).
    pub(super) utf8: bool,
}

/// Reads the parameters of MAIL: SIZE, BODY and SMTPUTF8.
///
/// # Errors
/// 555 for one that is not known, 501 for one that is not as it must be or is given twice.
pub(super) fn declared(parameters: &[&str]) -> Result<Declared, Fault> {
    let mut declared = Declared::default();
    let mut body = false;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').map_or((*parameter, None), |(n, v)| (n, Some(v)));
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let twice = match value {
            Some(value) if is("SIZE") => {
                let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
                let size = if digits {
                    Ok(value.parse().unwrap_or(u64::MAX))
                } else {
                    Err(fault(501, "5.5.4 SIZE is no number"))
                };
                declared.size.replace(size?).is_some()
            }
            Some(value) if is("BODY") => {
                if !["7BIT", "8BITMIME"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
                    return Err(fault(501, "5.5.4 BODY can be 7BIT or 8BITMIME"));
                }
                std::mem::replace(&mut body, true)
            }
            None if is("SMTPUTF8") => std::mem::replace(&mut declared.utf8, true),
            _ => return Err(fault(555, "5.5.4 unknown parameter of MAIL")),
        };
        if twice {
            return Err(fault(501, "5.5.4 a parameter is given twice"));
        }
    }
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_mail_are_known_or_refused() {
        let all = declared(&["size=100", "body=8bitmime", "SMTPUTF8"]);
        assert_eq!(all, Ok(Declared { size: Some(100), utf8: true }));
        assert_eq!(declared(&["SIZE=99999999999999999999"]).unwrap().size, Some(u64::MAX));
        let code = |parameters: &[&str]| declared(parameters).unwrap_err().code;
        for unknown in ["AUTH=<>", "RET=HDRS", "SIZE", "SMTPUTF8=1", "BODY", "X"] {
            assert_eq!(code(&[unknown]), 555, "{unknown}");
        }
        for wrong in ["SIZE=", "SIZE=x", "SIZE=-1", "BODY=BINARYMIME"] {
            assert_eq!(code(&[wrong]), 501, "{wrong}");
        }
        assert_eq!(code(&["SIZE=1", "size=2"]), 501);
    }
}
