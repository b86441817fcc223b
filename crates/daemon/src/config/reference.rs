//! Where a secret is, instead of the secret.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A place that a secret is read from when it is needed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretReference {
    /// `file:PATH`; relative paths start at the configuration file's directory.
    File(PathBuf),
    /// `env:NAME`, an environment variable.
    Environment(String),
    /// `systemd:NAME`, a credential of the unit (`LoadCredential=`), found under `$CREDENTIALS_DIRECTORY`.
    Systemd(String),
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoReference {
    /// The scheme is known and names nothing.
    Empty,
    /// The text looks like the secret itself.
    InlineValue,
    /// A name that may not be a path.
    NotAName,
    /// `scheme:` that nothing reads.
    UnknownScheme,
}

impl SecretReference {
    pub(super) fn parse(text: &str, directory: &Path) -> Result<Self, NoReference> {
        let Some((scheme, name)) = text.split_once(':') else { return Err(NoReference::InlineValue) };
        let reference = match scheme {
            "file" => Self::File(directory.join(name)),
            "env" => Self::Environment(name.to_owned()),
            "systemd" if name.contains(['/', '\\']) || name.starts_with('.') => {
                return Err(NoReference::NotAName);
            }
            "systemd" => Self::Systemd(name.to_owned()),
            "command" | "keyring" | "keyvault" | "vault" => return Err(NoReference::UnknownScheme),
            _ => return Err(NoReference::InlineValue),
        };
        if name.is_empty() { Err(NoReference::Empty) } else { Ok(reference) }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl Serialize for SecretReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_place_and_a_value_is_none() {
        let parse = |text| SecretReference::parse(text, Path::new("/etc/unattended"));
        assert_eq!(parse("file:app.pem"), Ok(SecretReference::File("/etc/unattended/app.pem".into())));
        assert_eq!(parse("file:/run/app.pem").unwrap().to_string(), "file:/run/app.pem");
        assert_eq!(parse("env:APP_SECRET"), Ok(SecretReference::Environment("APP_SECRET".into())));
        assert_eq!(parse("systemd:client-secret"), Ok(SecretReference::Systemd("client-secret".into())));
        assert_eq!(parse("systemd:../shadow"), Err(NoReference::NotAName));
        assert_eq!(parse("keyvault:app"), Err(NoReference::UnknownScheme));
        for (text, why) in [
            ("hunter2", NoReference::InlineValue),
            ("a:b", NoReference::InlineValue),
            ("env:", NoReference::Empty),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
