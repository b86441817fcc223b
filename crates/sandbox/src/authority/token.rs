//! The token endpoint: the order of checks, and what is issued after the last one.

use std::sync::Arc;

use http::request::Parts;
use serde_json::{Value, json};

use super::Authority;
use super::claims::{Claims, Confirmation, Grant, Header, Version};
use super::client_authentication::{ClientAuthentication, Proof};
use super::discovery::TenantSegment;
use super::error::{self, AuthorityError};
use super::exchange::Exchange;
use super::scope::requested_resource;
use super::token_request::{Binding, Endpoint, TokenRequest};
use crate::control::Settings;
use crate::mutual_tls::MutualTls;
use crate::store::managed_identities::ManagedIdentity;
use crate::store::{
    Application, Condition, GRAPH_APP_ID, Object, ServicePrincipal, StoreError, Table, Tenant,
    VAULT_RESOURCE, normalized_name, paging,
};

/// The tokens of managed identities live for a day, as hosts keep them themselves.
const IDENTITY_TOKEN_LIFE: i64 = 86_399;

impl Authority {
    /// Answers a token request with the body of a success (RFC 6749 section 5.1).
    ///
    /// The checks come in the order in which the platform makes them, so that a request with several faults meets the
    /// same one first.
    pub(super) fn issue(
        &self,
        endpoint: Endpoint,
        tenant: &str,
        request: &TokenRequest,
        mutual_tls: Option<&MutualTls>,
        exchange: &Exchange,
    ) -> Result<Value, AuthorityError> {
        let settings = self.control.settings();
        if let Some(refusal) = injected(&settings, request.client_id().ok(), tenant) {
            return Err(refusal);
        }
        let tenant = match self.tenant_segment(tenant)? {
            TenantSegment::Tenant(id) => self.tenant(&id)?,
            TenantSegment::Crowd(crowd) if crowd == "organizations" => {
                return Err(AuthorityError::from(&error::TENANT_UNSTATED));
            }
            TenantSegment::Crowd(_) => return Err(AuthorityError::from(&error::GRANT_NEEDS_TENANT)),
        };
        let grant_type = request.grant_type()?;
        let client_id = request.client_id()?;
        let resource = requested_resource(request, endpoint);
        // A parameter that is missing goes before a grant type that is unknown, and that before a wrong scope.
        let resource = match resource {
            Err(missing) if missing.entry.code == error::PARAMETER_MISSING.code => return Err(missing),
            _ if grant_type != "client_credentials" => {
                return Err(error::GRANT_UNSUPPORTED.with("grant", grant_type));
            }
            resource => resource?,
        };
        let is_replicated = |object: &Object| {
            settings.is_replicated(object.text("createdDateTime"), tenant.created_at, exchange.now())
        };
        let (application, principal) = self.client(client_id, &tenant, is_replicated)?;
        let authentication = ClientAuthentication {
            store: &self.store,
            origin: &self.origin,
            tenant: &tenant,
            principal: principal.as_deref(),
            settings: &settings,
            keys: &self.keys,
            issuers: &self.issuers,
            mutual_tls,
            now: exchange.now(),
        };
        let proof = authentication.authenticate(&application, request.credential())?;
        let confirmation = match (request.binding(), mutual_tls.and_then(|it| it.chain.as_ref())) {
            (Binding::Nothing, _) => None,
            (Binding::Key(key), _) => Some(Confirmation::Key(key.clone())),
            (Binding::Certificate, Some(chain)) => Some(Confirmation::Certificate(chain.confirmation())),
            (Binding::Certificate, None) => {
                return Err(AuthorityError::from(&error::CLIENT_CERTIFICATE_MISSING));
            }
        };
        let missing = || error::SERVICE_PRINCIPAL_MISSING.with("app", client_id).with("tenant", &tenant.id);
        let principal = principal.ok_or_else(missing)?;
        self.limits.renew(self.store.restores());
        self.limits.admit(&settings, &tenant.id, client_id, resource, exchange.now())?;
        let target = self.resource(resource, &tenant, &principal)?;
        let claims = request.claims();
        let is_graph = target.app_id() == GRAPH_APP_ID;
        // Only an application of the tenant's own gets a token that lives until it is revoked.
        let is_long =
            claims.handles_challenges && is_graph && application.sign_in_audience() == "AzureADMyOrg";
        let life = if is_long { settings.cae_token_life } else { settings.token_life };
        let grant = Grant {
            proof,
            with_capabilities: claims.handles_challenges
                && (is_graph || self.wants_claim(&target, "xms_cc")?),
            lifetime: i64::try_from(life.draw(&*self.entropy).as_secs()).unwrap_or(i64::MAX / 2),
            confirmation,
            not_before: claims.not_before,
            ..self.grant(&settings, &tenant, &principal, &target, resource, exchange.now())?
        };
        self.respond(endpoint, &grant, is_long, exchange)
    }

