//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Run work that no user watches: a daemon application that calls protected web APIs as itself.
#[derive(Debug, Parser)]
#[command(name = "unattended", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) output: Output,

    /// The configuration [default: ./unattended.toml, then /etc/unattended/unattended.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   a job or a call failed, in part or in whole
  2   the command line is wrong
  69  a service cannot be reached
  75  a passing fault: the same command may work later
  77  refused: credential, consent or permission
  78  the configuration is wrong";

/// What is printed, and how.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Print JSON (one document, or one per line) on standard output and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print results and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say on standard error what happens underneath
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Go through all five steps in a sandbox: register, configure, acquire, call, operate
    Quickstart(Quickstart),
    /// A tenant on this machine: identity platform and directory API
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Register an application with its permissions and a credential, and write its configuration
    Register(Register),
    /// Acquire a token and show what is in it
    Token(Token),
    /// Call a web API
    Call(Call),
    /// Run jobs: now and once, or on their schedules until a signal
    Run(Run),
    /// Lend calls to local programs in any language, over a Unix socket, until a signal
    Sidecar(Sidecar),
    /// Did it work last night? Each job with its schedule and its last run; exit code 1 if one needs attention
    Status,
    /// Show the same as web pages, to whoever opens the login URL, until a signal
    Console(Console),
    /// Find out why something does not work, and what mends it
    Doctor,
    /// Say what an error of the identity platform means, offline: its cause, who does what, and whether to try again
    Explain(Explain),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a page of the reference
    #[command(hide = true)]
    Reference {
        /// Which
        #[arg(default_value = "command-line")]
        page: ReferencePage,
    },
}

/// The pages of the documentation that are made from the program.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReferencePage {
    CommandLine,
    Errors,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A code such as AADSTS7000215, or the whole text of an error [default: standard input]
    #[arg(value_name = "CODE|TEXT")]
    pub(crate) text: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Quickstart {
    /// Where everything is put
    #[arg(long, value_name = "DIR", default_value = "./unattended-quickstart")]
    pub(crate) dir: PathBuf,

    /// How many people to provision [default: 1000, or as many as there are from an earlier time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) people: Option<u32>,
}

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
        #[command(flatten)]
        sandbox: WhichSandbox,
    },
    /// The tenants of a running sandbox
    #[command(subcommand)]
    Tenant(SandboxTenant),
    /// Who may do what in the vault of a tenant of a running sandbox
    #[command(subcommand)]
    Vault(SandboxVault),
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

#[derive(Args, Debug)]
pub(crate) struct Register {
    /// The display name of the application
    pub(crate) name: String,

    /// An application permission, such as graph:User.ReadWrite.All; repeat for more
    #[arg(long = "role", value_name = "API:ROLE", required = true)]
    pub(crate) roles: Vec<ApiRole>,

    /// `new` makes a key and a certificate; else a PEM file that has both
    #[arg(long, value_name = "new|FILE", conflicts_with = "secret")]
    pub(crate) certificate: Option<String>,

    /// `new` makes a client secret (prefer a certificate)
    #[arg(long, value_name = "new")]
    pub(crate) secret: Option<NewOnly>,

    /// Grant the permissions, as an administrator of the tenant
    #[arg(long)]
    pub(crate) grant_admin_consent: bool,

    /// Register in a sandbox: the file that `sandbox start --ready-file` wrote
    #[arg(long, value_name = "READY_FILE", conflicts_with = "administrator")]
    pub(crate) sandbox: Option<PathBuf>,

    /// Register with the rights of another application: its configuration, with an API named graph
    #[arg(long, value_name = "FILE")]
    pub(crate) administrator: Option<PathBuf>,
}

