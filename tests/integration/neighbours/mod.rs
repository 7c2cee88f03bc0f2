//! rspamd and clamd that misbehave: each way, over TCP and unix sockets, for each `on_failure`.

mod breaker;
mod came;
mod matrix;
mod nonsense;
