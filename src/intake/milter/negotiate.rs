//! What is agreed with the MTA at the start (SMFIC_OPTNEG).

use std::collections::HashMap;

use bytes::Bytes;
use indymilter::message::PROTOCOL_VERSION;
use indymilter::message::command::OptNegPayload;
use indymilter::message::reply::Reply;
use indymilter::{Actions, ProtoOpts};

use super::error::SessionError;
use super::macros::WANTED;
use crate::model::Abilities;

/// The edits that plans consist of.
pub(super) const NEEDED: Actions =
    Actions::ADD_HEADER.union(Actions::CHANGE_HEADER).union(Actions::DELETE_RCPT);

/// What rules may ask for besides. Plans do without it where it is not offered.
pub(super) const WELCOME: Actions = Actions::ADD_RCPT.union(Actions::REPLACE_BODY).union(Actions::QUARANTINE);

/// What is asked for where it is offered.
///
/// Design note, each from an experience (decision 7): no NO_DATA, because an unknown command before
/// DATA loses the message then; no NR_MAIL and NR_RCPT, because overload is answered there; no SKIP
/// beside NR_BODY, because nobody would read it; no RCPT_REJ, because what the MTA refuses is not
/// ours to judge.
const ASKED: ProtoOpts = ProtoOpts::NOREPLY_CONNECT
    .union(ProtoOpts::NOREPLY_HELO)
    .union(ProtoOpts::NOREPLY_DATA)
    .union(ProtoOpts::NOREPLY_HEADER)
    .union(ProtoOpts::NOREPLY_EOH)
    .union(ProtoOpts::NOREPLY_BODY)
    .union(ProtoOpts::NO_UNKNOWN)
    .union(ProtoOpts::LEADING_SPACE);

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) actions: Actions,
    pub(super) opts: ProtoOpts,
}

impl Terms {
    /// Header values keep the space after the colon, both ways (SMFIP_HDR_LEADSPC).
    pub(super) const fn leading_space(self) -> bool {
        self.opts.contains(ProtoOpts::LEADING_SPACE)
    }

    /// The MTA sends the macros that we asked for (SMFIF_SETSYMLIST).
    pub(super) const fn macros_asked(self) -> bool {
        self.actions.contains(Actions::REQUEST_MACROS)
    }

    /// What plans may consist of besides the edits that are needed.
    pub(super) const fn abilities(self) -> Abilities {
        Abilities {
            add_recipient: self.actions.contains(Actions::ADD_RCPT),
            change_body: self.actions.contains(Actions::REPLACE_BODY),
            hold: self.actions.contains(Actions::QUARANTINE),
        }
    }

    /// Edits that this MTA would refuse.
    pub(super) const fn missing(self) -> Actions {
        NEEDED.difference(self.actions)
    }
}

/// Reads the MTA's offer and answers with what we take of it.
///
/// # Errors
/// If the packet is too short or the version too old.
pub(super) fn negotiate(payload: &[u8]) -> Result<(Terms, Reply), SessionError> {
    let offer = OptNegPayload::parse_buffer(Bytes::copy_from_slice(payload))
        .map_err(|_| SessionError::Malformed { command: 'O', why: "that is too short" })?;
    if offer.version < 2 {
        return Err(SessionError::Version(offer.version));
    }
    let actions = (NEEDED | WELCOME | Actions::REQUEST_MACROS) & offer.actions;
    let terms = Terms { actions, opts: ASKED & offer.opts };
    let macros = if terms.macros_asked() {
        WANTED.iter().map(|(stage, names)| (*stage, (*names).to_owned())).collect()
    } else {
        HashMap::new()
    };
    let version = offer.version.min(PROTOCOL_VERSION);
    Ok((terms, Reply::OptNeg { version, actions, opts: terms.opts, macros }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(version: u32, actions: u32, opts: u32) -> Vec<u8> {
        [version, actions, opts].iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    #[test]
    fn postfix_gets_what_decision_7_names_and_no_more() {
        // What Postfix 3.7 offers.
        let (terms, reply) = negotiate(&offer(6, 0x1ff, 0x001f_ffff)).unwrap();
        let bytes = reply.into_message().buffer;
        assert_eq!(
            terms.opts.bits(),
            0x1000 | 0x2000 | 0x1_0000 | 0x80 | 0x4_0000 | 0x8_0000 | 0x100 | 0x10_0000
        );
        assert_eq!(
            bytes[..12],
            [&[0, 0, 0, 6], &0x13fu32.to_be_bytes(), &terms.opts.bits().to_be_bytes()[..]].concat()[..]
        );
        assert!(
            bytes[12..]
                .starts_with(b"\0\0\0\0j {daemon_name} {daemon_addr} v {client_connections}\0\0\0\0\x01")
        );
        assert!(terms.missing().is_empty() && terms.leading_space());
    }

    #[test]
    fn an_old_mta_is_asked_for_nothing_that_it_did_not_offer() {
        let (terms, reply) = negotiate(&offer(2, 0x1f, 0x7f)).unwrap();
        assert_eq!(reply.into_message().buffer.as_ref(), offer(2, 0x1f, 0));
        assert!(!terms.leading_space() && terms.missing().is_empty());
        assert_eq!(terms.abilities(), Abilities { hold: false, ..Abilities::default() });
        assert_eq!(
            negotiate(&offer(6, 0x1, 0)).unwrap().0.missing(),
            Actions::CHANGE_HEADER | Actions::DELETE_RCPT
        );
        let newer = negotiate(&offer(7, 0xffff_ffff, 0xffff_ffff)).unwrap().1.into_message().buffer;
        assert_eq!(newer[..8], offer(6, 0x13f, 0)[..8]);
    }

    #[test]
    fn a_version_too_old_or_a_packet_too_short_ends_the_session() {
        assert!(matches!(negotiate(&offer(1, 0x1f, 0x7f)), Err(SessionError::Version(1))));
        assert!(matches!(negotiate(&[0; 11]), Err(SessionError::Malformed { .. })));
    }
}
