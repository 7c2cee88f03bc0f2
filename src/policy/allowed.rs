//! What rules may name: header fields that are added, addresses that get mail.

use crate::mail::strip;

/// Why a field must not be added by a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// RFC 5322 §2.2: printable ASCII without colon; RFC 5322 §2.1.1: a line has at most 998 characters.
    #[error(
        "{0:?} is no field name: it must be 1 to {MAX_NAME} printable ASCII characters without space or colon"
    )]
    Name(String),
    /// mailward writes and removes it itself.
    #[error(
        "{0} is a field that mailward itself writes and takes out of mail that comes in; choose another name"
    )]
    Ours(String),
    /// Others rely on who wrote it, on there being one of it, or on its place.
    #[error("{0} says where a mail comes from, what it is or who signed it; a rule must not add one")]
    Reserved(String),
}

/// Longest name of a field.
const MAX_NAME: usize = 76;

/// Fields that there may be one of (RFC 5322 §3.6, RFC 2045), that speak for somebody, or that mail programs
/// act on. Subject has an action of its own.
const RESERVED: [&str; 38] = [
    "Received",
    "Received-SPF",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "Authentication-Results",
    "DKIM-Signature",
    "DomainKey-Signature",
    "X-Google-DKIM-Signature",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Message-ID",
    "Disposition-Notification-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-MD5",
    "Content-Length",
];

/// Whether a rule may add a field called `name`.
///
/// # Errors
/// If it is no field name, one that mailward answers for, or one that is not a rule's to write.
pub fn header_allowed(name: &str) -> Result<(), HeaderError> {
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name {
        return Err(HeaderError::Name(name.chars().take(MAX_NAME).collect()));
    }
    if strip::is_ours(name.as_bytes()) {
        return Err(HeaderError::Ours(name.to_owned()));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(HeaderError::Reserved(name.to_owned()));
    }
    Ok(())
}

/// Why an address cannot get mail by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// No `@`, or nothing on one side of it.
    #[error("is no address: write it as name@example.org, without angle brackets")]
    Form,
    /// The MTA would read something else.
    #[error(
        "must be ASCII letters, digits, dots, and any of !#$%&'*+-/=?^_`{{|}}~ before the @; no quotes, spaces or comments"
    )]
    Local,
    /// No host name.
    #[error(
        "has no host name after the @: letters, digits, hyphens and dots (a name in another script as xn--…)"
    )]
    Domain,
    /// RFC 5321 §4.5.3.1.
    #[error("is too long: at most 64 characters before the @ and 254 in all")]
    Length,
}

/// Whether mail can be copied or redirected to `address`: one plain address, as RFC 5321 §4.1.2 has it without
/// quoting, so that no MTA reads it as anything else.
///
/// # Errors
/// If it is none; what is wrong with it, to be read after the address.
pub fn mailbox_allowed(address: &str) -> Result<(), MailboxError> {
    let (local, domain) = address.rsplit_once('@').ok_or(MailboxError::Form)?;
    if local.is_empty() || domain.is_empty() {
        return Err(MailboxError::Form);
    }
    if local.len() > 64 || address.len() > 254 {
        return Err(MailboxError::Length);
    }
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    // Some MTAs take `%` and `!` for routes; `-` at the beginning is an option to others.
    if !local.split('.').all(is_atom) || local.starts_with('-') {
        return Err(MailboxError::Local);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.split('.').all(is_label) {
        return Err(MailboxError::Domain);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_adds_no_field_that_others_rely_on() {
        for name in ["X-Filter", "List-Label", "X-Mailwardx", "Precedence", "X-Spam-Level"] {
            assert_eq!(header_allowed(name), Ok(()), "{name}");
        }
        for name in ["", "two words", "X:", "Größe", "X-\n", &"x".repeat(77)] {
            assert!(matches!(header_allowed(name), Err(HeaderError::Name(_))), "{name}");
        }
        for name in ["x-mailward-anything", "X-SPAM-FLAG", "X-Virus-Status"] {
            assert_eq!(header_allowed(name), Err(HeaderError::Ours(name.to_owned())));
        }
        for name in ["received", "DKIM-signature", "From", "ARC-Seal", "Authentication-Results", "Subject"] {
            assert_eq!(header_allowed(name), Err(HeaderError::Reserved(name.to_owned())));
        }
    }

    #[test]
    fn an_address_that_gets_mail_is_plain() {
        for address in
            ["a@example.org", "a.b+c@x", "A_b=c@xn--bcher-kva.example", &format!("{}@x", "l".repeat(64))]
        {
            assert_eq!(mailbox_allowed(address), Ok(()), "{address}");
        }
        for (address, why) in [
            ("", MailboxError::Form),
            ("alice", MailboxError::Form),
            ("@x", MailboxError::Form),
            ("a@", MailboxError::Form),
            ("\"a b\"@x", MailboxError::Local),
            ("a..b@x", MailboxError::Local),
            ("<a@x>", MailboxError::Local),
            ("a@b@x", MailboxError::Local),
            ("-f@x", MailboxError::Local),
            ("ä@x", MailboxError::Local),
            ("a@x>", MailboxError::Domain),
            ("a@[127.0.0.1]", MailboxError::Domain),
            ("a@x\0", MailboxError::Domain),
            ("a@-x", MailboxError::Domain),
            ("a@x..y", MailboxError::Domain),
            (&format!("{}@x", "l".repeat(65)), MailboxError::Length),
        ] {
            assert_eq!(mailbox_allowed(address), Err(why), "{address}");
        }
    }
}
