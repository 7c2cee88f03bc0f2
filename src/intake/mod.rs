//! Where mail comes in.

pub mod milter;
