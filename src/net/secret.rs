//! A secret: where it is, never what it is.
//!
//! Configuration files end in backups, tickets and version control. So a secret is named there and
//! stands elsewhere: in a file, in the environment, or in what systemd's `LoadCredential=` hands over.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{SecretText, system_says};
use crate::named_file;

/// Where a secret is: `{ file = "/path" }`, `{ env = "NAME" }` or `{ credential = "name" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// The first line of a file; an absolute path.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A file under `$CREDENTIALS_DIRECTORY`, see `LoadCredential=` in systemd.exec(5).
    Credential(String),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the secret in {} cannot be read: {}", path.display(), system_says(source))]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The environment has no such variable, or it is not UTF-8.
    #[error("the environment variable {0} is not set")]
    Env(String),
    /// systemd handed nothing over.
    #[error(
        "the credential {0} is not here: CREDENTIALS_DIRECTORY is not set; see LoadCredential= in systemd.exec(5)"
    )]
    NoCredentials(String),
    /// Nothing in it, or more than a secret can be.
    #[error("the secret in {0} is empty, not text, or longer than 64KiB")]
    Unusable(String),
}

const MAX_BYTES: u64 = 64 * 1024;

impl Secret {
    /// Fetches the secret, without the line break at its end.
    ///
    /// # Errors
    /// If it is not where it should be, or is empty.
    pub fn fetch(&self) -> Result<SecretText, SecretError> {
        let text = match self {
            Self::File(path) => read(path)?,
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?,
            Self::Credential(name) => read(&credential(name)?)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(['\r', '\n', '\0']) {
            return Err(SecretError::Unusable(self.to_string()));
        }
        Ok(SecretText::new(text))
    }

    /// What an admin should know before mail flows. The error stops the start; the sentence in `Ok`
    /// does not, because who checks a configuration may not be who runs it.
    ///
    /// # Errors
    /// If the secret is certainly not usable.
    pub fn probe(&self) -> Result<Option<String>, SecretError> {
        let doubt = match self.fetch() {
            Ok(_) => None,
            Err(SecretError::File { path, source })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Some(format!("this user may not read {}; the one that runs mailward must", path.display()))
            }
            Err(e @ (SecretError::Env(_) | SecretError::NoCredentials(_))) => Some(e.to_string()),
            Err(e) => return Err(e),
        };
        let Self::File(path) = self else { return Ok(doubt) };
        let mode = std::fs::metadata(path).map_or(0, |meta| meta.mode());
        let open = if mode & 0o022 != 0 {
            Some("others may change")
        } else if mode & 0o004 != 0 {
            Some("everybody on this machine may read")
        } else {
            None
        };
        Ok(doubt.or_else(|| open.map(|who| format!("{who} {}; `chmod 0640` it", path.display()))))
    }
}

impl fmt::Display for Secret {
    /// Where it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

fn credential(name: &str) -> Result<PathBuf, SecretError> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    let directory = directory.ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?;
    Ok(Path::new(&directory).join(name))
}

fn read(path: &Path) -> Result<String, SecretError> {
    let fail = |source| SecretError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = named_file::open(path).map_err(fail)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    let unusable = || SecretError::Unusable(path.display().to_string());
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unusable());
    }
    String::from_utf8(bytes).map_err(|_| unusable())
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

/// What stands where a secret is named.
const FORMS: &str = r#"{ file = "/path" }, { env = "NAME" } or { credential = "name" }"#;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Secret, E> {
        // The text itself must not be said again.
        Err(E::custom(format_args!(
            "a secret must not stand in this file, because such files get copied into backups, tickets and \
             version control; write where it is: {FORMS}"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let Some((kind, place)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let secret = match kind.as_str() {
            "file" if place.starts_with('/') => Secret::File(place.into()),
            "file" => return Err(A::Error::custom(format_args!("the path {place:?} must begin with /"))),
            "env" if !place.is_empty() && !place.contains(['=', '\0']) => Secret::Env(place),
            "credential" if is_credential_name(&place) => Secret::Credential(place),
            "env" | "credential" => return Err(A::Error::invalid_value(Unexpected::Str(&place), &"a name")),
            _ => {
                return Err(A::Error::custom(format_args!("this names no place of a secret; write {FORMS}")));
            }
        };
        match map.next_key::<String>()? {
            None => Ok(secret),
            Some(_) => Err(A::Error::custom("a secret has one place")),
        }
    }
}

fn is_credential_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(directory: &Path, name: &str, text: &str, mode: u32) -> Secret {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Secret::File(path)
    }

    #[test]
    fn a_secret_is_fetched_from_its_file_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let secret = file(directory.path(), "token", "hunter2\n", 0o600);
        let text = secret.fetch().unwrap();
        assert_eq!(text.expose(), "hunter2");
        assert_eq!(format!("{text:?}"), "SecretText(…)");
        assert_eq!(secret.probe().unwrap(), None);
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let read = file(directory.path(), "r", "x", 0o644);
        assert_eq!(
            read.probe().unwrap(),
            Some(format!("everybody on this machine may read {read}; `chmod 0640` it"))
        );
        let write = file(directory.path(), "w", "x", 0o660);
        assert_eq!(write.probe().unwrap(), Some(format!("others may change {write}; `chmod 0640` it")));
    }

    #[test]
    fn an_empty_a_long_a_missing_and_an_odd_file_are_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(64 * 1024 + 1);
        for (name, text) in [("empty", "\n"), ("long", long.as_str()), ("lines", "a\nb\n"), ("nul", "a\0b")] {
            let error = file(directory.path(), name, text, 0o600).fetch().unwrap_err();
            assert!(matches!(error, SecretError::Unusable(_)), "{name}: {error}");
        }
        let missing = Secret::File(directory.path().join("none"));
        let path = directory.path().join("none");
        let expected = format!("the secret in {} cannot be read: no such file or directory", path.display());
        assert_eq!(missing.probe().unwrap_err().to_string(), expected);
        assert!(Secret::File(directory.path().into()).probe().is_err());
    }

    #[test]
    fn what_the_service_will_have_and_we_have_not_is_a_doubt_only() {
        let env = Secret::Env("MAILWARD_NO_SUCH_VARIABLE".to_owned());
        let doubt = "the environment variable MAILWARD_NO_SUCH_VARIABLE is not set";
        assert_eq!(env.probe().unwrap().as_deref(), Some(doubt));
        // PATH is in every environment that runs tests.
        assert!(Secret::Env("PATH".to_owned()).fetch().is_ok());
    }

    #[test]
    fn each_form_is_read_and_nothing_else() {
        #[derive(Debug, Deserialize, Serialize, PartialEq)]
        struct T {
            s: Secret,
        }
        for (text, secret) in [
            (r#"s = { file = "/a" }"#, Secret::File("/a".into())),
            (r#"s = { env = "A" }"#, Secret::Env("A".into())),
            (r#"s = { credential = "a.b" }"#, Secret::Credential("a.b".into())),
        ] {
            let read = toml::from_str::<T>(text).unwrap();
            assert_eq!(read, T { s: secret });
            assert_eq!(toml::from_str::<T>(&toml::to_string(&read).unwrap()).unwrap(), read);
        }
        for text in [
            r#"s = "hunter2""#,
            "s = 5",
            "s = {}",
            r#"s = { file = "a" }"#,
            r#"s = { env = "" }"#,
            r#"s = { credential = "../shadow" }"#,
            r#"s = { file = "/a", env = "A" }"#,
            r#"s = { value = "hunter2" }"#,
        ] {
            let error = toml::from_str::<T>(text).unwrap_err();
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}
