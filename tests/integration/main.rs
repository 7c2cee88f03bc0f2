//! One binary for all integration tests, because linking is what costs. A module per behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "these are tests: a panic is how they fail"
)]

mod accuracy;
mod actions;
mod admin_door;
mod admin_http;
mod auth_outage;
mod auth_postfix;
mod auth_relay;
mod auth_upgrade;
mod backup;
mod backup_privacy;
mod backup_recovery;
mod backup_root;
mod case;
mod cases;
mod command_line;
mod common;
mod deb;
mod deb_life;
mod deb_pages;
mod deb_readme;
mod degraded;
mod delivery;
mod dns;
mod dns_mail;
mod dns_servers;
mod docs;
mod doctor;
mod dovecot;
mod faults;
mod feeds;
mod feeds_net;
mod feeds_tls;
mod hostile;
mod layering;
mod list_scopes;
mod listed;
mod lmtp;
mod lmtp_pass;
mod load;
mod logs;
mod lookups;
mod machine;
mod malformed;
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
mod others;
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
mod sendmail;
mod setup;
mod short_links;
mod soak;
mod spine;
mod suites;
mod systemd;
mod threats;
mod urls;
mod watching;
mod web;