    /// What a managed identity gets for a resource that it asks its host for, as the version 1 endpoint would answer.
    ///
    /// # Errors
    /// The OAuth error and its description.
    pub(crate) fn issue_to_identity(
        &self,
        identity: &ManagedIdentity,
        resource: &str,
        parts: &Parts,
    ) -> Result<Value, (&'static str, String)> {
        let exchange = self.exchange(parts, &[]);
        let issue = || {
            let settings = self.control.settings();
            if let Some(refusal) = injected(&settings, Some(&identity.client_id), &identity.tenant_id) {
                return Err(refusal);
            }
            let tenant = self.tenant(&identity.tenant_id)?;
            let principal = self.store.service_principal_by_app_id(&tenant.id, &identity.client_id)?;
            let principal = principal.ok_or_else(|| {
                error::SERVICE_PRINCIPAL_MISSING.with("app", &identity.client_id).with("tenant", &tenant.id)
            })?;
            if !principal.account_enabled() {
                return Err(error::APPLICATION_DISABLED
                    .with("app", &identity.client_id)
                    .with("name", principal.display_name()));
            }
            let target = self.resource(resource, &tenant, &principal)?;
            let grant = Grant {
                lifetime: IDENTITY_TOKEN_LIFE,
                ..self.grant(&settings, &tenant, &principal, &target, resource, exchange.now())?
            };
            self.respond(Endpoint::V1, &grant, false, &exchange)
        };
        issue().map_err(|error| {
            let body = error.body(&exchange, self.origin.base());
            (error.entry.error, body.description().to_owned())
        })
    }

