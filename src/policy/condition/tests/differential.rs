//! Held against CEL's own interpreter: whatever both accept, both find the same.

use proptest::prelude::*;

use super::*;

/// A well-typed expression over constants and the elements of a list, which nothing folds.
fn whole(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        (-9i64..9).prop_map(|n| n.to_string()),
        Just("n".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("(0 - 9223372036854775807)".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let math = (whole(depth - 1), proptest::sample::select(&["+", "-", "*", "/", "%"][..]), whole(depth - 1));
    prop_oneof![
        2 => leaf,
        3 => math.prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        1 => text(depth - 1).prop_map(|t| format!("size({t})")),
        1 => list(depth - 1).prop_map(|l| format!("{l}.size()")),
        1 => (truth(depth - 1), whole(depth - 1), whole(depth - 1)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
    ]
    .boxed()
}

/// Without division: with what is no number (NaN) every order is false for us, as CEL's definition has it, and
/// a failure for that interpreter.
fn double(depth: u32) -> BoxedStrategy<String> {
    let leaf = proptest::sample::select(&["0.0", "1.5", "-2.25", "3.0", "9223372036854775808.0"][..])
        .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let math = (double(depth - 1), proptest::sample::select(&["+", "-", "*"][..]), double(depth - 1));
    prop_oneof![leaf, math.prop_map(|(a, op, b)| format!("({a} {op} {b})"))].boxed()
}

fn text(depth: u32) -> BoxedStrategy<String> {
    let leaf =
        proptest::sample::select(&["\"\"", "\"a\"", "\"ab\"", "\"grüß\"", "'b'"][..]).prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let sum = (text(depth - 1), text(depth - 1)).prop_map(|(a, b)| format!("({a} + {b})"));
    prop_oneof![leaf, sum].boxed()
}

fn list(depth: u32) -> BoxedStrategy<String> {
    let d = depth.saturating_sub(1);
    let literal = proptest::collection::vec(whole(0), 1..4).prop_map(|all| format!("[{}]", all.join(", ")));
    if depth == 0 {
        return literal.boxed();
    }
    prop_oneof![literal, (list(d), list(d)).prop_map(|(a, b)| format!("({a} + {b})")),].boxed()
}

fn truth(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![Just("true".to_owned()), Just("false".to_owned()), Just("(n > 1)".to_owned())];
    if depth == 0 {
        return leaf.boxed();
    }
    let d = depth - 1;
    let order = || proptest::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let look = proptest::sample::select(&["startsWith", "endsWith", "contains"][..]);
    prop_oneof![
        1 => leaf,
        4 => (truth(d), truth(d)).prop_map(|(a, b)| format!("({a} && {b})")),
        4 => (truth(d), truth(d)).prop_map(|(a, b)| format!("({a} || {b})")),
        2 => truth(d).prop_map(|a| format!("!({a})")),
        3 => (whole(d), order(), whole(d)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        2 => (double(d), order(), double(d)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        1 => (text(d), order(), text(d)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        1 => (text(d), look, text(d)).prop_map(|(a, op, b)| format!("{a}.{op}({b})")),
        2 => (whole(d), list(d)).prop_map(|(a, l)| format!("({a} in {l})")),
        1 => (list(d), list(d)).prop_map(|(a, b)| format!("({a} == {b})")),
    ]
    .boxed()
}

/// What CEL's own interpreter finds; `None` for a failure.
fn theirs(text: &str) -> Option<bool> {
    let program = cel::Program::compile(text).unwrap();
    match program.execute(&cel::Context::default()) {
        Ok(cel::Value::Bool(truth)) => Some(truth),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_cels_own_interpreter_finds_is_found(body in truth(4), quantifier in proptest::sample::select(&["exists", "all", "exists_one"][..])) {
        let text = format!("[0, 1, 2, 3].{quantifier}(n, {body})");
        let ours = match Expression::compile(&text, Kind::Bool) {
            Ok(expression) => Sample::new().look(|view| expression.holds(view, &mut Fuel::new(10_000_000))).ok(),
            // What always fails is refused; so are overlong ones.
            Err(faults) => {
                prop_assume!(faults.iter().all(|f| f.message.starts_with("this always fails")));
                None
            }
        };
        prop_assert_eq!(ours, theirs(&text), "{}", text);
    }
}
