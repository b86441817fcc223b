//! Errors that the sandbox answers with only when the setting `token-error` wants it: they belong to other flows, other
//! clouds or other kinds of clients, or to states that the sandbox cannot get into. Clients may meet them all the same.
//!
//! Part of the catalogue in [`error`](super::error).

use super::error::Entry;

const fn entry(code: u32, error: &'static str, status: u16, template: &'static str) -> Entry {
    Entry { code, error, status, suberror: None, claims: None, template }
}

const fn told(entry: Entry, suberror: &'static str) -> Entry {
    Entry { suberror: Some(suberror), ..entry }
}

/// The policy is nobody's: the sandbox has none.
const BLOCKED_BY_POLICY: &str =
    r#"{"access_token":{"capolids":{"essential":true,"values":["c0ffee00-53c3-4d0c-9a0e-000000053003"]}}}"#;

const fn claiming(entry: Entry, claims: &'static str) -> Entry {
    Entry { claims: Some(claims), ..entry }
}

/// By code, in the order of the parts of the catalogue.
pub(crate) static ON_REQUEST: &[Entry] = &[
    entry(
        90019,
        "invalid_request",
        400,
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    entry(
        90010,
        "invalid_request",
        400,
        "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
    ),
    entry(
        50194,
        "invalid_request",
        400,
        "Application '{app}' is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such applications created after '10/15/2018'.",
    ),
    entry(
        90130,
        "invalid_request",
        400,
        "Application '{app}' is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
    ),
    entry(
        90124,
        "invalid_request",
        400,
        "Resource is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
    ),
    entry(
        9002332,
        "invalid_request",
        400,
        "Application '{app}' is configured for use by Azure Active Directory users only. Please do not use the /consumers endpoint to serve this request.",
    ),
    entry(
        90027,
        "invalid_request",
        400,
        "We are unable to issue tokens from this API version on the MSA tenant.",
    ),
    entry(
        90038,
        "invalid_request",
        400,
        "The tenant belongs to a national cloud. Send the request to the authority of that cloud.",
    ),
    entry(900382, "invalid_request", 400, "Confidential Client is not supported in Cross Cloud request."),
    entry(900432, "invalid_request", 400, "Confidential Client is not supported in Cross Cloud request."),
    entry(
        900439,
        "invalid_request",
        400,
        "The request goes to another cloud than that of the application '{app}'.",
    ),
    entry(
        100007,
        "invalid_request",
        400,
        "AAD Regional ONLY supports auth either for MSIs OR for requests from MSAL using SN+I for 1P apps or 3P apps in Microsoft infrastructure tenants.",
    ),
    entry(
        700011,
        "unauthorized_client",
        400,
        "Application with identifier {app} was not found in the directory.",
    ),
    entry(70001, "unauthorized_client", 400, "Application '{app}' is disabled."),
    entry(
        1000031,
        "access_denied",
        400,
        "Application {app} can't be accessed at this time. Contact your administrator.",
    ),
    entry(
        700025,
        "invalid_client",
        401,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
    entry(
        7000218,
        "invalid_client",
        401,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    entry(
        7000114,
        "unauthorized_client",
        400,
        "Application '{app}' is not allowed to make application on-behalf-of calls.",
    ),
    entry(70002, "invalid_client", 401, "Error validating credentials."),
    entry(7000277, "invalid_client", 401, "Certificate has been revoked."),
    entry(
        7002137,
        "invalid_client",
        401,
        "No matching federated identity record found for presented assertion subject. Please make sure the federated identity credential Subject is the one of the managed identity.",
    ),
    entry(1000610, "invalid_client", 401, "The attestation token is not within its valid time range."),
    entry(1000611, "invalid_client", 401, "The attestation token has an invalid issuer."),
    entry(1000612, "invalid_client", 401, "The attestation token has an invalid claim."),
    entry(1000613, "invalid_client", 401, "The attestation token has an invalid jku."),
    entry(1000614, "invalid_client", 401, "The attestation token has an invalid signature."),
    entry(
        28002,
        "invalid_scope",
        400,
        "Provided value for the input parameter scope is not valid when requesting an access token.",
    ),
    entry(
        28003,
        "invalid_scope",
        400,
        "Provided value for the input parameter scope can't be empty when requesting an access token.",
    ),
    entry(50001, "invalid_resource", 400, "The resource is disabled or doesn't exist."),
    entry(
        650052,
        "invalid_client",
        400,
        "The app is trying to access a service that your organization '{tenant}' lacks a service principal for. Contact your IT Admin to review the configuration of your service subscriptions or consent to the application in order to create the required service principal.",
    ),
    entry(
        650053,
        "invalid_client",
        400,
        "The application '{app}' asked for a scope that doesn't exist on the resource.",
    ),
    entry(
        650054,
        "invalid_resource",
        400,
        "The application asked for permissions to access a resource that has been removed or is no longer available.",
    ),
    entry(
        650056,
        "invalid_client",
        400,
        "Misconfigured application. This could be due to one of the following: the client has not listed any permissions in the client's application registration, or the administrator has not consented in the tenant. Client app ID: {app}.",
    ),
    entry(
        650057,
        "invalid_resource",
        400,
        "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Client app ID: {app}.",
    ),
    entry(
        500207,
        "invalid_request",
        400,
        "The account type can't be used for the resource you're trying to access.",
    ),
    entry(
        501461,
        "invalid_resource",
        400,
        "AcceptMappedClaims is only supported for a token audience matching the application GUID or an audience within the tenant's verified domains.",
    ),
    entry(
        50146,
        "invalid_request",
        400,
        "This application is required to be configured with an application-specific signing key.",
    ),
    entry(
        90014,
        "invalid_request",
        400,
        "The required field is missing from the credential. Ensure that you have all the necessary parameters for the login request.",
    ),
    entry(90100, "invalid_request", 400, "A parameter is empty or not valid."),
    entry(90013, "invalid_request", 400, "Invalid input received from the user."),
    entry(90023, "invalid_request", 400, "The authentication service request isn't valid."),
    claiming(
        told(
            entry(
                53003,
                "invalid_grant",
                400,
                "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
            ),
            "message_only",
        ),
        BLOCKED_BY_POLICY,
    ),
    told(entry(530032, "invalid_grant", 400, "Blocked by security policy."), "message_only"),
    told(
        entry(530035, "invalid_grant", 400, "Access has been blocked by security defaults."),
        "message_only",
    ),
    entry(90033, "temporarily_unavailable", 503, "A transient error has occurred. Please try again."),
    entry(
        90024,
        "temporarily_unavailable",
        503,
        "RequestBudgetExceededError - A transient error has occurred. Please try again.",
    ),
    entry(
        90006,
        "temporarily_unavailable",
        503,
        "The service is temporarily unavailable. Please retry later.",
    ),
    entry(90012, "temporarily_unavailable", 504, "The request has timed out."),
    entry(
        50033,
        "temporarily_unavailable",
        503,
        "RetryableError - A transient error not related to the database operations has occurred.",
    ),
    entry(90090, "temporarily_unavailable", 503, "A transient error has occurred. Please try again."),
    entry(
        90036,
        "server_error",
        500,
        "An unexpected, non-retryable error stemming from the directory service has occurred.",
    ),
    entry(
        90092,
        "server_error",
        500,
        "An unexpected, non-retryable error stemming from the directory service has occurred.",
    ),
    entry(
        50020,
        "invalid_grant",
        400,
        "The user account does not exist in the tenant '{tenant}' and cannot access the application '{app}' in that tenant.",
    ),
    entry(50034, "invalid_grant", 400, "The user account does not exist in the directory '{tenant}'."),
    entry(50058, "interaction_required", 400, "A silent sign-in request was sent but no user is signed in."),
    entry(
        700003,
        "invalid_grant",
        400,
        "The device object was not found in the tenant '{tenant}' directory.",
    ),
    told(
        entry(
            65001,
            "invalid_grant",
            400,
            "The user or administrator has not consented to use the application with ID '{app}'. Send an interactive authorization request for this user and resource.",
        ),
        "consent_required",
    ),
    told(
        entry(
            50076,
            "interaction_required",
            400,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
        ),
        "basic_action",
    ),
    told(
        entry(
            50079,
            "interaction_required",
            400,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.",
        ),
        "basic_action",
    ),
    entry(
        50105,
        "invalid_grant",
        400,
        "Your administrator has configured the application '{app}' to block users unless they are specifically granted access to the application.",
    ),
    told(
        entry(
            70008,
            "invalid_grant",
            400,
            "The provided authorization code or refresh token has expired due to inactivity.",
        ),
        "token_expired",
    ),
    told(
        entry(
            70043,
            "invalid_grant",
            400,
            "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.",
        ),
        "token_expired",
    ),
    told(
        entry(700082, "invalid_grant", 400, "The refresh token has expired due to inactivity."),
        "token_expired",
    ),
    entry(
        54005,
        "invalid_grant",
        400,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
    ),
    entry(
        130507,
        "invalid_grant",
        400,
        "The Temporary Access Pass of the user could not be found or verified.",
    ),
    entry(
        500133,
        "invalid_grant",
        400,
        "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token.",
    ),
    entry(50013, "invalid_grant", 400, "Assertion failed signature validation."),
];
