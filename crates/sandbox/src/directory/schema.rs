//! The types of the directory as data: what a property holds, who may write it, what is returned unasked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use crate::store::{ExtensionProperty, Table};

/// One type of object.
#[derive(Debug)]
pub(crate) struct EntityType {
    /// Name in `microsoft.graph`.
    pub(crate) name: &'static str,
    /// Name in messages about queries.
    pub(crate) resource: &'static str,
    /// Path segment of the collection.
    pub(crate) set: &'static str,
    pub(crate) table: Table,
    pub(crate) properties: &'static [Property],
    /// What applications added to them, as far as a request needs to know.
    pub(crate) extensions: Vec<Property>,
}

impl EntityType {
    /// The property with that exact name.
    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.all().find(|property| property.name == name)
    }

    /// Every property.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().chain(&self.extensions)
    }

    /// The type with extension properties.
    pub(crate) fn extended(&self, extensions: &[ExtensionProperty]) -> Self {
        Self { extensions: extensions.iter().filter_map(Property::extension).collect(), ..*self }
    }
}

/// One property.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) write: Write,
    /// Returned without `$select`.
    pub(crate) is_default: bool,
    /// The indexed column that holds it.
    pub(crate) column: Option<&'static str>,
}

/// What a property holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// At most this many bytes, in Base64.
    Binary(usize),
    Boolean,
    DateTime,
    Guid,
    /// Of this many bits.
    Integer(u32),
    /// Other objects: no value of the object itself.
    Links,
    /// Any number of values.
    Many(&'static Self),
    /// A complex value, with any members.
    Object,
    /// Complex values.
    Objects,
    /// Text of at most this many characters.
    Text(usize),
    /// Texts, each of at most this many characters.
    Texts(usize),
}

impl Kind {
    /// The kind of an extension property's values.
    pub(crate) fn of_data_type(data_type: &str) -> Option<&'static Self> {
        Some(match data_type {
            "Binary" => &Self::Binary(256),
            "Boolean" => &Self::Boolean,
            "DateTime" => &Self::DateTime,
            "Integer" => &Self::Integer(32),
            "LargeInteger" => &Self::Integer(64),
            "String" => &Self::Text(256),
            _ => return None,
        })
    }

    /// Whether it is a collection of texts.
    pub(crate) fn is_texts(self) -> bool {
        matches!(self, Self::Texts(_) | Self::Many(Self::Text(_)))
    }
}

/// Who may write a property.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Write {
    Always,
    Create,
    Never,
}

const fn property(name: &'static str, kind: Kind, write: Write) -> Property {
    Property { name: Cow::Borrowed(name), kind, write, is_default: true, column: None }
}

impl Property {
    const fn on_select(mut self) -> Self {
        self.is_default = false;
        self
    }

    /// What objects have because of a definition: nothing for a type of data that is not known.
    fn extension(definition: &ExtensionProperty) -> Option<Self> {
        let kind = Kind::of_data_type(&definition.data_type)?;
        Some(Self {
            name: Cow::Owned(definition.name.clone()),
            kind: if definition.is_multi_valued { Kind::Many(kind) } else { *kind },
            write: Write::Always,
            is_default: false,
            column: None,
        })
    }

    /// What objects are ordered by that are ordered by it, in SQL: none is without it.
    pub(crate) fn order(&self) -> Option<&'static str> {
        EXPRESSIONS.get(&*self.name).map(String::as_str)
    }

    const fn indexed(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }

    /// The column by which objects can be put in order: none is without it.
    pub(super) fn ordering_column(&self) -> Option<&'static str> {
        self.column.filter(|_| matches!(&*self.name, "displayName" | "userPrincipalName"))
    }
}

/// What objects are ordered by, by property. The names that every object has are columns of an index; what has no value
/// stands before what has one.
static EXPRESSIONS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let types = [&USER, &GROUP, &APPLICATION, &SERVICE_PRINCIPAL];
    let properties = types.into_iter().flat_map(|entity| entity.properties);
    let of = |property: &'static Property| match (&*property.name, property.kind) {
        ("displayName", _) => Some("display_name".to_owned()),
        ("userPrincipalName", _) => Some("user_principal_name".to_owned()),
        (name, Kind::Boolean | Kind::DateTime | Kind::Guid | Kind::Text(_)) => {
            Some(format!("CAST(coalesce(document ->> '$.{name}', '') AS TEXT) COLLATE NOCASE"))
        }
        _ => None,
    };
    properties.filter_map(|property| Some((&*property.name, of(property)?))).collect()
});

