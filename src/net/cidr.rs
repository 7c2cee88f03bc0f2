//! Networks as people write them: `192.0.2.0/24`, `2001:db8::/32`, or one address.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// For `#[serde(deserialize_with)]`: a list of networks.
///
/// # Errors
/// Where an entry is no network, names a machine and a network at once, or is every machine there is.
pub fn list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<Entry>::deserialize(d).map(|list| list.into_iter().map(|entry| entry.0).collect())
}

struct Entry(IpNet);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Reads one network. Addresses of IPv4 in IPv6 (`::ffff:192.0.2.1`) become IPv4.
fn parse(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let net: IpNet = text.parse().map_err(|_| {
        format!("{text:?} is no network; write \"192.0.2.0/24\", \"2001:db8::/32\" or one address")
    })?;
    if net.trunc() != net {
        // 10.0.0.1/8 may mean one machine or sixteen million.
        return Err(format!(
            "{text:?} names a machine and a network; write \"{}\" or \"{}\"",
            net.addr(),
            net.trunc()
        ));
    }
    if net.prefix_len() == 0 {
        return Err(format!("{text:?} is every machine there is"));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read() {
        for (text, read) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ] {
            assert_eq!(parse(text).map(|net| net.to_string()), Ok(read.to_owned()));
        }
        for text in ["", "192.0.2.0/33", "192.0.2.1/24", "0.0.0.0/0", "::/0", "localhost", "192.0.2"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
