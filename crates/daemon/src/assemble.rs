//! One function for each part that a configuration describes; the daemon uses all of them, the doctor one by one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;
use unattended_core::{HttpClient, Secret, TenantId};
use unattended_identity::{
    self as identity, ConfidentialClient, ConfidentialClientBuilder, DpopKey, ScopedToken, SealingKeys,
};
use unattended_jobs as jobs;
use unattended_token_stores::{DirectoryStore, RedisStore, SqliteStore};
use unattended_webapi as webapi;

use crate::config::{
    Api, Application, Authority, Config, Credential, Job, TokenBinding, TokenStore, TokenStorePlace, Work,
};
use crate::credential::{self, CredentialError, SetUp};
use crate::error::{BuildError, ExitClass};
use crate::ledger::LedgerFile;
use crate::ports::Ports;

/// Who issues the tokens.
pub(crate) fn authority(application: &Application) -> Result<identity::Authority, BuildError> {
    let authority = match &application.authority {
        Authority::Microsoft { host, tenant, region } => identity::Authority::microsoft(host, tenant)
            .and_then(|authority| match region {
                Some(region) => authority.in_region(region),
                None => Ok(authority),
            }),
        Authority::FederationServices(url) => identity::Authority::adfs(url),
        Authority::Issuer(issuer) => identity::Authority::issuer(issuer),
    };
    authority.map_err(|error| {
        BuildError::new(ExitClass::Configuration, "the authority cannot be used")
            .mended_by("correct `authority` or `issuer` in [application]")
            .caused_by(error)
    })
}

/// The application with all its credentials. One that cannot be read is no reason to stop while another can: two are
/// configured for exactly that, and the one that is missing is used as soon as it is there.
pub(crate) fn application(
    application: &Application,
    http: &Arc<dyn HttpClient>,
    ports: &Ports,
) -> Result<ConfidentialClient, BuildError> {
    let mut builder = ConfidentialClient::builder(authority(application)?, application.client_id.clone())
        .http(Arc::clone(http))
        .clock(Arc::clone(&ports.clock))
        .entropy(Arc::clone(&ports.entropy));
    for capability in &application.capabilities {
        builder = builder.capability(capability);
    }
    let mut unreadable: Vec<(&Credential, CredentialError)> = Vec::new();
    for configured in &application.credentials {
        let SetUp { credential, problem } = credential::set_up(application, configured, http, ports);
        if let Some(credential) = credential {
            builder = builder.credential(credential);
        }
        unreadable.extend(problem.map(|error| (configured, error)));
    }
    if unreadable.len() == application.credentials.len() && !unreadable.is_empty() {
        let (_, first) = unreadable.swap_remove(0);
        let remedy = first.remedy().to_owned();
        return Err(BuildError::new(ExitClass::Configuration, "the application has no usable credential")
            .mended_by(remedy)
            .caused_by(first));
    }
    for (credential, error) in unreadable {
        warn!(%credential, %error, remedy = error.remedy(), "a credential cannot be used yet");
    }
    if let Some(configured) = &application.token_store {
        builder = token_store(builder, configured, ports)?;
    }
    builder.build().map_err(|error| {
        BuildError::new(ExitClass::from(&error), "the application cannot be set up").caused_by(error)
    })
}

/// The second layer of the token cache.
fn token_store(
    builder: ConfidentialClientBuilder,
    configured: &TokenStore,
    ports: &Ports,
) -> Result<ConfidentialClientBuilder, BuildError> {
    let unreadable = |error: CredentialError| {
        let remedy = error.remedy().to_owned();
        BuildError::new(ExitClass::Configuration, "the token store cannot be used")
            .mended_by(remedy)
            .caused_by(error)
    };
    // A raw key is binary: its last byte may be one that ends a line elsewhere.
    let read_key = |reference| credential::read(reference, &*ports.environment).map_err(unreadable);
    let keys = configured.keys.iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
    let keys = SealingKeys::new(&keys).map_err(|error| {
        BuildError::new(ExitClass::Configuration, "the token store cannot be used")
            .mended_by("make each of `keys` with `openssl rand -base64 32`")
            .caused_by(error)
    })?;
    let clock = Arc::clone(&ports.clock);
    Ok(match &configured.place {
        TokenStorePlace::Directory(path) => builder.store(DirectoryStore::new(path, clock), keys),
        TokenStorePlace::Sqlite(path) => builder.store(SqliteStore::new(path, clock), keys),
        TokenStorePlace::Redis { url, password } => {
            let read = |reference| credential::read_line(reference, &*ports.environment).map_err(unreadable);
            let password = password.as_ref().map(read).transpose()?;
            let mut url = url.clone();
            // A URL with a host has room for one.
            let _ = url.set_password(password.as_ref().and_then(Secret::expose_text));
            let store = RedisStore::new(url.as_str(), clock).map_err(|error| {
                BuildError::new(ExitClass::Configuration, "the token store cannot be used")
                    .mended_by("correct `redis` in [application.token-store]")
                    .caused_by(error)
            })?;
            builder.store(store, keys)
        }
    })
}

