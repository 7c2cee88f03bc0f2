//! The sheets as text and as JSON.

use serde_json::{Value, json};

use super::sheet::{Level, Sheet};
use crate::cli::output::count;

/// For people: a heading for each topic, a line for each check, and below it the line that mends.
pub(super) fn lines(sheets: &[Sheet]) -> Vec<String> {
    let mut lines = Vec::new();
    for sheet in sheets {
        lines.push(sheet.topic.name().to_owned());
        for check in &sheet.checks {
            lines.push(format!("  {:<13}  {}", check.level.name(), check.text));
            lines.extend(check.mend.iter().map(|mend| format!("  {:<13}  {mend}", "  mend with:")));
        }
    }
    lines.push(String::new());
    lines.push(summary(sheets));
    lines
}

/// For programs.
pub(super) fn object(sheets: &[Sheet]) -> Value {
    let checks: Vec<_> = sheets.iter().flat_map(|sheet| &sheet.checks).collect();
    let worst = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
    json!({"version": env!("CARGO_PKG_VERSION"), "worst": worst, "checks": checks})
}

fn summary(sheets: &[Sheet]) -> String {
    let of =
        |level| sheets.iter().flat_map(|s| &s.checks).filter(|check| check.level == level).count() as u64;
    let mut told: Vec<String> = [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "note")]
        .into_iter()
        .filter(|(level, _)| of(*level) > 0)
        .map(|(level, word)| count(of(level), word))
        .collect();
    if of(Level::Unseen) > 0 {
        told.push(format!("{} not looked at", of(Level::Unseen)));
    }
    told.push(format!("{} ok", of(Level::Ok)));
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn sheets() -> Vec<Sheet> {
        let mut socket = Sheet::new(Topic::Socket);
        socket.ok("exists", "it is there");
        socket.error("reach", "nobody\u{1b}[2J may open it\nnow", Some("chmod 660 /x".to_owned()));
        let mut clock = Sheet::new(Topic::Clock);
        clock.unseen("ntp", "no such file");
        clock.warning("year", "1970", None);
        clock.warning("jump", "back", None);
        vec![socket, clock]
    }

    #[test]
    fn a_terminal_is_shown_levels_in_a_column_and_the_mend_below() {
        assert_eq!(
            lines(&sheets()),
            [
                "socket",
                "  ok             it is there",
                "  error          nobody?[2J may open it now",
                "    mend with:   chmod 660 /x",
                "clock",
                "  not looked at  no such file",
                "  warning        1970",
                "  warning        back",
                "",
                "1 error, 2 warnings, 1 not looked at, 1 ok",
            ]
        );
    }

    #[test]
    fn a_program_gets_one_object_with_keys_that_stay() {
        let object = object(&sheets());
        assert_eq!(object["worst"], "error");
        let second = json!({
            "topic": "socket", "check": "reach", "level": "error",
            "text": "nobody?[2J may open it now", "mend": "chmod 660 /x",
        });
        assert_eq!((&object["checks"][1], &object["checks"][2]["level"]), (&second, &"not looked at".into()));
        assert_eq!(object["checks"][0]["mend"], Value::Null);
    }
}
