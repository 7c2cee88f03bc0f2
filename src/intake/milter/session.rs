//! One connection from its first packet to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::dialogue::{Dialogue, Step};
use super::edits::reply_code;
use super::eom;
use super::error::SessionError;
use super::frame::{Arrival, Wire};
use super::serve::Shared;
use crate::intake::accept::{Origin, Phase, over};
use crate::intake::stream::Stream;
use crate::model::SmtpReply;

/// Serves one connection until the MTA is done, something is wrong, or the daemon stops and no
/// message is under way.
pub(super) async fn serve(
    stream: Stream,
    origin: Origin,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut wire = Wire::new(stream, shared.patience);
    let mut dialogue = Dialogue::new(Arc::clone(&shared), origin);
    let error = match converse(&mut wire, &mut dialogue, &shared, &mut phase).await {
        Ok(End::Over) => return,
        Ok(End::Drained) => {
            if dialogue.terms().is_some() {
                shared.leave(wire.into_stream());
            }
            return;
        }
        Err(error) => error,
    };
    dialogue.note(&error);
    let (negotiated, inside) = (dialogue.terms().is_some(), !dialogue.is_idle());
    // What there was of a message takes no room any more.
    drop(dialogue);
    if error.can_answer() && negotiated {
        // Without it the MTA's default action decides, and an admin may have set that to accept.
        let text = match error {
            SessionError::Cut => "the mail filter is being stopped, try again later",
            _ => "the mail filter could not follow the mail server, try again later",
        };
        wire.push(reply_code(&SmtpReply::tempfail(text)));
        match wire.flush(shared.patience.packet).await {
            Ok(()) if inside => wire.linger(LINGER).await,
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "the MTA did not take the last reply"),
        }
    }
}

/// How long an MTA may go on sending a message that is tempfailed already.
const LINGER: Duration = Duration::from_secs(5);

/// How a session ended without an error.
enum End {
    /// The MTA is done.
    Over,
    /// The daemon stops, and no message is under way.
    Drained,
}

async fn converse(
    wire: &mut Wire,
    dialogue: &mut Dialogue,
    shared: &Arc<Shared>,
    phase: &mut watch::Receiver<Phase>,
) -> Result<End, SessionError> {
    loop {
        let idle = dialogue.is_idle();
        if idle && *phase.borrow() >= Phase::Draining {
            wire.flush(shared.patience.packet).await?;
            return Ok(End::Drained);
        }
        let arrival = if idle {
            wire.ready(Some(&mut *phase)).await
        } else {
            tokio::select! {
                biased;
                arrival = wire.ready(None) => arrival,
                () = over(phase) => Err(SessionError::Cut),
            }
        };
        match arrival? {
            Arrival::Packet => {}
            Arrival::Closed if idle => return Ok(End::Over),
            Arrival::Closed => return Err(SessionError::Gone),
            Arrival::Draining => return Ok(End::Drained),
        }
        let Some((command, payload)) = wire.packet() else { continue };
        match dialogue.take(command, payload)? {
            Step::Nothing => {}
            Step::Reply(reply) => wire.push(reply),
            Step::Judge(received) => {
                let Some(terms) = dialogue.terms() else { continue };
                // Boxed, so that a connection that waits does not hold room for a judgement.
                let (snapshot, received) = (dialogue.snapshot(), *received);
                Box::pin(eom::answer(wire, terms, snapshot, shared, phase, received)).await?;
            }
            Step::End => return Ok(End::Over),
        }
    }
}