/// The tokens for one API.
pub(crate) fn scoped_token(
    name: &str,
    api: &Api,
    client: &ConfidentialClient,
) -> Result<ScopedToken, BuildError> {
    let refused = |error| BuildError::of_token(name, error);
    let mut scoped = client.for_scope(api.scope.clone()).map_err(refused)?;
    if let Some(resource) = &api.resource {
        scoped = scoped.with_resource(resource);
    }
    for (name, value) in &api.token_parameters {
        scoped = scoped.with_parameter(name, value).map_err(refused)?;
    }
    Ok(match api.token_binding {
        None => scoped,
        Some(TokenBinding::Certificate) => scoped.bound_to_certificate(),
        // A key for each API: what one of them sees of it tells nothing to another.
        Some(TokenBinding::Key) => scoped.bound_to_key(&DpopKey::generate().map_err(refused)?),
    })
}

/// What the clients of all APIs share, and with which other processes.
pub(crate) fn traffic(application: &Application, ports: &Ports) -> webapi::Traffic {
    let file = application.state_directory.join("throttled.json");
    webapi::Traffic::default().shared_through(Arc::new(LedgerFile::new(file, Arc::clone(&ports.clock))))
}

/// The client of one API.
pub(crate) fn api_client(
    name: &str,
    api: &Api,
    application: &Application,
    tokens: ScopedToken,
    http: &Arc<dyn HttpClient>,
    traffic: &webapi::Traffic,
    ports: &Ports,
) -> Result<webapi::Client, BuildError> {
    let mut builder = webapi::Client::builder(api.base_url.as_str())
        .identity(&tenant(application), application.client_id.as_str())
        .token_source(Arc::new(tokens))
        .http(Arc::clone(http))
        .traffic(traffic)
        .clock(Arc::clone(&ports.clock))
        .entropy(Arc::clone(&ports.entropy));
    if application.allow_insecure_loopback {
        builder = builder.allow_insecure_loopback();
    }
    let built = builder.build().map_err(|error| {
        BuildError::new(ExitClass::Configuration, format!("the API `{name}` cannot be used"))
            .mended_by(format!("correct `base-url` in [apis.{name}]"))
            .caused_by(error)
    });
    let mut client = built?;
    if api.advanced_queries {
        client = client.with_advanced_queries();
    }
    if api.compress_requests {
        client = client.with_compressed_requests();
    }
    if api.hedge_reads {
        client = client.with_hedged_reads();
    }
    if api.coalesce_reads {
        client = client.with_coalesced_reads();
    }
    Ok(client)
}

/// A job, with the client of its API.
pub(crate) fn job(name: &str, job: &Job, config: &Config, client: &webapi::Client) -> jobs::Job {
    let client = client.with_retry(webapi::RetryPolicy::job());
    let client = if job.is_low_priority { client.with_low_priority() } else { client };
    let work = match &job.work {
        Work::Provision { resource, source, match_on, rejects, .. } => {
            jobs::Work::Provision(jobs::Provision {
                client,
                resource: resource.clone(),
                source: source.clone(),
                match_on: match_on.clone(),
                rejects: rejects.clone(),
            })
        }
        Work::Export { read, to, .. } => {
            jobs::Work::Export(jobs::Export { client, read: read.clone(), to: to.clone() })
        }
    };
    let tenant = tenant(&config.application);
    jobs::Job { name: name.to_owned(), tenant, schedule: job.schedule.clone(), work }
}

/// What runs and checkpoints are kept under: those of two tenants never meet.
pub(crate) fn tenant(application: &Application) -> String {
    let authority = &application.authority;
    authority.tenant().map_or_else(|| authority.url().to_owned(), TenantId::to_string)
}

/// The database with runs, checkpoints and journals.
pub(crate) fn state_file(application: &Application) -> PathBuf {
    application.state_directory.join("state.db")
}

/// Opens the state, or makes it.
pub(crate) fn store(file: &Path) -> Result<jobs::SqliteStore, BuildError> {
    jobs::SqliteStore::open(file).map_err(|error| {
        let failed = BuildError::new(ExitClass::Configuration, "the state cannot be opened");
        match error.remedy() {
            Some(remedy) => failed.mended_by(remedy),
            None => failed.mended_by("correct `state-directory` in [application]"),
        }
        .caused_by(error)
    })
}
