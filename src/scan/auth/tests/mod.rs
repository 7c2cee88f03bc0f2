//! The checks as a whole, and the suites that others keep.

mod findings_table;
mod spf_suite;
mod trusted;
