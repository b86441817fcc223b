//! The errors of the identity platform, as data.
//!
//! Texts are those that real clients meet, so that searching for one leads to the same places. A template names its
//! arguments in braces.

use http::StatusCode;
use serde::Serialize;

pub(crate) use super::errors_on_request::ON_REQUEST;
use super::exchange::Exchange;
use crate::store::StoreError;

/// How long an argument may be in a message: it comes from the request.
const MAX_ARGUMENT_CHARS: usize = 200;

/// One error of the platform.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) code: u32,
    /// The OAuth error code (RFC 6749 section 5.2), or one that the platform added.
    pub(crate) error: &'static str,
    pub(crate) status: u16,
    /// What clients are to make of it, beside the error.
    pub(crate) suberror: Option<&'static str>,
    /// What would have to be shown instead, as a claims request.
    pub(crate) claims: Option<&'static str>,
    pub(crate) template: &'static str,
}

/// Defines errors by name, and the `CATALOGUE` of all of them.
macro_rules! catalogue {
    ($(#![$of_the_list:meta])? $($name:ident = $code:literal, $error:literal, $status:literal, $template:expr;)*) => {
        $(pub(crate) static $name: Entry =
            Entry { code: $code, error: $error, status: $status, suberror: None, claims: None, template: $template };)*

        /// Every error of this table.
        $(#[$of_the_list])?
        pub(crate) static CATALOGUE: &[&Entry] = &[$(&$name),*];
    };
}

pub(crate) use catalogue;

catalogue! {
    // Tenant and endpoint.
    TENANT_NOT_FOUND = 90002, "invalid_request", 400, "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.";
    METADATA_TENANT_NOT_FOUND = 90002, "invalid_tenant", 400, TENANT_NOT_FOUND.template;
    TENANT_MALFORMED = 900023, "invalid_request", 400, "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.";
    TENANT_EMPTY_GUID = 900021, "invalid_request", 400, "Requested tenant identifier '{tenant}' is not valid. Tenant identifiers may not be an empty GUID.";
    TENANT_UNSTATED = 50059, "invalid_request", 400, "No tenant-identifying information found in either the request or implied by any provided credentials.";
    GRANT_NEEDS_TENANT = 9001023, "invalid_request", 400, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.";
    POST_ONLY = 900561, "invalid_request", 400, "The endpoint only accepts POST requests. Received a {method} request.";
    UNKNOWN_INSTANCE = 50049, "invalid_instance", 400, "Unknown or invalid instance.";
    MALFORMED_DISCOVERY = 50050, "invalid_request", 400, "The request is malformed.";

    // The client and its state.
    APPLICATION_NOT_FOUND = 700016, "unauthorized_client", 400, "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.";
    APPLICATION_FOR_CONSUMERS = 9002331, "invalid_request", 400, "Application '{app}'({name}) is configured for use by Microsoft Account users only. Please use the /consumers endpoint to serve this request.";
    SERVICE_PRINCIPAL_MISSING = 7000229, "invalid_client", 401, "The client application {app} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119";
    APPLICATION_DISABLED = 7000112, "unauthorized_client", 400, "Application '{app}'({name}) is disabled.";
    CREDENTIAL_MISSING = 7000216, "invalid_client", 401, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.";

    // Credentials.
    SECRET_INVALID = 7000215, "invalid_client", 401, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.";
    SECRET_EXPIRED = 7000222, "invalid_client", 401, "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.";
    CERTIFICATE_UNKNOWN = 700027, "invalid_client", 401, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.{thumbprint}, Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{app}'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app}'].";
    SIGNATURE_INVALID = 700027, "invalid_client", 401, "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to verify the signature failed.{thumbprint}, Found key 'Start={start}, End={end}'].";
    ASSERTION_NOT_IN_TIME = 700024, "invalid_client", 401, "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {start}, expiry time of assertion {end}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .";
    ASSERTION_AUDIENCE = 700023, "invalid_client", 401, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .";
    ASSERTION_OF_OTHER_CLIENT = 700021, "invalid_client", 401, "Client assertion application identifier doesn't match 'client_id' parameter.";
    ASSERTION_SUBJECT = 50048, "invalid_client", 401, "Subject mismatches Issuer claim in the client assertion.";
    ASSERTION_MALFORMED = 50027, "invalid_request", 400, "Invalid JWT token. {reason}";
    ASSERTION_ALGORITHM = 5002730, "invalid_client", 401, "Invalid JWT token. Unsupported key for the signing algorithm.";
    CERTIFICATE_NOT_IN_TIME = 1000502, "invalid_client", 401, "The provided certificate is not within its specified validity window.";
    CHAIN_NOT_TRUSTED = 50012, "invalid_client", 401, "Authentication failed. {reason}";
    SUBJECT_NOT_AUTHORIZED = 700030, "invalid_client", 401, "Invalid certificate - subject name in certificate is not authorized. SubjectNames/SubjectAlternativeNames (up to 10) in token certificate are: {names}.";
    CERTIFICATE_REVOKED = 7000214, "invalid_client", 401, "Certificate has been revoked.";

    // Mutual TLS.
    MUTUAL_TLS_DISABLED = 51000, "invalid_request", 412, "MtlsClientAuth is/are disabled";
    CLIENT_CERTIFICATE_MISSING = 392200, "invalid_client", 401, "Client certificate is missing from the request.";
    MUTUAL_TLS_NEEDS_CERTIFICATE = 392189, "invalid_client", 401, "The mTLS endpoint only supports applications with subject name and issuer or federated identity.";
    CERTIFICATE_OF_OTHER_CONNECTION = 500181, "invalid_client", 401, "The certificate of the TLS connection does not match the one that the client assertion is bound to.";

    // Federated credentials.
    FEDERATED_CREDENTIAL_UNKNOWN = 70021, "invalid_client", 401, "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation";
    FEDERATED_ISSUER = 700211, "invalid_client", 401, "No matching federated identity record found for presented assertion issuer '{issuer}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation";
    FEDERATED_AUDIENCE = 700212, "invalid_client", 401, "No matching federated identity record found for presented assertion audience '{audience}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";
    FEDERATED_SUBJECT = 700213, "invalid_client", 401, "No matching federated identity record found for presented assertion subject '{subject}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";
    FEDERATED_SUBJECT_CASE = 7002138, "invalid_client", 401, "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches a federated identity credential only when case is ignored, and the comparison is case-sensitive. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";
    FEDERATED_USER_TOKEN = 700229, "invalid_client", 401, "ForbiddenTokenType - Only app-only tokens can be used as Federated Identity Credentials for Microsoft Entra issuer.";
    FEDERATED_ISSUER_UNREACHABLE = 50166, "invalid_request", 400, "Request to External OIDC endpoint failed. {reason}";
    FEDERATED_SIGNATURE = 900384, "invalid_request", 400, "JWT token failed signature validation.";

    // Scope, resource, roles.
    PARAMETER_MISSING = 900144, "invalid_request", 400, "The request body must contain the following parameter: '{name}'.";
    SCOPE_INVALID = 70011, "invalid_scope", 400, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid. Static and dynamic scopes cannot be combined.";
    SCOPE_NOT_DEFAULT = 1002012, "invalid_scope", 400, "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).";
    SCOPE_OF_SEVERAL_RESOURCES = 700022, "invalid_scope", 400, "The provided value for the input parameter scope '{scope}' isn't valid because it contains more than one resource.";
    RESOURCE_PARAMETER = 901002, "invalid_request", 400, "The 'resource' request parameter is not supported.";
    RESOURCE_NOT_FOUND = 500011, "invalid_resource", 400, "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.";
    RESOURCE_DISABLED = 500014, "invalid_resource", 400, "The service principal for resource '{resource}' is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it.";
    ASSIGNMENT_REQUIRED = 501051, "invalid_grant", 400, "Application '{app}'({name}) is not assigned to a role for the application '{resource}'({resource_name}).";
    SELF_BY_URI = 90009, "invalid_request", 400, "Application '{app}'({name}) is requesting a token for itself. This scenario is supported only if resource is specified using the GUID based App Identifier.";

    // Request format and availability.
    REQUEST_MALFORMED = 9002313, "invalid_request", 400, "Invalid request. Request is malformed or invalid. {reason}";
    GRANT_UNSUPPORTED = 70003, "unsupported_grant_type", 400, "The app requested an unsupported grant type '{grant}'.";
    REQUEST_LOOP = 50196, "invalid_grant", 400, "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.";
    TENANT_THROTTLED = 90055, "temporarily_unavailable", 429, "TenantThrottlingError - There are too many incoming requests.";
    SERVER_FAILED = 50000, "server_error", 500, "There was an error issuing a token or an issue with our sign-in service.";
}

/// An error with what its message mentions.
#[derive(Debug)]
pub(crate) struct AuthorityError {
    pub(crate) entry: &'static Entry,
    /// By the names that the template has for them.
    arguments: Vec<(String, String)>,
    retry_after: Option<i64>,
}

impl AuthorityError {
    /// Fills in one argument of the template.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let value: String = value.chars().filter(|c| !c.is_control()).take(MAX_ARGUMENT_CHARS).collect();
        self.arguments.push((name.to_owned(), value));
        self
    }

    /// What it says, without code and trace. An argument that nobody gave is there by its name. What the request said is
    /// never taken for a part of the template.
    pub(crate) fn message(&self) -> String {
        let mut message = String::new();
        let mut rest = self.entry.template;
        while let Some((before, name, after)) = argument(rest) {
            let given = self.arguments.iter().find(|(known, _)| known == name);
            message.push_str(before);
            message.push_str(given.map_or(name, |(_, value)| value));
            rest = after;
        }
        message + rest
    }

    /// Says when to ask again, in seconds.
    pub(crate) fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// In how many seconds to ask again, if that is known. Who is throttled always knows.
    pub(crate) fn seconds_to_wait(&self) -> Option<i64> {
        self.retry_after.or_else(|| (self.entry.status == 429).then_some(1))
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.entry.status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// The body of the response.
    pub(crate) fn body(&self, exchange: &Exchange, base: &str) -> ErrorBody {
        let Entry { code, error, suberror, claims, .. } = self.entry;
        let message = self.message();
        let (trace_id, correlation_id) = (exchange.trace_id(), exchange.correlation_id().to_owned());
        let timestamp = exchange.timestamp();
        ErrorBody {
            error,
            suberror: *suberror,
            claims: *claims,
            error_description: format!(
                "AADSTS{code}: {message} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            error_codes: [*code],
            timestamp,
            trace_id,
            correlation_id,
            error_uri: format!("{base}/error?code={code}"),
        }
    }
}

impl From<&'static Entry> for AuthorityError {
    fn from(entry: &'static Entry) -> Self {
        Self { entry, arguments: Vec::new(), retry_after: None }
    }
}

impl From<StoreError> for AuthorityError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the token endpoint could not read its data");
        Self::from(&SERVER_FAILED)
    }
}

