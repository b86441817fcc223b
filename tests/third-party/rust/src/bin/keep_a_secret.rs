//! Keep a secret in a key vault with azure_security_keyvault_secrets, unmodified, and read it: the tokens come from
//! unattended-identity.
//!
//!     keep_a_secret SETTINGS.json
//!
//! SETTINGS.json is that of the other program, with the vault's URL as `vault`. SSL_CERT_FILE names the authority's CA.
//! Prints one JSON object: what was read, and how many tokens the client keeps.

use std::error::Error;
use std::sync::Arc;

use azure_security_keyvault_secrets::models::SetSecretParameters;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use serde_json::{Value, json};
use unattended_core::{ClientId, HttpClient, Secret, TenantId};
use unattended_identity::{Authority, ClientSecret, ConfidentialClient};
use unattended_transport::Transport;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("no settings")?;
    let settings: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let text = |member: &str| settings[member].as_str().unwrap_or_default();

    let certificates = std::fs::read(std::env::var("SSL_CERT_FILE")?)?;
    let transport: Arc<dyn HttpClient> =
        Arc::new(Transport::builder().extra_ca_pem(&certificates)?.build()?);
    let secret = std::fs::read_to_string(text("secret_file"))?;
    let authority = Authority::microsoft(text("authority"), &TenantId::parse(text("tenant"))?)?;
    let client = ConfidentialClient::builder(authority, ClientId::parse(text("client_id"))?)
        .credential(ClientSecret::new(Secret::from(secret.trim()))?)
        .http(transport)
        .build()?;

    // The vault is below a path of the sandbox; its resource is that of the cloud.
    let options = SecretClientOptions { verify_challenge_resource: Some(false), ..Default::default() };
    let vault = SecretClient::new(text("vault"), Arc::new(client.clone()), Some(options))?;
    let kept = SetSecretParameters { value: Some("kept by rust".into()), ..Default::default() };
    vault.set_secret("of-rust", kept.try_into()?, None).await?;
    let read = vault.get_secret("of-rust", None).await?.into_model()?;
    println!("{}", json!({ "read": read.value, "tokens": client.cache_statistics().tokens }));
    Ok(())
}
