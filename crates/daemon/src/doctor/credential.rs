//! Whether each credential can be used, and for how long.

use std::time::{Duration, SystemTime};

use unattended_identity::{self as identity, ClientCertificate, ConfidentialClient};

use super::finding::Finding;
use crate::config::{Application, Certificate, Credential, Signer};
use crate::credential::{self, Loaded};
use crate::ports::Ports;

const CHECK: &str = "credential";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SOON: u64 = 30;

/// The findings, and whether any credential can be used at all.
pub(super) fn examine(application: &Application, ports: &Ports) -> (Vec<Finding>, bool) {
    let mut any = false;
    let findings = application.credentials.iter().map(|configured| {
        let finding = match credential::load(application, configured, &*ports.environment) {
            Err(error) => {
                let why = super::causes(&error);
                let why = why.unwrap_or_else(|| "the application cannot prove with it who it is".to_owned());
                Finding::failed(CHECK, error.to_string(), why, error.remedy())
            }
            Ok(Loaded::Assertion) => {
                Finding::ok(CHECK, "somebody else signs; the token check shows whether it is trusted")
            }
            Ok(Loaded::Secret(_)) => Finding::ok(CHECK, "a secret; only its registration knows when it ends"),
            Ok(Loaded::Certificate(certificate)) => {
                validity(&certificate, use_of(configured), ports.clock.now())
            }
        };
        any |= !finding.is_failure();
        finding.about(configured.to_string())
    });
    (findings.collect(), any)
}

/// What is hidden as long as another credential gets the tokens; if none does, the token itself is the failure.
pub(super) fn failed(client: &ConfidentialClient) -> Vec<Finding> {
    let failed: Vec<_> = client.failed_credentials().collect();
    if failed.len() == client.credentials().count() {
        return Vec::new();
    }
    let finding = |(credential, error): (&dyn identity::Credential, identity::Error)| {
        let (detail, why, fix) = match error.oauth_error() {
            Some(_) => {
                ("the authority refuses it", super::reason(&error), "compare it with the registration")
            }
            None => ("it cannot be had", super::chain(&error), "leave it out where it never can"),
        };
        let detail = format!("{detail}; tokens come by another one, and end with it");
        Finding::warning(CHECK, detail, why, error.remedy().unwrap_or(fix)).about(credential.describe())
    };
    failed.into_iter().map(finding).collect()
}

/// How a certificate is used, if not by a key beside it that signs.
fn use_of(credential: &Credential) -> &'static str {
    match credential {
        Credential::Certificate(certificate) if certificate.mutual_tls => ", shown in the TLS handshake",
        Credential::Certificate(Certificate { signer: Some(Signer::Module(_)), .. }) => {
            ", its key in a PKCS#11 module"
        }
        Credential::Certificate(Certificate { signer: Some(_), .. }) => ", its key with a program",
        _ => "",
    }
}

fn validity(certificate: &ClientCertificate, use_of_it: &str, now: SystemTime) -> Finding {
    let subject = certificate.subject();
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    const RENEW: &str = "make and register a new one: `unattended register NAME --certificate new`";
    if now < not_before {
        return Finding::failed(
            CHECK,
            format!("the certificate {subject} is valid only from {}", day(not_before)),
            "the authority refuses it until then (AADSTS1000502), and a wrong clock looks the same",
            "set the clock, or use the certificate that is valid now",
        );
    }
    let Ok(left) = not_after.duration_since(now) else {
        return Finding::failed(
            CHECK,
            format!("the certificate {subject} ended on {}", day(not_after)),
            "the authority refuses it since (AADSTS1000502)",
            RENEW,
        );
    };
    let days = left.as_secs() / DAY.as_secs();
    let detail = format!("certificate {subject}{use_of_it}, {days} days left, until {}", day(not_after));
    if days < SOON {
        return Finding::warning(CHECK, detail, "from that day on no token is issued and no job runs", RENEW);
    }
    Finding::ok(CHECK, detail)
}

fn day(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "a date beyond the calendar".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}
