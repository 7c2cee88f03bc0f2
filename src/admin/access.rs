//! Who asks, and what they may.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::ApiError;

/// What a token lets its holder do; each role may do what the one before may, but that a viewer does not report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Says of single messages whether they are spam, and sees nothing: for a mail server, whose many users
    /// share one token.
    Reporter,
    /// Sees status, metrics, records and lists; no message.
    Viewer,
    /// Besides: reads held messages, releases and rescans them, changes lists, has mail judged.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Reporter, Self::Viewer, Self::Operator, Self::Admin];

    /// The word in commands and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reporter => "reporter",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether this role may do what `need` may.
    #[must_use]
    pub fn covers(self, need: Self) -> bool {
        // A report changes what rspamd knows, and a viewer changes nothing.
        self >= need && (need != Self::Reporter || self != Self::Viewer)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("{text:?} is no role; write reporter, viewer, operator or admin"))
    }
}

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Through the unix socket, past its permissions.
    Socket,
    /// Over TCP, with a token.
    Token,
}

/// Who asks. A handler takes it as an argument; the gate has let them in already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As audit entries name them: `admin socket`, or `token NAME`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How they came in.
    pub how: How,
}

impl Caller {
    /// Whoever came through the unix socket. They may do everything: who may open it is a matter of
    /// its permissions.
    #[must_use]
    pub fn socket() -> Self {
        Self { name: "admin socket".to_owned(), role: Role::Admin, how: How::Socket }
    }

    /// The holder of a token.
    #[must_use]
    pub fn token(name: &str, role: Role) -> Self {
        Self { name: format!("token {name}"), role, how: How::Token }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Only a route that is open to everybody has none, and such a route changes nothing.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::Internal("nobody is known to have asked; nothing was done".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_one_before_may() {
        assert!(Role::ALL.is_sorted());
        let may = |role: Role| Role::ALL.map(|need| role.covers(need));
        assert_eq!(may(Role::Reporter), [true, false, false, false]);
        assert_eq!(may(Role::Viewer), [false, true, false, false]);
        assert_eq!(may(Role::Operator), [true, true, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
        assert_eq!(Role::ALL.map(|role| role.to_string().parse()), Role::ALL.map(Ok));
        assert!("root".parse::<Role>().is_err());
        assert_eq!(Caller::token("grafana", Role::Viewer).name, "token grafana");
    }
}
