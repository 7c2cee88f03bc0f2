//! Tokens over their life.

use proptest::prelude::*;

use super::*;

struct Bench {
    dir: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::held(Timestamp::from_millis(1_795_176_000_000));
        Self { dir: tempfile::tempdir().unwrap(), clock }
    }

    fn open(&self) -> Arc<Tokens> {
        let store = Store::open(&self.dir.path().join("db"), &Default::default()).unwrap().0;
        let (tokens, notes) = Tokens::open(&store, self.clock.clone()).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        tokens
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_token_is_good_over_a_restart_until_it_is_revoked() {
    let bench = Bench::new();
    let tokens = bench.open();
    let (secret, shown) = tokens.create("grafana", Role::Viewer, None, "admin socket").unwrap();
    let token = secret.expose();
    assert_eq!((token.len(), &token[..3]), (46, "mw_"));
    assert_eq!(shown.id, token[..11]);
    assert_eq!(tokens.check(token), Ok(Caller::token("grafana", Role::Viewer)));
    drop(tokens);

    let tokens = bench.open();
    assert_eq!(tokens.list()[0].last_used, None, "since the start");
    assert_eq!(tokens.check(token), Ok(Caller::token("grafana", Role::Viewer)));
    assert_eq!(tokens.list()[0].last_used, Some(bench.clock.now()));
    assert!(matches!(tokens.create("grafana", Role::Admin, None, "x"), Err(TokenError::Taken(_))));
    tokens.revoke("grafana").unwrap();
    assert_eq!(tokens.check(token), Err(Denied::Unknown));
    assert!(matches!(tokens.revoke("grafana"), Err(TokenError::Unknown(_))));
    drop(tokens);
    assert_eq!(bench.open().check(token), Err(Denied::Unknown));
}

#[test]
fn a_token_ends_with_its_time_and_its_name_is_free_again() {
    let bench = Bench::new();
    let tokens = bench.open();
    let (old, shown) = tokens.create("ci", Role::Operator, Some(DAY), "token boss").unwrap();
    assert_eq!((shown.expired, shown.created_by.as_str()), (false, "token boss"));
    bench.clock.advance(DAY - Duration::from_millis(1));
    assert!(tokens.check(old.expose()).is_ok());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(tokens.check(old.expose()), Err(Denied::Expired("ci".to_owned())));
    assert!(tokens.list()[0].expired);
    let (new, _) = tokens.create("ci", Role::Viewer, Some(DAY), "admin socket").unwrap();
    assert_eq!(tokens.check(old.expose()), Err(Denied::Unknown));
    assert_eq!(tokens.check(new.expose()), Ok(Caller::token("ci", Role::Viewer)));
    assert_eq!(tokens.list().len(), 1);
    assert!(matches!(tokens.create("no", Role::Viewer, Some(Duration::ZERO), "x"), Err(TokenError::NoTime)));
}

#[test]
fn what_is_kept_does_not_hold_the_token() {
    let bench = Bench::new();
    let tokens = bench.open();
    let (secret, _) = tokens.create("a", Role::Admin, None, "x").unwrap();
    let kept = tokens.tree.get(b"a").unwrap().unwrap();
    let on_disk = serde_json::to_string(&kept).unwrap();
    assert!(!on_disk.contains(&secret.expose()[3 + PUBLIC..]));
    assert!(!format!("{secret:?} {tokens:?}").contains(&secret.expose()[3..]));
    // With what is on disk nobody gets in.
    assert_eq!(tokens.check(&format!("mw_{}", kept.id)), Err(Denied::Unknown));
    assert_eq!(tokens.check(&kept.sha256), Err(Denied::Unknown));
}

#[test]
fn a_damaged_token_is_not_good_and_the_others_are() {
    let bench = Bench::new();
    let tokens = bench.open();
    let (good, _) = tokens.create("good", Role::Viewer, None, "x").unwrap();
    let (bad, _) = tokens.create("bad", Role::Viewer, None, "x").unwrap();
    let kept = tokens.tree.get(b"bad").unwrap().unwrap();
    tokens.tree.insert(b"bad", &Kept { sha256: "00".to_owned(), ..kept }).unwrap();
    drop(tokens);
    let store = Store::open(&bench.dir.path().join("db"), &Default::default()).unwrap().0;
    let (tokens, notes) = Tokens::open(&store, bench.clock).unwrap();
    assert_eq!(notes, ["the token bad cannot be read and is not good; revoke it"]);
    assert!(tokens.check(good.expose()).is_ok());
    assert_eq!(tokens.check(bad.expose()), Err(Denied::Unknown));
    tokens.revoke("bad").unwrap();
}

#[test]
fn names_are_plain_words() {
    let tokens = Bench::new();
    let tokens = tokens.open();
    for bad in ["", "-x", "a b", "a/b", "ä", "x\n", &"x".repeat(65)] {
        assert!(matches!(tokens.create(bad, Role::Viewer, None, "x"), Err(TokenError::Name(_))), "{bad:?}");
    }
    assert!(tokens.create("mx1.example.org_a-b", Role::Viewer, None, "x").is_ok());
}

#[test]
fn a_token_with_one_bit_changed_is_not_good() {
    let bench = Bench::new();
    let tokens = bench.open();
    let (secret, _) = tokens.create("a", Role::Admin, None, "x").unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&secret.expose().as_bytes()[3..]).unwrap();
    // In the public part (no token is found) and behind it (one is found, and is compared).
    for bit in 0..BYTES * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let other = format!("mw_{}", data_encoding::BASE64URL_NOPAD.encode(&other));
        assert_eq!(tokens.check(&other), Err(Denied::Unknown), "{bit}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_no_token_is_good(text in ".{0,80}") {
        let bench = Bench::new();
        let tokens = bench.open();
        tokens.create("a", Role::Admin, None, "x").unwrap();
        prop_assert_eq!(tokens.check(&text), Err(Denied::Unknown));
        prop_assert_eq!(tokens.check(&format!("mw_{text}")), Err(Denied::Unknown));
    }
}
