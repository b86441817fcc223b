//! What the authority says about itself.

use std::sync::Arc;

use serde::Deserialize;
use unattended_core::{HttpClient, aadsts, redact_tokens};
use url::Url;

use super::fetch::{self, Answer, Unreachable};
use super::finding::Finding;
use crate::assemble;
use crate::config::{Application, Authority};
use crate::ports::Ports;

const CHECK: &str = "authority";

#[derive(Deserialize)]
struct Metadata {
    issuer: Option<String>,
    token_endpoint: Option<String>,
}

/// The OpenID metadata; of a server that has none, its OAuth metadata.
pub(super) async fn fetch(
    application: &Application,
    http: &Arc<dyn HttpClient>,
    ports: &Ports,
) -> Result<Answer, Unreachable> {
    let url = assemble::authority(application)
        .map(|authority| authority.metadata_url())
        .map_err(|error| Unreachable { url: String::new(), reason: super::chain(&error) })?;
    let answer = fetch::get(&url, http, ports).await?;
    match (&application.authority, answer.status.as_u16()) {
        (Authority::Issuer(issuer), 404) => match oauth_metadata_url(issuer) {
            Some(url) => fetch::get(&url, http, ports).await,
            None => Ok(answer),
        },
        _ => Ok(answer),
    }
}

/// RFC 8414 section 3.1
fn oauth_metadata_url(issuer: &str) -> Option<String> {
    let mut url = Url::parse(issuer).ok()?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Some(url.into())
}

pub(super) fn examine(application: &Application, answer: &Result<Answer, Unreachable>) -> Finding {
    let Ok(answer) = answer else { return Finding::skipped(CHECK, "the authority cannot be reached") };
    if !answer.status.is_success() {
        return refused(application, answer);
    }
    let Ok(Metadata { issuer: Some(issuer), token_endpoint: Some(token_endpoint) }) =
        serde_json::from_slice(&answer.body)
    else {
        return Finding::failed(
            CHECK,
            "its metadata names no issuer and no token endpoint",
            format!("{} answered something else", answer.url),
            "correct `authority` or `issuer`; a proxy's login page looks like this, too",
        );
    };
    let (is_right, wanted) = match &application.authority {
        Authority::Microsoft { tenant, .. } if tenant.is_guid() => {
            (issuer.contains(&tenant.to_string()), format!("tenant {tenant}"))
        }
        Authority::Microsoft { .. } | Authority::FederationServices(_) => (true, String::new()),
        Authority::Issuer(configured) => (issuer == *configured, configured.clone()),
    };
    if !is_right {
        return Finding::failed(
            CHECK,
            format!("it calls itself {issuer}"),
            format!("the configuration says {wanted}, and an issuer is compared character by character"),
            "correct `issuer` or `tenant`, to the last slash",
        );
    }
    if !token_endpoint.starts_with("https://") {
        return Finding::failed(
            CHECK,
            format!("its token endpoint is {token_endpoint}"),
            "a credential is sent there, and only https keeps it secret",
            "use a server whose token endpoint is https",
        );
    }
    Finding::ok(CHECK, format!("issuer {issuer}, tokens from {token_endpoint}"))
}

fn refused(application: &Application, answer: &Answer) -> Finding {
    let text = String::from_utf8_lossy(&answer.body);
    let entry = aadsts::codes_in(&text).into_iter().find_map(aadsts::find);
    let (why, fix) = match (entry, &application.authority) {
        (Some(entry), _) => (format!("AADSTS{}: {}", entry.code, entry.cause), entry.remedy.to_owned()),
        (None, Authority::Microsoft { host, .. }) => (
            summary(&text),
            format!("check that {host} is the identity platform of your cloud, and `tenant`"),
        ),
        (None, Authority::FederationServices(url)) => {
            (summary(&text), format!("check that {url} is the AD FS farm, and that it serves OpenID Connect"))
        }
        (None, Authority::Issuer(_)) => {
            (summary(&text), "check `issuer`: its metadata is below /.well-known/".to_owned())
        }
    };
    Finding::failed(CHECK, format!("it answered HTTP {}", answer.status.as_u16()), why, fix)
}

fn summary(text: &str) -> String {
    let line: String = redact_tokens(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().take(160).collect::<String>() {
        empty if empty.is_empty() => "it gave no reason".to_owned(),
        line => line,
    }
}