/// The one value of `--secret`: an existing secret is a reference in the configuration, never an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NewOnly {
    New,
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The API, by its name in the configuration; needed if there is more than one
    pub(crate) api: Option<String>,

    /// Ask the server even if a live token is kept
    #[arg(long)]
    pub(crate) force_refresh: bool,

    /// Print the token itself and nothing else
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Call {
    /// The API, by its name in the configuration
    pub(crate) api: String,

    /// The HTTP method
    #[arg(value_parser = parse_method, required_unless_present = "batch")]
    method: Option<http::Method>,

    /// The path below the base URL, with its query
    #[arg(required_unless_present = "batch")]
    path: Option<String>,

    /// A JSON body, as text or from a file (`-` is standard input)
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,

    /// A header to send, such as "ConsistencyLevel: eventual"; repeat for more
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<Header>,

    /// Follow the pages and print one item per line (NDJSON)
    #[arg(long, conflicts_with = "body")]
    pub(crate) all: bool,

    /// Print what has changed since the last call with this state file, one change per line; a new file begins with
    /// everything
    #[arg(long, value_name = "STATE-FILE", conflicts_with_all = ["all", "body"])]
    pub(crate) delta: Option<PathBuf>,

    /// Send the requests of a file, 20 in each `$batch`, and print one result per line, in their order. A line is an
    /// object with `method` and `url`, and perhaps `id`, `headers`, `body`, `dependsOn` and `idempotent`
    #[arg(
        long,
        value_name = "FILE.ndjson",
        conflicts_with_all = ["method", "path", "all", "body", "delta", "headers"]
    )]
    pub(crate) batch: Option<PathBuf>,

    /// Write the results of the batch into a file; the same command again goes on after the last line of it
    #[arg(long, value_name = "FILE.ndjson", requires = "batch")]
    pub(crate) to: Option<PathBuf>,
}

impl Call {
    pub(crate) fn method(&self) -> http::Method {
        self.method.clone().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Jobs to run now; none means all
    #[arg(value_name = "JOB")]
    pub(crate) jobs: Vec<String>,

    /// Run now and exit, whatever the schedules say
    #[arg(long)]
    pub(crate) once: bool,

    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sidecar {
    /// The socket to listen on; directories on the way are made
    #[arg(long, value_name = "PATH", default_value = "./.unattended/sidecar.sock")]
    pub(crate) socket: PathBuf,

    /// Let the socket's group connect too (mode 0660 in place of 0600)
    #[arg(long)]
    pub(crate) group_access: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Console {
    /// The address to listen on, of this machine alone; with port 0 a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

/// `API:ROLE`: the role is what follows the last colon, since an API may be a URI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiRole {
    pub(crate) api: String,
    pub(crate) role: String,
}

impl std::str::FromStr for ApiRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once(':') {
            Some((api, role)) if !api.is_empty() && !role.is_empty() && !role.starts_with('/') => {
                Ok(Self { api: api.to_owned(), role: role.to_owned() })
            }
            _ => Err("not of the form API:ROLE, such as graph:User.ReadWrite.All".to_owned()),
        }
    }
}

/// A header of a call. Never `Authorization`: that one is the program's own.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::str::FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, _)) if name.eq_ignore_ascii_case("authorization") => {
                Err("the token is attached by the program itself".to_owned())
            }
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("not of the form NAME: VALUE, such as \"ConsistencyLevel: eventual\"".to_owned()),
        }
    }
}

fn parse_method(text: &str) -> Result<http::Method, String> {
    match text.to_ascii_uppercase().as_str() {
        "GET" => Ok(http::Method::GET),
        "POST" => Ok(http::Method::POST),
        "PUT" => Ok(http::Method::PUT),
        "PATCH" => Ok(http::Method::PATCH),
        "DELETE" => Ok(http::Method::DELETE),
        _ => Err("not one of GET, POST, PUT, PATCH, DELETE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_api_of_a_role_may_be_a_uri() {
        let role: ApiRole = "api://orders:Orders.Read.All".parse().unwrap();
        assert_eq!((role.api.as_str(), role.role.as_str()), ("api://orders", "Orders.Read.All"));
        for wrong in ["User.Read.All", ":User.Read.All", "graph:", "https://graph.microsoft.com"] {
            assert!(wrong.parse::<ApiRole>().is_err(), "{wrong}");
        }
    }
}
