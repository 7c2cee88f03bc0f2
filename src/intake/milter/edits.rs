//! A plan as packets: its edits in order, then the final reply.

use std::ffi::CString;

use bytes::Bytes;
use indymilter::Actions;
use indymilter::message::reply::Reply;

use super::negotiate::Terms;
use crate::model::{Action, Answer, HeaderValue, Plan, SmtpReply};

/// Why a plan cannot be carried out with this MTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    #[error("the MTA did not offer an edit that is needed ({0:?})")]
    NotOffered(Actions),
    #[error("an edit holds a NUL or an index out of range")]
    Unsendable,
}

/// All packets that carry out `plan`, the final reply last.
///
/// # Errors
/// If one of the edits cannot be sent: then none may be, because half a plan is no plan.
pub(super) fn batch(plan: &Plan, terms: Terms) -> Result<Vec<Reply>, EditError> {
    let mut replies = Vec::with_capacity(plan.actions.len() + 1);
    if plan.answer == Answer::Accept {
        for action in &plan.actions {
            if let Action::ReplaceBody(body) = action {
                replace_body(body, terms, &mut replies)?;
            } else {
                replies.push(edit(action, terms)?);
            }
        }
    }
    replies.push(match &plan.answer {
        Answer::Accept => Reply::Accept,
        Answer::Discard => Reply::Discard,
        Answer::Reject(reply) | Answer::Tempfail(reply) => reply_code(reply),
    });
    Ok(replies)
}

/// The most of a body in one packet (SMFIR_REPLBODY), as libmilter cuts it.
const MAX_CHUNK: usize = 65_535;

/// The body in as many packets as it takes. An empty one takes one as well: without any, the MTA would keep the
/// old body.
fn replace_body(body: &Bytes, terms: Terms, replies: &mut Vec<Reply>) -> Result<(), EditError> {
    let mut rest = body.clone();
    loop {
        let chunk = rest.split_to(rest.len().min(MAX_CHUNK));
        replies.push(edit(&Action::ReplaceBody(chunk), terms)?);
        if rest.is_empty() {
            return Ok(());
        }
    }
}

fn edit(action: &Action, terms: Terms) -> Result<Reply, EditError> {
    let needed = match action {
        Action::InsertHeader { .. } => Actions::ADD_HEADER,
        Action::DeleteHeader { .. } | Action::ChangeHeader { .. } => Actions::CHANGE_HEADER,
        Action::DeleteRecipient(_) => Actions::DELETE_RCPT,
        Action::AddRecipient(_) => Actions::ADD_RCPT,
        Action::ReplaceBody(_) => Actions::REPLACE_BODY,
        Action::Hold(_) => Actions::QUARANTINE,
    };
    if !terms.actions.contains(needed) {
        return Err(EditError::NotOffered(needed));
    }
    Ok(match action {
        // An empty value deletes.
        Action::DeleteHeader { name, index: at } => Reply::ChangeHeader {
            name: text(name.as_bytes())?,
            index: index(*at)?,
            value: CString::default(),
        },
        Action::ChangeHeader { name, index: at, value } => Reply::ChangeHeader {
            name: text(name.as_bytes())?,
            index: index(*at)?,
            value: header_value(value, terms)?,
        },
        Action::InsertHeader { index: at, name, value } => Reply::InsertHeader {
            index: index(*at)?,
            name: text(name.as_bytes())?,
            value: header_value(value, terms)?,
        },
        Action::DeleteRecipient(argument) => Reply::DeleteRcpt { rcpt: text(argument)? },
        Action::AddRecipient(address) => Reply::AddRcpt { rcpt: text(format!("<{address}>").as_bytes())? },
        Action::Hold(reason) => Reply::Quarantine { reason: text(reason.as_bytes())? },
        Action::ReplaceBody(body) => Reply::ReplaceBody { chunk: body.clone() },
    })
}

/// With SMFIP_HDR_LEADSPC the MTA adds no space of its own after the colon.
fn header_value(value: &HeaderValue, terms: Terms) -> Result<CString, EditError> {
    if terms.leading_space() {
        text(format!(" {}", value.as_str()).as_bytes())
    } else {
        text(value.as_str().as_bytes())
    }
}

fn text(bytes: &[u8]) -> Result<CString, EditError> {
    CString::new(bytes).map_err(|_| EditError::Unsendable)
}

fn index(index: u32) -> Result<i32, EditError> {
    i32::try_from(index).map_err(|_| EditError::Unsendable)
}

