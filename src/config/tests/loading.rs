use super::*;

fn said(path: Option<&Path>, default: &Path) -> String {
    Config::load_or(path, default, Depth::File, None).unwrap_err().to_string()
}

#[test]
fn without_a_file_at_the_default_place_the_defaults_hold() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = Config::load_or(None, &directory.path().join("mailward.toml"), Depth::File, None).unwrap();
    assert_eq!(loaded.file, None);
    assert_eq!(toml::Table::try_from(loaded.config), toml::Table::try_from(Config::default()));
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.toml");
    let expected = format!(
        "error: the configuration cannot be read: no such file or directory\n\
         \x20--> {0}\n  = help: give the path with --config or MAILWARD_CONFIG; conf/mailward.toml is one to start from\n\n\
         {0}: 1 error",
        missing.display()
    );
    assert_eq!(said(Some(&missing), Path::new("/nonexistent")), expected);
    // A link to nowhere was meant to be a configuration.
    let link = directory.path().join("link.toml");
    std::os::unix::fs::symlink(&missing, &link).unwrap();
    assert!(said(None, &link).contains("no such file"));
}

#[test]
fn a_directory_a_fifo_and_a_huge_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(
        said(Some(directory.path()), directory.path())
            .starts_with("error: the configuration is a directory\n")
    );
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let odd = "error: the configuration cannot be read: it is no regular file\n";
    assert!(said(Some(&fifo), &fifo).starts_with(odd));
    let made_up = Path::new("/proc/self/status");
    assert_eq!(
        said(Some(made_up), made_up),
        "error: the configuration cannot be read: it is no file on a disk: the kernel makes it up while it is read\n \
         --> /proc/self/status\n  = help: give the path of a file on a disk\n\n/proc/self/status: 1 error"
    );
    let huge = directory.path().join("huge");
    std::fs::write(&huge, vec![b'#'; 10 << 20]).unwrap();
    assert!(
        said(Some(&huge), &huge)
            .starts_with("error: the configuration is larger than 1MiB and was not read\n")
    );
}

#[test]
fn a_file_up_to_the_limit_is_read() {
    let mut text = "[limits]\ndeadline = \"30s\"\n".to_owned();
    text.push_str(&"#".repeat((1 << 20) - text.len()));
    assert_eq!(parse(&text).unwrap().config.limits.deadline, crate::model::Span::seconds(30));
    text.push('#');
    assert!(parse(&text).is_err());
}

#[test]
fn values_reach_their_fields() {
    let config = parse(
        r#"
        state_dir = "/srv/mw"
        [network]
        own = ["192.0.2.0/24", "::ffff:198.51.100.1"]
        [auth]
        authserv_id = "MX.Example.org"
        [lmtp]
        reject = "5xx"
        [scanner.clamd]
        address = "tcp:[::1]:3310"
        on_failure = "reject"
        [scanner.rspamd]
        enabled = false
        [feed.urlhaus]
        format = "urlhaus-json"
        url = "file:///srv/urlhaus.json"
        "#,
    )
    .unwrap()
    .config;
    let own: Vec<String> = config.network.own.iter().map(ToString::to_string).collect();
    assert_eq!(own, ["192.0.2.0/24", "198.51.100.1/32"]);
    assert_eq!(config.db_dir(), Path::new("/srv/mw/db"));
    assert_eq!(config.auth.authserv_id.map(String::from).as_deref(), Some("mx.example.org"));
    assert_eq!(config.lmtp.map(|l| l.reject), Some(LmtpReject::Reply));
    assert_eq!(config.feed["urlhaus"].format, Format::UrlhausJson);
    use crate::model::{Scanner, Span};
    let clamd = Terms { timeout: Span::seconds(20), on_failure: Worth::Reject };
    assert_eq!(config.scanner.terms(Scanner::Clamd), Some(clamd));
    assert_eq!(config.scanner.terms(Scanner::Rspamd), None, "enabled = false turns it off");
    let mime = Terms { timeout: Span::seconds(20), on_failure: Worth::Quarantine };
    assert_eq!(config.scanner.terms(Scanner::Mime), Some(mime), "absent is on");
}

