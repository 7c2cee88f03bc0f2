//! Fields that were removed because they came under a name that is ours: their count, and what the log says where
//! nobody has chosen that name.

use std::time::Duration;

use super::engine::{Engine, Looked};
use crate::mail::{auth_results, received_spf, strip};
use crate::model::{Direction, Plan, Scanner};
use crate::telemetry::Metrics;
use crate::telemetry::seldom::Seldom;

const HOUR: Duration = Duration::from_hours(1);
/// For the whole process, so that a reload does not repeat them.
static REMOVED: Seldom = Seldom::once_in(HOUR);
static NAMELESS: Seldom = Seldom::once_in(HOUR);

/// Counts the removed fields that came under a name of ours. What rspamd wants removed besides is not forged.
pub(super) fn count(metrics: &Metrics, engine: &Engine, plan: &Plan) {
    for fields in plan.removed() {
        let label = strip::label(&fields.name).or_else(|| {
            (engine.settings().received_spf && is_received_spf(&fields.name)).then_some(received_spf::NAME)
        });
        if let Some(label) = label {
            metrics.forged_fields_removed.with_label_values(&[label]).inc_by(fields.count as u64);
        }
    }
}

fn is_received_spf(name: &str) -> bool {
    name.eq_ignore_ascii_case(received_spf::NAME)
}

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
    let removed = plan
        .removed()
        .iter()
        .filter(|fields| auth_results::is_name(&fields.name))
        .map(|f| f.count)
        .sum::<usize>();
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
