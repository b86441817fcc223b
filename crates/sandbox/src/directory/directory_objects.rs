//! `/directoryObjects`: objects of any type.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::collection::Collection;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::odata::QueryOptions;
use super::schema::{DIRECTORY_OBJECT, EntityType, Property, entity_of};
use crate::store::links::End;
use crate::store::{Object, Table, objects};

/// `GET /directoryObjects/{}`
pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let id = call.key(0).value.to_ascii_lowercase();
    let options = QueryOptions::parse(&call.request.query, &call.request.headers, &DIRECTORY_OBJECT)?;
    let mut body = call.directory.store.read(|connection| {
        let (table, _) = find_any(connection, &call.tenant.id, &id)?.ok_or_else(|| Fault::not_found(&id))?;
        let end = End { seq: 0, id: id.clone(), table };
        show(connection, call, &end, options.select.as_deref(), None)
    })?;
    body["@odata.context"] = format!("{}/$metadata#directoryObjects/$entity", call.version_url()).into();
    Ok(Answer::ok(body))
}

/// `POST /directoryObjects/getByIds`: those of up to 1,000 ids that exist.
pub(super) fn get_by_ids(call: &Call<'_>) -> Result<Answer, Fault> {
    const MAX_IDS: usize = 1_000;
    let body = call.json()?;
    let texts = |name: &str| {
        let texts = body.get(name).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_ascii_lowercase).collect::<Vec<_>>()
    };
    let (ids, types) = (texts("ids"), texts("types"));
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(Fault::bad_request(format!("The property 'ids' takes 1 to {MAX_IDS} values.")));
    }
    let options = QueryOptions::parse(&call.request.query, &call.request.headers, &DIRECTORY_OBJECT)?;
    let found = call.directory.store.read(|connection| {
        let mut found = Vec::new();
        for id in ids {
            let Some((table, _)) = find_any(connection, &call.tenant.id, &id)? else { continue };
            let kind = entity_of(table).name;
            if types.is_empty() || types.iter().any(|name| name.eq_ignore_ascii_case(kind)) {
                let end = End { seq: 0, id, table };
                found.push(show(connection, call, &end, options.select.as_deref(), None)?);
            }
        }
        Ok::<_, Fault>(found)
    })?;
    let context = format!("{}/$metadata#directoryObjects", call.version_url());
    Ok(Answer::ok(json!({ "@odata.context": context, "value": found })))
}

/// An object of any type as it is shown among others.
pub(super) fn show(
    connection: &Connection,
    call: &Call<'_>,
    end: &End,
    select: Option<&[&Property]>,
    cast: Option<&'static EntityType>,
) -> Result<Value, Fault> {
    let entity = entity_of(end.table);
    let object = objects::find(connection, end.table, &call.tenant.id, "id", &end.id)?;
    let object = object.ok_or_else(|| Fault::not_found(&end.id))?;
    let select: Option<Vec<_>> =
        select.map(|select| select.iter().filter_map(|property| entity.property(&property.name)).collect());
    let mut shown = Map::new();
    if cast.is_none() {
        shown.insert("@odata.type".into(), format!("#microsoft.graph.{}", entity.name).into());
    }
    shown.extend(Collection::of(entity).show(&object, select.as_deref(), false));
    Ok(Value::Object(shown))
}

/// The type of the object with an id.
pub(super) fn find_any(
    connection: &Connection,
    tenant: &str,
    id: &str,
) -> Result<Option<(Table, Object)>, Fault> {
    for table in [Table::Users, Table::Groups, Table::ServicePrincipals, Table::Applications] {
        if let Some(object) = objects::find(connection, table, tenant, "id", id)? {
            return Ok(Some((table, object)));
        }
    }
    Ok(None)
}