#[test]
fn every_format_of_a_feed_has_its_name() {
    let names = "urlhaus-csv urlhaus-json openphish phishtank-csv phishtank-json threatfox-csv threatfox-json \
                 malwarebazaar-csv spamhaus-drop domains urls ips hosts";
    for name in names.split_whitespace() {
        let text = format!("[feed.x]\nformat = \"{name}\"\nurl = \"https://feeds.example/x\"\n");
        let format = parse(&text).unwrap().config.feed["x"].format;
        assert_eq!(toml::Value::try_from(format), Ok(toml::Value::String(name.to_owned())));
    }
}

#[test]
fn a_warning_is_one_line_in_a_log_and_a_report_on_a_terminal() {
    let loaded = parse("[lmtp]\ntrusted = [\"192.0.2.9\"]\nlisten = [\"inet:0.0.0.0:24\"]\n").unwrap();
    let lines: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "mailward.toml:3: `listen` in [lmtp] is open to the network, and `allow` names nobody: only this machine \
             is let in; name the mail servers in `allow`, or listen on 127.0.0.1 or a unix socket",
        ]
    );
    assert!(format!("{:#}", loaded.warnings[0]).starts_with("warning: `listen` in [lmtp] is open"));
    assert_eq!(parse("[lmtp]\nenabled = false\nlisten = [\"inet:0.0.0.0:24\"]\n").unwrap().warnings, []);
}

#[test]
fn what_is_odd_about_lmtp_is_told_where_it_stands() {
    let warned = |text: &str| {
        let loaded = parse(text).unwrap_or_else(|e| panic!("{e}"));
        loaded.warnings.iter().map(|w| w.line()).collect::<Vec<_>>()
    };
    let unix = "listen = [\"unix:/run/mailward/lmtp.sock\"]\n";
    assert_eq!(warned(&format!("[lmtp]\n{unix}")), []);
    let mta = "trusted = [\"192.0.2.9\"]\n";
    assert_eq!(
        warned(&format!("[lmtp]\nlisten = [\"inet:0.0.0.0:24\"]\nallow = [\"192.0.2.0/24\"]\n{mta}")),
        []
    );
    assert_eq!(warned(&format!("[lmtp]\nallow = [\"192.0.2.0/24\"]\n{mta}")), [Some(2)]);
    assert_eq!(warned(&format!("[lmtp]\nrelay_timeout = \"9m\"\n{unix}")), [Some(2)]);
    // By TCP each program of this machine can connect: believed or not, the admin should know.
    for named in ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/1"] {
        let trusted = format!("trusted = [\"192.0.2.9\", \"{named}\"]\n");
        let loaded = parse(&format!("[lmtp]\n{trusted}")).unwrap();
        let told = loaded.warnings[0].to_string();
        assert!(
            loaded.warnings.len() == 1
                && told.contains("mailward.toml:2: `trusted` in [lmtp] names this machine"),
            "{told}"
        );
        assert_eq!(warned(&format!("[lmtp]\n{trusted}{unix}")), []);
    }
    let told = parse("[lmtp]\n").unwrap().warnings[0].to_string();
    assert!(told.contains("nobody who comes by TCP is believed"), "{told}");
    let refused = |text: &str| parse(text).unwrap_err().to_string();
    for own in ["tcp:127.0.0.1:8024", "inet:localhost:8024"] {
        let report = refused(&format!("[lmtp]\nrelay = \"{own}\"\n"));
        assert!(report.contains("`relay` in [lmtp] is our own address"), "{report}");
    }
    let report = refused("[lmtp]\nhelo = \"not a name\"\nmax_recipients = 0\ntrusted = [\"0.0.0.0/0\"]\n");
    assert!(report.contains("is every machine there is"), "{report}");
    let report = refused("[lmtp]\nhelo = \"not a name\"\nmax_recipients = 0\n");
    assert!(report.contains("lmtp.helo is") && report.contains("lmtp.max_recipients must"), "{report}");
}

