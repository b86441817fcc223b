//! The application permissions of Microsoft Graph, by their real ids.

use serde_json::{Value, json};

/// The application id of Microsoft Graph in every tenant.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// The permissions as `appRoles` of the service principal.
pub(super) fn graph_app_roles() -> Vec<Value> {
    GRAPH_APPLICATION_PERMISSIONS
        .iter()
        .map(|(value, id, display_name)| {
            json!({
                "id": id, "value": value, "displayName": display_name,
                "description": description(display_name),
                "isEnabled": true, "origin": "Application", "allowedMemberTypes": ["Application"],
            })
        })
        .collect()
}

/// What a permission lets an application do, as a sentence about it.
fn description(display_name: &str) -> String {
    let (first, rest) = display_name.split_at(1);
    format!("Allows the app to {}{rest}, without a signed-in user.", first.to_ascii_lowercase())
}

/// The id of a permission of Microsoft Graph.
pub(crate) fn graph_permission_id(value: &str) -> Option<&'static str> {
    GRAPH_APPLICATION_PERMISSIONS.iter().find(|(name, ..)| *name == value).map(|(_, id, _)| *id)
}

/// Value, app role id and display name.
const GRAPH_APPLICATION_PERMISSIONS: &[(&str, &str, &str)] = &[
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214", "Read all users' full profiles"),
    ("User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1", "Read all users' basic profiles"),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca", "Read and write all users' full profiles"),
    ("User.Invite.All", "09850681-111b-4a89-9bed-3f2cae46d706", "Invite guest users to the organization"),
    (
        "User.EnableDisableAccount.All",
        "3011c876-62b7-4ada-afa2-506cbbecc68c",
        "Enable and disable user accounts",
    ),
    ("User.ManageIdentities.All", "c529cfca-c91b-489c-af2b-d92990b66ce6", "Manage all users' identities"),
    (
        "User.RevokeSessions.All",
        "77f3a031-c388-4f99-b373-dc68676a979e",
        "Revoke all sign in sessions for a user",
    ),
    ("User.DeleteRestore.All", "eccc023d-eccf-4e7b-9683-8813ab36cecc", "Delete and restore all users"),
    (
        "User-PasswordProfile.ReadWrite.All",
        "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
        "Read and write all password profiles",
    ),
    (
        "User-Mail.ReadWrite.All",
        "280d0935-0796-47d1-8d26-273470a3f17a",
        "Read and write all secondary mail addresses for users",
    ),
    (
        "User-Phone.ReadWrite.All",
        "86ceff06-c822-49ff-989a-d912845ffe69",
        "Read and write all user mobile phone and business phones",
    ),
    ("User.Export.All", "405a51b5-8d8d-430b-9842-8be4b0e9f324", "Export user's data"),
    ("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b", "Read all groups"),
    ("Group.ReadWrite.All", "62a82d76-70ea-41e2-9197-370581804d09", "Read and write all groups"),
    ("Group.Create", "bf7b1a76-6e77-406b-b258-bf5c7720e98f", "Create groups"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6", "Read all group memberships"),
    (
        "GroupMember.ReadWrite.All",
        "dbaae8cf-10b5-4b86-a4a1-f871c94c6695",
        "Read and write all group memberships",
    ),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "Read directory data"),
    ("Directory.ReadWrite.All", "19dbc75e-c2e2-444c-a770-ec69d8559fc7", "Read and write directory data"),
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "Read all applications"),
    ("Application.ReadWrite.All", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "Read and write all applications"),
    (
        "Application.ReadWrite.OwnedBy",
        "18a4783c-866b-4cc7-a460-3d5e5662c884",
        "Manage apps that this app creates or owns",
    ),
    (
        "AppRoleAssignment.ReadWrite.All",
        "06b708a9-e830-4db3-a914-8e69da51d44f",
        "Manage app permission grants and app role assignments",
    ),
    (
        "DelegatedPermissionGrant.Read.All",
        "81b4724a-58aa-41c1-8a55-84ef97466587",
        "Read all delegated permission grants",
    ),
    (
        "DelegatedPermissionGrant.ReadWrite.All",
        "8e8e4742-1d95-4f68-9d56-6ee75648c72a",
        "Manage all delegated permission grants",
    ),
    (
        "RoleManagement.Read.Directory",
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        "Read all directory RBAC settings",
    ),
    (
        "RoleManagement.ReadWrite.Directory",
        "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
        "Read and write all directory RBAC settings",
    ),
    ("Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6", "Read organization information"),
    (
        "Organization.ReadWrite.All",
        "292d869f-3427-49a8-9dab-8c70152b74e9",
        "Read and write organization information",
    ),
    ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664", "Read domains"),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da", "Read all audit log data"),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68", "Read your organization's policies"),
    (
        "Policy.ReadWrite.ApplicationConfiguration",
        "be74164b-cff1-491c-8741-e671cb536e13",
        "Read and write your organization's application configuration policies",
    ),
    ("Device.Read.All", "7438b122-aefc-4978-80ed-43db9fcc7715", "Read all devices"),
    ("Member.Read.Hidden", "658aa5d8-239f-45c4-aa12-864f4fc7e490", "Read all hidden memberships"),
    ("Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01", "Read mail in all mailboxes"),
    ("Mail.ReadWrite", "e2a3a72e-5f79-4c64-b1b1-878b674786c9", "Read and write mail in all mailboxes"),
    ("Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96", "Send mail as any user"),
    ("Calendars.Read", "798ee544-9d2d-430c-a058-570e29e34338", "Read calendars in all mailboxes"),
    ("Contacts.Read", "089fe4d0-434a-44c5-8827-41ba8a0b17f5", "Read contacts in all mailboxes"),
    ("Files.Read.All", "01d4889c-1287-42c6-ac1f-5d1e02578ef6", "Read files in all site collections"),
    (
        "Files.ReadWrite.All",
        "75359482-378d-4052-8f01-80520e7db3cd",
        "Read and write files in all site collections",
    ),
    ("Sites.Read.All", "332a536c-c7ef-4017-ab91-336970924f0d", "Read items in all site collections"),
    ("Sites.Selected", "883ea226-0bf2-4a8f-9f9d-92c9162a727d", "Access selected site collections"),
    ("Reports.Read.All", "230c1aed-a721-4c5d-9cb4-a90514e508ef", "Read all usage reports"),
    (
        "CrossTenantInformation.ReadBasic.All",
        "cac88765-0581-4025-9725-5ebc13f729ee",
        "Read cross-tenant basic information",
    ),
];
