//! The checks as a whole, and the suites that others keep.

mod spf_suite;
