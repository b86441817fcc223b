//! Microsoft's crate: a credential for each tenant, and one HTTP client for all of them, which by default each would have
//! for itself.

use std::hint::black_box;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, SecretBytes, TokenCredential};
use azure_core::http::{ClientOptions, Transport, new_http_client};
use azure_identity::{
    ClientCertificateCredential, ClientCertificateCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};

use crate::{BoxError, Client, Settings};

pub struct Azure {
    credentials: Vec<Arc<dyn TokenCredential>>,
    scope: String,
}

impl Client for Azure {
    fn new(settings: &Settings) -> Result<Self, BoxError> {
        let transport = Transport::new(new_http_client(None));
        let client_options = || {
            let mut cloud = CustomConfiguration::default();
            cloud.authority_host = settings.authority.clone();
            let cloud = Some(Arc::new(CloudConfiguration::Custom(cloud)));
            ClientOptions { cloud, transport: Some(transport.clone()), ..Default::default() }
        };
        let pkcs12 = std::fs::read(&settings.pkcs12)?;
        let credential = |tenant: String| -> Result<Arc<dyn TokenCredential>, BoxError> {
            let client_id = settings.client_id.clone();
            if settings.certificate {
                let options = ClientCertificateCredentialOptions {
                    client_options: client_options(),
                    ..Default::default()
                };
                let pkcs12 = SecretBytes::new(pkcs12.clone());
                return Ok(ClientCertificateCredential::new(tenant, client_id, pkcs12, Some(options))?);
            }
            let options =
                ClientSecretCredentialOptions { client_options: client_options(), ..Default::default() };
            let secret = Secret::new(settings.secret.clone());
            Ok(ClientSecretCredential::new(&tenant, client_id, secret, Some(options))?)
        };
        let mut credentials = Vec::with_capacity(settings.tenants);
        for tenant in settings.names() {
            credentials.push(credential(tenant)?);
        }
        Ok(Self { credentials, scope: settings.scope.clone() })
    }

    async fn token(&self, tenant: usize) -> Result<(), BoxError> {
        black_box(self.credentials[tenant].get_token(&[&self.scope], None).await?);
        Ok(())
    }
}