/// An SMTP reply as SMFIR_REPLYCODE. Sendmail takes the text for a format and Postfix follows it:
/// `%` must be doubled.
pub(super) fn reply_code(reply: &SmtpReply) -> Reply {
    let line = reply.to_string().replace('%', "%%");
    match CString::new(line) {
        Ok(reply) => Reply::ReplyCode { reply },
        // An SmtpReply is printable ASCII, so this is not reached.
        Err(_) if reply.is_temporary() => Reply::Tempfail,
        Err(_) => Reply::Reject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::milter::negotiate::{NEEDED, WELCOME};
    use indymilter::ProtoOpts;

    fn terms(opts: ProtoOpts) -> Terms {
        Terms { actions: NEEDED, opts }
    }

    fn plan(actions: Vec<Action>, answer: Answer) -> Plan {
        Plan {
            quarantine: None,
            actions,
            answer,
            refusals: Default::default(),
            recipients: vec![],
            banner: None,
            also: Default::default(),
        }
    }

    fn wire(plan: &Plan, terms: Terms) -> Vec<(u8, Vec<u8>)> {
        let replies = batch(plan, terms).unwrap().into_iter().map(Reply::into_message);
        replies.map(|m| (m.kind, m.buffer.to_vec())).collect()
    }

    #[test]
    fn edits_keep_their_order_and_the_reply_is_last() {
        let value = HeaderValue::new("X-A", "one");
        let plan = plan(
            vec![
                Action::DeleteHeader { name: "X-A".into(), index: 2 },
                Action::DeleteHeader { name: "X-A".into(), index: 1 },
                Action::InsertHeader { index: 1, name: "X-A".into(), value: value.clone() },
                Action::ChangeHeader { name: "Subject".into(), index: 1, value },
                Action::DeleteRecipient(b"<\xffa@b>".to_vec()),
            ],
            Answer::Accept,
        );
        let expected: [(u8, &[u8]); 6] = [
            (b'm', b"\0\0\0\x02X-A\0\0"),
            (b'm', b"\0\0\0\x01X-A\0\0"),
            (b'i', b"\0\0\0\x01X-A\0 one\0"),
            (b'm', b"\0\0\0\x01Subject\0 one\0"),
            (b'-', b"<\xffa@b>\0"),
            (b'a', b""),
        ];
        let expected: Vec<_> = expected.iter().map(|(kind, bytes)| (*kind, bytes.to_vec())).collect();
        assert_eq!(wire(&plan, terms(ProtoOpts::LEADING_SPACE)), expected);
        assert_eq!(wire(&plan, terms(ProtoOpts::empty()))[2].1, b"\0\0\0\x01X-A\0one\0");
    }

    #[test]
    fn a_body_goes_in_chunks_and_recipients_come_in_angle_brackets() {
        let body = Bytes::from(vec![b'x'; 2 * MAX_CHUNK + 1]);
        let edits = vec![
            Action::AddRecipient("c@example.org".into()),
            Action::ReplaceBody(body),
            Action::ReplaceBody(Bytes::new()),
            Action::Hold("id: why".into()),
        ];
        let all = Terms { actions: NEEDED | WELCOME, opts: ProtoOpts::empty() };
        let packets = wire(&plan(edits.clone(), Answer::Accept), all);
        let sizes: Vec<(char, usize)> = packets.iter().map(|(k, b)| (char::from(*k), b.len())).collect();
        assert_eq!(
            sizes,
            [('+', 16), ('b', MAX_CHUNK), ('b', MAX_CHUNK), ('b', 1), ('b', 0), ('q', 8), ('a', 0)]
        );
        assert_eq!(packets[0].1, b"<c@example.org>\0");
        for (edit, needed) in edits.into_iter().zip([
            Actions::ADD_RCPT,
            Actions::REPLACE_BODY,
            Actions::REPLACE_BODY,
            Actions::QUARANTINE,
        ]) {
            let error = batch(&plan(vec![edit], Answer::Accept), terms(ProtoOpts::empty()));
            assert_eq!(error, Err(EditError::NotOffered(needed)));
        }
    }

    #[test]
    fn a_refused_message_is_not_edited_and_percent_signs_are_doubled() {
        let edit = Action::DeleteHeader { name: "X-A".into(), index: 1 };
        let answer = Answer::Reject(SmtpReply::reject("100% spam %s"));
        let expected = vec![(b'y', b"550 5.7.1 100%% spam %%s\0".to_vec())];
        assert_eq!(wire(&plan(vec![edit.clone()], answer), terms(ProtoOpts::empty())), expected);
        assert_eq!(wire(&plan(vec![edit], Answer::Discard), terms(ProtoOpts::empty())), [(b'd', vec![])]);
    }

    #[test]
    fn half_a_plan_is_not_sent() {
        let poor = Terms { actions: Actions::ADD_HEADER, opts: ProtoOpts::empty() };
        let actions = vec![
            Action::InsertHeader { index: 0, name: "X-A".into(), value: HeaderValue::new("X-A", "one") },
            Action::DeleteRecipient(b"<a@b>".to_vec()),
        ];
        let error = batch(&plan(actions, Answer::Accept), poor);
        assert_eq!(error, Err(EditError::NotOffered(Actions::DELETE_RCPT)));
        let odd = plan(vec![Action::DeleteHeader { name: "X\0".into(), index: 1 }], Answer::Accept);
        assert_eq!(batch(&odd, terms(ProtoOpts::empty())), Err(EditError::Unsendable));
    }
}
