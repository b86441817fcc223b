//! `unattended-identity`.

use std::hint::black_box;
use std::sync::Arc;

use unattended_core::{ClientId, HttpClient, Scope, Secret, TenantId};
use unattended_identity::{
    Authority, ClientCertificate, ClientSecret, ConfidentialClient, Freshness, ScopedToken,
};
use unattended_transport::Transport;

use crate::{BoxError, Client, Settings};

/// With a handle for each tenant.
pub struct ByHandle(Vec<ScopedToken>);

/// With the tenants' ids alone.
pub struct ById {
    graph: ScopedToken,
    tenants: Vec<TenantId>,
}

impl Client for ByHandle {
    fn new(settings: &Settings) -> Result<Self, BoxError> {
        let ById { graph, tenants } = ById::new(settings)?;
        let mut handles = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            handles.push(graph.for_tenant(tenant)?);
        }
        Ok(Self(handles))
    }

    async fn token(&self, tenant: usize) -> Result<(), BoxError> {
        let handle = &self.0[tenant];
        match handle.cached() {
            Some(token) => _ = black_box(token.authorization()),
            None => _ = black_box(handle.acquire(Freshness::Cached).await?),
        }
        Ok(())
    }

    async fn renew(&self, tenant: usize) -> Result<(), BoxError> {
        black_box(self.0[tenant].acquire(Freshness::Forced).await?);
        Ok(())
    }
}

impl Client for ById {
    fn new(settings: &Settings) -> Result<Self, BoxError> {
        let mut tenants = Vec::with_capacity(settings.tenants);
        for tenant in settings.names() {
            tenants.push(TenantId::parse(&tenant)?);
        }
        let transport: Arc<dyn HttpClient> =
            Arc::new(Transport::builder().extra_ca_pem(&std::fs::read(&settings.ca_file)?)?.build()?);
        let authority = Authority::microsoft(&settings.authority, tenants.first().ok_or("no tenant")?)?;
        let builder = ConfidentialClient::builder(authority, ClientId::parse(&settings.client_id)?);
        let builder = match settings.certificate {
            true => {
                builder.credential(ClientCertificate::from_pem(&Secret::new(std::fs::read(&settings.pem)?))?)
            }
            false => builder.credential(ClientSecret::new(Secret::from(settings.secret.as_str()))?),
        };
        let graph = builder.http(transport).build()?.for_scope(Scope::parse(&settings.scope)?)?;
        Ok(Self { graph, tenants })
    }

    async fn token(&self, tenant: usize) -> Result<(), BoxError> {
        let tenant = &self.tenants[tenant];
        match self.graph.cached_in(tenant) {
            Some(token) => _ = black_box(token.authorization()),
            None => _ = black_box(self.graph.for_tenant(tenant)?.acquire(Freshness::Cached).await?),
        }
        Ok(())
    }
}
