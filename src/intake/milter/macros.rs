//! Macros: what the MTA says beside the commands (SMFIC_MACRO, `D`).
//!
//! A packet holds the command it belongs to, then names and values, each ended by NUL. It replaces
//! what was said for that command and all later ones. Only the macros that we use are kept.

use std::ffi::CStr;

use indymilter::MacroStage;

/// What is asked for with SETSYMLIST; it replaces the MTA's own lists, so admins need not touch them.
pub(super) const WANTED: [(MacroStage, &CStr); 7] = [
    (MacroStage::Connect, c"j {daemon_name} {daemon_addr} v {client_connections}"),
    (MacroStage::Helo, c"{tls_version} {cipher}"),
    (MacroStage::Mail, c"i {auth_type} {auth_authen}"),
    (MacroStage::Rcpt, c"i {rcpt_mailer} {rcpt_addr}"),
    (MacroStage::Data, c"i"),
    (MacroStage::Eoh, c"i"),
    (MacroStage::Eom, c"i"),
];

/// Longest value kept. Names and ids are far shorter; a user name is chosen by the client.
const MAX_VALUE: usize = 512;

/// The macros of one connection that we use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Macros {
    /// `j`: the MTA's own host name.
    pub(super) mta: Option<String>,
    /// `{daemon_name}`.
    pub(super) daemon: Option<String>,
    /// `v`: the MTA's version.
    pub(super) version: Option<String>,
    /// `{client_connections}` came. Postfix' smtpd sends it, if only as 0; its cleanup does not.
    pub(super) counted: bool,
    /// `{tls_version}`.
    pub(super) tls_version: Option<String>,
    /// `{cipher}`.
    pub(super) cipher: Option<String>,
    /// `{auth_type}`.
    pub(super) auth_type: Option<String>,
    /// `{auth_authen}`.
    pub(super) auth_authen: Option<String>,
    /// `i`.
    pub(super) queue_id: Option<String>,
    /// `{rcpt_mailer}` is `error`: the MTA refuses this recipient itself.
    pub(super) rcpt_refused: bool,
    /// `{rcpt_addr}`: to whom the MTA delivers what is for this recipient.
    pub(super) rcpt_addr: Option<String>,
}

impl Macros {
    /// Takes one `D` packet.
    ///
    /// # Errors
    /// If it is not a command byte and pairs of strings, as the end of a sentence. What could be
    /// read before that is kept.
    pub(super) fn define(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        let (stage, mut rest) = payload.split_first().ok_or("without a stage")?;
        self.forget_from(*stage);
        while !rest.is_empty() {
            let (name, after) = c_string(rest).ok_or("whose name does not end")?;
            let (value, after) = c_string(after).ok_or("whose value does not end")?;
            self.set(name, value);
            rest = after;
        }
        Ok(())
    }

    /// Forgets what belongs to one message.
    pub(super) fn end_message(&mut self) {
        self.queue_id = None;
        self.auth_type = None;
        self.auth_authen = None;
        self.rcpt_refused = false;
        self.rcpt_addr = None;
    }

    fn forget_from(&mut self, stage: u8) {
        match stage {
            b'C' => *self = Self::default(),
            b'H' => {
                self.tls_version = None;
                self.cipher = None;
                self.end_message();
            }
            b'M' => self.end_message(),
            b'R' => {
                self.rcpt_refused = false;
                self.rcpt_addr = None;
            }
            // The later stages say nothing but the queue id, which is told again with each.
            _ => {}
        }
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        let bare = name.strip_prefix(b"{").and_then(|n| n.strip_suffix(b"}")).unwrap_or(name);
        let slot = match bare {
            b"i" => &mut self.queue_id,
            b"j" => &mut self.mta,
            b"v" => &mut self.version,
            b"daemon_name" => &mut self.daemon,
            b"tls_version" => &mut self.tls_version,
            b"cipher" => &mut self.cipher,
            b"auth_type" => &mut self.auth_type,
            b"auth_authen" => &mut self.auth_authen,
            b"rcpt_addr" => &mut self.rcpt_addr,
            b"client_connections" => {
                self.counted = true;
                return;
            }
            b"rcpt_mailer" => {
                self.rcpt_refused = value == b"error";
                return;
            }
            _ => return,
        };
        // Postfix tells the queue id again with every header field.
        if slot.as_deref().is_some_and(|held| held.as_bytes() == value) {
            return;
        }
        *slot = (!value.is_empty()).then(|| lossy(value, MAX_VALUE));
    }
}

/// `bytes` as text of at most `max` bytes, unknown bytes replaced.
pub(super) fn lossy(bytes: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned();
    text.truncate(text.floor_char_boundary(max));
    text
}

/// The bytes before the first NUL, and what comes after it.
pub(super) fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_and_without_braces() {
        let mut macros = Macros::default();
        macros
            .define(b"C{j}\0mx\0daemon_name\0smtpd\0v\0Postfix 3.7.11\0{client_connections}\x000\0")
            .unwrap();
        macros.define(b"Mi\0ABC\0{auth_type}\0PLAIN\0{auth_authen}\0eva\0{other}\0x\0").unwrap();
        let text = |s: &str| Some(s.to_owned());
        let expected = Macros {
            mta: text("mx"),
            daemon: text("smtpd"),
            version: text("Postfix 3.7.11"),
            counted: true,
            auth_type: text("PLAIN"),
            auth_authen: text("eva"),
            queue_id: text("ABC"),
            ..Macros::default()
        };
        assert_eq!(macros, expected);
    }

    #[test]
    fn a_stage_told_again_replaces_itself_and_what_came_later() {
        let mut macros = Macros::default();
        macros.define(b"Cj\0mx\0").unwrap();
        macros.define(b"H{tls_version}\0TLSv1.3\0").unwrap();
        macros.define(b"M{auth_authen}\0eva\0").unwrap();
        // STARTTLS, RSET and a new EHLO: who was authenticated is told anew or is nobody.
        macros.define(b"H").unwrap();
        assert_eq!(macros, Macros { mta: Some("mx".into()), ..Macros::default() });
    }

    #[test]
    fn one_user_is_not_taken_for_the_next_ones() {
        let mut macros = Macros::default();
        macros.define(b"M{auth_authen}\0eva\0i\0A1\0").unwrap();
        macros.end_message();
        assert_eq!(macros, Macros::default());
    }

    #[test]
    fn what_does_not_end_is_refused_and_long_values_are_cut() {
        let mut macros = Macros::default();
        assert!(macros.define(b"").is_err());
        assert!(macros.define(b"Cj").is_err());
        assert!(macros.define(b"Cj\0mx").is_err());
        let long = [b"Cj\0".as_slice(), "é".repeat(1000).as_bytes(), b"\0"].concat();
        macros.define(&long).unwrap();
        assert_eq!(macros.mta, Some("é".repeat(256)));
        // An odd cut through a character must not make the value longer than it may be.
        assert!(lossy("aé".repeat(300).as_bytes(), 512).len() <= 512);
    }
}
