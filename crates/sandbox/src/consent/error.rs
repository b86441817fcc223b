//! What the pages refuse with, as data like the authority's own catalogue: errors that are shown to a person in the
//! browser, or sent to the application as the answer.

use crate::authority::error::{Entry, catalogue};

catalogue! {
    #![cfg(test)]
    RETURN_ADDRESS_MISMATCH = 50011, "invalid_request", 400, "The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the application '{app}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to fix this.";
    RETURN_ADDRESS_MISSING = 900971, "invalid_request", 400, "No reply address provided.";
    SINGLE_TENANT = 50194, "invalid_request", 400, "Application '{app}'({name}) is not configured as a multi-tenant application. Usage of the /{segment} endpoint is not supported for such applications. Use a tenant-specific endpoint or configure the application to be multi-tenant.";
    CONSUMERS = 9002332, "invalid_request", 400, "Application '{app}'({name}) is configured for use by Azure Active Directory users only. Please do not use the /consumers endpoint to serve this request.";
    PARAMETER_INVALID = 90100, "invalid_request", 400, "{name} parameter is empty or not valid.";
    SCOPE_INVALID = 70011, "invalid_scope", 400, "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid. Application permissions are asked for with the resource and /.default.";
    NEEDS_ADMINISTRATOR = 90094, "access_denied", 400, "An administrator of {tenant} has set a policy that prevents you from granting {name} the permissions it is requesting. Contact an administrator of {tenant} who can grant permissions to this application on your behalf.";
    RESOURCE_MISSING = 650052, "invalid_client", 400, "The app is trying to access a service '{resource}' that your organization '{tenant}' lacks a service principal for. Contact your IT Admin to review the configuration of your service subscriptions or consent to the application in order to create the required service principal.";
    PERMISSION_UNKNOWN = 650053, "invalid_client", 400, "The application '{name}' asked for scope '{scope}' that doesn't exist on the resource '{resource}'.";
    PERMISSIONS_NOT_LISTED = 650056, "invalid_client", 400, "Misconfigured application. This could be due to one of the following: the client has not listed any permissions for '{resource}' in the requested permissions in the client's application registration. Or, the admin has not consented in the tenant. Or, check the application identifier in the request to ensure it matches the configured client application identifier. Client app ID: {app}.";
    DECLINED = 65004, "consent_required", 400, "The resource owner or authorization server denied the request.";
}

/// What somebody does about it, for the codes that a developer meets here.
pub(super) fn remedy(code: u32) -> Option<&'static str> {
    Some(match code {
        50011 => {
            "Add the address to the application's web.redirectUris, letter for letter, or send one that is there. \
             The v1 endpoint also takes further path segments behind a registered address; the v2.0 endpoint does not."
        }
        900_971 => "Send redirect_uri, and register it in the application's web.redirectUris.",
        50194 => {
            "Set the application's signInAudience to AzureADMultipleOrgs, or name the tenant in the address of the request."
        }
        90100 => "Send the parameter once, within its limits: state has at most 4,096 bytes.",
        70011 => {
            "Ask with scope={resource}/.default. What is granted is the application's requiredResourceAccess."
        }
        90094 => {
            "Give the administrator's service principal AppRoleAssignment.ReadWrite.All again, and enable it."
        }
        650_052 => "Create the service principal of that resource in this tenant, then open the link again.",
        650_053 => {
            "Correct the id in requiredResourceAccess: it has to be an enabled role of the resource for applications."
        }
        650_056 => "List the resource's permissions in the application's requiredResourceAccess.",
        _ => return unattended_core::aadsts::find(code).map(|known| known.remedy),
    })
}
