//! What is said of `[notify.NAME]`.

use super::*;

/// What is said of a section: first lines, `error:` or `warning:` in front.
fn said(section: &str) -> Vec<String> {
    let text = format!("[notify.one]\n{section}\n");
    let report = match parse(&text) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("{w:#}")).collect::<Vec<_>>().join("\n"),
        Err(errors) => errors.to_string(),
    };
    let told = |line: &&str| line.contains("error") || line.contains("warning");
    report.lines().filter(told).map(str::to_owned).collect()
}

#[test]
fn a_section_that_can_be_used_is_not_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "secret\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).unwrap();
    for section in [
        format!("kind = \"webhook\"\nurl = \"https://hooks.example/a?b=c\"\nsecret = {{ file = {key:?} }}"),
        format!(
            "kind = \"webhook\"\nurl = \"http://10.0.0.1/\"\nallow_private = true\nsecret = {{ file = {key:?} }}"
        ),
        format!("kind = \"ntfy\"\nurl = \"https://ntfy.sh\"\ntopic = \"a-1\"\ntoken = {{ file = {key:?} }}"),
        "kind = \"mail\"\nto = [\"a@example.org\", \"b@example.org\"]\nserver = \"unix:/run/mta\"".to_owned(),
        "enabled = false\nkind = \"mail\"".to_owned(),
    ] {
        assert_eq!(said(&section), Vec::<String>::new(), "{section}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_what_should_be_known_is_said() {
    for (section, expected) in [
        ("kind = \"mail\"", "`to` in [notify.one] is missing"),
        (
            "kind = \"mail\"\nto = [\"Joe <joe@example.org>\"]",
            "`to` in [notify.one] holds what is no mail address",
        ),
        ("kind = \"mail\"\nto = [\"joe\"]", "`to` in [notify.one] holds what is no mail address"),
        (
            "kind = \"mail\"\nto = [\"a@b.example\"]\nfrom = \"a@b\\r\\nX: y\"",
            "`from` in [notify.one] holds what is no",
        ),
        ("kind = \"mail\"\nto = [\"a@b.example\"]\ntopic = \"a\"", "`topic` in [notify.one] does nothing"),
        (
            "kind = \"mail\"\nto = [\"a@b.example\"]\nmost = 0",
            "`most` in [notify.one] must be more than nothing",
        ),
        ("kind = \"webhook\"", "`url` in [notify.one] is missing"),
        ("kind = \"webhook\"\nurl = \"https://a.example/\"", "`secret` in [notify.one] is missing"),
        ("kind = \"webhook\"\nurl = \"file:///tmp/a\"", "`url` in [notify.one] is a file: URL"),
        ("kind = \"webhook\"\nurl = \"ftp://a.example/\"", "is not fetched from here"),
        (
            "kind = \"webhook\"\nurl = \"https://127.0.0.1/\"",
            "`url` in [notify.one] names an address that is not public",
        ),
        (
            "kind = \"webhook\"\nurl = \"https://0x7f.1/\"",
            "`url` in [notify.one] names an address that is not public",
        ),
        (
            "kind = \"webhook\"\nurl = \"https://[fd00::1]/\"",
            "`url` in [notify.one] names an address that is not public",
        ),
        ("kind = \"ntfy\"\nurl = \"http://ntfy.example\"\ntopic = \"a\"", "`url` in [notify.one] is http:"),
        ("kind = \"ntfy\"\nurl = \"https://ntfy.example\"", "`topic` in [notify.one] is missing"),
        (
            "kind = \"ntfy\"\nurl = \"https://ntfy.example\"\ntopic = \"a/b\"",
            "`topic` in [notify.one] is no topic",
        ),
        (
            "kind = \"ntfy\"\nurl = \"https://ntfy.example\"\ntopic = \"a\"\non = []",
            "`on` in [notify.one] is empty",
        ),
        ("kind = \"ntfy\"\nurl = \"https://ntfy.example\"\ntopic = \"a\"\non = [\"digest\"]", "digest"),
        (
            "kind = \"ntfy\"\nurl = \"https://ntfy.example\"\ntopic = \"a\"\ntoken = \"x\"",
            "must not stand in this file",
        ),
    ] {
        let told = said(section);
        assert!(told.iter().any(|line| line.contains(expected)), "{section}\n{told:#?}");
    }
    let errors =
        parse("[notify.\"a b\"]\nkind = \"mail\"\nto = [\"a@b.example\"]\n").unwrap_err().to_string();
    assert!(errors.contains("a section of [notify] cannot be called \"a b\""), "{errors}");
}
