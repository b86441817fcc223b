//! `/applications/{}/federatedIdentityCredentials`

use axum::http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::applications::{find, find_writable};
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::odata::{Constant, Expression, Operator, QueryOptions};
use super::schema::FEDERATED_CREDENTIAL;
use crate::store::{FederatedCredential, Object, Table, changes, federation};

/// How many of them an application may have.
const MAX_CREDENTIALS: usize = 20;

/// How many characters issuer, subject, audience and description may have.
const MAX_LENGTH: usize = 600;

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    let query = &call.request.query;
    let options = QueryOptions::parse(query, &call.request.headers, &FEDERATED_CREDENTIAL)?;
    let (application, mut all) = call.directory.store.read(|connection| {
        let application = find(connection, call)?;
        let all = federation::list(connection, application.id())?;
        Ok::<_, Fault>((application, all))
    })?;
    if let Some(filter) = &options.filter {
        let (name, value) = equality(filter).ok_or_else(|| {
            Fault::unsupported_query("Only a filter by equality of 'name' or 'subject' is supported.")
        })?;
        all.retain(|it| if name == "name" { it.name == value } else { it.subject == value });
    }
    let value: Vec<Value> = all.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "@odata.context": context(call, &application), "value": value })))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let (application, credential) = call.directory.store.read(|connection| {
        let application = find(connection, call)?;
        let credential = named(connection, call, &application)?;
        Ok::<_, Fault>((application, credential))
    })?;
    Ok(Answer::ok(entity(call, &application, &credential)))
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let wish = read(&call.json()?)?;
    let (application, credential) = call.directory.store.write(|transaction| {
        let application = find_writable(transaction, call)?;
        let credential = add(transaction, call, &application, &wish)?;
        Ok::<_, Fault>((application, credential))
    })?;
    let location = format!(
        "{}/applications/{}/federatedIdentityCredentials/{}",
        call.version_url(),
        application.id(),
        credential.id
    );
    Ok(Answer::created(&location, entity(call, &application, &credential)))
}

/// Changes one; by name, with `Prefer: create-if-missing`, makes it.
pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut wish = read(&call.json()?)?;
    call.directory.store.write(|transaction| {
        let application = find_writable(transaction, call)?;
        let mut credential = match named(transaction, call, &application) {
            Err(fault) if fault.status == StatusCode::NOT_FOUND && creates_if_missing(call) => {
                wish.name = Some(call.key(1).value.clone());
                add(transaction, call, &application, &wish)?;
                return Ok(());
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
        put(transaction, call, &application, &credential)
    })?;
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let application = find_writable(transaction, call)?;
        let credential = named(transaction, call, &application)?;
        federation::delete(transaction, application.id(), &credential.id)?;
        touch(transaction, call, &application)
    })?;
    Ok(Answer::no_content())
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
    put(connection, call, application, &credential)?;
    Ok(credential)
}

fn put(
    connection: &Connection,
    call: &Call<'_>,
    application: &Object,
    credential: &FederatedCredential,
) -> Result<(), Fault> {
    match federation::put(connection, application.id(), credential) {
        Err(error) if error.is_conflict() => Err(Fault::bad_request(format!(
            "Issuer and subject combination already exists for a federated identity credential of application '{}'.",
            application.text("appId")
        ))),
        Err(error) => Err(error.into()),
        Ok(()) => touch(connection, call, application),
    }
}

fn touch(connection: &Connection, call: &Call<'_>, application: &Object) -> Result<(), Fault> {
    let properties = ["federatedIdentityCredentials"];
    Ok(changes::touched(connection, &call.tenant.id, Table::Applications, application.id(), &properties)?)
}

fn named(
    connection: &Connection,
    call: &Call<'_>,
    application: &Object,
) -> Result<FederatedCredential, Fault> {
    let key = call.key(1);
    let found = match key.property.as_deref() {
        None | Some("name") => federation::find(connection, application.id(), &key.value)?,
        Some(_) => None,
    };
    found.ok_or_else(|| Fault::not_found(&key.value))
}

fn creates_if_missing(call: &Call<'_>) -> bool {
    call.request.method == Method::PATCH
        && call.request.headers.get("prefer").is_some_and(|value| value == "create-if-missing")
}

/// `name eq '...'` or `subject eq '...'`
fn equality<'a>(filter: &'a Expression<'_>) -> Option<(&'a str, &'a str)> {
    match filter {
        Expression::Compare { property, operator: Operator::Equal, value: Constant::Text(text) }
            if matches!(&*property.name, "name" | "subject") =>
        {
            Some((&property.name, text))
        }
        _ => None,
    }
}

fn empty() -> Fault {
    Fault::bad_request("Federated Identity Credential from HTTP body has empty properties")
}

fn context(call: &Call<'_>, application: &Object) -> String {
    let url = call.version_url();
    format!("{url}/$metadata#applications('{}')/federatedIdentityCredentials", application.id())
}

fn entity(call: &Call<'_>, application: &Object, credential: &FederatedCredential) -> Value {
    let mut body = shown(credential);
    body["@odata.context"] = format!("{}/$entity", context(call, application)).into();
    body
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
