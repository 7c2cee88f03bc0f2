//! What rspamd and clamd have in common for tests: who is meant, and how mailward's configuration names it.

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plays {
    /// rspamd, with its HTTP.
    Rspamd,
    /// clamd, with its own protocol.
    Clamd,
}

impl Plays {
    /// Its name in coverage, in `[scanner.…]`, and as a program.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rspamd => "rspamd",
            Self::Clamd => "clamd",
        }
    }

    /// What it needs of Debian's packages.
    pub(crate) const fn packages(self) -> &'static str {
        match self {
            Self::Rspamd => "rspamd redis-server",
            Self::Clamd => "clamav-daemon",
        }
    }

    /// The section of mailward's configuration that asks it at `address`, ends with a line break.
    pub(crate) fn section(self, address: &str, timeout: &str, on_failure: &str) -> String {
        let key = match self {
            Self::Rspamd => "url",
            Self::Clamd => "address",
        };
        let name = self.name();
        format!("[scanner.{name}]\n{key} = {address:?}\ntimeout = {timeout:?}\non_failure = {on_failure:?}\n")
    }
}
