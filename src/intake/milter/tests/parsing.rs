//! What stands in the configuration: its text comes back, and no text makes it panic.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use crate::intake::milter::config::{Cidr, Endpoint, SocketMode};

/// Text that is nearly an endpoint, a network or a mode.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(unix|local|inet|inet6|tcp)?:?[]\\[0-9a-f:@./+ -]{0,30}",
        "[0-9a-f:.]{0,20}/?[+0-9]{0,4}",
        "[+-]?(0o)?[0-9]{0,5}",
    ]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn an_endpoint_comes_back_from_its_text(path in "/[^\0]{0,26}", address in address()) {
        for endpoint in [Endpoint::Unix(path.into()), Endpoint::Inet(address)] {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        let sendmail = format!("inet:{}@{}", address.port(), address.ip());
        prop_assert_eq!(sendmail.parse(), Ok(Endpoint::Inet(address)));
    }

    #[test]
    fn any_text_is_an_endpoint_or_told_why_not(text in nearly()) {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => {
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint.clone()));
                let fits = endpoint.path().is_none_or(|path| path.is_absolute() && path.as_os_str().len() <= 107);
                prop_assert!(fits, "{endpoint}");
                // A port is digits and nothing else.
                prop_assert!(endpoint.path().is_some() || !text.contains('+'), "{text}");
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }

    #[test]
    fn a_network_holds_its_own_addresses(ip in any::<IpAddr>(), length in 0u8..=128, other in any::<IpAddr>()) {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let text = format!("{ip}/{length}");
        let read = text.parse::<Cidr>();
        prop_assert_eq!(read.is_ok(), length <= most, "{}", text);
        let Ok(net) = read else { return Ok(()) };
        prop_assert_eq!(net.to_string().parse(), Ok(net));
        // A mapped address counts as the IPv4 address that it is.
        prop_assert!(net.contains(ip) || ip.to_canonical() != ip);
        let alone: Cidr = ip.to_string().parse().unwrap();
        prop_assert_eq!(alone.contains(other), ip == other.to_canonical());
    }

    #[test]
    fn any_text_is_a_network_or_a_mode_or_neither(text in nearly()) {
        if let Ok(net) = text.parse::<Cidr>() {
            prop_assert_eq!(net.to_string().parse(), Ok(net));
        }
        if let Ok(mode) = text.parse::<SocketMode>() {
            prop_assert!(mode.0 <= 0o777);
            prop_assert_eq!(mode.to_string().parse(), Ok(mode));
        }
    }

    #[test]
    fn every_mode_comes_back_from_its_text(mode in 0u32..=0o777) {
        prop_assert_eq!(SocketMode(mode).to_string().parse(), Ok(SocketMode(mode)));
        prop_assert_eq!(format!("{mode:03o}").parse(), Ok(SocketMode(mode)));
        prop_assert_eq!(format!("0o{mode:03o}").parse(), Ok(SocketMode(mode)));
    }
}
