//! Who the jobs run as, and how long its credentials last.

use std::time::SystemTime;

use unattended_console::{ApiStatus, ApplicationStatus, CredentialStatus};

use super::timestamp;
use crate::config::{Application, Config, Credential};
use crate::credential::{self, Loaded};
use crate::ports::Ports;

const DAY: i64 = 24 * 60 * 60;

pub(super) fn status(config: &Config, ports: &Ports) -> ApplicationStatus {
    let application = &config.application;
    let apis = config.apis.iter().map(|(name, api)| ApiStatus {
        name: name.clone(),
        base_url: api.base_url.to_string(),
        scope: api.scope.to_string(),
        roles: api.roles.clone(),
    });
    let credentials =
        application.credentials.iter().map(|configured| credential(application, configured, ports));
    ApplicationStatus {
        configuration: config.file.display().to_string(),
        client_id: application.client_id.to_string(),
        tenant: application.authority.tenant().map(ToString::to_string),
        authority: application.authority.url().to_owned(),
        apis: apis.collect(),
        credentials: credentials.collect(),
    }
}

/// A certificate tells its end; what cannot be read tells why. Neither shows what is secret.
fn credential(application: &Application, configured: &Credential, ports: &Ports) -> CredentialStatus {
    let mut status = CredentialStatus {
        kind: configured.kind().to_owned(),
        reference: configured.to_string(),
        subject: None,
        thumbprint_sha256: None,
        not_after: None,
        days_left: None,
        problem: None,
        remedy: None,
    };
    match credential::load(application, configured, &*ports.environment) {
        Ok(Loaded::Certificate(certificate)) => {
            status.subject = Some(certificate.subject().to_owned());
            status.thumbprint_sha256 = Some(certificate.thumbprint_sha256());
            status.not_after = Some(timestamp(certificate.not_after()));
            status.days_left = Some(days(ports.clock.now(), certificate.not_after()));
        }
        Ok(Loaded::Secret(_) | Loaded::Assertion) => {}
        Err(error) => {
            status.problem = Some(error.to_string());
            status.remedy = Some(error.remedy().to_owned());
        }
    }
    status
}

/// Whole days from `now` to `end`, rounded down: a day that has begun does not count.
fn days(now: SystemTime, end: SystemTime) -> i64 {
    timestamp(end).duration_since(timestamp(now)).as_secs().div_euclid(DAY)
}
