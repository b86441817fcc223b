//! Get a token with azure_identity, unmodified, and read one page of users with it.
//!
//!     unattended-third-party SETTINGS.json
//!
//! SETTINGS.json: authority, tenant, client_id, graph, graph_resource, and secret_file, or pkcs12_file (with an empty
//! password), or assertion_file (a token of another issuer). SSL_CERT_FILE names the authority's CA. Prints one JSON object for each form of the
//! credential: how the second acquisition was served, and the users of the page.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, SecretBytes, TokenCredential};
use azure_core::http::{ClientMethodOptions, ClientOptions};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientCertificateCredential, ClientCertificateCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("no settings")?;
    let settings: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let scope = format!("{}/.default", text(&settings, "graph_resource"));
    for (form, credential) in credentials(&settings)? {
        let first = credential.get_token(&[&scope], None).await?;
        let second = credential.get_token(&[&scope], None).await?;
        let served =
            if first.token.secret() == second.token.secret() { "cache" } else { "identity_provider" };
        let users = users(text(&settings, "graph"), second.token.secret()).await?;
        println!("{}", json!({ "form": form, "second": served, "users": users }));
    }
    Ok(())
}

/// Each form in which the credential is presented.
fn credentials(settings: &Value) -> Result<Vec<(&'static str, Arc<dyn TokenCredential>)>> {
    let (tenant, client_id) = (text(settings, "tenant"), text(settings, "client_id").to_owned());
    let client_options = || {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = text(settings, "authority").to_owned();
        ClientOptions { cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))), ..Default::default() }
    };
    if let Some(path) = settings.get("secret_file").and_then(Value::as_str) {
        let secret = Secret::new(std::fs::read_to_string(path)?.trim().to_owned());
        let options =
            ClientSecretCredentialOptions { client_options: client_options(), ..Default::default() };
        return Ok(vec![("secret", ClientSecretCredential::new(tenant, client_id, secret, Some(options))?)]);
    }
    if let Some(path) = settings.get("assertion_file").and_then(Value::as_str) {
        let options = || ClientAssertionCredentialOptions { client_options: client_options() };
        let asserted = ClientAssertionCredential::new(
            tenant.to_owned(),
            client_id.clone(),
            AssertionFile(path.into()),
            Some(options()),
        )?;
        let workload = WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: options(),
            client_id: Some(client_id),
            tenant_id: Some(tenant.to_owned()),
            token_file_path: Some(path.into()),
        }))?;
        return Ok(vec![("ClientAssertionCredential", asserted), ("WorkloadIdentityCredential", workload)]);
    }
    let pkcs12 = SecretBytes::new(std::fs::read(text(settings, "pkcs12_file"))?);
    let options =
        ClientCertificateCredentialOptions { client_options: client_options(), ..Default::default() };
    let credential = ClientCertificateCredential::new(tenant.to_owned(), client_id, pkcs12, Some(options))?;
    // It takes this one from the environment alone.
    let chain = std::env::var("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").is_ok();
    Ok(vec![(if chain { "RS256, x5t, x5c" } else { "RS256, x5t" }, credential)])
}

/// Where the token of another issuer is.
#[derive(Debug)]
struct AssertionFile(PathBuf);

#[async_trait::async_trait]
impl ClientAssertion for AssertionFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(std::fs::read_to_string(&self.0)?)
    }
}

async fn users(graph: &str, token: &str) -> Result<Vec<Value>> {
    let answer = reqwest::Client::new()
        .get(format!("{graph}/users?$top=5"))
        .bearer_auth(token)
        .send()
        .await?
        .error_for_status()?;
    let page: Value = serde_json::from_slice(&answer.bytes().await?)?;
    Ok(page["value"].as_array().into_iter().flatten().map(|user| user["userPrincipalName"].clone()).collect())
}

fn text<'a>(settings: &'a Value, member: &str) -> &'a str {
    settings[member].as_str().unwrap_or_default()
}