/// `microsoft.graph.user`
pub(crate) static USER: EntityType = EntityType {
    name: "user",
    resource: "User",
    set: "users",
    table: Table::Users,
    properties: &[
        property("businessPhones", Kind::Texts(64), Write::Always),
        property("displayName", Kind::Text(256), Write::Always).indexed("display_name"),
        property("givenName", Kind::Text(64), Write::Always),
        property("jobTitle", Kind::Text(128), Write::Always),
        property("mail", Kind::Text(256), Write::Always).indexed("mail"),
        property("mobilePhone", Kind::Text(64), Write::Always),
        property("officeLocation", Kind::Text(128), Write::Always),
        property("preferredLanguage", Kind::Text(16), Write::Always),
        property("surname", Kind::Text(64), Write::Always),
        property("userPrincipalName", Kind::Text(113), Write::Always).indexed("user_principal_name"),
        property("id", Kind::Guid, Write::Never).indexed("id"),
        property("accountEnabled", Kind::Boolean, Write::Always).on_select(),
        property("assignedLicenses", Kind::Objects, Write::Never).on_select(),
        property("ageGroup", Kind::Text(64), Write::Always).on_select(),
        property("city", Kind::Text(128), Write::Always).on_select(),
        property("companyName", Kind::Text(64), Write::Always).on_select(),
        property("country", Kind::Text(128), Write::Always).on_select(),
        property("createdDateTime", Kind::DateTime, Write::Never).on_select(),
        property("department", Kind::Text(64), Write::Always).on_select(),
        property("employeeHireDate", Kind::DateTime, Write::Always).on_select(),
        property("employeeId", Kind::Text(16), Write::Always).on_select(),
        property("employeeType", Kind::Text(64), Write::Always).on_select(),
        property("faxNumber", Kind::Text(64), Write::Always).on_select(),
        property("mailNickname", Kind::Text(64), Write::Always).on_select(),
        property("onPremisesImmutableId", Kind::Text(256), Write::Always).on_select(),
        property("otherMails", Kind::Texts(250), Write::Always).on_select(),
        property("passwordPolicies", Kind::Text(256), Write::Always).on_select(),
        property("passwordProfile", Kind::Object, Write::Always).on_select(),
        property("postalCode", Kind::Text(40), Write::Always).on_select(),
        property("proxyAddresses", Kind::Texts(256), Write::Never).on_select(),
        property("state", Kind::Text(128), Write::Always).on_select(),
        property("streetAddress", Kind::Text(1024), Write::Always).on_select(),
        property("usageLocation", Kind::Text(2), Write::Always).on_select(),
        property("userType", Kind::Text(64), Write::Always).on_select(),
        property("deletedDateTime", Kind::DateTime, Write::Never).on_select(),
        property("manager", Kind::Links, Write::Never).on_select(),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.group`
pub(crate) static GROUP: EntityType = EntityType {
    name: "group",
    resource: "Group",
    set: "groups",
    table: Table::Groups,
    properties: &[
        property("id", Kind::Guid, Write::Never).indexed("id"),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("classification", Kind::Text(64), Write::Always),
        property("createdDateTime", Kind::DateTime, Write::Never),
        property("description", Kind::Text(1024), Write::Always),
        property("displayName", Kind::Text(256), Write::Always).indexed("display_name"),
        property("groupTypes", Kind::Texts(64), Write::Create),
        property("isAssignableToRole", Kind::Boolean, Write::Create),
        property("mail", Kind::Text(256), Write::Never).indexed("mail"),
        property("mailEnabled", Kind::Boolean, Write::Create),
        property("mailNickname", Kind::Text(64), Write::Always),
        property("membershipRule", Kind::Text(3072), Write::Always),
        property("membershipRuleProcessingState", Kind::Text(64), Write::Always),
        property("preferredLanguage", Kind::Text(16), Write::Always),
        property("proxyAddresses", Kind::Texts(256), Write::Never),
        property("securityEnabled", Kind::Boolean, Write::Always),
        property("theme", Kind::Text(64), Write::Always),
        property("uniqueName", Kind::Text(128), Write::Create),
        property("visibility", Kind::Text(64), Write::Always),
        property("members", Kind::Links, Write::Never),
        property("owners", Kind::Links, Write::Never).on_select(),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.directoryObject`: what lists of several types may be asked for.
pub(crate) static DIRECTORY_OBJECT: EntityType = EntityType {
    name: "directoryObject",
    resource: "DirectoryObject",
    set: "directoryObjects",
    table: Table::Users,
    properties: &[
        property("id", Kind::Guid, Write::Never),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("accountEnabled", Kind::Boolean, Write::Never),
        property("appId", Kind::Guid, Write::Never),
        property("department", Kind::Text(64), Write::Never),
        property("description", Kind::Text(1024), Write::Never),
        property("displayName", Kind::Text(256), Write::Never),
        property("givenName", Kind::Text(64), Write::Never),
        property("groupTypes", Kind::Texts(64), Write::Never),
        property("jobTitle", Kind::Text(128), Write::Never),
        property("mail", Kind::Text(256), Write::Never),
        property("mailEnabled", Kind::Boolean, Write::Never),
        property("mailNickname", Kind::Text(64), Write::Never),
        property("securityEnabled", Kind::Boolean, Write::Never),
        property("servicePrincipalType", Kind::Text(64), Write::Never),
        property("surname", Kind::Text(64), Write::Never),
        property("userPrincipalName", Kind::Text(113), Write::Never),
        property("userType", Kind::Text(64), Write::Never),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.federatedIdentityCredential`, as far as queries are concerned.
pub(crate) static FEDERATED_CREDENTIAL: EntityType = EntityType {
    name: "federatedIdentityCredential",
    resource: "FederatedIdentityCredential",
    set: "federatedIdentityCredentials",
    table: Table::Applications,
    properties: &[
        property("id", Kind::Guid, Write::Never),
        property("name", Kind::Text(120), Write::Create),
        property("issuer", Kind::Text(600), Write::Always),
        property("subject", Kind::Text(600), Write::Always),
        property("description", Kind::Text(600), Write::Always),
        property("audiences", Kind::Texts(600), Write::Always),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.extensionProperty`, as far as queries and messages are concerned.
pub(crate) static EXTENSION_PROPERTY: EntityType = EntityType {
    name: "extensionProperty",
    resource: "ExtensionProperty",
    set: "extensionProperties",
    table: Table::Applications,
    properties: &[
        property("id", Kind::Guid, Write::Never),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("appDisplayName", Kind::Text(256), Write::Never),
        property("dataType", Kind::Text(64), Write::Create),
        property("isMultiValued", Kind::Boolean, Write::Create),
        property("isSyncedFromOnPremises", Kind::Boolean, Write::Never),
        property("name", Kind::Text(256), Write::Create),
        property("targetObjects", Kind::Texts(64), Write::Create),
    ],
    extensions: Vec::new(),
};

/// The type of the directory objects in a table.
pub(crate) fn entity_of(table: Table) -> &'static EntityType {
    match table {
        Table::Applications => &APPLICATION,
        Table::Groups => &GROUP,
        Table::ServicePrincipals => &SERVICE_PRINCIPAL,
        Table::AppRoleAssignments => &APP_ROLE_ASSIGNMENT,
        Table::DeletedObjects => &DIRECTORY_OBJECT,
        Table::PermissionGrants => &PERMISSION_GRANT,
        Table::Users => &USER,
    }
}

/// `microsoft.graph.application`
pub(crate) static APPLICATION: EntityType = EntityType {
    name: "application",
    resource: "Application",
    set: "applications",
    table: Table::Applications,
    properties: &[
        property("id", Kind::Guid, Write::Never).indexed("id"),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("appId", Kind::Guid, Write::Never).indexed("app_id"),
        property("applicationTemplateId", Kind::Guid, Write::Never),
        property("createdByAppId", Kind::Guid, Write::Never),
        property("createdDateTime", Kind::DateTime, Write::Never),
        property("description", Kind::Text(1024), Write::Always),
        property("disabledByMicrosoftStatus", Kind::Text(64), Write::Never),
        property("displayName", Kind::Text(256), Write::Always).indexed("display_name"),
        property("groupMembershipClaims", Kind::Text(64), Write::Always),
        property("identifierUris", Kind::Texts(255), Write::Always),
        property("isFallbackPublicClient", Kind::Boolean, Write::Always),
        property("notes", Kind::Text(1024), Write::Always),
        property("publisherDomain", Kind::Text(256), Write::Never),
        property("serviceManagementReference", Kind::Text(256), Write::Always),
        property("signInAudience", Kind::Text(64), Write::Always),
        property("tags", Kind::Texts(256), Write::Always),
        property("uniqueName", Kind::Text(128), Write::Create),
        property("api", Kind::Object, Write::Always),
        property("appRoles", Kind::Objects, Write::Always),
        property("info", Kind::Object, Write::Always),
        property("keyCredentials", Kind::Objects, Write::Always),
        property("optionalClaims", Kind::Object, Write::Always),
        property("owners", Kind::Links, Write::Never).on_select(),
        property("passwordCredentials", Kind::Objects, Write::Never),
        property("publicClient", Kind::Object, Write::Always),
        property("requiredResourceAccess", Kind::Objects, Write::Always),
        property("spa", Kind::Object, Write::Always),
        property("verifiedPublisher", Kind::Object, Write::Never),
        property("web", Kind::Object, Write::Always),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.servicePrincipal`
pub(crate) static SERVICE_PRINCIPAL: EntityType = EntityType {
    name: "servicePrincipal",
    resource: "ServicePrincipal",
    set: "servicePrincipals",
    table: Table::ServicePrincipals,
    properties: &[
        property("id", Kind::Guid, Write::Never).indexed("id"),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("accountEnabled", Kind::Boolean, Write::Always),
        property("alternativeNames", Kind::Texts(256), Write::Always),
        property("appDisplayName", Kind::Text(256), Write::Never),
        property("appId", Kind::Guid, Write::Create).indexed("app_id"),
        property("appOwnerOrganizationId", Kind::Guid, Write::Never),
        property("appRoleAssignmentRequired", Kind::Boolean, Write::Always),
        property("createdByAppId", Kind::Guid, Write::Never),
        property("createdDateTime", Kind::DateTime, Write::Never),
        property("description", Kind::Text(1024), Write::Always),
        property("disabledByMicrosoftStatus", Kind::Text(64), Write::Never),
        property("displayName", Kind::Text(256), Write::Never).indexed("display_name"),
        property("homepage", Kind::Text(1024), Write::Always),
        property("loginUrl", Kind::Text(1024), Write::Always),
        property("notes", Kind::Text(1024), Write::Always),
        property("preferredSingleSignOnMode", Kind::Text(64), Write::Always),
        property("replyUrls", Kind::Texts(1024), Write::Always),
        property("servicePrincipalNames", Kind::Texts(1024), Write::Never),
        property("servicePrincipalType", Kind::Text(64), Write::Never),
        property("signInAudience", Kind::Text(64), Write::Never),
        property("tags", Kind::Texts(256), Write::Always),
        property("appRoles", Kind::Objects, Write::Never),
        property("keyCredentials", Kind::Objects, Write::Always),
        property("oauth2PermissionScopes", Kind::Objects, Write::Never),
        property("owners", Kind::Links, Write::Never).on_select(),
        property("passwordCredentials", Kind::Objects, Write::Never),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.appRoleAssignment`
pub(crate) static APP_ROLE_ASSIGNMENT: EntityType = EntityType {
    name: "appRoleAssignment",
    resource: "AppRoleAssignment",
    set: "appRoleAssignments",
    table: Table::AppRoleAssignments,
    properties: &[
        property("id", Kind::Text(43), Write::Never).indexed("id"),
        property("deletedDateTime", Kind::DateTime, Write::Never),
        property("appRoleId", Kind::Guid, Write::Create).indexed("app_role_id"),
        property("createdDateTime", Kind::DateTime, Write::Never),
        property("principalDisplayName", Kind::Text(256), Write::Never),
        property("principalId", Kind::Guid, Write::Create).indexed("principal_id"),
        property("principalType", Kind::Text(64), Write::Never),
        property("resourceDisplayName", Kind::Text(256), Write::Never),
        property("resourceId", Kind::Guid, Write::Create).indexed("resource_id"),
    ],
    extensions: Vec::new(),
};

/// `microsoft.graph.oAuth2PermissionGrant`
pub(crate) static PERMISSION_GRANT: EntityType = EntityType {
    name: "oAuth2PermissionGrant",
    resource: "OAuth2PermissionGrant",
    set: "oauth2PermissionGrants",
    table: Table::PermissionGrants,
    properties: &[
        property("clientId", Kind::Guid, Write::Create).indexed("client_id"),
        property("consentType", Kind::Text(64), Write::Create),
        property("id", Kind::Text(43), Write::Never).indexed("id"),
        property("principalId", Kind::Guid, Write::Create).indexed("principal_id"),
        property("resourceId", Kind::Guid, Write::Create).indexed("resource_id"),
        property("scope", Kind::Text(8192), Write::Always),
    ],
    extensions: Vec::new(),
};
