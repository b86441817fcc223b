//! `/directory/deletedItems`: what was deleted within the last 30 days, and the way back.

use serde_json::Value;

use super::access::{self, Access};
use super::collection::Collection;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::{EntityType, entity_of};
use crate::store::{Condition, Object, Table, deleted};

/// Those of one type: `deletedItems/microsoft.graph.user`.
pub(super) fn list(call: &Call<'_>, entity: &'static EntityType) -> Result<Answer, Fault> {
    admit(call, read_access(entity.table))?;
    forget_expired(call)?;
    collection(entity).list(call)
}

pub(super) fn count(call: &Call<'_>, entity: &'static EntityType) -> Result<Answer, Fault> {
    admit(call, read_access(entity.table))?;
    forget_expired(call)?;
    collection(entity).count(call)
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    forget_expired(call)?;
    let (table, object) = find(call)?;
    admit(call, read_access(table))?;
    let answer = collection(entity_of(table)).single(call, object)?;
    Ok(typed(answer, table))
}

pub(super) fn restore(call: &Call<'_>) -> Result<Answer, Fault> {
    forget_expired(call)?;
    let (table, object) = find(call)?;
    admit(call, write_access(table))?;
    let tenant = &call.tenant.id;
    let restored = call.directory.store.write(|transaction| {
        let restored = match deleted::restore(transaction, tenant, object.id()) {
            Err(error) if error.is_conflict() => return Err(Fault::value_taken(key_of(table))),
            restored => restored?,
        };
        let restored = restored.ok_or_else(|| Fault::not_found(object.id()))?;
        if table == Table::Applications {
            restore_principal(transaction, tenant, object.text("appId"))?;
        }
        Ok::<_, Fault>(restored)
    })?;
    let answer = Collection::of(entity_of(table)).single(call, restored)?;
    Ok(typed(answer, table))
}

pub(super) fn purge(call: &Call<'_>) -> Result<Answer, Fault> {
    let (table, object) = find(call)?;
    admit(call, write_access(table))?;
    call.directory.store.write(|transaction| {
        deleted::purge(transaction, &call.tenant.id, object.id())?;
        Ok::<_, Fault>(())
    })?;
    Ok(Answer::no_content())
}

/// The service principal of the home tenant went with its application, and comes back with it.
fn restore_principal(connection: &rusqlite::Connection, tenant: &str, app_id: &str) -> Result<(), Fault> {
    let id: Option<String> = deleted::principal_of(connection, tenant, app_id)?;
    match id.map(|id| deleted::restore(connection, tenant, &id)).transpose() {
        Err(error) if error.is_conflict() => Err(Fault::value_taken("appId")),
        restored => Ok(restored.map(drop)?),
    }
}

fn collection(entity: &'static EntityType) -> Collection {
    Collection {
        table: Table::DeletedObjects,
        path: format!("directory/deletedItems/microsoft.graph.{}", entity.name),
        within: Some(Condition::equal("kind", entity.table.name())),
        ..Collection::of(entity)
    }
}

fn find(call: &Call<'_>) -> Result<(Table, Object), Fault> {
    let id = &call.key(0).value;
    let found = call
        .directory
        .store
        .read(|connection| deleted::find(connection, &call.tenant.id, &id.to_ascii_lowercase()))?;
    found.ok_or_else(|| Fault::not_found(id))
}

fn forget_expired(call: &Call<'_>) -> Result<(), Fault> {
    Ok(call.directory.store.write(|transaction| deleted::purge_expired(transaction, call.now))?)
}

fn admit(call: &Call<'_>, access: Access) -> Result<(), Fault> {
    access.admit(call.caller).map(drop)
}

fn read_access(table: Table) -> Access {
    match table {
        Table::Groups => access::READ_GROUPS,
        Table::Users => access::READ_ALL_USERS,
        _ => access::READ_APPLICATIONS,
    }
}

fn write_access(table: Table) -> Access {
    match table {
        Table::Groups => access::WRITE_GROUPS,
        Table::Users => access::DELETE_USERS,
        _ => access::RESTORE_APPLICATIONS,
    }
}

/// The property whose value may have been taken meanwhile.
fn key_of(table: Table) -> &'static str {
    match table {
        Table::Users => "userPrincipalName",
        _ => "appId",
    }
}

fn typed(mut answer: Answer, table: Table) -> Answer {
    if let super::exchange::Body::Json(Value::Object(body)) = &mut answer.body {
        body.insert("@odata.type".into(), format!("#microsoft.graph.{}", entity_of(table).name).into());
    }
    answer
}
