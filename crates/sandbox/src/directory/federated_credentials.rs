//! `/applications/{}/federatedIdentityCredentials`

use axum::http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::application_parts::ApplicationParts;
use super::applications::find_writable;
use super::exchange::{Answer, Call, Key};
use super::fault::Fault;
use super::schema::FEDERATED_CREDENTIAL;
use crate::store::{FederatedCredential, Object, federation};

/// How many of them an application may have.
const MAX_CREDENTIALS: usize = 20;

/// How many characters issuer, subject, audience and description may have.
const MAX_LENGTH: usize = 600;

pub(super) static FEDERATED_CREDENTIALS: ApplicationParts<FederatedCredential> = ApplicationParts {
    segment: "federatedIdentityCredentials",
    entity: &FEDERATED_CREDENTIAL,
    filtered: &[("name", |credential| &credential.name), ("subject", |credential| &credential.subject)],
    all: federation::list,
    is_meant,
    id: |credential| &credential.id,
    delete: federation::delete,
    shown: |_, credential| shown(credential),
};

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let wish = read(&call.json()?)?;
    FEDERATED_CREDENTIALS.create(call, |transaction, application| add(transaction, call, application, &wish))
}

/// Changes one; by name, with `Prefer: create-if-missing`, makes it.
pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut wish = read(&call.json()?)?;
    let made = call.directory.store.write(|transaction| {
        let application = find_writable(transaction, call)?;
        let mut credential = match FEDERATED_CREDENTIALS.named(transaction, call, &application) {
            Err(fault) if fault.status == StatusCode::NOT_FOUND && creates_if_missing(call) => {
                wish.name = Some(call.key(1).value.clone());
                let made = add(transaction, call, &application, &wish)?;
                FEDERATED_CREDENTIALS.touch(transaction, call, &application)?;
                return Ok(Some((application, made)));
            }
            found => found?,
        };
        if wish.name.as_ref().is_some_and(|name| *name != credential.name) {
            return Err(Fault::invalid_property("name", "Property 'name' is read-only and cannot be set."));
        }
        let mut changed = FederatedCredential { changed_at: call.now, ..credential.clone() };
        changed.issuer = wish.issuer.take().unwrap_or(changed.issuer);
        changed.subject = wish.subject.take().unwrap_or(changed.subject);
        changed.audiences = wish.audiences.take().unwrap_or(changed.audiences);
        changed.description = wish.description.take().or(changed.description);
        credential = changed;
        put(transaction, &application, &credential)?;
        FEDERATED_CREDENTIALS.touch(transaction, call, &application)?;
        Ok::<_, Fault>(None)
    })?;
    Ok(made.map_or_else(Answer::no_content, |(application, made)| {
        FEDERATED_CREDENTIALS.created(call, &application, &made)
    }))
}

/// What a body says, each property checked.
#[derive(Debug, Default)]
struct Wish {
    name: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Option<Vec<String>>,
    description: Option<String>,
}

fn read(body: &Map<String, Value>) -> Result<Wish, Fault> {
    let mut wish = Wish::default();
    for (name, value) in body.iter().filter(|(name, _)| !name.contains("@odata.")) {
        let text = || match value.as_str() {
            Some("") => Err(empty()),
            Some(text) if text.chars().count() <= MAX_LENGTH => Ok(Some(text.to_owned())),
            _ => {
                Err(Fault::invalid_property(name, format!("Invalid value specified for property '{name}'.")))
            }
        };
        match name.as_str() {
            "name" => wish.name = text()?,
            "issuer" => wish.issuer = text()?,
            "subject" => wish.subject = text()?,
            "description" if value.is_null() => {}
            "description" => wish.description = text()?,
            "audiences" => {
                let one = match value.as_array().map(Vec::as_slice) {
                    Some([Value::String(one)]) if !one.is_empty() && one.chars().count() <= MAX_LENGTH => one,
                    _ => {
                        return Err(Fault::invalid_property(
                            name,
                            "Federated identity credentials must have exactly one audience.",
                        ));
                    }
                };
                wish.audiences = Some(vec![one.clone()]);
            }
            _ => return Err(Fault::invalid_property(name, format!("Invalid property '{name}'."))),
        }
    }
    Ok(wish)
}

fn add(
    connection: &Connection,
    call: &Call<'_>,
    application: &Object,
    wish: &Wish,
) -> Result<FederatedCredential, Fault> {
    let (Some(name), Some(issuer), Some(subject)) = (&wish.name, &wish.issuer, &wish.subject) else {
        return Err(empty());
    };
    let audiences = wish.audiences.clone().ok_or_else(|| {
        Fault::invalid_property("audiences", "Federated identity credentials must have exactly one audience.")
    })?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_name = (3..=120).contains(&name.len()) && name.bytes().all(is_plain);
    if !is_name || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        let message = format!("Federated Identity Credential name '{name}' is invalid.");
        return Err(Fault::invalid_property("name", message));
    }
    if federation::list(connection, application.id())?.len() >= MAX_CREDENTIALS {
        return Err(Fault::bad_request(format!(
            "The number of federated identity credentials exceeds the maximum value of {MAX_CREDENTIALS}."
        )));
    }
    if federation::find(connection, application.id(), name)?.is_some() {
        let message = format!("FederatedIdentityCredential with name {name} already exists.");
        return Err(Fault::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message));
    }
    let credential = FederatedCredential {
        id: call.directory.entropy.uuid(),
        name: name.clone(),
        issuer: issuer.clone(),
        subject: subject.clone(),
        audiences,
        description: wish.description.clone(),
        changed_at: call.now,
    };
    put(connection, application, &credential)?;
    Ok(credential)
}

fn put(connection: &Connection, application: &Object, credential: &FederatedCredential) -> Result<(), Fault> {
    match federation::put(connection, application.id(), credential) {
        Err(error) if error.is_conflict() => Err(Fault::bad_request(format!(
            "Issuer and subject combination already exists for a federated identity credential of application '{}'.",
            application.text("appId")
        ))),
        put => Ok(put?),
    }
}

/// By id or by name.
fn is_meant(credential: &FederatedCredential, key: &Key) -> bool {
    let is_known = matches!(key.property.as_deref(), None | Some("name"));
    is_known && (credential.id.eq_ignore_ascii_case(&key.value) || credential.name == key.value)
}

fn creates_if_missing(call: &Call<'_>) -> bool {
    call.request.method == Method::PATCH
        && call.request.headers.get("prefer").is_some_and(|value| value == "create-if-missing")
}

fn empty() -> Fault {
    Fault::bad_request("Federated Identity Credential from HTTP body has empty properties")
}

fn shown(credential: &FederatedCredential) -> Value {
    json!({
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "description": credential.description,
        "audiences": credential.audiences,
    })
}
