//! One client, one workload: `PROGRAM [CLIENT] WORKLOAD SETTINGS.json`, started by `run.py`, which knows what the
//! settings are. Prints one JSON object. This crate, the floor and Microsoft's crate have programs of their own, since
//! what they link is memory, too.

pub mod azure;
pub mod floor;
mod latencies;
mod measure;
pub mod ours;
mod work;

use std::error::Error;
use std::future::Future;

use serde::Deserialize;
use tokio::runtime::Builder;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// Where the server is and who asks it.
#[derive(Deserialize)]
pub struct Settings {
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
    /// How many tenants the workload has. A list of their names would be memory that is the harness's.
    tenants: usize,
    /// The GUID of the first, if it is another one than its number makes.
    first: Option<String>,
    /// How many acquisitions are under way at once.
    in_flight: usize,
}

impl Settings {
    /// The tenants, as GUIDs.
    fn names(&self) -> impl Iterator<Item = String> {
        let named = self.first.iter().cloned();
        named.chain((1..=self.tenants).map(tenant).skip(usize::from(self.first.is_some())))
    }
}

/// The tenant that has this number, counted from one.
fn tenant(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// An application in many tenants.
pub trait Client: Sized + Send + Sync + 'static {
    fn new(settings: &Settings) -> Result<Self, BoxError>;

    /// Makes a token of the tenant with this number available, from memory or from the server.
    fn token(&self, tenant: usize) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Replaces the token of the tenant with this number, although it is good.
    fn renew(&self, _: usize) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Err("this client has no way to renew a token".into()) }
    }
}

/// Does what the arguments say with this client.
pub fn run<C: Client>(workload: &str, settings: &str) -> Result<(), BoxError> {
    let settings: Settings = serde_json::from_slice(&std::fs::read(settings)?)?;
    let mut builder = match workload {
        // With one thread all callers are there before the first answer is.
        "stampede" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    println!("{}", runtime.block_on(work::run::<C>(workload, &settings))?);
    Ok(())
}
