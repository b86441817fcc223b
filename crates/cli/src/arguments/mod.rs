//! The command line.

mod call;
#[cfg(feature = "sandbox")]
mod sandbox;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use call::*;
#[cfg(feature = "sandbox")]
pub(crate) use sandbox::*;

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
    #[cfg(feature = "sandbox")]
    Quickstart(Quickstart),
    /// A tenant on this machine: identity platform and directory API
    #[cfg(feature = "sandbox")]
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// What this program does not have
    #[cfg(not(feature = "sandbox"))]
    #[command(hide = true, alias = "quickstart")]
    Sandbox {
        /// Anything
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
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

#[cfg(feature = "sandbox")]
#[derive(Args, Debug)]
pub(crate) struct Quickstart {
    /// Where everything is put
    #[arg(long, value_name = "DIR", default_value = "./unattended-quickstart")]
    pub(crate) dir: PathBuf,

    /// How many people to provision [default: 1000, or as many as there are from an earlier time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) people: Option<u32>,
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
