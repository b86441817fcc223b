//! `trust` and `revoke`: what an application may show, and what it got until now.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::running::Running;
use crate::arguments::SandboxTrust;
use crate::failure::{CommandError, Exit};
use crate::printer::{Printer, counted};

pub(super) async fn trust(trust: &SandboxTrust, printer: &Printer) -> Result<(), CommandError> {
    let (sandbox, client_id) = match trust {
        SandboxTrust::Add { sandbox, client_id, .. }
        | SandboxTrust::List { sandbox, client_id }
        | SandboxTrust::Remove { sandbox, client_id, .. } => (sandbox, segment(client_id)?),
    };
    let path = format!("/applications/{client_id}/trusted-subjects");
    let running = Running::find(sandbox.sandbox.as_deref())?;
    let answer = match trust {
        SandboxTrust::Add { subject_name, ca, revoked, .. } => {
            let subject = json!({
                "subjectName": subject_name,
                "certificateAuthorities": read(ca)?,
                "revokedSerialNumbers": revoked,
            });
            running.ask(Method::POST, &path, Some(&subject)).await?
        }
        SandboxTrust::List { .. } => running.ask(Method::GET, &path, None).await?,
        SandboxTrust::Remove { subject_name, .. } => {
            let name: String = byte_serialize(subject_name.as_bytes()).collect();
            running.ask(Method::DELETE, &format!("{path}?subjectName={name}"), None).await?
        }
    };
    let subjects = answer["trustedSubjects"].as_array().map_or(&[][..], Vec::as_slice);
    for subject in subjects {
        let revoked = subject["revokedSerialNumbers"].as_array().map_or(0, Vec::len);
        let revoked = counted(revoked as u64, "revoked certificate");
        printer.result(format_args!("{}  {revoked}", subject["subjectName"].as_str().unwrap_or_default()))?;
    }
    if subjects.is_empty() {
        printer.result("no subject name is trusted")?;
    }
    printer.json(&answer)
}

pub(super) async fn revoke(
    running: &Running,
    client_id: &str,
    printer: &Printer,
) -> Result<(), CommandError> {
    let path = format!("/applications/{}/revoke", segment(client_id)?);
    let answer: Value = running.ask(Method::POST, &path, None).await?;
    let principals = counted(answer["servicePrincipals"].as_u64().unwrap_or_default(), "service principal");
    printer.result(format_args!("revoked the tokens of {principals}"))?;
    printer.json(&answer)
}

fn read(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|cause| {
        CommandError::new(Exit::Configuration, format!("{} cannot be read", path.display()))
            .caused_by(&cause)
            .hint("it has the authorities' certificates in PEM")
    })
}

/// A client ID is a GUID: a segment of a path as it is.
fn segment(client_id: &str) -> Result<&str, CommandError> {
    let is_plain =
        !client_id.is_empty() && client_id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    match is_plain {
        true => Ok(client_id),
        false => Err(CommandError::new(Exit::Usage, format!("`{client_id}` is no client ID"))),
    }
}
