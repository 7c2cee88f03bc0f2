//! One binary for all integration tests, because linking is what costs. A module per behaviour.

mod case;
mod cases;
mod docs;
mod layering;
mod milter_client;
#[path = "../mta/mod.rs"]
mod mta;
mod spine;
