//! What a registration did.

use std::fmt;

use serde::Serialize;

/// One step of a registration, in plain words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Which step.
    pub step: Step,
    /// What happened to its object.
    pub kind: ChangeKind,
    /// The same for people, for example `application people-sync created`.
    pub text: String,
}

/// The steps of a registration that leave something in the directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// The application registration.
    Application,
    /// The permissions that it declares.
    Permissions,
    /// The service principal in the tenant.
    ServicePrincipal,
    /// A certificate or a secret.
    Credential,
    /// The role assignments.
    Consent,
}

/// What happened to an object of the directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It did not exist.
    Created,
    /// It was not as it should be.
    Updated,
    /// It was as it should be.
    Unchanged,
}

impl Change {
    pub(crate) fn new(step: Step, kind: ChangeKind, text: impl Into<String>) -> Self {
        Self { step, kind, text: text.into() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