/// The first argument of a template, with what stands before and after it.
fn argument(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// The entry of a code, whether the authority makes that error itself or only when a setting wants it.
pub(crate) fn find(code: u32) -> Option<&'static Entry> {
    CATALOGUE.iter().copied().chain(ON_REQUEST).find(|entry| entry.code == code)
}

impl Entry {
    /// An error whose template takes an argument.
    pub(crate) fn with(&'static self, name: &str, value: &str) -> AuthorityError {
        AuthorityError::from(self).with(name, value)
    }
}

/// The JSON shape of every error of the authority.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'static str>,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
}

impl ErrorBody {
    pub(crate) fn description(&self) -> &str {
        &self.error_description
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_what_the_request_said_in_bounds() {
        let error = TENANT_NOT_FOUND.with("tenant", &"x\r\n".repeat(10_000));
        assert!(error.message().starts_with("Tenant 'xxx") && error.message().len() < 500);
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn what_the_request_said_is_no_template() {
        let [issuer, subject] = ["{subject}".repeat(20), "{audience}".repeat(20)];
        let error = FEDERATED_CREDENTIAL_UNKNOWN
            .with("issuer", &issuer)
            .with("subject", &subject)
            .with("audience", "{issuer}");
        let message = error.message();
        assert!(message.contains(&format!("Issuer: '{issuer}'")), "{message}");
        assert!(message.contains("Audience: '{issuer}'") && message.len() < 1_000, "{message}");
    }

    #[test]
    fn every_error_has_a_number_an_oauth_error_and_a_text() {
        for entry in CATALOGUE.iter().copied().chain(ON_REQUEST) {
            assert!(entry.code > 28_000 && !entry.error.is_empty() && !entry.template.is_empty());
            assert!((400..=504).contains(&entry.status), "{}", entry.code);
        }
        // The pages of the consent answer with the same errors and another status.
        for entry in CATALOGUE {
            assert_eq!(entry.error == "invalid_client", entry.status == 401, "{}", entry.code);
        }
    }
}
