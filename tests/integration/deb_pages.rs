//! Manual pages and completions.

use std::fs;
use std::process::{Command, Output};

use super::mta::guard::{Dir, installed};
use super::mta::not_run::not_run;

fn mailward(arguments: &[&str]) -> Vec<u8> {
    let Output { status, stdout, .. } =
        Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}");
    stdout
}

#[test]
fn man_renders_both_pages_without_a_warning() {
    if !installed("man") {
        not_run("man_renders_both_pages_without_a_warning", "man-db is not installed", "apt install man-db");
        return;
    }
    let dir = Dir::new("man").unwrap();
    for (page, file, word) in
        [("mailward", "mailward.8", "quarantine release"), ("mailward.toml", "mailward.toml.5", "state_dir")]
    {
        let path = dir.path().join(file);
        fs::write(&path, mailward(&["man", page])).unwrap();
        let shown = Command::new("man")
            .args(["--warnings=all", "--encoding=utf8", "-l"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{page}");
        assert!(shown.status.success());
        assert!(String::from_utf8_lossy(&shown.stdout).contains(word), "{page}");
    }
}

#[test]
fn without_a_name_the_page_of_the_command_is_printed() {
    assert_eq!(mailward(&["man"]), mailward(&["man", "mailward"]));
}

#[test]
fn bash_completes_a_command() {
    let dir = Dir::new("bash").unwrap();
    let script = dir.path().join("mailward");
    fs::write(&script, mailward(&["completions", "bash"])).unwrap();
    let ask = "source \"$0\"; COMP_WORDS=(mailward quarantine rel); COMP_CWORD=2; \
               _mailward mailward rel quarantine; echo \"${COMPREPLY[*]}\"";
    let said = Command::new("bash").args(["-c", ask]).arg(&script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "release\n", "{:?}", said.stderr);
}

#[test]
fn there_are_completions_for_zsh_and_fish() {
    assert!(mailward(&["completions", "zsh"]).starts_with(b"#compdef mailward"));
    assert!(String::from_utf8(mailward(&["completions", "fish"])).unwrap().contains("complete -c mailward"));
}