    /// What a client gets for a resource when nothing else is said: a bearer token of no length yet.
    fn grant<'a>(
        &self,
        settings: &Settings,
        tenant: &'a Tenant,
        principal: &'a ServicePrincipal,
        target: &'a ServicePrincipal,
        resource: &'a str,
        now: i64,
    ) -> Result<Grant<'a>, StoreError> {
        let is_v2 = target.access_token_version == Some(2);
        // What a tenant began with is not younger than the tenant, whatever the delay.
        let delay = i64::try_from(settings.consent_delay.as_secs()).unwrap_or(i64::MAX / 2);
        let granted_until = (delay > 0).then(|| (now - delay).max(tenant.created_at));
        Ok(Grant {
            version: if is_v2 { Version::V2 } else { Version::V1 },
            audience: if is_v2 || self.wants_guid(target)? { target.app_id() } else { resource },
            requested_resource: resource,
            resource_app_id: target.app_id(),
            tenant_id: &tenant.id,
            client_id: principal.app_id(),
            client_object_id: principal.id(),
            proof: Proof::Assertion,
            roles: self.store.application_role_values_of(principal.id(), target, granted_until)?,
            with_idtyp: target.app_id() == GRAPH_APP_ID || self.wants_claim(target, "idtyp")?,
            with_capabilities: false,
            with_region: self.wants_claim(target, "tenant_region_scope")?,
            lifetime: 0,
            confirmation: None,
            not_before: None,
        })
    }

    /// The application, if it may be used in the tenant, and what stands for it there.
    fn client(
        &self,
        client_id: &str,
        tenant: &Tenant,
        is_replicated: impl Fn(&Object) -> bool,
    ) -> Result<(Arc<Application>, Option<Arc<ServicePrincipal>>), AuthorityError> {
        let principal = self.store.service_principal_by_app_id(&tenant.id, client_id)?;
        let principal = principal.filter(|it| is_replicated(&it.object));
        let application = self.store.application_by_app_id(client_id)?;
        let application = application.filter(|it| is_replicated(&it.object));
        // Registered in this very tenant, it is known without a service principal, and refused later for the want of it.
        let is_known = |it: &Arc<Application>| principal.is_some() || it.tenant_id == tenant.id;
        let Some(application) = application.filter(is_known) else {
            let name = if tenant.display_name.is_empty() { &tenant.id } else { &tenant.display_name };
            return Err(error::APPLICATION_NOT_FOUND.with("app", client_id).with("tenant", name));
        };
        // Those who have personal accounts are no tenant that an application could act in.
        if application.sign_in_audience() == "PersonalMicrosoftAccount" {
            return Err(error::APPLICATION_FOR_CONSUMERS
                .with("app", client_id)
                .with("name", application.object.text("displayName")));
        }
        if let Some(disabled) = principal.as_ref().filter(|it| !it.account_enabled()) {
            return Err(error::APPLICATION_DISABLED
                .with("app", client_id)
                .with("name", disabled.display_name()));
        }
        Ok((application, principal))
    }

    /// The resource that the client asked for, if the client may have tokens for it.
    fn resource(
        &self,
        name: &str,
        tenant: &Tenant,
        client: &ServicePrincipal,
    ) -> Result<Arc<ServicePrincipal>, AuthorityError> {
        let is_vault = name.strip_suffix('/').unwrap_or(name) == self.origin.vault_resource();
        let name = if is_vault { VAULT_RESOURCE } else { name };
        let with_other_slash = name.strip_suffix('/').map_or_else(|| format!("{name}/"), str::to_owned);
        let mut resource = self.store.resource_by_name(&tenant.id, name)?;
        if resource.is_none() {
            resource = self.store.resource_by_name(&tenant.id, &with_other_slash)?;
        }
        let Some(resource) = resource else {
            let tenant = if tenant.display_name.is_empty() { &tenant.id } else { &tenant.display_name };
            return Err(error::RESOURCE_NOT_FOUND.with("resource", name).with("tenant", tenant));
        };
        if !resource.account_enabled() {
            return Err(error::RESOURCE_DISABLED.with("resource", resource.app_id()));
        }
        let of_client =
            |error: AuthorityError| error.with("app", client.app_id()).with("name", client.display_name());
        if resource.id() == client.id() && normalized_name(name) != resource.app_id() {
            return Err(of_client((&error::SELF_BY_URI).into()));
        }
        if resource.app_role_assignment_required() && !self.is_assigned(tenant, client, &resource)? {
            return Err(of_client((&error::ASSIGNMENT_REQUIRED).into())
                .with("resource", resource.app_id())
                .with("resource_name", resource.display_name()));
        }
        Ok(resource)
    }

    /// Whether the client holds any role of the resource, the default access without a role among them.
    fn is_assigned(
        &self,
        tenant: &Tenant,
        client: &ServicePrincipal,
        resource: &ServicePrincipal,
    ) -> Result<bool, StoreError> {
        let parameters = vec![client.id().to_owned().into(), resource.id().to_owned().into()];
        let condition = Condition::new("principal_id = ? AND resource_id = ?".into(), parameters);
        self.store.read(|connection| {
            Ok(paging::count(connection, Table::AppRoleAssignments, &tenant.id, &condition)? > 0)
        })
    }

    /// Whether an API asked for an optional claim.
    fn wants_claim(&self, resource: &ServicePrincipal, claim: &str) -> Result<bool, StoreError> {
        self.asks(resource, |optional| optional["name"] == claim)
    }

    /// Whether an API wants to be named by its application id in `aud`, however it was asked for.
    fn wants_guid(&self, resource: &ServicePrincipal) -> Result<bool, StoreError> {
        self.asks(resource, |optional| {
            let mut properties = optional["additionalProperties"].as_array().into_iter().flatten();
            optional["name"] == "aud" && properties.any(|property| property == "use_guid")
        })
    }

    /// Whether an optional claim for access tokens of an API is what is looked for.
    fn asks(&self, resource: &ServicePrincipal, is: impl Fn(&Value) -> bool) -> Result<bool, StoreError> {
        let application = self.store.application_by_app_id(resource.app_id())?;
        let optional = application.as_ref().and_then(|application| {
            application.object.document.get("optionalClaims")?.get("accessToken")?.as_array()
        });
        Ok(optional.is_some_and(|optional| optional.iter().any(is)))
    }

    fn respond(
        &self,
        endpoint: Endpoint,
        grant: &Grant<'_>,
        is_long: bool,
        exchange: &Exchange,
    ) -> Result<Value, AuthorityError> {
        let key = self.keys.current();
        let header = Header::new(grant.version, key.kid());
        let claims = Claims::new(grant, &self.origin, exchange, &*self.entropy);
        let token = key.sign(&header, &claims).ok_or_else(|| AuthorityError::from(&error::SERVER_FAILED))?;
        let lifetime = grant.lifetime;
        let token_type = grant.confirmation.as_ref().map_or("Bearer", Confirmation::token_type);
        let refresh_in = is_long.then_some(lifetime / 2);
        let mut body = match endpoint {
            Endpoint::V2 => json!({
                "token_type": token_type,
                "expires_in": lifetime,
                "ext_expires_in": lifetime,
                "access_token": token,
            }),
            Endpoint::V1 => json!({
                "token_type": token_type,
                "expires_in": lifetime.to_string(),
                "ext_expires_in": lifetime.to_string(),
                "expires_on": claims.expires_at().to_string(),
                "not_before": claims.not_before().to_string(),
                "resource": grant.requested_resource,
                "access_token": token,
            }),
        };
        if let Some(refresh_in) = refresh_in {
            body["refresh_in"] = match endpoint {
                Endpoint::V2 => refresh_in.into(),
                Endpoint::V1 => refresh_in.to_string().into(),
            };
        }
        Ok(body)
    }
}

/// The error that a setting wants every client to meet, or one client.
fn injected(settings: &Settings, client_id: Option<&str>, tenant: &str) -> Option<AuthorityError> {
    let wanted = settings.token_error.as_ref()?;
    if wanted.client_id.as_deref().is_some_and(|only| Some(only) != client_id) {
        return None;
    }
    let error = AuthorityError::from(error::find(wanted.code)?);
    Some(error.with("app", client_id.unwrap_or_default()).with("tenant", tenant))
}
