//! What a client wants written, checked against the type it is about.

use axum::http::Method;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value};

use super::exchange::Call;
use super::extension_properties::{PREFIX, extended};
use super::fault::Fault;
use super::schema::{EntityType, Kind, Write};
use super::users;
use crate::store::Table;

/// The properties in the body of a create or an update. Null takes a value away.
///
/// # Errors
/// 400 for a property that the type does not have, that cannot be written, or whose value does not fit.
pub(super) fn properties(call: &Call<'_>, entity: &'static EntityType) -> Result<Map<String, Value>, Fault> {
    let mut properties = call.json()?;
    let is_bound = |name: &&String| BINDABLE.contains(&(entity.table, name.as_str()));
    if let Some(name) = properties.keys().find(|name| name.ends_with("@odata.bind") && !is_bound(name)) {
        return Err(Fault::invalid_property(name, format!("Property '{name}' cannot be bound.")));
    }
    properties.retain(|name, _| !name.contains("@odata."));
    let is_create = call.request.method == Method::POST;
    let is_extended = properties.keys().any(|name| name.starts_with(PREFIX));
    let known = if is_extended { extended(call, entity)? } else { entity.extended(&[]) };
    for (name, value) in &mut properties {
        let property = known
            .property(name)
            .ok_or_else(|| Fault::invalid_property(name, format!("Invalid property '{name}'.")))?;
        let is_writable = match property.write {
            Write::Always => true,
            Write::Create => is_create,
            Write::Never => false,
        };
        if !is_writable {
            let message = format!("Property '{name}' is read-only and cannot be set.");
            return Err(Fault::invalid_property(name, message));
        }
        if !fits(property.kind, value) {
            return Err(invalid(entity, name));
        }
        put_in_utc(property.kind, value);
    }
    Ok(properties)
}

/// What the handlers link; anything else would be dropped unseen.
const BINDABLE: [(Table, &str); 3] = [
    (Table::Groups, "members@odata.bind"),
    (Table::Groups, "owners@odata.bind"),
    (Table::Users, users::MANAGER_BIND),
];

/// Puts the properties into a document; the members of complex values one by one.
pub(super) fn merge(document: &mut Map<String, Value>, properties: Map<String, Value>) {
    for (name, value) in properties {
        match (document.get_mut(&name), value) {
            (_, Value::Null) => {
                document.remove(&name);
            }
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => {
                document.insert(name, value);
            }
        }
    }
}

/// 400 unless the property has a value.
pub(super) fn require(
    document: &Map<String, Value>,
    entity: &EntityType,
    property: &str,
) -> Result<(), Fault> {
    match document.get(property) {
        None | Some(Value::Null) => Err(Fault::invalid_property(
            property,
            format!("A value is required for property '{property}' of resource '{}'.", entity.resource),
        )),
        Some(_) => Ok(()),
    }
}

/// 400 for a value that does not do.
pub(super) fn invalid(entity: &EntityType, property: &str) -> Fault {
    Fault::invalid_property(
        property,
        format!("Invalid value specified for property '{property}' of resource '{}'.", entity.resource),
    )
}

/// Times are kept in UTC, in which filters compare them.
fn put_in_utc(kind: Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::DateTime, Value::String(text)) => {
            if let Ok(at) = text.parse::<jiff::Timestamp>() {
                *text = at.to_string();
            }
        }
        (Kind::Many(kind), Value::Array(values)) => {
            values.iter_mut().for_each(|value| put_in_utc(*kind, value));
        }
        _ => {}
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    // The directory takes null for "no value", and refuses empty text.
    let is_text = |value: &Value, most: usize| {
        value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
    };
    match (kind, value) {
        (Kind::Objects | Kind::Texts(_), Value::Null) => false,
        (Kind::Links, _) => false,
        (_, Value::Null) => true,
        (Kind::Binary(most), value) => value.as_str().is_some_and(|text| {
            // Looked at before it is decoded.
            text.len() <= most * 2
                && BASE64_STANDARD.decode(text).is_ok_and(|bytes| (1..=most).contains(&bytes.len()))
        }),
        (Kind::Boolean, value) => value.is_boolean(),
        (Kind::DateTime, value) => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        (Kind::Guid, value) => value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        (Kind::Integer(bits), value) => {
            value.as_i64().is_some_and(|number| bits == 64 || i32::try_from(number).is_ok())
        }
        (Kind::Many(kind), value) => value.as_array().is_some_and(|values| {
            values.len() <= MAX_ELEMENTS && values.iter().all(|value| !value.is_null() && fits(*kind, value))
        }),
        (Kind::Object, value) => value.is_object(),
        (Kind::Objects, value) => value
            .as_array()
            .is_some_and(|values| values.len() <= MAX_ELEMENTS && values.iter().all(Value::is_object)),
        (Kind::Text(most), value) => is_text(value, most),
        (Kind::Texts(most), value) => value.as_array().is_some_and(|values| {
            values.len() <= MAX_ELEMENTS && values.iter().all(|value| is_text(value, most))
        }),
    }
}

/// How many elements a collection may have.
const MAX_ELEMENTS: usize = 1_200;
