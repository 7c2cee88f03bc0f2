//! What the log says about the name under which results are given, where nobody has chosen one.

use std::time::Duration;

use super::engine::{Engine, Looked};
use crate::model::{Action, Direction, Plan, Scanner};
use crate::telemetry::seldom::Seldom;

const HOUR: Duration = Duration::from_hours(1);
/// For the whole process, so that a reload does not repeat them.
static REMOVED: Seldom = Seldom::once_in(HOUR);
static NAMELESS: Seldom = Seldom::once_in(HOUR);

/// Tells, once an hour at most, that fields in the name of the MTA were removed, which may be those of another
/// program on this host, or that there is no name to give results under.
pub(super) fn tell(engine: &Engine, looked: &Looked, plan: &Plan) {
    let input = &looked.input;
    if engine.settings().authserv_id.is_some() || looked.released.is_some() {
        return;
    }
    let Some(name) = engine.authserv_id(&input.session) else {
        let asked = looked.seen.coverage.0.contains_key(&Scanner::Auth);
        if asked && looked.direction == Direction::Inbound && NAMELESS.may_tell().is_some() {
            tracing::warn!(
                id = %input.id,
                mta = input.session.mta.as_deref().map(crate::pipeline::telling::safe),
                "the MTA gives no host name (its macro `j`), so there is no name to write Authentication-Results \
                 under, and forged ones stay: set authserv_id in [auth]"
            );
        }
        return;
    };
    let is_results = |action: &&Action| matches!(action, Action::DeleteHeader { name, .. } if name.eq_ignore_ascii_case("Authentication-Results"));
    let removed = plan.actions.iter().filter(is_results).count();
    if removed > 0
        && let Some(untold) = REMOVED.may_tell()
    {
        tracing::warn!(
            id = %input.id,
            queue_id = input.envelope.queue_id.as_deref(),
            name = name.as_str(),
            removed,
            untold,
            "Authentication-Results under our own name came with a message and were removed: forged, or written by \
             another program of this host, as OpenDKIM and rspamd take the host's name too. Set authserv_id in [auth] \
             to a name of mailward's own, or turn those fields off in the other program"
        );
    }
}
