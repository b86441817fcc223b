//! Whether each API's token can be had.

use std::sync::Arc;
use std::time::SystemTime;

use unattended_core::HttpClient;
use unattended_identity::{AccessToken, Freshness, ScopedToken, TokenOrigin};

use super::finding::Finding;
use super::{credential, roles, token_store};
use crate::assemble;
use crate::config::Config;
use crate::ports::Ports;

const CHECK: &str = "token";

/// A token of each API, and its roles.
pub(super) async fn examine(config: &Config, http: &Arc<dyn HttpClient>, ports: &Ports) -> Vec<Finding> {
    let mut findings = Vec::new();
    let client = match assemble::application(&config.application, http, ports) {
        Ok(client) => client,
        Err(error) => {
            let why = super::causes(&error).unwrap_or_else(|| "no token can be asked for".to_owned());
            let fix = error.remedy().unwrap_or("correct [application]").to_owned();
            findings.push(Finding::failed(CHECK, error.to_string(), why, fix));
            return findings;
        }
    };
    for (name, api) in &config.apis {
        let token = match assemble::scoped_token(name, api, &client) {
            Ok(scoped) => acquire(&scoped).await,
            Err(error) => {
                let fix = error.remedy().unwrap_or("correct `scope`").to_owned();
                let why = super::causes(&error).unwrap_or_else(|| "no token can be asked for".to_owned());
                findings.push(Finding::failed(CHECK, error.to_string(), why, fix).about(name));
                continue;
            }
        };
        match token {
            Ok(token) => {
                findings.push(acquired(&token, ports.clock.now()).about(name));
                findings.push(roles::examine(name, &api.roles, token.unverified_claims().as_ref()));
            }
            Err(error) => {
                findings.push(refused(&error).about(name));
                findings.push(Finding::skipped("roles", "there is no token").about(name));
            }
        }
    }
    findings.extend(credential::failed(&client));
    client.store_settled().await;
    if let (Some(store), Some(asked)) = (&config.application.token_store, client.store_statistics()) {
        findings.push(token_store::examine(&store.place, asked));
    }
    findings
}

/// A token out of the store was issued some time ago, and does not say whether another one would be.
async fn acquire(scoped: &ScopedToken) -> Result<AccessToken, unattended_identity::Error> {
    match scoped.acquire(Freshness::Cached).await {
        Ok(token) if token.origin() == TokenOrigin::Store => scoped.acquire(Freshness::Forced).await,
        other => other,
    }
}

fn acquired(token: &AccessToken, now: SystemTime) -> Finding {
    let minutes = token.expires_at().duration_since(now).unwrap_or_default().as_secs() / 60;
    let claims = token.unverified_claims();
    let audience =
        claims.as_ref().and_then(|claims| claims.get("aud")).and_then(|audience| audience.as_str());
    let bound = match token.authorization().possession().map(|possession| possession.connections()) {
        None => "",
        Some(None) => ", bound to a key (DPoP)",
        Some(Some(_)) => ", bound to the certificate",
    };
    let detail = match audience {
        Some(audience) => format!("issued for {audience}, lives {minutes} min{bound}"),
        None => format!("issued, lives {minutes} min{bound}"),
    };
    Finding::ok(CHECK, detail)
}

fn refused(error: &unattended_identity::Error) -> Finding {
    let fix = match error.remedy() {
        Some(remedy) => remedy,
        None if error.is_transient() => "try again later: it passes by itself",
        None if error.attempts() == 0 => "mend what is named there: the authority was not asked for a token",
        None => "compare `client-id`, `tenant` and the credential with the registration",
    };
    Finding::failed(CHECK, error.to_string(), super::reason(error), fix)
}
