//! opendkim that verifies, opendmarc, clamav-milter: Debian's settings, with places of their own.

use super::super::mta::clamd::{self, Clamd};
use super::super::mta::guard::{self, Dir};
use super::program::Program;
use super::rows::{Running, World};

pub(super) fn missing(programs: &[&str]) -> Option<String> {
    let lacks = programs.iter().find(|program| !guard::installed(program))?;
    Some(format!("{lacks} is not installed (Debian: {lacks})"))
}

/// opendkim by itself.
pub(super) fn opendkim(world: &World) -> anyhow::Result<Running> {
    // Whom it takes for internal is 127.0.0.1, as shipped.
    let (dir, program, socket) = milter(
        world,
        "opendkim",
        &["-f", "-x"],
        "Socket local:SOCKET\nMode v\nSyslog yes\nSyslogSuccess yes\nCanonicalization relaxed/simple\nUMask 007\n\
         Background no\nAuthservID mx.example.org\nRequireSafeKeys no\nNameservers NAMESERVER\n",
    )?;
    Ok(Running {
        options: vec![("smtpd_milters", socket)],
        mains: vec![program.pid()],
        log: None,
        parts: vec![Box::new(program), Box::new(dir)],
    })
}

/// opendkim, opendmarc (which verifies SPF itself) and clamav-milter with its clamd, one after another.
pub(super) fn in_a_row(world: &World) -> anyhow::Result<Running> {
    let mut all = opendkim(world)?;
    // Whom it ignores is 127.0.0.1, as shipped. Nobody else here verifies SPF for it.
    let (dmarc_dir, dmarc, dmarc_socket) = milter(
        world,
        "opendmarc",
        &["-f", "-c"],
        "Socket local:SOCKET\nPublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\nSyslog true\nUMask 0002\n\
         AuthservID mx.example.org\nTrustedAuthservIDs mx.example.org\nSPFSelfValidate true\nSPFIgnoreResults true\n",
    )?;
    let clamd = Clamd::start(&clamd::Options::default())?;
    let settings = format!(
        "MilterSocket SOCKET\nMilterSocketMode 666\nFixStaleSocket true\nReadTimeout 120\nForeground true\nClamdSocket unix:{}\n\
         OnClean Accept\nOnInfected Quarantine\nOnFail Defer\nAddHeader Replace\nLogSyslog false\nLogInfected Off\n\
         LogClean Off\nMaxFileSize 25M\nSupportMultipleRecipients false\nTemporaryDirectory DIR\nLogFile DIR/clamav-milter.log\n\
         LogTime true\n",
        clamd.socket().display()
    );
    let (clam_dir, clam, clam_socket) = milter(world, "clamav-milter", &["-c"], &settings)?;
    let first = all.options.first().map(|(_, socket)| socket.clone()).unwrap_or_default();
    all.options = vec![("smtpd_milters", format!("{first}, {dmarc_socket}, {clam_socket}"))];
    all.mains.extend([dmarc.pid(), clam.pid(), clamd.pid()]);
    all.parts.push(Box::new((dmarc, clam, clamd, dmarc_dir, clam_dir)));
    Ok(all)
}

/// Writes a configuration and starts one; its directory, it, and its socket as Postfix names it.
fn milter(
    world: &World,
    name: &'static str,
    arguments: &[&str],
    settings: &str,
) -> anyhow::Result<(Dir, Program, String)> {
    let dir = Dir::new(name)?;
    let socket = dir.make_for_socket("spool")?.join("milter.sock");
    let place = dir.path().display().to_string();
    let text = settings.replace("SOCKET", &socket.display().to_string()).replace("DIR", &place);
    let file = dir.path().join("milter.conf");
    std::fs::write(&file, text.replace("NAMESERVER", &world.nameserver.to_string()))?;
    let file = file.display().to_string();
    let command: Vec<&str> = [&[name], arguments, &[&file]].concat();
    let mut program = Program::start(name, dir.path(), &world.over(), &command)?;
    program.wait_for_socket(&socket)?;
    Ok((dir, program, format!("unix:{}", socket.display())))
}
