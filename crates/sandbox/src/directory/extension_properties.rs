//! `/applications/{}/extensionProperties`, and what they make of users and groups.

use serde_json::{Map, Value, json};

use super::application_parts::ApplicationParts;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::{EXTENSION_PROPERTY, EntityType, Kind};
use crate::store::{ExtensionProperty, Object, Table, extensions, objects};

/// How every name begins.
pub(super) const PREFIX: &str = "extension_";

/// What can have extension properties in Graph. Here, users and groups have values.
const TARGETS: [&str; 6] = ["AdministrativeUnit", "Application", "Device", "Group", "Organization", "User"];

/// How many characters an application may call a property by.
const MAX_NAME: usize = 120;

/// How many of them an application may have: as many as Graph lets one object have values.
const MAX_PROPERTIES: usize = 100;

/// A type with the properties that applications of the tenant added to it.
pub(super) fn extended(call: &Call<'_>, entity: &'static EntityType) -> Result<EntityType, Fault> {
    if !matches!(entity.table, Table::Users | Table::Groups) {
        return Ok(entity.extended(&[]));
    }
    let added = call.directory.store.extension_properties(&call.tenant.id, entity.resource)?;
    Ok(entity.extended(&added))
}

pub(super) static EXTENSION_PROPERTIES: ApplicationParts<ExtensionProperty> = ApplicationParts {
    segment: "extensionProperties",
    entity: &EXTENSION_PROPERTY,
    filtered: &[("name", |property| &property.name)],
    all: extensions::list,
    is_meant: |property, key| key.property.is_none() && property.id.eq_ignore_ascii_case(&key.value),
    id: |property| &property.id,
    delete: extensions::delete,
    shown,
};

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let wish = read(&call.json()?)?;
    EXTENSION_PROPERTIES.create(call, |transaction, application| {
        if extensions::list(transaction, application.id())?.len() >= MAX_PROPERTIES {
            return Err(Fault::bad_request(format!(
                "The number of extension properties exceeds the maximum value of {MAX_PROPERTIES}."
            )));
        }
        let app_id = application.text("appId").replace('-', "");
        let property = ExtensionProperty {
            id: call.directory.entropy.uuid(),
            name: format!("{PREFIX}{app_id}_{}", wish.name),
            ..wish
        };
        match extensions::insert(transaction, &call.tenant.id, application.id(), &property) {
            Err(error) if error.is_conflict() => Err(Fault::value_taken("name")),
            inserted => Ok(inserted.map(|()| property)?),
        }
    })
}

/// `POST /directoryObjects/getAvailableExtensionProperties`: those of every application. Nothing comes from a directory on
/// the premises here.
pub(super) fn get_available(call: &Call<'_>) -> Result<Answer, Fault> {
    let body = if call.request.body.is_empty() { Map::new() } else { call.json()? };
    let is_synced = match body.get("isSyncedFromOnPremises") {
        None | Some(Value::Null) => false,
        Some(value) => value.as_bool().ok_or_else(|| invalid("isSyncedFromOnPremises"))?,
    };
    let value = call.directory.store.read(|connection| {
        let mut value = Vec::new();
        let all = if is_synced { Vec::new() } else { extensions::of_tenant(connection, &call.tenant.id)? };
        for (id, property) in &all {
            let application = objects::find(connection, Table::Applications, &call.tenant.id, "id", id)?;
            value.extend(application.map(|application| shown(&application, property)));
        }
        Ok::<_, Fault>(value)
    })?;
    let context = format!("{}/$metadata#Collection(microsoft.graph.extensionProperty)", call.version_url());
    Ok(Answer::ok(json!({ "@odata.context": context, "value": value })))
}

/// What a body says, each property checked: without an id, and with the name that the application calls it by.
fn read(body: &Map<String, Value>) -> Result<ExtensionProperty, Fault> {
    for name in body.keys().filter(|name| !name.contains("@odata.")) {
        if !matches!(name.as_str(), "name" | "dataType" | "targetObjects" | "isMultiValued") {
            return Err(Fault::invalid_property(name, format!("Invalid property '{name}'.")));
        }
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = |name: &&str| (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain);
    let name = body.get("name").and_then(Value::as_str).filter(is_name).ok_or_else(|| invalid("name"))?;
    let is_type = |name: &&str| Kind::of_data_type(name).is_some();
    let data_type = body.get("dataType").and_then(Value::as_str).filter(is_type);
    let is_multi_valued = match body.get("isMultiValued") {
        None | Some(Value::Null) => false,
        Some(value) => value.as_bool().ok_or_else(|| invalid("isMultiValued"))?,
    };
    let mut targets = Vec::new();
    for target in body.get("targetObjects").and_then(Value::as_array).into_iter().flatten() {
        let target =
            TARGETS.into_iter().find(|known| target == known).ok_or_else(|| invalid("targetObjects"))?;
        if !targets.iter().any(|other| other == target) {
            targets.push(target.to_owned());
        }
    }
    if targets.is_empty() {
        return Err(invalid("targetObjects"));
    }
    Ok(ExtensionProperty {
        id: String::new(),
        name: name.to_owned(),
        data_type: data_type.ok_or_else(|| invalid("dataType"))?.to_owned(),
        is_multi_valued,
        targets,
    })
}

fn invalid(property: &str) -> Fault {
    super::body::invalid(&EXTENSION_PROPERTY, property)
}

fn shown(application: &Object, property: &ExtensionProperty) -> Value {
    json!({
        "id": property.id,
        "deletedDateTime": null,
        "appDisplayName": application.text("displayName"),
        "dataType": property.data_type,
        "isMultiValued": property.is_multi_valued,
        "isSyncedFromOnPremises": false,
        "name": property.name,
        "targetObjects": property.targets,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_plain_names_become_properties(name in "\\PC{0,20}|[a-z_'\".\\[\\]$;% -]{1,12}|[A-Za-z0-9_]{1,130}") {
            let body = json!({ "name": name, "dataType": "String", "targetObjects": ["User"] });
            let read = read(body.as_object().unwrap());
            let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
            prop_assert_eq!(read.is_ok(), is_plain && (1..=120).contains(&name.len()));
        }
    }
}
