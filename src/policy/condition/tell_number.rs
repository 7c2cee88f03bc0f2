//! How far a number is from what it was compared with.

use std::cmp::Ordering;

use super::node::Comparison;
use super::value::{Value, number};

/// `score 2.0 is 13.0 short of thresholds.reject = 15.0`; `None` if these are no numbers.
pub(super) fn told(
    comparison: Comparison,
    what: &str,
    value: &Value<'_>,
    other: &Value<'_>,
    wanted: &str,
) -> Option<String> {
    let distance = match (value, other) {
        (Value::Int(a), Value::Int(b)) => a.abs_diff(*b).to_string(),
        _ => number((double(value)? - double(other)?).abs()),
    };
    let is = value.shown(40);
    let upwards = matches!(comparison, Comparison::More | Comparison::MoreOrEqual);
    Some(match (upwards, value.order(other)?) {
        (true, Ordering::Less) => format!("{what} {is} is {distance} short of {wanted}"),
        (true, Ordering::Greater) => format!("{what} {is} reaches {wanted}, {distance} above it"),
        (true, Ordering::Equal) if comparison == Comparison::MoreOrEqual => {
            format!("{what} {is} reaches {wanted}")
        }
        (false, Ordering::Less) => format!("{what} {is} is {distance} below {wanted}"),
        (false, Ordering::Greater) => format!("{what} {is} is {distance} above {wanted}"),
        (_, Ordering::Equal) => format!("{what} {is} is exactly {wanted}"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
const fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(v) => Some(*v as f64),
        Value::Double(v) => Some(*v),
        _ => None,
    }
}
