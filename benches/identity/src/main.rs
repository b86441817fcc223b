//! One client, one workload: `unattended-bench-identity CLIENT WORKLOAD SETTINGS.json`, started by `run.py`, which knows
//! what the settings are. Prints one JSON object.

mod azure;
mod floor;
mod measure;
mod ours;
mod work;

use std::error::Error;
use std::future::Future;

use serde::Deserialize;

type BoxError = Box<dyn Error + Send + Sync>;

/// Where the server is and who asks it.
#[derive(Deserialize)]
struct Settings {
    authority: String,
    ca_file: String,
    client_id: String,
    secret: String,
    /// PEM with certificate and key, and the same as PKCS#12.
    pem: String,
    pkcs12: String,
    scope: String,
    /// Whether the certificate is the credential.
    certificate: bool,
    /// The tenants of the workload, as GUIDs.
    tenants: Vec<String>,
    /// How many acquisitions are under way at once.
    in_flight: usize,
}

/// An application in many tenants.
trait Client: Send + Sync + 'static {
    /// Makes a token of the tenant with this number available, from memory or from the server.
    fn token(&self, tenant: usize) -> impl Future<Output = Result<(), BoxError>> + Send;
}

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [client, workload, settings] = arguments.as_slice() else {
        return Err("usage: CLIENT WORKLOAD SETTINGS.json".into());
    };
    let settings: Settings = serde_json::from_slice(&std::fs::read(settings)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move {
        let result = match client.as_str() {
            "floor" => work::run(floor::Floor::new(&settings)?, workload, &settings).await?,
            "unattended" => work::run(ours::ByHandle::new(&settings)?, workload, &settings).await?,
            "unattended-by-id" => work::run(ours::ById::new(&settings)?, workload, &settings).await?,
            "azure_identity" => work::run(azure::Azure::new(&settings)?, workload, &settings).await?,
            _ => return Err(format!("no such client: {client}").into()),
        };
        println!("{result}");
        Ok(())
    })
}
