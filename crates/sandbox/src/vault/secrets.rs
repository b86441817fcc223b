//! Secrets: values in versions.

use serde_json::{Map, Value};

use super::attributes;
use super::call::{Answer, Call};
use super::fault::Fault;
use super::objects::SECRETS;
use super::roles::Action;
use crate::store::vault::{self, Shelf, Version};

/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = 25 * 1024;

/// A secret without its value.
pub(super) fn bundle(call: &Call<'_>, version: &Version) -> Value {
    let mut bundle = version.document.clone();
    bundle.remove("value");
    bundle.insert("id".into(), call.id(&format!("secrets/{}/{}", version.name, version.version)).into());
    bundle.insert("attributes".into(), attributes::shown(version.document.get("attributes")));
    if bundle.contains_key("managed") {
        bundle.insert("kid".into(), call.id(&format!("keys/{}/{}", version.name, version.version)).into());
    }
    Value::Object(bundle)
}

fn bundle_with_value(call: &Call<'_>, version: &Version) -> Answer {
    let mut bundle = bundle(call, version);
    bundle["value"] = version.document.get("value").cloned().unwrap_or_default();
    Answer::Document(bundle)
}

/// `PUT /secrets/{name}`: a new version.
pub(super) fn set(call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
    let place = call.place(SECRETS.name, name)?;
    call.may(Action::SET_SECRET, name)?;
    let body = call.json()?;
    let value = body.get("value").and_then(Value::as_str);
    let value = value.ok_or_else(|| Fault::bad_parameter("The property 'value' is missing or no text."))?;
    if value.len() > MAX_VALUE_BYTES {
        return Err(Fault::bad_parameter("The value of a secret has at most 25 KiB."));
    }
    let mut document = Map::new();
    document.insert("value".into(), value.into());
    describe(&mut document, &body)?;
    document
        .insert("attributes".into(), attributes::attributes(None, body.get("attributes"), call.now)?.into());
    let version = call.new_version();
    call.vaults.store.write(|transaction| {
        if let Some(before) = vault::find(transaction, place, None, Shelf::InUse)? {
            SECRETS.refuse_managed(&before, "set")?;
        }
        if !vault::add(transaction, place, &version, &document, call.now)? {
            return Err(Fault::name_of_deleted(SECRETS.title, name));
        }
        let added = SECRETS.find(transaction, place, Some(&version))?;
        Ok(bundle_with_value(call, &added))
    })
}

/// `GET /secrets/{name}` and `GET /secrets/{name}/{version}`. The dates of a secret are for its readers: it can be read
/// before and after.
pub(super) fn get(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Answer, Fault> {
    let place = call.place(SECRETS.name, name)?;
    call.may(Action::GET_SECRET, name)?;
    let version = call.vaults.store.read(|connection| SECRETS.find(connection, place, version))?;
    let enabled = version.document.get("attributes").and_then(|it| it.get("enabled"));
    if enabled == Some(&Value::Bool(false)) {
        return Err(Fault::disabled());
    }
    Ok(bundle_with_value(call, &version))
}

/// `PATCH /secrets/{name}/{version}`: everything but the value.
pub(super) fn update(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Answer, Fault> {
    let place = call.place(SECRETS.name, name)?;
    call.may(Action("secrets/update/action"), name)?;
    let body = call.json()?;
    call.vaults.store.write(|transaction| {
        let mut version = SECRETS.find(transaction, place, version)?;
        describe(&mut version.document, &body)?;
        let before = version.document.get("attributes").and_then(Value::as_object);
        let attributes = attributes::attributes(before, body.get("attributes"), call.now)?;
        version.document.insert("attributes".into(), attributes.into());
        vault::replace(transaction, version.seq, &version.document)?;
        Ok(Answer::Document(bundle(call, &version)))
    })
}

/// Writes down the content type and the tags of a body.
fn describe(document: &mut Map<String, Value>, body: &Map<String, Value>) -> Result<(), Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if let Some(content_type) = given("contentType") {
        if content_type.as_str().is_none_or(|it| it.len() > 255) {
            return Err(Fault::bad_parameter("The property 'contentType' is no text of at most 255 bytes."));
        }
        document.insert("contentType".into(), content_type.clone());
    }
    if let Some(tags) = given("tags") {
        document.insert("tags".into(), attributes::tags(tags)?);
    }
    Ok(())
}
