//! One connection from its greeting to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::answer;
use super::dialogue::{Dialogue, Step};
use super::error::SessionError;
use super::serve::Shared;
use super::wire::Wire;
use crate::intake::accept::{Origin, Phase, over};
use crate::intake::stream::Stream;

/// Serves one connection until the client is done, something is wrong, or the daemon stops.
pub(super) async fn serve(
    stream: Stream,
    origin: Origin,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut wire = Wire::new(stream);
    let mut dialogue = Dialogue::new(Arc::clone(&shared), &origin);
    let Err(error) = converse(&mut wire, &mut dialogue, &origin, &shared, &mut phase).await else { return };
    shared.note(&error, &origin, dialogue.client_name());
    let inside = dialogue.is_in_content();
    // What there was of a message takes no room any more.
    drop(dialogue);
    if let Some(text) = error.last_word() {
        wire.out.say(421, text);
        match wire.flush(shared.patience.data).await {
            Ok(()) if inside => wire.linger(LINGER).await,
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "the client did not take the last reply"),
        }
    }
}

/// How long a client may go on sending a message that is not taken any more.
const LINGER: Duration = Duration::from_secs(5);

async fn converse(
    wire: &mut Wire,
    dialogue: &mut Dialogue,
    origin: &Origin,
    shared: &Arc<Shared>,
    phase: &mut watch::Receiver<Phase>,
) -> Result<(), SessionError> {
    let patience = shared.patience;
    dialogue.greet(&mut wire.out);
    // When the line or message that is under way must be at its end, and which of them it is.
    let mut whole: Option<(Instant, bool)> = None;
    loop {
        if dialogue.is_between_messages() && *phase.borrow() >= Phase::Draining {
            wire.out.say(421, "4.3.2 mailward is being stopped, try again later");
            return wire.flush(patience.data).await;
        }
        let (held, out) = wire.parts();
        let (used, step) = dialogue.take(held, out);
        wire.done(used);
        match step {
            Step::More if used > 0 => {
                if wire.is_full() {
                    wire.flush(patience.data).await?;
                }
                continue;
            }
            Step::More => {}
            Step::Judge(arrived) => {
                whole = None;
                // Boxed, so that a connection that waits does not hold room for a judgement.
                Box::pin(answer::answer(wire, dialogue, origin, shared, phase, *arrived)).await?;
                continue;
            }
            Step::End => return wire.flush(patience.data).await,
            Step::Faults => {
                wire.flush(patience.data).await?;
                return Err(SessionError::Commands);
            }
        }
        wire.flush(patience.data).await?;
        let (inside, rests) = (dialogue.is_in_content(), dialogue.is_between_messages());
        whole = whole.filter(|(_, content)| *content == inside);
        if !inside && wire.is_empty() {
            whole = None;
            if rests && !wire.rest(phase, patience.command).await? {
                continue;
            }
        }
        let now = Instant::now();
        let limit = if inside { patience.whole() } else { patience.command };
        let (end, _) = *whole.get_or_insert((now + limit, inside));
        let (silence, deadline) = match (inside, now + patience.data) {
            (true, soon) if soon < end => (SessionError::Silent(patience.data), soon),
            (true, _) => (SessionError::Slow(patience.whole()), end),
            (false, _) => (SessionError::Silent(patience.command), end),
        };
        let more = tokio::select! {
            biased;
            more = wire.read(deadline, silence) => more?,
            () = stopping(phase, rests) => {
                if !rests {
                    return Err(SessionError::Cut);
                }
                continue;
            }
        };
        if !more {
            return if dialogue.is_idle() { Ok(()) } else { Err(SessionError::Gone) };
        }
    }
}

/// The moment from which on what comes is not waited for any more: between messages the beginning of the drain, else
/// its end.
async fn stopping(phase: &mut watch::Receiver<Phase>, rests: bool) {
    if rests {
        drop(phase.wait_for(|phase| *phase >= Phase::Draining).await);
    } else {
        over(phase).await;
    }
}
