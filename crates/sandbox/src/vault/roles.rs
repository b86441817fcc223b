//! Which role allows which action, as the built-in roles of Azure do for a vault.

/// What can be done in a vault. The names are those of Azure's data actions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Action(pub(super) &'static str);

impl Action {
    pub(super) const GET_SECRET: Self = Self("secrets/getSecret/action");
    pub(super) const SET_SECRET: Self = Self("secrets/setSecret/action");
    pub(super) const IMPORT_CERTIFICATE: Self = Self("certificates/import/action");
    pub(super) const READ_CERTIFICATE: Self = Self("certificates/read");
}

/// A role by the name it has here, its name in Azure, and what it allows: actions, or all that begin with the same.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    allows: &'static [&'static str],
}

/// Every role.
pub(crate) const ROLES: &[Role] = &[
    Role { name: "administrator", title: "Key Vault Administrator", allows: &["*"] },
    Role { name: "secrets-officer", title: "Key Vault Secrets Officer", allows: &["secrets/*"] },
    Role {
        name: "secrets-user",
        title: "Key Vault Secrets User",
        allows: &["secrets/getSecret/action", "secrets/readMetadata/action"],
    },
    Role {
        name: "certificates-officer",
        title: "Key Vault Certificates Officer",
        allows: &["certificates/*"],
    },
    Role {
        name: "certificate-user",
        title: "Key Vault Certificate User",
        allows: &["certificates/read", "secrets/getSecret/action", "secrets/readMetadata/action"],
    },
    Role {
        name: "reader",
        title: "Key Vault Reader",
        allows: &["certificates/read", "secrets/readMetadata/action"],
    },
];

/// The role of a name, here or in Azure.
pub(crate) fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name || role.title.eq_ignore_ascii_case(name))
}

impl Role {
    /// Whether it allows an action.
    pub(super) fn allows(&self, action: Action) -> bool {
        self.allows.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => action.0.starts_with(prefix),
            None => *allowed == action.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_what_it_is_for_and_nothing_else() {
        let allows = |role: &str, action| find(role).unwrap().allows(action);
        assert!(allows("secrets-user", Action::GET_SECRET) && !allows("secrets-user", Action::SET_SECRET));
        assert!(allows("secrets-officer", Action::SET_SECRET));
        assert!(!allows("secrets-officer", Action::IMPORT_CERTIFICATE));
        assert!(allows("certificates-officer", Action::IMPORT_CERTIFICATE));
        assert!(!allows("certificates-officer", Action::GET_SECRET));
        assert!(allows("certificate-user", Action::GET_SECRET));
        assert!(allows("reader", Action::READ_CERTIFICATE) && !allows("reader", Action::GET_SECRET));
        assert!(allows("Key Vault administrator", Action::IMPORT_CERTIFICATE));
        assert!(find("owner").is_none());
    }
}
