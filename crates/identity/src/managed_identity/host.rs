//! Where the program runs, and which identity it wants there.

use std::path::PathBuf;

use unattended_core::Secret;

/// Which of the identities that are assigned to the machine.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// The one that lives and dies with the machine.
    #[default]
    System,
    /// A user-assigned one, by its client id.
    ClientId(String),
    /// A user-assigned one, by the object id of its service principal.
    ObjectId(String),
    /// A user-assigned one, by its resource id in Azure (`/subscriptions/...`).
    ResourceId(String),
}

/// What gives out the tokens. Secrets in it come from the environment that Azure made for the program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ManagedIdentityHost {
    /// A virtual machine or a scale set: the instance metadata service.
    Imds {
        /// Scheme and host; `http://169.254.169.254` unless a proxy for pods stands in.
        endpoint: String,
    },
    /// App Service, Functions, Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        endpoint: String,
        /// `IDENTITY_HEADER`.
        header: Secret,
    },
    /// A machine outside of Azure with the Arc agent.
    Arc {
        /// `IDENTITY_ENDPOINT`.
        endpoint: String,
        /// Where the agent puts the files that prove who may read them.
        tokens_directory: PathBuf,
    },
    /// A node of Service Fabric. The HTTP client must accept the server by `thumbprint` and by nothing else.
    ServiceFabric {
        /// `IDENTITY_ENDPOINT`.
        endpoint: String,
        /// `IDENTITY_HEADER`.
        header: Secret,
        /// `IDENTITY_SERVER_THUMBPRINT`, SHA-1 of the server's certificate.
        thumbprint: String,
    },
    /// A compute of Azure Machine Learning.
    MachineLearning {
        /// `MSI_ENDPOINT`.
        endpoint: String,
        /// `MSI_SECRET`.
        secret: Secret,
        /// `DEFAULT_IDENTITY_CLIENT_ID`.
        default_client_id: Option<String>,
    },
    /// Cloud Shell: the identity of the person who opened it.
    CloudShell {
        /// `MSI_ENDPOINT`.
        endpoint: String,
    },
}

impl ManagedIdentityHost {
    /// The Arc agent's program and directories on Linux.
    pub const ARC_AGENT: &'static str = "/opt/azcmagent/bin/himds";
    /// Where it puts its files.
    pub const ARC_TOKENS: &'static str = "/var/opt/azcmagent/tokens";

    /// Tells by the environment where the program runs; a virtual machine if nothing speaks against it. `variable` looks
    /// a variable up, and `has_arc_agent` says whether [`ARC_AGENT`](Self::ARC_AGENT) is installed.
    #[must_use]
    pub fn detect(variable: impl Fn(&str) -> Option<String>, has_arc_agent: bool) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let secret = |name: &str| variable(name).map(|value| Secret::from(value.as_str()));
        let arc = |endpoint| Self::Arc { endpoint, tokens_directory: Self::ARC_TOKENS.into() };
        let (endpoint, header) = (variable("IDENTITY_ENDPOINT"), secret("IDENTITY_HEADER"));
        match (endpoint, header, variable("IDENTITY_SERVER_THUMBPRINT")) {
            (Some(endpoint), Some(header), Some(thumbprint)) => {
                return Self::ServiceFabric { endpoint, header, thumbprint };
            }
            (Some(endpoint), Some(header), None) => return Self::AppService { endpoint, header },
            (Some(endpoint), None, _) if variable("IMDS_ENDPOINT").is_some() => return arc(endpoint),
            _ => {}
        }
        match (variable("MSI_ENDPOINT"), secret("MSI_SECRET")) {
            (Some(endpoint), Some(secret)) => {
                let default_client_id = variable("DEFAULT_IDENTITY_CLIENT_ID");
                return Self::MachineLearning { endpoint, secret, default_client_id };
            }
            (Some(endpoint), None) => return Self::CloudShell { endpoint },
            _ => {}
        }
        if has_arc_agent {
            return arc("http://127.0.0.1:40342/metadata/identity/oauth2/token".to_owned());
        }
        let endpoint = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        Self::Imds { endpoint: endpoint.unwrap_or_else(|| "http://169.254.169.254".to_owned()) }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Imds { .. } => "the instance metadata service",
            Self::AppService { .. } => "App Service",
            Self::Arc { .. } => "the Arc agent",
            Self::ServiceFabric { .. } => "Service Fabric",
            Self::MachineLearning { .. } => "Machine Learning",
            Self::CloudShell { .. } => "Cloud Shell",
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        match self {
            Self::Imds { endpoint }
            | Self::AppService { endpoint, .. }
            | Self::Arc { endpoint, .. }
            | Self::ServiceFabric { endpoint, .. }
            | Self::MachineLearning { endpoint, .. }
            | Self::CloudShell { endpoint } => endpoint,
        }
    }
}
