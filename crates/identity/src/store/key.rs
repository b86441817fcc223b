//! The name of an entry in a store.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::profile::Profile;

/// A SHA-256 digest of everything that can change the token, as 64 hexadecimal digits: the same in every process that
/// runs the same application, different for any two different requests, and telling nothing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StoreKey(String);

impl StoreKey {
    /// Every part is preceded by its length: `ab` and `c` digest differently than `a` and `bc`.
    pub(crate) fn new(authority: &str, client_id: &str, capabilities: &str, profile: &Profile) -> Self {
        let mut digest = Context::new(&SHA256);
        let mut part = |text: &str| {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        part("unattended token 1");
        // A token with a capability is of no use to an application that cannot handle what it allows.
        [authority, client_id, capabilities, &profile.scope].into_iter().for_each(&mut part);
        for optional in [&profile.resource, &profile.claims] {
            part(if optional.is_some() { "some" } else { "none" });
            part(optional.as_deref().unwrap_or_default());
        }
        for (name, value) in &profile.parameters {
            part(name);
            part(value);
        }
        let digest = digest.finish();
        Self(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D11
    #[test]
    fn parts_cannot_run_into_each_other() {
        let profile = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .fold(Profile { scope: "s".into(), ..Profile::default() }, |profile, (name, value)| {
                    profile.with_parameter(name, value).unwrap()
                })
        };
        let key = |profile: &Profile| StoreKey::new("https://a", "c", "", profile);
        let keys = [
            key(&profile(&[])),
            key(&profile(&[("ab", "c")])),
            key(&profile(&[("a", "bc")])),
            key(&profile(&[("a", "1b2")])),
            key(&profile(&[("a", "1"), ("b", "2")])),
            key(&Profile { resource: Some("".into()), ..profile(&[]) }),
            key(&Profile { claims: Some("".into()), ..profile(&[]) }),
            StoreKey::new("https://ac", "", "", &profile(&[])),
            StoreKey::new("https://a", "c", "cp1", &profile(&[])),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(keys[0].as_str().len(), 64);
    }
}
