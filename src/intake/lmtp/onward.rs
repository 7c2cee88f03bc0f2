//! Handing a message to the next server, and what it says about each recipient.
//!
//! There is no breaker in front of it. Who hands mail to us is a queue: what it wants of a server behind us that is
//! down is an honest 4xx for each message, and mail flowing from the moment when it is back. A socket where nobody
//! listens says so at once; a host that swallows packets costs each message [`CONNECT`], which a queue can wait for,
//! while a rest of a minute would put off what could have been delivered – for as long as the queue then waits.

use std::time::Duration;

use super::said::Said;
use crate::model::MailId;
use crate::net::address::Server;
use crate::net::smtp::{self, Outcome, Outgoing, Protocol, Timeouts};

/// How long the connection to the next server may take, and its greeting.
const CONNECT: Duration = Duration::from_secs(10);

/// The next server.
#[derive(Clone, Debug)]
pub(super) struct Onward {
    settings: smtp::Settings,
    whom: Whom,
}

/// For how many answers there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// One for each recipient (LMTP in front of us): whom the server takes it for gets it.
    Each,
    /// One for all of them (SMTP in front of us): it goes to all or to nobody.
    AllOrNobody,
}

impl Onward {
    /// `server`, which speaks `protocol`; `helo` is our own name. All of a transaction may take `total`.
    #[must_use]
    pub(super) fn new(server: Server, protocol: Protocol, helo: String, total: Duration, whom: Whom) -> Self {
        let timeouts = Timeouts { connect: CONNECT.min(total), ..Timeouts::within(total) };
        Self { settings: smtp::Settings { server, helo, protocol, timeouts }, whom }
    }

    /// The server's address.
    #[must_use]
    pub(super) const fn server(&self) -> &Server {
        &self.settings.server
    }

    /// Hands `outgoing` over in one transaction. How it ended for each of its recipients, in their order.
    pub(super) async fn hand_over(&self, outgoing: &Outgoing<'_>) -> Vec<Outcome> {
        let delivery = match self.whom {
            Whom::Each => smtp::deliver(&self.settings, outgoing, async || Ok(())).await,
            Whom::AllOrNobody => smtp::deliver_to_all(&self.settings, outgoing, async || Ok(())).await,
        };
        delivery.outcomes
    }
}

