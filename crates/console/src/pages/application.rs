//! Who the jobs run as, and what that needs.

use jiff::tz::TimeZone;

use super::{Tab, badge, cell, facts, layout, note, table};
use crate::html::{Html, element, text};
use crate::model::{ApiStatus, CredentialStatus, Status};
use crate::words;

pub(crate) fn page(status: &Status, zone: &TimeZone) -> String {
    let application = &status.application;
    let code = |value: &str| element("code", &[], value);
    let mut known = vec![("Client ID", code(&application.client_id))];
    known.extend(application.tenant.as_deref().map(|tenant| ("Tenant", code(tenant))));
    known.push(("Authority", code(&application.authority)));
    known.push(("Configuration", code(&application.configuration)));

    let credential = |credential: &CredentialStatus| {
        let mut which = vec![text(&credential.kind), note(credential.reference.as_str())];
        which.extend(credential.subject.as_deref().map(note));
        which.extend(
            credential
                .thumbprint_sha256
                .as_deref()
                .map(|print| note(format!("SHA-256 {}", abbreviated(print)))),
        );
        element("tr", &[], [cell("Credential", which), cell("Validity", validity(credential, zone))])
    };
    let api = |api: &ApiStatus| {
        element(
            "tr",
            &[],
            [
                cell("API", [text(&api.name), note(api.base_url.as_str())]),
                cell("Scope", code(&api.scope)),
                cell("Required roles", roles(api)),
            ],
        )
    };
    let main = [
        element("h1", &[], "Application"),
        facts(known),
        element("h2", &[], "Credentials"),
        table("credentials", &["Credential", "Validity"], application.credentials.iter().map(credential)),
        element("h2", &[], "Web APIs"),
        table("apis", &["API", "Scope", "Required roles"], application.apis.iter().map(api)),
    ];
    layout("Application", Tab::Application, main.into())
}

fn validity(credential: &CredentialStatus, zone: &TimeZone) -> Html {
    if let Some(problem) = &credential.problem {
        let mend = credential.remedy.as_deref().map(note).unwrap_or_default();
        return [badge("bad", "not usable"), element("span", &[("class", "error")], problem.as_str()), mend]
            .into();
    }
    let Some(days) = credential.days_left else {
        return note("only its registration knows when it ends");
    };
    let until = credential.not_after.map(|at| note(format!("until {}", words::moment(at, zone))));
    let (kind, told) = match days {
        1 => ("warn", "1 day left".to_owned()),
        _ if days < 0 => ("bad", "has ended".to_owned()),
        _ if days < CredentialStatus::SOON => ("warn", format!("{days} days left")),
        _ => ("good", format!("{days} days left")),
    };
    [badge(kind, &told), until.unwrap_or_default()].into()
}

fn roles(api: &ApiStatus) -> Html {
    if api.roles.is_empty() {
        return note("none named");
    }
    api.roles.iter().map(|role| element("code", &[("class", "line")], role.as_str())).collect()
}

/// Enough of a thumbprint to tell it from others.
fn abbreviated(thumbprint: &str) -> String {
    thumbprint.chars().take(16).collect()
}
