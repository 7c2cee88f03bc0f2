//! The section `[report]`.

use serde::{Deserialize, Serialize};

/// What is done about reports of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// rspamd is taught by them; if not, they are put on record and no more.
    pub teach: bool,
    /// How many of one user are taken in an hour.
    pub per_user: u32,
    /// How many of all users are taken in an hour.
    pub in_all: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { teach: true, per_user: 120, in_all: 3000 }
    }
}
