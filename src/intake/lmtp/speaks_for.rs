//! For whom a client speaks: XFORWARD and XCLIENT (XFORWARD_README and XCLIENT_README of Postfix).

use std::net::IpAddr;

use crate::model::{Client, ClientAddr, text};

/// Attributes that XFORWARD takes.
pub(super) const XFORWARD: &[&str] = &["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];
/// Attributes that XCLIENT takes.
pub(super) const XCLIENT: &[&str] =
    &["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];

/// Longest value, decoded.
const MAX_VALUE: usize = 255;

/// What is known of the client that is spoken for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpeaksFor {
    name: Option<String>,
    addr: Addr,
    pub(super) helo: Option<String>,
    pub(super) ident: Option<String>,
    pub(super) login: Option<String>,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Addr {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// It was said that there is none: the mail did not come by SMTP.
    Unavailable,
    Ip(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Local,
    Remote,
}

impl SpeaksFor {
    /// Takes the attributes of one command, those of `known`. What is not named keeps its value.
    ///
    /// # Errors
    /// The text of a 501 reply; nothing is changed then.
    pub(super) fn take(&mut self, attributes: &str, known: &[&str]) -> Result<(), &'static str> {
        let mut new = self.clone();
        for pair in attributes.split_ascii_whitespace() {
            let (name, value) = pair.split_once('=').ok_or("5.5.4 attributes are given as NAME=value")?;
            let name = name.to_ascii_uppercase();
            if !known.contains(&name.as_str()) {
                return Err("5.5.4 unknown attribute");
            }
            new.set(&name, value)?;
        }
        *self = new;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let value = xtext(value);
        let there = !["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|none| value.eq_ignore_ascii_case(none));
        // A sender chooses some of these: what is odd in them must not keep the rest from being known.
        let word = || (there && !value.is_empty()).then(|| value.clone());
        match name {
            "NAME" => self.name = word(),
            "HELO" => self.helo = word(),
            "IDENT" => self.ident = word(),
            "LOGIN" => self.login = word(),
            "ADDR" if there => self.addr = Addr::Ip(address(&value).ok_or("5.5.4 ADDR is no address")?),
            "ADDR" => self.addr = Addr::Unavailable,
            "SOURCE" if value.eq_ignore_ascii_case("LOCAL") => self.source = Some(Source::Local),
            "SOURCE" if value.eq_ignore_ascii_case("REMOTE") => self.source = Some(Source::Remote),
            "SOURCE" if there => return Err("5.5.4 SOURCE is LOCAL or REMOTE"),
            "SOURCE" => self.source = None,
            "PORT" | "DESTPORT" if there && value.parse::<u16>().is_err() => {
                return Err("5.5.4 a port is no number");
            }
            // Taken, because who sends them may rely on it; nothing here is judged by them.
            _ => {}
        }
        Ok(())
    }

    /// The client.
    pub(super) fn client(&self) -> Client {
        match self.addr {
            Addr::Ip(ip) => Client {
                name: self.name.clone().unwrap_or_else(|| format!("[{ip}]")),
                addr: ClientAddr::Ip(ip),
            },
            // A name without an address is nothing to judge by.
            Addr::Unsaid | Addr::Unavailable => Client::default(),
        }
    }

    /// The mail did not come by SMTP: sendmail(1), a bounce. Postfix says so by an ADDR of `[UNAVAILABLE]`; SOURCE alone
    /// does not, as it calls LOCAL what comes over the loopback too, which may be anybody's mail.
    pub(super) fn is_local_submission(&self) -> bool {
        match self.addr {
            Addr::Ip(_) => false,
            Addr::Unavailable => self.source != Some(Source::Remote),
            Addr::Unsaid => self.source == Some(Source::Local),
        }
    }
}

/// An address as these commands write it: `192.0.2.7`, `IPV6:2001:db8::7`.
fn address(value: &str) -> Option<IpAddr> {
    let bare = match value.get(..5) {
        Some(head) if head.eq_ignore_ascii_case("IPV6:") => value.get(5..)?,
        _ => value,
    };
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Decodes xtext (RFC 3461 §4). A `+` that begins no code stands for itself: Postfix before 2.3 does not encode.
fn xtext(value: &str) -> String {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'+');
        let code = code.and_then(|code| data_encoding::HEXUPPER_PERMISSIVE.decode(code).ok());
        match code.as_deref() {
            Some([byte]) => {
                decoded.push(*byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    text::line(&String::from_utf8_lossy(&decoded), MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(commands: &[&str]) -> SpeaksFor {
        let mut said = SpeaksFor::default();
        for command in commands {
            said.take(command, XFORWARD).unwrap();
        }
        said
    }

    #[test]
    fn attributes_come_in_any_number_of_commands_and_are_decoded() {
        let all = said(&[
            "NAME=spike.example ADDR=192.0.2.7 PORT=4567 PROTO=ESMTP",
            "helo=sp+69ke+2Bx IDENT=4F1abc source=remote",
        ]);
        let addr = ClientAddr::Ip("192.0.2.7".parse().unwrap());
        assert_eq!(all.client(), Client { name: "spike.example".into(), addr });
        assert_eq!((all.helo.as_deref(), all.ident.as_deref()), (Some("spike+x"), Some("4F1abc")));
        assert!(!all.is_local_submission());
        let six = said(&["NAME=[UNAVAILABLE] ADDR=IPv6:2001:db8::7 HELO=[TEMPUNAVAIL]"]);
        let addr = ClientAddr::Ip("2001:db8::7".parse().unwrap());
        assert_eq!(six.client(), Client { name: "[2001:db8::7]".into(), addr });
        assert_eq!(six.helo, None);
        assert_eq!(said(&["HELO=old+style"]).helo.as_deref(), Some("old+style"));
        assert_eq!(said(&["HELO=a+0D+0Ab"]).helo.as_deref(), Some("a  b"));
    }

    #[test]
    fn what_is_overwritten_is_gone_and_what_is_not_named_stays() {
        let said = said(&["NAME=a ADDR=192.0.2.7 HELO=b", "NAME=[unavailable]"]);
        assert_eq!((said.client().name.as_str(), said.helo.as_deref()), ("[192.0.2.7]", Some("b")));
    }

    #[test]
    fn mail_without_an_address_is_local_and_mail_over_the_loopback_is_not() {
        for local in ["ADDR=[UNAVAILABLE]", "SOURCE=LOCAL", "NAME=localhost ADDR=[UNAVAILABLE] SOURCE=LOCAL"]
        {
            assert!(said(&[local]).is_local_submission(), "{local}");
            assert_eq!(said(&[local]).client(), Client::default());
        }
        for other in ["NAME=a", "ADDR=[UNAVAILABLE] SOURCE=REMOTE", "ADDR=127.0.0.1 SOURCE=LOCAL"] {
            assert!(!said(&[other]).is_local_submission(), "{other}");
        }
    }

    #[test]
    fn a_command_is_taken_whole_or_not_at_all() {
        for wrong in
            ["HELO=x ADDR=nowhere", "HELO=x PORT=y", "HELO=x SOURCE=here", "HELO=x COLOUR=red", "HELO=x y"]
        {
            let mut said = SpeaksFor::default();
            assert!(said.take(wrong, XFORWARD).is_err(), "{wrong}");
            assert_eq!(said, SpeaksFor::default());
        }
        let mut said = SpeaksFor::default();
        assert!(said.take("LOGIN=alice", XFORWARD).is_err());
        said.take("LOGIN=alice DESTADDR=192.0.2.1 DESTPORT=25", XCLIENT).unwrap();
        assert_eq!(said.login.as_deref(), Some("alice"));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(attributes in "([A-Z]{2,6}=[+0-9A-F\\[\\]:.a-z]{0,12} ?){0,4}") {
            let mut said = SpeaksFor::default();
            if said.take(&attributes, XFORWARD).is_err() {
                prop_assert_eq!(said, SpeaksFor::default());
            }
        }
    }
}
