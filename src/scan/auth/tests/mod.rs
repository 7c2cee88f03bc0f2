//! The checks as a whole, and the suites that others keep.

pub(super) mod dkim;
mod dkim_suite;
mod findings_table;
mod spf_suite;
mod trusted;
