//! The units by themselves, as systemd reads them.

use std::path::Path;
use std::process::Output;

use crate::machine::MAIL;
use crate::mta::{self, Root};

/// What `systemd-analyze security` may say at the most, in tenths of its figure: 100 is a service that nothing confines.
const EXPOSURE: u32 = 14;

/// What a script says in a Debian root into which the units are installed.
fn analysed(script: &str) -> Output {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let install =
        "cp /host/* /lib/systemd/system/; cp /bin/true /usr/bin/mailward; chmod 755 /usr/bin/mailward";
    let root = Root::debian("mail", MAIL).unwrap();
    let before = |host: &Path| {
        for file in std::fs::read_dir(&units)? {
            let file = file?;
            std::fs::copy(file.path(), host.join(file.file_name()))?;
        }
        Ok(())
    };
    root.run(&format!("{install}; {script}"), before).unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !mta::not_run::machine_ready("systemd_finds_nothing_wrong_with_the_units") {
        return;
    }
    // The manual page comes with the package.
    let output = analysed(
        "cd /lib/systemd/system; systemd-analyze verify --man=no mailward.service mailward-*.socket 2>&1",
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("mailward")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_service_is_confined_as_tightly_as_it_was() {
    if !mta::not_run::machine_ready("the_service_is_confined_as_tightly_as_it_was") {
        return;
    }
    let script = format!(
        "systemd-analyze security --no-pager --offline=true --threshold={EXPOSURE} /lib/systemd/system/mailward.service 2>&1"
    );
    let output = analysed(&script);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
