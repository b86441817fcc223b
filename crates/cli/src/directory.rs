//! The directory that an application is registered in, and who may administer it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use unattended_daemon::config::Authority;
use unattended_daemon::{Config, Daemon, Ports, ProcessEnvironment};
use unattended_webapi::Client;

use crate::configuration_file::{Application, ConfigurationFile};
use crate::failure::{CommandError, Exit, explain, of_config};

/// The name of the directory among the APIs of a configuration.
pub(crate) const DIRECTORY_API: &str = "graph";

/// A directory, reached as an application that may administer it.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) client: Client,
    pub(crate) authority: String,
    pub(crate) tenant: String,
    pub(crate) base_url: String,
    pub(crate) scope: String,
    /// What the authority's certificate is checked with beside the system's roots.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What `unattended sandbox start --ready-file` writes.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadyFile {
    authority: String,
    tenant_id: String,
    graph: String,
    graph_resource: String,
    ca_file: PathBuf,
    administrator: ReadyAdministrator,
}

#[derive(Debug, Deserialize)]
struct ReadyAdministrator {
    client_id: String,
    secret_file: PathBuf,
}

impl Directory {
    /// The directory of a sandbox, as its administrator.
    pub(crate) fn of_sandbox(ready_file: &Path) -> Result<Self, CommandError> {
        let start =
            format!("start a sandbox: `unattended sandbox start --ready-file {}`", ready_file.display());
        let unusable = |cause: &(dyn std::error::Error + 'static)| {
            let message = format!("{} is no ready file of a sandbox", ready_file.display());
            CommandError::new(Exit::Configuration, message).caused_by(cause).hint(start.clone())
        };
        let text = fs::read(ready_file).map_err(|cause| unusable(&cause))?;
        let ready: ReadyFile = serde_json::from_slice(&text).map_err(|cause| unusable(&cause))?;
        // The administrator is an application like any other, so it is configured like any other.
        let mut file = ConfigurationFile::in_memory(ready_file);
        file.set_application(&Application {
            client_id: &ready.administrator.client_id,
            tenant: &ready.tenant_id,
            authority: &ready.authority,
            ca_file: Some(&ready.ca_file),
            credential: Some(("secret", &ready.administrator.secret_file)),
        });
        file.set_api(DIRECTORY_API, &ready.graph, &format!("{}/.default", ready.graph_resource));
        let config = Config::parse(ready_file, &file.text(), &ProcessEnvironment);
        Self::of(config.map_err(|error| of_config(&error))?)
    }

    /// The directory that a configuration calls `graph`, as the application of that configuration.
    pub(crate) fn of_configuration(path: &Path) -> Result<Self, CommandError> {
        Self::of(Config::load(Some(path), &ProcessEnvironment).map_err(|error| of_config(&error))?)
    }

    fn of(config: Config) -> Result<Self, CommandError> {
        let file = config.file.display().to_string();
        let missing = |what: &str| {
            CommandError::new(
                Exit::Configuration,
                format!("{file} has no {what}, so nothing can be registered with it"),
            )
        };
        let Authority::Microsoft { host, tenant, .. } = config.application.authority.clone() else {
            return Err(missing("tenant of the Microsoft identity platform"));
        };
        let api = config.apis.get(DIRECTORY_API).ok_or_else(|| missing("API named `graph`"))?;
        let (base_url, scope) = (api.base_url.to_string(), api.scope.to_string());
        let ca_file = config.application.ca_file.clone();
        let daemon = Daemon::build(config, Ports::of_the_machine())
            .map_err(|error| explain("the administrator's application cannot be used", &error))?;
        let client = daemon
            .client(DIRECTORY_API)
            .map_err(|error| explain("the administrator's application cannot be used", &error))?
            .clone();
        Ok(Self { client, authority: host, tenant: tenant.to_string(), base_url, scope, ca_file })
    }
}
