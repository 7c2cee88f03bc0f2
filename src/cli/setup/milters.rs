//! Lists of milters in main.cf: separated by commas or white space; braces hold one together (postconf(5), smtpd_milters).

use super::address::Address;

/// The line for main.cf that stands in this repository, and that tests run a real Postfix on.
const SHIPPED: &str = include_str!("../../../postfix/main.cf.mailward");

/// The entry for mailward.
pub(super) fn entry(address: &Address) -> String {
    let shipped = SHIPPED.lines().find_map(|line| line.strip_prefix("smtpd_milters = ")).unwrap_or_default();
    shipped.trim().replace("unix:mailward/milter.sock", &address.name)
}

/// The entries of a list.
fn entries(list: &str) -> Vec<&str> {
    let (mut all, mut depth, mut begin) = (Vec::new(), 0_u32, None);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let between = depth == 0 && (c == ',' || c.is_whitespace());
        match (between, begin) {
            (true, Some(from)) => {
                all.extend(list.get(from..at));
                begin = None;
            }
            (false, None) => begin = Some(at),
            _ => {}
        }
    }
    all.extend(begin.and_then(|from| list.get(from..)));
    all
}

/// Whether mailward is in it.
pub(super) fn holds(list: &str, address: &Address) -> bool {
    entries(list).iter().any(|entry| address.is(entry))
}

/// Whether any listener of mailward is.
pub(super) fn holds_any(list: &str, address: &Address) -> bool {
    entries(list).iter().any(|entry| address.is_any(entry))
}

/// The list with mailward in front: a signer after it signs what mailward wrote.
pub(super) fn with(list: &str, address: &Address) -> String {
    let mut all = vec![entry(address)];
    all.extend(entries(list).into_iter().filter(|entry| !address.is_any(entry)).map(str::to_owned));
    all.join(", ")
}

/// The list without mailward.
pub(super) fn without(list: &str, address: &Address) -> String {
    entries(list).into_iter().filter(|entry| !address.is_any(entry)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn address() -> Address {
        let listen = ["unix:/var/spool/postfix/mailward/milter.sock".parse().unwrap()];
        Address::of(&listen, Path::new("/var/spool/postfix")).unwrap()
    }

    #[test]
    fn braces_hold_an_entry_together() {
        let list = "inet:127.0.0.1:8891, { unix:a/b, default_action=accept } unix:c,,$more";
        assert_eq!(
            entries(list),
            ["inet:127.0.0.1:8891", "{ unix:a/b, default_action=accept }", "unix:c", "$more"]
        );
    }

    #[test]
    fn mailward_goes_in_front_and_comes_out_again() {
        let before = "inet:127.0.0.1:12301, { unix:a/b, default_action=accept }";
        let after = with(before, &address());
        assert!(after.starts_with("{ unix:mailward/milter.sock, connect_timeout="), "{after}");
        assert!(holds(&after, &address()) && !holds(before, &address()));
        assert_eq!(without(&after, &address()), before);
    }

    #[test]
    fn the_entry_puts_mail_off_while_mailward_is_down() {
        assert!(entry(&address()).contains("default_action=tempfail }"), "{}", entry(&address()));
    }
}
