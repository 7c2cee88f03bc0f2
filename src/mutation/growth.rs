//! Whether work grows with its input, or faster.

use std::time::Duration;

use super::resources::cpu_of_thread;

/// Below this nothing can be told.
const MEASURABLE: Duration = Duration::from_millis(4);

/// Runs `work` on inputs of `size`, twice, four and eight times that, and holds that eight times the input takes at most
/// thirty times the processor time (64 times would be its square), the best of three runs each.
///
/// # Panics
/// If it takes more; `what` is named.
pub(crate) fn grows_about_linearly<T>(
    what: &str,
    size: usize,
    make: impl Fn(usize) -> T,
    mut work: impl FnMut(&T),
) {
    let mut took = Vec::new();
    for times in [1, 2, 4, 8] {
        let input = make(size * times);
        let once = |work: &mut dyn FnMut(&T)| {
            let begin = cpu_of_thread();
            work(&input);
            cpu_of_thread().saturating_sub(begin)
        };
        let best = (0..3).map(|_| once(&mut work)).min().unwrap_or_default();
        took.push(best);
    }
    let (first, last) = (took[0].max(MEASURABLE), took[3]);
    assert!(last < first * 30, "{what}: 1, 2, 4 and 8 times {size} took {took:?} of processor time");
}
