//! What a link to the consent endpoints asks for, checked before anybody has to sign in; and the two answers to it.

use std::sync::Arc;

use url::form_urlencoded::{self, byte_serialize};

use super::error;
use super::redirect::{self, Agreement, ReturnAddress};
use crate::authority::error::{
    APPLICATION_NOT_FOUND, AuthorityError, PARAMETER_MISSING, REQUEST_MALFORMED, TENANT_UNSTATED,
};
use crate::authority::{Authority, Exchange, TenantSegment};
use crate::store::{Application, Tenant};

/// The longest `state`, in bytes when decoded.
const MAX_STATE_BYTES: usize = 4096;

/// What a scope of the v2.0 endpoint may name beside resources: it stands for no application permission.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

const MICROSOFT_GRAPH: &str = "https://graph.microsoft.com";

/// Which of the two endpoints was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    /// `/{tenant}/adminconsent`
    V1,
    /// `/{tenant}/v2.0/adminconsent`
    V2,
}

/// A request for an administrator's consent.
#[derive(Debug)]
pub(super) struct ConsentRequest {
    endpoint: Endpoint,
    pub(super) application: Arc<Application>,
    /// Whose administrators may answer.
    pub(super) tenants: Vec<Tenant>,
    pub(super) return_address: ReturnAddress,
    /// The names of the resources in the scope: of the v2.0 endpoint only.
    pub(super) resources: Vec<String>,
    /// As it stood in the query, percent-encoding and all.
    state: Option<String>,
}

impl ConsentRequest {
    /// Reads a request. Whatever is wrong with it is for the person in the browser: without a known application and
    /// one of its addresses there is nobody else to tell.
    pub(super) fn read(
        authority: &Authority,
        endpoint: Endpoint,
        segment: &str,
        query: &str,
    ) -> Result<Self, AuthorityError> {
        let place = authority.tenant_segment(segment)?;
        let parameters = Parameters::parse(query);
        let client_id = parameters.required("client_id")?;
        let not_found = || APPLICATION_NOT_FOUND.with("app", &client_id).with("tenant", segment);
        let application = authority.store.application_by_app_id(&client_id)?.ok_or_else(not_found)?;
        let tenants = tenants(authority, endpoint, &place, &application)?;
        if tenants.is_empty() {
            return Err(not_found());
        }

        let wanted = parameters.one("redirect_uri")?.unwrap_or_default();
        let registered = redirect::registered(&application.object.document);
        if wanted.is_empty() || registered.is_empty() {
            return Err(AuthorityError::from(&error::RETURN_ADDRESS_MISSING));
        }
        let agreement = match endpoint {
            Endpoint::V1 => Agreement::Beginning,
            Endpoint::V2 => Agreement::Exact,
        };
        let return_address = ReturnAddress::among(&registered, &wanted, agreement)
            .ok_or_else(|| error::RETURN_ADDRESS_MISMATCH.with("uri", &wanted).with("app", &client_id))?;

        let resources = match endpoint {
            Endpoint::V1 => Vec::new(),
            Endpoint::V2 => resources(&parameters.required("scope")?)?,
        };
        if parameters.one("state")?.is_some_and(|state| state.len() > MAX_STATE_BYTES) {
            return Err(error::PARAMETER_INVALID.with("name", "state"));
        }
        let state = parameters.raw("state").map(safe_in_a_header);
        Ok(Self { endpoint, application, tenants, return_address, resources, state })
    }

    /// Where the browser goes when the administrator of a tenant accepts; `granted` are names of permissions.
    pub(super) fn accepted(&self, tenant: &str, granted: &[String]) -> String {
        let admin_consent = ("admin_consent", "True".to_owned());
        let tenant = ("tenant", encoded(tenant));
        let state = self.state.clone().map(|state| ("state", state));
        let mut parameters = Vec::new();
        match self.endpoint {
            Endpoint::V1 => {
                parameters.push(tenant);
                parameters.extend(state);
                parameters.push(admin_consent);
            }
            Endpoint::V2 => {
                parameters.extend([admin_consent, tenant, ("scope", encoded(&granted.join(" ")))]);
                parameters.extend(state);
            }
        }
        self.return_address.with(&parameters)
    }

    /// Where the browser goes when the administrator declines.
    pub(super) fn declined(&self, exchange: &Exchange) -> String {
        let mut parameters = match self.endpoint {
            Endpoint::V1 => vec![
                ("error", "permission_denied".to_owned()),
                ("error_description", encoded("The admin canceled the request")),
            ],
            Endpoint::V2 => {
                let description = format!(
                    "AADSTS{}: {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
                    error::DECLINED.code,
                    error::DECLINED.template,
                    exchange.trace_id(),
                    exchange.correlation_id(),
                    exchange.timestamp(),
                );
                vec![
                    ("admin_consent", "True".to_owned()),
                    ("error", error::DECLINED.error.to_owned()),
                    ("error_description", encoded(&description)),
                ]
            }
        };
        parameters.extend(self.state.clone().map(|state| ("state", state)));
        self.return_address.with(&parameters)
    }
}

