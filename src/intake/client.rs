//! The sending client as log lines name it.

use crate::model::{Client, ClientAddr, text};

/// `mail.example[192.0.2.7]`, safe to be shown, `unknown` where the MTA said nothing yet.
pub(super) fn shown(client: &Client) -> String {
    let name = text::line(&client.name, MAX_SHOWN);
    match &client.addr {
        ClientAddr::Ip(ip) => format!("{name}[{}]", ip.to_canonical()),
        ClientAddr::Unix(_) => format!("{name}[local]"),
        ClientAddr::Unknown if name.is_empty() => "unknown".to_owned(),
        ClientAddr::Unknown => format!("{name}[unknown]"),
    }
}

/// Longest host name in a log line, in characters.
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_shown_by_name_and_address_and_cannot_forge_a_line() {
        let shown_as = |name: &str, addr| shown(&Client { name: name.into(), addr });
        let ip = |text: &str| ClientAddr::Ip(text.parse().unwrap());
        assert_eq!(shown_as("mx.example", ip("::ffff:192.0.2.7")), "mx.example[192.0.2.7]");
        assert_eq!(shown_as("a\nb", ip("2001:db8::1")), "a b[2001:db8::1]");
        assert_eq!(shown_as("localhost", ClientAddr::Unix("/x".into())), "localhost[local]");
        assert_eq!(shown_as("", ClientAddr::Unknown), "unknown");
        assert_eq!(shown_as("odd", ClientAddr::Unknown), "odd[unknown]");
    }
}
