//! What a plan does besides its answer: the banner is made here, and what could not be done is counted and told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::engine::{Judged, Looked, READ_IN_PLACE};
use crate::mail::banner;
use crate::model::{Action, Also, Extra, LeftOut, MailId, Plan};
use crate::telemetry::Metrics;
use crate::telemetry::seldom::Seldom;

/// For the whole process, so that a reload does not repeat it.
static LEFT_OUT: Seldom = Seldom::once_in(Duration::from_hours(1));

/// Makes the body that the plan's banner asks for, or says in the plan why there is none.
pub(super) async fn put_banner(looked: &Arc<Looked>, judged: &mut Judged) {
    let Some(text) = judged.plan.banner.take() else { return };
    let made = if looked.input.message.raw().len() <= READ_IN_PLACE {
        banner::add(&looked.input.message, &text).map_err(|why| why.to_string())
    } else {
        let message = looked.input.message.clone();
        let making = tokio::task::spawn_blocking(move || banner::add(&message, &text));
        match making.await {
            Ok(made) => made.map_err(|why| why.to_string()),
            Err(error) => Err(format!("making it panicked: {error}")),
        }
    };
    with_body(&mut judged.plan, made);
}

fn with_body(plan: &mut Plan, made: Result<Bytes, String>) {
    match made {
        Ok(body) => {
            // Last of all: whoever is not to get the mail is off the envelope before anything can break off.
            plan.actions.push(Action::ReplaceBody(body));
            plan.also.banner = true;
        }
        Err(why) => plan.also.left_out.push(LeftOut { what: Extra::Banner, why }),
    }
}

/// Counts what was asked for and not done, and tells it once an hour at most.
pub(super) fn tell(metrics: &Metrics, id: MailId, also: &Also) {
    for LeftOut { what, .. } in &also.left_out {
        metrics.extras_left_out.with_label_values(&[what.name()]).inc();
    }
    if let Some(LeftOut { what, why }) = also.left_out.first()
        && let Some(untold) = LEFT_OUT.may_tell()
    {
        tracing::warn!(
            %id,
            what = what.name(),
            why,
            untold,
            "a rule asked for something that was not done; `explain` tells it of each message"
        );
    }
}

/// What was done besides, for the log line of a message: words, no addresses. `None`: nothing.
pub(super) fn words(also: &Also) -> Option<String> {
    let done = [
        ("held-by-mta", also.held_by_mta),
        ("redirect", !also.redirected.is_empty()),
        ("copy", !also.copies.is_empty()),
        ("banner", also.banner),
    ];
    let done = done.into_iter().filter(|(_, is_done)| *is_done).map(|(word, _)| word);
    let words: Vec<&str> = done.collect();
    (!words.is_empty()).then(|| words.join(","))
}
