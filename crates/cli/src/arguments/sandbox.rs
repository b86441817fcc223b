//! The verbs of `sandbox`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::parse_method;

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Serve the tenant until a signal
    Start(SandboxStart),
    /// Change how a running sandbox behaves
    Set {
        /// Settings such as token-life=2m, clock-offset=+8d or fault-rate=0.2; all are changed, or none
        #[arg(value_name = "KEY=VALUE", required = true)]
        settings: Vec<Setting>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Show the settings of a running sandbox
    Get {
        /// One setting alone
        #[arg(value_name = "KEY")]
        key: Option<String>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Let the next requests to a route of a running sandbox meet a fault
    Fault(FaultOnce),
    /// Show what a running sandbox was asked and what it answered
    Journal {
        /// Wait for more until the sandbox ends
        #[arg(long, conflicts_with_all = ["assert", "clear"])]
        follow: bool,

        /// Check a rule instead, and exit with 1 and the entries that break it: no-early-retry,
        /// no-token-to-foreign-origin or token-requests<=N; repeat for more
        #[arg(long, value_name = "RULE")]
        assert: Vec<String>,

        /// Forget everything instead
        #[arg(long, conflicts_with = "assert")]
        clear: bool,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Keep the state of a running sandbox under a name
    Snapshot {
        /// Small letters, digits and hyphens
        name: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Take a running sandbox back to a snapshot; `start` is how it began
    Restore {
        /// The name of the snapshot
        name: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Print variables for MSAL, azure-identity and their like, to be evaluated by a shell
    Env {
        /// Say where programs get tokens of the machine's managed identities, too, as on a host of this kind
        #[arg(long, value_name = "HOST")]
        managed_identity: Option<IdentityHost>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// The tenants of a running sandbox
    #[command(subcommand)]
    Tenant(SandboxTenant),
    /// Who may do what in the vault of a tenant of a running sandbox
    #[command(subcommand)]
    Vault(SandboxVault),
    /// The managed identities of the machine that a running sandbox plays
    #[command(subcommand)]
    Identity(SandboxIdentity),
    /// Which certificates an application of a running sandbox trusts by subject name and issuer
    #[command(subcommand)]
    Trust(SandboxTrust),
    /// Revoke the tokens that an application got until now, as when it is taken for compromised
    ///
    /// Clients that handle claims challenges are challenged; others keep their tokens until these end.
    Revoke {
        /// The client ID of the application
        client_id: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// The keys that sign a running sandbox's tokens
    #[command(subcommand)]
    Keys(SandboxKeys),
    /// Take a running sandbox back to its start; or empty a data directory, for a new tenant at the next start
    Reset {
        /// The data directory of a sandbox that does not run
        #[arg(long, value_name = "DIR", conflicts_with = "sandbox")]
        data: Option<PathBuf>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

#[derive(Args, Debug)]
pub(crate) struct SandboxStart {
    /// Where the tenant is kept [default: ./.unattended/sandbox]
    #[arg(long, value_name = "DIR", conflicts_with = "in_memory")]
    pub(crate) data: Option<PathBuf>,

    /// Keep nothing
    #[arg(long)]
    pub(crate) in_memory: bool,

    /// The address to listen on; with port 0 a free one, the same as last time if it is still free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Listen on an address that other machines reach: whoever reaches it can ask for tokens, sign in as the
    /// administrator if they know the secret, and guess at secrets; only for a container whose port is published on its
    /// host's loopback address, as the certificate names nothing else
    #[arg(long)]
    pub(crate) expose_to_network: bool,

    /// Trust the CA certificates of this PEM file when the keys of another issuer are fetched for a federated identity
    /// credential, beside the operating system's; repeat for more
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_issuer_ca: Vec<PathBuf>,

    /// Write where everything is, as JSON, once connections are accepted
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,

    /// Begin a new tenant with this many people
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) users: u32,

    /// Which people: the same for the same number
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

/// A sandbox that runs.
#[derive(Args, Debug)]
pub(crate) struct WhichSandbox {
    /// Its ready file [default: ./sandbox.json, else that of the sandbox that keeps its data in ./.unattended/sandbox]
    #[arg(long, value_name = "READY_FILE")]
    pub(crate) sandbox: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxTenant {
    /// Add a tenant with an administrator of its own
    Add {
        /// `fabrikam` gets the domain fabrikam.onmicrosoft.com
        name: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Show the tenants
    List {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxIdentity {
    /// Give the machine an identity: its own, or one that is assigned to it
    Add {
        /// Letters, digits, hyphens and underscores
        name: String,

        /// One beside the machine's own, which programs ask for by its client ID; there may be many
        #[arg(long)]
        user_assigned: bool,

        /// The tenant that it is in, by GUID or domain [default: the first one]
        #[arg(long)]
        tenant: Option<String>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Show the identities
    List {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Take an identity and its service principal away
    Remove {
        /// Its client ID
        client_id: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

/// Where programs find the tokens of managed identities.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IdentityHost {
    /// The instance metadata service of a virtual machine
    Imds,
    /// App Service, Functions, Container Apps
    AppService,
    /// A machine with the Arc agent
    Arc,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxTrust {
    /// Trust certificates of a subject name that one of these authorities issued
    Add {
        /// The client ID of the application
        client_id: String,

        /// The common name, a DNS name, or the whole subject, such as CN=daemon.contoso.com,O=Contoso
        #[arg(long, value_name = "NAME")]
        subject_name: String,

        /// A PEM file with the authorities' certificates
        #[arg(long, value_name = "FILE")]
        ca: PathBuf,

        /// A serial number in hexadecimal digits whose certificate is good no more; repeat for more
        #[arg(long, value_name = "SERIAL")]
        revoked: Vec<String>,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Show the subject names that an application trusts
    List {
        /// The client ID of the application
        client_id: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Trust a subject name no more
    Remove {
        /// The client ID of the application
        client_id: String,

        /// The name as it was added
        #[arg(long, value_name = "NAME")]
        subject_name: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxVault {
    /// Grant an application a role
    Grant(VaultRole),
    /// Take a role from an application
    Revoke(VaultRole),
    /// Show who has which role
    Grants {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

/// A role of an application in a vault.
#[derive(Args, Debug)]
pub(crate) struct VaultRole {
    /// The application (client) ID
    pub(crate) client_id: String,

    /// administrator, secrets-officer, secrets-user, certificates-officer, certificate-user or reader
    pub(crate) role: String,

    /// The tenant whose vault it is, by GUID or domain [default: that of the application]
    #[arg(long)]
    pub(crate) tenant: Option<String>,

    #[command(flatten)]
    pub(crate) sandbox: WhichSandbox,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxKeys {
    /// Show the keys and where each is in its life
    List {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Publish the key that will sign next, ahead of its use
    Publish {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Sign with the next key from now on; tokens of the last one stay good
    Rotate {
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// Publish a key no more and accept none of its tokens; the one that signs is replaced first
    Revoke {
        /// The `kid` of the key
        kid: String,

        #[command(flatten)]
        sandbox: WhichSandbox,
    },
}

#[derive(Args, Debug)]
pub(crate) struct FaultOnce {
    /// What happens, such as throttled-date, truncated-json or reset-before
    pub(crate) kind: String,

    /// What the path of the request must begin with
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) path: String,

    /// The method of the request [default: any]
    #[arg(long, value_parser = parse_method)]
    pub(crate) method: Option<http::Method>,

    /// How many requests it happens to
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: u32,

    #[command(flatten)]
    pub(crate) sandbox: WhichSandbox,
}

/// `KEY=VALUE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("not of the form KEY=VALUE, such as token-life=2m".to_owned()),
        }
    }
}
