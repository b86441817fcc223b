//! The daemon: everything that `unattended.toml` names, put together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use unattended_core::HttpClient;
use unattended_identity::{ConfidentialClient, ScopedToken};
use unattended_jobs::{Engine, Job, SqliteStore};
use unattended_webapi::Client;

use crate::assemble;
use crate::config::Config;
use crate::error::{BuildError, ExitClass};
use crate::network;
use crate::ports::Ports;

/// One application with its APIs and jobs. Nothing is sent and no state is opened before it is needed.
pub struct Daemon {
    config: Config,
    ports: Ports,
    http: Arc<dyn HttpClient>,
    application: ConfidentialClient,
    apis: BTreeMap<String, (ScopedToken, Client)>,
    store: OnceLock<Arc<SqliteStore>>,
}

impl Daemon {
    /// Reads the credentials and sets up the network and every API.
    ///
    /// # Errors
    /// The extra CA cannot be read, no credential can be used, or an API's address is refused.
    pub fn build(config: Config, ports: Ports) -> Result<Self, BuildError> {
        let http = network::shared(&config.application, &ports)?;
        let application = assemble::application(&config.application, &http, &ports)?;
        let (mut apis, traffic) = (BTreeMap::new(), assemble::traffic(&config.application, &ports));
        for (name, api) in &config.apis {
            let tokens = assemble::scoped_token(name, api, &application)?;
            let client = assemble::api_client(
                name,
                api,
                &config.application,
                tokens.clone(),
                &http,
                &traffic,
                &ports,
            )?;
            apis.insert(name.clone(), (tokens, client));
        }
        Ok(Self { config, ports, http, application, apis, store: OnceLock::new() })
    }

    /// What it was built from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it touches of the world.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The network that everything in it shares.
    #[must_use]
    pub fn http(&self) -> &Arc<dyn HttpClient> {
        &self.http
    }

    /// The application as the authority knows it.
    #[must_use]
    pub fn application(&self) -> &ConfidentialClient {
        &self.application
    }

    /// The tokens of one API.
    ///
    /// # Errors
    /// The configuration has no such API.
    pub fn scoped_token(&self, api: &str) -> Result<&ScopedToken, BuildError> {
        self.api(api).map(|(tokens, _)| tokens)
    }

    /// The client of one API; all its users share one throttling gate.
    ///
    /// # Errors
    /// The configuration has no such API.
    pub fn client(&self, api: &str) -> Result<&Client, BuildError> {
        self.api(api).map(|(_, client)| client)
    }

    /// Logs what the calls of each origin have come to, if there were any.
    pub fn log_metrics(&self) {
        let mut origins = BTreeMap::new();
        for (name, (_, client)) in &self.apis {
            let origin = self.config.apis.get(name).map(|api| api.base_url.origin().ascii_serialization());
            origins.entry(origin.unwrap_or_else(|| name.clone())).or_insert_with(|| client.metrics());
        }
        for (origin, metrics) in origins {
            if metrics.succeeded + metrics.failed > 0 {
                tracing::info!(origin, "{metrics}");
            }
        }
    }

    /// Every job of the configuration, by name.
    ///
    /// # Errors
    /// None that a checked configuration can cause.
    pub fn jobs(&self) -> Result<Vec<Job>, BuildError> {
        self.config.jobs.keys().map(|name| self.job(name)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// The configuration has no such job.
    pub fn job(&self, name: &str) -> Result<Job, BuildError> {
        let configured = self
            .config
            .jobs
            .get(name)
            .ok_or_else(|| unknown("job", name, self.config.jobs.keys().map(String::as_str)))?;
        let client = self.client(configured.work.api())?;
        Ok(assemble::job(name, configured, &self.config, client))
    }

    /// Runs jobs and remembers how far they came. Opens the state at first use.
    ///
    /// # Errors
    /// The state cannot be opened.
    pub fn engine(&self) -> Result<Engine, BuildError> {
        let store = match self.store.get() {
            Some(store) => Arc::clone(store),
            None => {
                let opened = assemble::store(&self.state_file())?;
                Arc::clone(self.store.get_or_init(|| Arc::new(opened)))
            }
        };
        Ok(Engine::new(store, Arc::clone(&self.ports.clock), Arc::clone(&self.ports.entropy)))
    }

    /// The database with runs, checkpoints and journals.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        assemble::state_file(&self.config.application)
    }

    fn api(&self, name: &str) -> Result<&(ScopedToken, Client), BuildError> {
        self.apis.get(name).ok_or_else(|| unknown("API", name, self.apis.keys().map(String::as_str)))
    }
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Daemon").field("config", &self.config.file).finish_non_exhaustive()
    }
}

fn unknown<'k>(kind: &str, name: &str, known: impl Iterator<Item = &'k str>) -> BuildError {
    let known: Vec<&str> = known.collect();
    let refused = BuildError::new(ExitClass::Configuration, format!("there is no {kind} `{name}`"));
    match crate::config::nearest(name, known.iter().copied()) {
        Some(meant) => refused.mended_by(format!("did you mean `{meant}`?")),
        None if known.is_empty() => refused.mended_by(format!("the configuration has no {kind}")),
        None => refused.mended_by(format!("the configuration has {}", known.join(", "))),
    }
}
