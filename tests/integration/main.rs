//! One binary for all integration tests, because linking is what costs. A module per behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "these are tests: a panic is how they fail"
)]

mod actions;
mod admin_door;
mod admin_http;
mod auth_outage;
mod auth_postfix;
mod auth_relay;
mod auth_upgrade;
mod case;
mod cases;
mod command_line;
mod common;
mod degraded;
mod delivery;
mod dns;
mod dns_mail;
mod dns_servers;
mod docs;
mod feeds;
mod feeds_net;
mod feeds_tls;
mod hostile;
mod layering;
mod list_scopes;
mod listed;
mod load;
mod lookups;
mod milter_client;
mod miltertest;
#[path = "../mta/mod.rs"]
mod mta;
mod neighbour_clamd;
mod neighbour_clamd_figures;
mod neighbour_rspamd;
mod neighbour_rspamd_faults;
mod neighbours;
mod netns;
mod notified;
mod outbound;
mod over_tcp;
mod poisoning;
mod policy_commands;
mod relay;
mod release;
mod results;
mod retro;
mod scan_shows;
mod second_look;
mod short_links;
mod spine;
mod suites;
mod urls;
mod web;