/// The one answer for all where there is room for one only. Not all have it, so it is not 250; and as long as one of
/// them can have it, it is none for good, which would be a bounce for all. An MTA that is to hand over each
/// recipient's mail by itself (`..._destination_recipient_limit = 1`) never comes to this.
#[must_use]
pub(super) fn for_all(replies: &[Said], id: MailId) -> Said {
    let Some(first) = replies.first() else { return Said::unknown(id) };
    let refused = replies.iter().find(|said| said.code() >= 500);
    let later = replies.iter().find(|said| said.is_temporary());
    match (refused, later) {
        (None, None) => first.clone(),
        (None, Some(later)) => later.clone(),
        (Some(refused), _) if replies.iter().all(|said| said.code() >= 500) => refused.clone(),
        (Some(refused), _) => Said::not_for_all(refused, id),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::UnixListener;

    use super::super::handing::{Handing, Share};
    use super::*;
    use crate::model::{
        Action, Also, Answer, Disposition, Envelope, Plan, Recipient, Redirected, ReversePath, SmtpReply,
    };
    use Disposition::{Accept, Discard, Quarantine, Reject, Tag};

    fn id() -> MailId {
        MailId::from_parts(1_795_210_591_042, 7)
    }

    fn said(code: u16, text: &str) -> Said {
        let reply = SmtpReply::new(code, (u8::try_from(code / 100).unwrap(), 0, 0), text);
        reply.as_ref().map_or_else(|_| Said::taken(id()), Said::from)
    }

    #[test]
    fn one_answer_for_all_is_a_bounce_only_where_nobody_can_have_it() {
        let (good, later, no) = (said(250, ""), said(451, "later"), said(550, "no"));
        let all = |replies: &[&Said]| {
            let replies: Vec<Said> = replies.iter().map(|said| (*said).clone()).collect();
            for_all(&replies, id()).to_string()
        };
        assert_eq!(all(&[&good, &good]), good.to_string());
        assert_eq!(all(&[&good, &later]), "451 4.0.0 later");
        assert_eq!(all(&[&no, &no]), "550 5.0.0 no");
        let mixed = format!("451 4.5.3 not taken for all recipients: 550 5.0.0 no (id {})", id());
        assert_eq!(all(&[&no, &later]), mixed);
        assert_eq!(all(&[&good, &no]), mixed);
        assert_eq!(for_all(&[], id()).code(), 451);
    }

    fn plan(answer: Answer, recipients: &[Disposition]) -> Plan {
        Plan {
            quarantine: None,
            actions: Vec::new(),
            answer,
            refusals: Default::default(),
            recipients: recipients.to_vec(),
            banner: None,
            also: Also::default(),
        }
    }

    fn envelope(to: &[&str]) -> Envelope {
        let recipients = to.iter().map(|to| Recipient::new(format!("<{to}@x>").into_bytes())).collect();
        Envelope { recipients, ..Envelope::default() }
    }

    fn named(handing: &Handing) -> Vec<&str> {
        handing.to.iter().map(Recipient::address).collect()
    }

    #[test]
    fn each_recipient_is_answered_what_became_of_his_mail() {
        let to = envelope(&["a", "b", "c", "d", "a"]);
        let mut plan = plan(Answer::Accept, &[Accept, Quarantine, Reject, Discard, Tag]);
        plan.refusals.insert(2, SmtpReply::reject("no"));
        let handing = Handing::of(&plan, &to);
        assert_eq!(named(&handing), ["a@x", "a@x"]);
        let next = [said(451, "full"), said(250, "")];
        let replies: Vec<u16> = handing.replies(id(), &next).iter().map(Said::code).collect();
        assert_eq!(replies, [451, 250, 550, 250, 250]);
        assert_eq!(handing.parts().1, []);
        plan.answer = Answer::Discard;
        plan.recipients = vec![Discard, Quarantine, Reject, Discard, Discard];
        let handing = Handing::of(&plan, &to);
        let replies: Vec<u16> = handing.replies(id(), &[]).iter().map(Said::code).collect();
        assert_eq!((named(&handing).len(), replies), (0, vec![250, 250, 550, 250, 250]));
    }

    #[test]
    fn one_answer_for_the_whole_message_is_everybodys() {
        let to = envelope(&["a", "b"]);
        let later = Answer::Tempfail(SmtpReply::tempfail("later"));
        let handing = Handing::of(&plan(later, &[Disposition::Tempfail; 2]), &to);
        assert_eq!(handing.each, vec![Share::Refused(SmtpReply::tempfail("later")); 2]);
        let mut no = plan(Answer::Reject(SmtpReply::reject("no")), &[Reject; 2]);
        no.refusals.insert(1, SmtpReply::reject("not you"));
        let handing = Handing::of(&no, &to);
        let own = |text| Share::Refused(SmtpReply::reject(text));
        assert_eq!((handing.to.len(), handing.each), (0, vec![own("no"), own("not you")]));
    }

    #[test]
    fn mail_for_another_address_is_answered_with_what_became_of_it_there() {
        let to = envelope(&["a", "b", "c"]);
        let mut plan = plan(Answer::Accept, &[Accept, Accept, Quarantine]);
        let route = |recipient, to: &str| Redirected { recipient, to: to.to_owned() };
        plan.also.redirected = vec![route(0, "z@y")];
        plan.also.copies = vec!["copy@y".to_owned()];
        plan.actions = vec![
            Action::DeleteRecipient(b"<a@x>".to_vec()),
            Action::AddRecipient("z@y".to_owned()),
            Action::AddRecipient("copy@y".to_owned()),
        ];
        let handing = Handing::of(&plan, &to);
        assert_eq!(named(&handing), ["b@x", "z@y", "copy@y"]);
        assert_eq!(handing.each, [Share::At(1), Share::At(0), Share::Kept(Quarantine)]);
        assert_eq!(handing.parts().1, &handing.to[2..]);
        // To one who gets it anyway.
        plan.also.redirected = vec![route(0, "B@x")];
        plan.actions.clear();
        let handing = Handing::of(&plan, &to);
        assert_eq!((named(&handing), &handing.each[..2]), (vec!["b@x"], &[Share::At(0), Share::At(0)][..]));
    }

    /// Answers each line of what it is told with the next of these.
    async fn server(listener: UnixListener, replies: Vec<&'static str>) -> Vec<String> {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut told = Vec::new();
        for reply in replies {
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            let mut heard = String::new();
            while stream.read_line(&mut heard).await.unwrap() > 0 {
                if !reply.starts_with("354") || heard.ends_with("\r\n.\r\n") {
                    break;
                }
            }
            told.push(heard);
        }
        told
    }

    async fn handed(whom: Whom, protocol: Protocol, replies: Vec<&'static str>) -> (Vec<Said>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let total = Duration::from_secs(20);
        let onward = Onward::new(Server::Unix(path), protocol, "mx.example.org".to_owned(), total, whom);
        let to = envelope(&["a", "b", "c"]).recipients;
        let outgoing = Outgoing {
            reverse_path: &ReversePath::default(),
            parameters: &["SIZE=1".to_owned()],
            recipients: &to,
            pieces: &[bytes::Bytes::from_static(b"X: 1\r\n\r\nbody\r\n")],
        };
        let (outcomes, told) = tokio::join!(onward.hand_over(&outgoing), server(listener, replies));
        (outcomes.iter().map(|outcome| Said::of(outcome, id())).collect(), told)
    }

    #[tokio::test]
    async fn what_the_next_server_says_of_each_is_told_of_each() {
        let replies = vec![
            "220 next",
            "250-next\r\n250 SIZE",
            "250 ok",
            "250 a",
            "550 5.1.1 no b",
            "250 2.1.5 c",
            "354 go",
            "250 2.0.0 a saved\r\n452 4.2.2 c is full",
        ];
        let (said, told) = handed(Whom::Each, Protocol::Lmtp, replies).await;
        let said: Vec<String> = said.iter().map(|s| s.to_string().replace(id().as_str(), "ID")).collect();
        let expected = ["250 2.0.0 a saved (id ID)", "550 5.1.1 no b (id ID)", "452 4.2.2 c is full (id ID)"];
        assert_eq!(
            (said, told[1].as_str()),
            (expected.map(str::to_owned).into(), "MAIL FROM:<> SIZE=14\r\n")
        );
    }

    #[tokio::test]
    async fn where_there_is_one_answer_nobody_gets_what_one_is_refused() {
        let replies = vec!["220 next", "250 next", "250 ok", "250 a", "550 5.1.1 no b", "250 2.1.5 c"];
        let (said, told) = handed(Whom::AllOrNobody, Protocol::Smtp, replies).await;
        assert_eq!(said.iter().map(Said::code).collect::<Vec<_>>(), [451, 550, 451]);
        assert_eq!(told.last().unwrap(), "QUIT\r\n");
    }
}
