//! Which application permission opens which call.

use unattended_protect::Caller;

use super::fault::Fault;

/// What a call asks of its caller's permissions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// One of these,
    pub(super) any_of: &'static [&'static str],
    /// or, for objects the caller made itself, this one,
    pub(super) for_own_objects: Option<&'static str>,
    /// and one of these, if there are any.
    pub(super) and_any_of: &'static [&'static str],
    /// Whether an application needs none of them for itself: the handler looks whose the object is.
    pub(super) or_for_itself: bool,
}

impl Access {
    /// Passes a caller; whether it is only for objects of its own.
    pub(super) fn admit(&self, caller: &Caller) -> Result<bool, Fault> {
        if !self.and_any_of.is_empty() {
            caller.require_any_role(self.and_any_of).map_err(|_| Fault::denied())?;
        }
        if caller.require_any_role(self.any_of).is_ok() {
            return Ok(false);
        }
        if self.or_for_itself {
            return Ok(true);
        }
        caller.require_any_role(self.for_own_objects).map_err(|_| Fault::denied())?;
        Ok(true)
    }
}

const fn any_of(any_of: &'static [&'static str]) -> Access {
    Access { any_of, for_own_objects: None, and_any_of: &[], or_for_itself: false }
}

pub(super) const READ_USERS: Access = any_of(&[
    "User.ReadBasic.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const READ_ALL_USERS: Access =
    any_of(&["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"]);

pub(super) const CREATE_USERS: Access = any_of(&["User.ReadWrite.All", "Directory.ReadWrite.All"]);

/// The last four write single properties only: [`UPDATE_ONE_PROPERTY`].
pub(super) const UPDATE_USERS: Access = any_of(&[
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
    "User.EnableDisableAccount.All",
    "User-Mail.ReadWrite.All",
    "User-PasswordProfile.ReadWrite.All",
    "User-Phone.ReadWrite.All",
]);

pub(super) const DELETE_USERS: Access = any_of(&["User.DeleteRestore.All", "User.ReadWrite.All"]);

pub(super) const READ_GROUPS: Access = any_of(&[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const CREATE_GROUPS: Access =
    any_of(&["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"]);

pub(super) const WRITE_GROUPS: Access = any_of(&["Group.ReadWrite.All"]);

pub(super) const WRITE_MEMBERS: Access =
    any_of(&["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"]);

pub(super) const READ_MEMBERSHIPS: Access = any_of(&[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const READ_DIRECTORY: Access = any_of(&["Directory.Read.All", "Directory.ReadWrite.All"]);

/// As documented: no higher permission.
pub(super) const READ_EXTENSIONS: Access = any_of(&["Directory.Read.All"]);

pub(super) const WRITE_MANAGERS: Access = any_of(&UPDATE_ANY_PROPERTY);

/// Any of these for some type; the handler asks for the one of the object's type.
pub(super) const READ_DELETED: Access = any_of(&[
    "User.Read.All",
    "User.ReadWrite.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.OwnedBy",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const WRITE_DELETED: Access = any_of(&[
    "User.DeleteRestore.All",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "Application.ReadWrite.All",
]);

pub(super) const RESTORE_APPLICATIONS: Access = any_of(&["Application.ReadWrite.All"]);

pub(super) const READ_APPLICATIONS: Access = any_of(&[
    "Application.Read.All",
    "Application.ReadWrite.OwnedBy",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const WRITE_APPLICATIONS: Access = Access {
    any_of: &["Application.ReadWrite.All"],
    for_own_objects: Some("Application.ReadWrite.OwnedBy"),
    and_any_of: &[],
    or_for_itself: false,
};

pub(super) const ROLL_KEYS: Access = Access { or_for_itself: true, ..WRITE_APPLICATIONS };

pub(super) const READ_ASSIGNMENTS: Access = any_of(&[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

/// Of users and groups.
pub(super) const READ_HELD_ROLES: Access =
    any_of(&["AppRoleAssignment.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"]);

pub(super) const CREATE_ASSIGNMENTS: Access = Access {
    any_of: &["AppRoleAssignment.ReadWrite.All"],
    for_own_objects: None,
    and_any_of: &[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    or_for_itself: false,
};

pub(super) const DELETE_ASSIGNMENTS: Access = any_of(&["AppRoleAssignment.ReadWrite.All"]);

pub(super) const READ_GRANTS: Access = any_of(&[
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

pub(super) const WRITE_GRANTS: Access =
    any_of(&["DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"]);

pub(super) const READ_FILES: Access = any_of(&["Files.Read.All", "Files.ReadWrite.All"]);

pub(super) const WRITE_FILES: Access = any_of(&["Files.ReadWrite.All"]);

pub(super) const READ_ORGANIZATION: Access = any_of(&[
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "User.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);

/// What `User.ReadBasic.All` alone shows of a user.
pub(super) const BASIC_USER_PROPERTIES: [&str; 6] =
    ["displayName", "givenName", "id", "mail", "surname", "userPrincipalName"];

/// Permissions that write all of a user.
pub(super) const UPDATE_ANY_PROPERTY: [&str; 2] = ["User.ReadWrite.All", "Directory.ReadWrite.All"];

/// A permission that writes some properties of a user and no other.
pub(super) struct Narrow {
    permission: &'static str,
    /// What it is good for only together with.
    and: Option<&'static str>,
    properties: &'static [&'static str],
}

impl Narrow {
    /// Whether a caller may write a property because of it.
    pub(super) fn lets_write(&self, caller: &Caller, property: &str) -> bool {
        let has = |permission: &str| caller.has_role(permission);
        self.properties.contains(&property) && has(self.permission) && self.and.is_none_or(has)
    }
}

pub(super) const UPDATE_ONE_PROPERTY: [Narrow; 4] = [
    Narrow {
        permission: "User.EnableDisableAccount.All",
        and: Some("User.Read.All"),
        properties: &["accountEnabled"],
    },
    Narrow { permission: "User-Mail.ReadWrite.All", and: None, properties: &["otherMails"] },
    Narrow { permission: "User-PasswordProfile.ReadWrite.All", and: None, properties: &["passwordProfile"] },
    Narrow {
        permission: "User-Phone.ReadWrite.All",
        and: None,
        properties: &["businessPhones", "mobilePhone"],
    },
];
