//! The final dot: where the server takes the message over, and the only place that makes uncertain.

use tokio::io::{AsyncRead, AsyncWrite};

use super::reply::Answer;
use super::transaction::{Ledger, rest};
use super::wire::Wire;
use super::{Outcome, Protocol, Settings, Stage};

/// Sends the dot and notes what becomes of all open recipients. Returns whether the conversation is in
/// order, so that QUIT has a meaning.
pub(super) async fn send<S>(wire: &mut Wire<S>, settings: &Settings, ledger: &mut Ledger) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let times = &settings.timeouts;
    // Since the last reply the server may have given up waiting. Known now, it is certain.
    match wire.early(times.command).await {
        Ok(None) => {}
        Ok(Some(answer)) => {
            rest(ledger, &early(wire, &answer));
            return false;
        }
        Err(error) => {
            rest(ledger, &Outcome::NotSent(error));
            return false;
        }
    }
    if let Err((begun, error)) = wire.dot(times.data).await {
        let outcome = if begun {
            Outcome::Uncertain(error)
        } else {
            match wire.parting(Stage::Content).await {
                Some(answer) => early(wire, &answer),
                None => Outcome::NotSent(error),
            }
        };
        rest(ledger, &outcome);
        return false;
    }
    match settings.protocol {
        Protocol::Smtp => {
            let verdict = verdict(wire, settings).await;
            let (Ok(outcome) | Err(outcome)) = &verdict;
            rest(ledger, outcome);
            return verdict.is_ok();
        }
        // In the order of the accepted RCPTs (RFC 2033 §4.2).
        Protocol::Lmtp => {
            for entry in ledger.iter_mut().filter(|entry| entry.is_none()) {
                match verdict(wire, settings).await {
                    Ok(outcome) => *entry = Some(outcome),
                    Err(outcome) => {
                        *entry = Some(outcome.clone());
                        rest(ledger, &outcome);
                        return false;
                    }
                }
            }
        }
    }
    true
}

/// What one reply to the dot says; `Err` if it was none and later ones mean nothing either.
async fn verdict<S>(wire: &mut Wire<S>, settings: &Settings) -> Result<Outcome, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = wire.reply(Stage::Dot, settings.timeouts.dot).await.map_err(Outcome::Uncertain)?;
    let reply = answer.to_reply();
    match answer.class() {
        2 => Ok(Outcome::Delivered(reply)),
        4 | 5 => Ok(Outcome::Refused { reply, stage: Stage::Dot }),
        _ => Err(Outcome::Uncertain(wire.garbage(Stage::Dot, reply.to_string()))),
    }
}

/// What a reply means that came before the dot was sent. A yes there is a server that took something,
/// nobody knows what.
pub(super) fn early<S>(wire: &Wire<S>, answer: &Answer) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reply = answer.to_reply();
    match answer.class() {
        4 | 5 => Outcome::Refused { reply, stage: Stage::Content },
        _ => Outcome::Uncertain(wire.garbage(Stage::Content, format!("{reply}, which came too early"))),
    }
}