/// The tenants that a path means for an application.
fn tenants(
    authority: &Authority,
    endpoint: Endpoint,
    place: &TenantSegment,
    application: &Application,
) -> Result<Vec<Tenant>, AuthorityError> {
    let store = &authority.store;
    let named = |error: AuthorityError| {
        error.with("app", application.app_id()).with("name", application.object.text("displayName"))
    };
    match place {
        TenantSegment::Tenant(id) => {
            let tenant = store.tenant(id)?.filter(|tenant| application.serves(&tenant.id));
            Ok(tenant.as_deref().cloned().into_iter().collect())
        }
        TenantSegment::Crowd(crowd) if crowd == "consumers" => Err(named((&error::CONSUMERS).into())),
        // Personal accounts, which `common` includes, have no administrator.
        TenantSegment::Crowd(crowd) if crowd == "common" && endpoint == Endpoint::V2 => {
            Err(AuthorityError::from(&TENANT_UNSTATED))
        }
        TenantSegment::Crowd(crowd) => {
            if application.sign_in_audience() == "AzureADMyOrg" {
                return Err(named(error::SINGLE_TENANT.with("segment", crowd)));
            }
            Ok(store.tenants()?)
        }
    }
}

/// The resources of a scope that asks for application permissions: each with `/.default`.
fn resources(scope: &str) -> Result<Vec<String>, AuthorityError> {
    let invalid = || error::SCOPE_INVALID.with("scope", scope);
    let values = scope.split_whitespace().filter(|value| !OPENID_SCOPES.contains(value));
    let resources =
        values.map(|value| match value.strip_suffix(".default").map(|rest| rest.strip_suffix('/')) {
            Some(None) if value == ".default" => Ok(MICROSOFT_GRAPH.to_owned()),
            Some(Some(resource)) if !resource.is_empty() => Ok(resource.to_owned()),
            _ => Err(invalid()),
        });
    let resources = resources.collect::<Result<Vec<_>, _>>()?;
    if resources.is_empty() { Err(invalid()) } else { Ok(resources) }
}

/// The parameters of a query: decoded names with values as they stood.
struct Parameters<'a>(Vec<(String, &'a str)>);

impl<'a> Parameters<'a> {
    fn parse(query: &'a str) -> Self {
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decoded(name), value)).collect())
    }

    /// A parameter as it stood, if there is one.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// A parameter that may be there once; which of two would count is not for the sender to choose.
    fn one(&self, name: &str) -> Result<Option<String>, AuthorityError> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let first = values.next().map(|(_, value)| decoded(value));
        match values.next() {
            Some(_) => {
                Err(REQUEST_MALFORMED.with("reason", &format!("The parameter '{name}' is there twice.")))
            }
            None => Ok(first),
        }
    }

    fn required(&self, name: &'static str) -> Result<String, AuthorityError> {
        let value = self.one(name)?.filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| PARAMETER_MISSING.with("name", name))
    }
}

fn decoded(text: &str) -> String {
    form_urlencoded::parse(format!("x={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Percent-encodes what cannot stand in a header field, and nothing else.
fn safe_in_a_header(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        if byte.is_ascii_graphic() {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // authority 13
    #[test]
    fn a_scope_names_resources_with_default() {
        let scope = "api://orders/.default openid .default https://a.example//.default";
        assert_eq!(resources(scope).unwrap(), ["api://orders", MICROSOFT_GRAPH, "https://a.example/"]);
        for bad in ["openid profile", "https://graph.microsoft.com/User.Read", "/.default", "x.default", " "]
        {
            assert_eq!(resources(bad).unwrap_err().entry.code, 70011, "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_there_once() {
        let parameters = Parameters::parse("a=1%202&b&c=x&%63=y&state=a+b%2Fc%3d");
        assert_eq!(parameters.one("a").unwrap().unwrap(), "1 2");
        assert_eq!(parameters.one("b").unwrap().unwrap(), "");
        assert_eq!(parameters.one("c").unwrap_err().entry.code, 9_002_313);
        assert_eq!(parameters.required("b").unwrap_err().entry.code, 900_144);
        assert_eq!(parameters.raw("state"), Some("a+b%2Fc%3d"));
    }

    proptest! {
        #[test]
        fn whatever_was_a_state_can_be_sent_back(raw in "[^&#]{0,60}") {
            let safe = safe_in_a_header(&raw);
            prop_assert_eq!(decoded(&safe), decoded(&raw));
            prop_assert!(http::HeaderValue::from_str(&safe).is_ok());
        }
    }
}
