//! The checks as a whole, and the suites that others keep.

mod arc;
mod arc_suite;
mod attacks;
mod budget;
pub(super) mod dkim;
mod dkim_suite;
mod findings_table;
mod headers_suite;
mod malformed;
mod no_client;
mod scene;
mod spf;
mod spf_suite;
mod trusted;
