//! Credentials that somebody else signs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unattended_core::{HttpClient, Secret};
use unattended_files::open_regular;
use unattended_identity::{
    self as identity, AssertionCommand, AssertionFile, AssertionUrl, ManagedIdentity, ManagedIdentityHost,
    SignedAssertion,
};
use unattended_transport::Transport;

use super::CredentialError;
use crate::config::{self, Credential};
use crate::environment::Environment;
use crate::ports::Ports;

const WORKLOAD_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
const PIPELINES: [&str; 2] = ["SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"];

/// Whether the credential is made of something that is read, and has to be read again.
pub(super) fn is_watched(credential: &Credential) -> bool {
    matches!(credential, Credential::Certificate(_) | Credential::Secret(_) | Credential::AssertionUrl(_))
}

/// Whether what can be seen from here is there.
pub(super) fn examine(credential: &Credential, environment: &dyn Environment) -> Result<(), CredentialError> {
    match credential {
        Credential::AssertionFile(path) => readable(path),
        Credential::WorkloadIdentity => readable(&workload_file(environment)?),
        Credential::GithubActions(_) => variables(GITHUB, environment).map(drop),
        Credential::AzurePipelines(_) => variables(PIPELINES, environment).map(drop),
        _ => Ok(()),
    }
}

/// The credential of a kind that needs nothing secret from here.
pub(super) fn assertion(
    credential: &Credential,
    http: &Arc<dyn HttpClient>,
    ports: &Ports,
) -> Result<SignedAssertion, CredentialError> {
    let environment = &*ports.environment;
    let unusable = |error| unusable(credential, error);
    let shared = Arc::clone(http);
    match credential {
        Credential::AssertionCommand(argv) => {
            AssertionCommand::new(argv).map(SignedAssertion::new).map_err(unusable)
        }
        Credential::WorkloadIdentity => {
            Ok(SignedAssertion::new(AssertionFile::new(workload_file(environment)?)))
        }
        Credential::GithubActions(audience) => {
            let [url, token] = variables(GITHUB, environment)?;
            let token = Secret::from(token.as_str());
            AssertionUrl::github_actions(&url, token, audience, shared)
                .map(SignedAssertion::new)
                .map_err(unusable)
        }
        Credential::AzurePipelines(connection) => {
            let [url, token] = variables(PIPELINES, environment)?;
            let token = Secret::from(token.as_str());
            AssertionUrl::azure_pipelines(&url, token, connection, shared)
                .map(SignedAssertion::new)
                .map_err(unusable)
        }
        Credential::ManagedIdentity(configured) => managed(configured, shared, ports),
        Credential::AssertionFile(path) => Ok(SignedAssertion::new(AssertionFile::new(path))),
        _ => Err(unusable(identity::Error::of_credential("it is of another kind", None))),
    }
}

/// The credential of a URL, with what is read for it.
pub(super) fn of_url(
    configured: &config::AssertionUrl,
    bearer: Option<&Secret>,
    http: &Arc<dyn HttpClient>,
) -> Result<SignedAssertion, identity::Error> {
    let mut source = AssertionUrl::new(configured.url.as_str(), Arc::clone(http))?;
    if let Some(bearer) = bearer {
        source = source.bearer(bearer)?;
    }
    if let Some(member) = &configured.json_member {
        source = source.json_member(member);
    }
    Ok(SignedAssertion::new(source))
}

fn managed(
    configured: &config::ManagedIdentity,
    http: Arc<dyn HttpClient>,
    ports: &Ports,
) -> Result<SignedAssertion, CredentialError> {
    let has_agent = Path::new(ManagedIdentityHost::ARC_AGENT).exists();
    let host = ManagedIdentityHost::detect(|name| ports.environment.variable(name), has_agent);
    let http = match (&host, &ports.http) {
        (ManagedIdentityHost::ServiceFabric { thumbprint, .. }, None) => {
            let pinned = Transport::builder().pinned_to_sha1(thumbprint).and_then(|builder| builder.build());
            Arc::new(pinned.map_err(|error| CredentialError {
                message: "the identity endpoint of Service Fabric cannot be proven".to_owned(),
                remedy: error.remedy().to_owned(),
                source: Some(Box::new(error)),
            })?)
        }
        _ => http,
    };
    let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
    ManagedIdentity::new(host, configured.id.clone(), http, clock, entropy)
        .map(|identity| identity.as_credential(&configured.audience))
        .map_err(|error| CredentialError {
            message: "the managed identity cannot be used here".to_owned(),
            remedy: "write `managed-identity = \"system\"`, or run where that identity is assigned"
                .to_owned(),
            source: Some(Box::new(error)),
        })
}

fn workload_file(environment: &dyn Environment) -> Result<PathBuf, CredentialError> {
    environment.variable(WORKLOAD_FILE).map(PathBuf::from).ok_or_else(|| {
        CredentialError::new(
            format!("{WORKLOAD_FILE} is not set, so this is no pod with a workload identity"),
            "label the pod `azure.workload.identity/use: \"true\"` and annotate its service account",
        )
    })
}

fn variables(names: [&str; 2], environment: &dyn Environment) -> Result<[String; 2], CredentialError> {
    let get = |name: &str| {
        environment.variable(name).ok_or_else(|| {
            let remedy = match name {
                "SYSTEM_ACCESSTOKEN" => {
                    "map it into the step: `env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }`"
                }
                "SYSTEM_OIDCREQUESTURI" => "run in a job of Azure Pipelines, or remove this credential",
                _ => "give the job `permissions: { id-token: write }`, or remove this credential",
            };
            CredentialError::new(format!("the environment variable {name} is not set"), remedy)
        })
    };
    Ok([get(names[0])?, get(names[1])?])
}

fn readable(path: &Path) -> Result<(), CredentialError> {
    match open_regular(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(CredentialError {
            message: format!("{} cannot be read", path.display()),
            remedy: "check the path, and that what writes the assertion runs".to_owned(),
            source: Some(Box::new(error)),
        }),
    }
}

fn unusable(credential: &Credential, error: identity::Error) -> CredentialError {
    CredentialError {
        message: format!("{credential} cannot be used"),
        remedy: error.remedy().unwrap_or("correct the credential in the configuration").to_owned(),
        source: Some(Box::new(error)),
    }
}