#[test]
fn what_is_named_on_this_machine_is_reported_with_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("broken.yar"), "rule Broken { condition: nonsense }").unwrap();
    let file = directory.path().join("mailward.toml");
    let nowhere = directory.path().join("nowhere");
    let text = format!(
        "[limits]\nmesage = \"1MiB\"\n[milter]\nlisten = [\"unix:{}/m.sock\"]\nsocket_group = \"no-such-group\"\n\
         [quarantine]\ngroup = \"no-such-group\"\n[scanner.yara]\nrules = [{nowhere:?}, {rules:?}]\n",
        nowhere.display()
    );
    std::fs::write(&file, text).unwrap();
    let errors = Config::check(Some(&file)).unwrap_err();
    let said: Vec<_> = errors.problems().iter().map(|p| (p.level(), p.line())).collect();
    let (error, warning) = (Level::Error, Level::Warning);
    assert_eq!(
        said,
        [
            (error, Some(2)),
            (warning, Some(4)),
            (warning, Some(5)),
            (error, Some(7)),
            (error, Some(9)),
            (error, Some(9))
        ],
        "{errors}"
    );
    let report = errors.to_string();
    assert!(report.ends_with(&format!("{}: 4 errors, 2 warnings", file.display())), "{report}");
    // Whoever runs the tests can write the folder, which is refused first unless it is root.
    if nix::unistd::Uid::effective().is_root() {
        assert!(report.contains("broken.yar is broken\n"), "{report}");
        assert!(report.contains("unknown identifier"), "{report}");
    } else {
        assert!(report.contains("is refused because"), "{report}");
    }
    // The daemon finds out at its start; reading alone looks at the file only.
    assert_eq!(Config::load(Some(&file)).unwrap_err().problems().len(), 1);
}

#[test]
fn every_path_that_a_check_names_exists() {
    use super::super::check::{LISTENERS, PATHS, POSITIVE, values};
    let reference = toml::Table::try_from(Config::reference()).unwrap();
    let named = PATHS.iter().chain(POSITIVE).chain(LISTENERS);
    for path in named {
        assert!(!values(&reference, path).is_empty(), "no default has {path}");
    }
}

#[test]
fn rspamd_over_tls_is_refused_where_it_stands_and_its_secrets_are_looked_for() {
    let report = |text: &str| parse(text).unwrap_err().to_string();
    let tls = report(
        "[scanner.rspamd]\nurl = \"https://filter.example\"\ncontroller = \"https://filter.example\"\n",
    );
    for key in ["url", "controller"] {
        assert!(tls.contains(&format!("scanner.rspamd.{key}: https://filter.example asks for TLS")), "{tls}");
    }
    assert!(tls.contains("2 | url = \"https://filter.example\""), "{tls}");
    let secret = report("[scanner.rspamd]\ncontroller_password = { file = \"/nowhere/password\" }\n");
    assert!(secret.contains("the secret in /nowhere/password cannot be read"), "{secret}");
    assert!(parse("[scanner.rspamd]\nenabled = false\nurl = \"https://filter.example\"\n").is_ok());
    assert!(report("[scanner.rspamd]\nconnections = 0\n").contains("connections"));
}

#[test]
fn what_can_be_read_of_a_file_at_fault_is_salvaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    let salvage = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let (config, wrong) = Config::salvage(Some(&path));
        (config.admin.listen, config.quarantine.path, wrong.is_some())
    };
    let listen = "state_dir = \"/s\"\n[admin]\nlisten = [\"unix:/x/admin.sock\"]\n";
    let (good, held, wrong) = salvage(listen);
    assert_eq!(
        (good[0].unix_path(), &*held, wrong),
        (Some(Path::new("/x/admin.sock")), Path::new("/s/quarantine"), false)
    );
    assert_eq!(salvage(&format!("{listen}[nonsense]\n")), (good.clone(), held.clone(), true));
    assert_eq!(salvage(&format!("{listen}port = 3\n[milter]\nlisten = 7\n")), (good, held, true));
    // Of what is no TOML, or not there, nothing is known: the defaults.
    let defaults = Config::salvage_or(None, &dir.path().join("nowhere")).0;
    assert_eq!(salvage("[admin"), (defaults.admin.listen.clone(), defaults.quarantine.path.clone(), true));
    let (config, wrong) = Config::salvage(Some(&dir.path().join("nowhere")));
    assert_eq!((config.admin.listen, wrong.is_some()), (defaults.admin.listen, true));
}
