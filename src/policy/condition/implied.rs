//! Whether one condition holds wherever another does, as far as their shape tells.

use std::cmp::Ordering;

use super::node::{Comparison, Node, What};

/// Whether both are written the same, but for brackets and blanks.
pub(super) fn alike(a: &Node, b: &Node) -> bool {
    use What as W;
    let here = match (&a.what, &b.what) {
        (W::Constant(a), W::Constant(b)) => a.same(b),
        (W::Field(a), W::Field(b)) => a == b,
        (W::Item(_, a), W::Item(_, b)) => a == b,
        (W::Variable(a), W::Variable(b)) => a == b,
        (W::Compare(a, _), W::Compare(b, _)) => a == b,
        (W::Math(a, _), W::Math(b, _)) => a == b,
        (W::Look(a, _), W::Look(b, _)) => a == b,
        (W::Change(a, _), W::Change(b, _)) => a == b,
        (W::InTexts(_, a), W::InTexts(_, b)) => a == b,
        (W::Matches(_, a), W::Matches(_, b)) => a.regex.as_str() == b.regex.as_str(),
        (W::Each(a), W::Each(b)) => a.kind == b.kind && a.only.is_some() == b.only.is_some(),
        (W::Header(a), W::Header(b))
        | (W::Headers(a), W::Headers(b))
        | (W::HasHeader(a), W::HasHeader(b)) => a.eq_ignore_ascii_case(b),
        (W::Found(a, by), W::Found(b, also)) => a == b && by == also,
        (W::Outcome(a), W::Outcome(b)) => a == b,
        (W::Listed(a, on), W::Listed(b, there)) => a == b && on == there,
        (W::IpIn(_, a), W::IpIn(_, b)) => a == b,
        (W::DomainIn(_, a), W::DomainIn(_, b)) => a == b,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    let (below, other) = (a.children(), b.children());
    here && below.len() == other.len() && below.into_iter().zip(other).all(|(a, b)| alike(a, b))
}

/// Whether `broad` holds wherever `narrow` does. Where the shape does not tell, it is taken not to.
pub(super) fn implies(narrow: &Node, broad: &Node) -> bool {
    if alike(narrow, broad) || more_than(narrow, broad) {
        return true;
    }
    match (&narrow.what, &broad.what) {
        (_, What::And(two)) => implies(narrow, &two.0) && implies(narrow, &two.1),
        (What::Or(two), _) => implies(&two.0, broad) && implies(&two.1, broad),
        (What::And(two), What::Or(other)) => {
            implies(&two.0, broad)
                || implies(&two.1, broad)
                || implies(narrow, &other.0)
                || implies(narrow, &other.1)
        }
        (What::And(two), _) => implies(&two.0, broad) || implies(&two.1, broad),
        (_, What::Or(two)) => implies(narrow, &two.0) || implies(narrow, &two.1),
        _ => false,
    }
}

/// `score > 5.0` where `score > 3.0` does not ask for more.
fn more_than(narrow: &Node, broad: &Node) -> bool {
    use Comparison as C;
    let (What::Compare(narrow, a), What::Compare(broad, b)) = (&narrow.what, &broad.what) else {
        return false;
    };
    let (Some(at), Some(from)) = (a.1.constant(), b.1.constant()) else { return false };
    let numbers = a.1.ty.is_number() && b.1.ty.is_number();
    if !numbers || !alike(&a.0, &b.0) {
        return false;
    }
    let Some(order) = at.order(from) else { return false };
    match (narrow, broad) {
        (C::More | C::MoreOrEqual | C::Equal, C::More | C::MoreOrEqual) if order == Ordering::Greater => true,
        (C::Less | C::LessOrEqual | C::Equal, C::Less | C::LessOrEqual) if order == Ordering::Less => true,
        (C::More | C::Equal, C::MoreOrEqual) | (C::Less | C::Equal, C::LessOrEqual) => {
            order == Ordering::Equal
        }
        _ => false,
    }
}
