//! Whether the authority and the APIs can be reached, and why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use unattended_core::{HttpClient, redact_url};
use url::Url;

use super::fetch::{self, Answer, Unreachable};
use super::finding::Finding;
use crate::config::{Application, Config};
use crate::error::BuildError;
use crate::ports::Ports;

const CHECK: &str = "network";

pub(super) fn not_set_up(error: &BuildError) -> Finding {
    let why = super::causes(error).unwrap_or_else(|| "nothing can be sent without it".to_owned());
    Finding::failed(CHECK, error.to_string(), why, error.remedy().unwrap_or("correct [application]"))
}

pub(super) fn examine_authority(
    application: &Application,
    answer: &Result<Answer, Unreachable>,
    ports: &Ports,
) -> Option<Finding> {
    let url = answer.as_ref().map_or_else(|failure| &failure.url, |answer| &answer.url);
    Some(match answer {
        Ok(_) => reached(url, application, ports),
        Err(failure) => unreachable(failure, application, ports),
    })
}

/// One request for each origin that is not the authority's. Whatever the API answers, it was reached.
pub(super) async fn examine_apis(config: &Config, http: &Arc<dyn HttpClient>, ports: &Ports) -> Vec<Finding> {
    let authority = Url::parse(config.application.authority.url());
    let authority = authority.map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let origins: BTreeMap<String, &Url> = config
        .apis
        .values()
        .map(|api| (api.base_url.origin().ascii_serialization(), &api.base_url))
        .filter(|(origin, _)| *origin != authority)
        .collect();
    let mut findings = Vec::new();
    for url in origins.into_values() {
        findings.push(match fetch::get(url.as_str(), http, ports).await {
            Ok(answer) => reached(&answer.url, &config.application, ports),
            Err(failure) => unreachable(&failure, &config.application, ports),
        });
    }
    findings
}

fn reached(url: &str, application: &Application, ports: &Ports) -> Finding {
    let trust = match &application.ca_file {
        Some(file) => format!("the system's authorities and {}", file.display()),
        None => "the system's authorities".to_owned(),
    };
    let way = proxy(ports).map_or_else(|| "directly".to_owned(), |proxy| format!("via {proxy}"));
    let detail = if url.starts_with("https://") {
        format!("reached {way}, trusting {trust}")
    } else {
        format!("reached {way}, without TLS")
    };
    Finding::ok(CHECK, detail).about(host(url))
}

fn unreachable(failure: &Unreachable, application: &Application, ports: &Ports) -> Finding {
    let reason = failure.reason.to_ascii_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let host = host(&failure.url);
    let fix = if mentions(&["unknownissuer", "unknown issuer", "invalid peer certificate", "certificate"]) {
        match &application.ca_file {
            Some(file) => format!(
                "{} does not vouch for {host}: put the CA that issued its certificate there, in PEM",
                file.display()
            ),
            None => format!(
                "if a proxy re-signs TLS, or {host} has a CA of its own, write `ca-file = \"ca.pem\"` in [application]"
            ),
        }
    } else if mentions(&["dns", "lookup", "resolve", "name or service"]) {
        format!("check the name, and that this machine resolves it: `getent hosts {host}`")
    } else if mentions(&["refused"]) {
        format!("start the service at {host}, or correct its address in the configuration")
    } else {
        match proxy(ports) {
            Some(proxy) => format!("check that {proxy} lets this machine through to {host}"),
            None => format!("open the way to {host}, or set HTTPS_PROXY for the daemon"),
        }
    };
    Finding::failed(CHECK, "not reached", failure.reason.clone(), fix).about(host)
}

fn proxy(ports: &Ports) -> Option<String> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .find_map(|name| ports.environment.variable(name))
        .map(|proxy| redact_url(&proxy))
}

fn host(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_| url.to_owned(),
        |url| {
            let host = url.host_str().unwrap_or_default();
            url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
        },
    )
}
