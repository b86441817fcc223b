//! Looks at everything that has to be right before a job can run, in the order in which it is needed, and says of
//! each failure why it is one and what mends it.

mod authority;
mod clock;
mod configuration;
mod credential;
mod fetch;
mod files;
mod finding;
mod jobs;
mod network;
mod roles;
#[cfg(unix)]
mod throttling;
mod token;
mod token_store;

pub use self::configuration::of_mistakes;
pub use self::finding::{Finding, Verdict};

use unattended_core::aadsts;

use crate::config::Config;
use crate::ports::Ports;

/// Examines a configuration that could be read; [`of_mistakes`] tells about one that could not.
///
/// Sends to the authority and to each API only what the daemon itself would send, and changes nothing but a file
/// that it makes and removes where a job has to write.
pub async fn examine(config: &Config, ports: &Ports) -> Vec<Finding> {
    let application = &config.application;
    let mut findings = vec![configuration::in_force(config)];
    findings.extend(files::examine(config, &*ports.environment));
    let (credentials, any_credential) = credential::examine(application, ports);

    let network = match crate::network::shared(application, ports) {
        Ok(http) => Some(http),
        Err(error) => {
            findings.push(network::not_set_up(&error));
            None
        }
    };
    let mut authority_answers = false;
    match &network {
        Some(http) => {
            let metadata = authority::fetch(application, http, ports).await;
            authority_answers = metadata.is_ok();
            findings.extend(network::examine_authority(application, &metadata, ports));
            findings.extend(network::examine_apis(config, http, ports).await);
            findings.push(clock::examine(&metadata));
            findings.push(authority::examine(application, &metadata));
        }
        None => findings.extend(
            ["clock", "authority"].map(|check| Finding::skipped(check, "the network cannot be set up")),
        ),
    }
    findings.extend(credentials);

    let obstacle = if network.is_none() {
        Some("the network cannot be set up")
    } else if !authority_answers {
        Some("the authority cannot be reached")
    } else if !any_credential {
        Some("there is no usable credential")
    } else {
        None
    };
    match (&network, obstacle) {
        (Some(http), None) => findings.extend(token::examine(config, http, ports).await),
        (_, obstacle) => {
            let reason = obstacle.unwrap_or("the network cannot be set up");
            for name in config.apis.keys() {
                findings.push(Finding::skipped("token", reason).about(name));
                findings.push(Finding::skipped("roles", "there is no token").about(name));
            }
        }
    }
    #[cfg(unix)]
    findings.extend(throttling::examine(config));
    findings.extend(jobs::examine(config, ports));
    findings
}

/// Why the server gave no token.
fn reason(error: &unattended_identity::Error) -> String {
    let why = match error.codes().iter().find_map(|code| aadsts::find(*code)) {
        Some(entry) => format!("AADSTS{}: {}", entry.code, entry.cause),
        None => causes(error).unwrap_or_else(|| "the server said no more".to_owned()),
    };
    match error.correlation_id() {
        Some(id) => format!("{why} (correlation id {id})"),
        None => why,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match causes(error) {
        Some(causes) => format!("{error}: {causes}"),
        None => error.to_string(),
    }
}

/// The causes of an error in one line, where the error itself is told beside them.
fn causes(error: &dyn std::error::Error) -> Option<String> {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.map(ToString::to_string).reduce(|text, cause| format!("{text}: {cause}"))
}
