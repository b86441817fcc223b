//! Directory objects as documents: insert, find, replace, delete, page, count.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value};

use super::changes::{self, Removal};
use super::connections::PlannedByValues;
use super::{StoreError, layout, links};

/// Where objects of one type live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Table {
    AppRoleAssignments,
    Applications,
    DeletedObjects,
    Groups,
    ServicePrincipals,
    Users,
}

impl Table {
    /// The name of the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AppRoleAssignments => "app_role_assignments",
            Self::Applications => "applications",
            Self::DeletedObjects => "deleted_objects",
            Self::Groups => "groups",
            Self::ServicePrincipals => "service_principals",
            Self::Users => "users",
        }
    }

    /// The table of directory objects with that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Applications, Self::Groups, Self::ServicePrincipals, Self::Users]
            .into_iter()
            .find(|table| table.name() == name)
    }

    /// Whether it holds directory objects: delta queries tell what changes in it, and its objects have links.
    fn is_tracked(self) -> bool {
        Self::from_name(self.name()).is_some()
    }
}

/// One object and its place in the order of creation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) seq: i64,
    pub(crate) document: Map<String, Value>,
}

impl Object {
    /// The object's id, a GUID.
    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    /// A property that is a string; empty when it is missing.
    pub(crate) fn text(&self, property: &str) -> &str {
        self.document.get(property).and_then(Value::as_str).unwrap_or_default()
    }
}

const TRUE: &str = "TRUE";

/// A condition over a table's columns with its parameters in order. `sql` is written by this crate alone; everything
/// that came from outside is a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<SqlValue>,
}

impl Condition {
    /// True of every object.
    pub(crate) fn all() -> Self {
        Self { sql: TRUE.into(), parameters: Vec::new() }
    }

    /// What to hold while a statement with it is prepared and run.
    fn planned<'a>(&self, connection: &'a Connection) -> rusqlite::Result<Option<PlannedByValues<'a>>> {
        self.sql.contains("LIKE").then(|| PlannedByValues::begin(connection)).transpose()
    }

    fn is_all(&self) -> bool {
        self.sql == TRUE
    }
}

/// An order by one column that no object is without; ties, and everything without an order, go by age.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Order {
    pub(crate) column: &'static str,
    pub(crate) descending: bool,
}

/// The last object of a page: the next page begins after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Position {
    pub(crate) seq: i64,
    /// The value of the ordering column, if there is an order.
    pub(crate) value: Option<String>,
}

/// Which objects, in which order, from where on.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery<'a> {
    pub(crate) condition: &'a Condition,
    pub(crate) order: Option<Order>,
    pub(crate) after: Option<&'a Position>,
    pub(crate) limit: usize,
}

/// Adds an object; a unique value that is taken is a conflict.
pub(crate) fn insert(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    load(connection, table, tenant, document)?;
    match table.is_tracked() {
        true => changes::appeared(connection, tenant, table, id_of(document)),
        false => Ok(()),
    }
}

/// Adds an object that was there before anyone could ask what changed.
pub(super) fn load(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    load_text(connection, table, tenant, id_of(document), &layout::text(table, document)?)
}

/// The same with a document that is text already, in its [layout].
pub(super) fn load_text(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
    document: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO {} (tenant_id, id, document) VALUES (?1, ?2, ?3)",
            table.name()
        ))?
        .execute(params![tenant, id, document])?;
    Ok(())
}

/// Writes the document of an object that exists; a unique value that is taken is a conflict.
pub(crate) fn replace(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    let id = id_of(document);
    let Some(before) = find(connection, table, tenant, "id", id)? else { return Ok(()) };
    let before = before.document;
    let names = before.keys().chain(document.keys().filter(|name| !before.contains_key(*name)));
    let differing: Vec<&str> =
        names.filter(|name| before.get(*name) != document.get(*name)).map(String::as_str).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let text = layout::text(table, document)?;
    connection
        .prepare_cached(&format!(
            "UPDATE {} SET document = ?3 WHERE tenant_id = ?1 AND id = ?2",
            table.name()
        ))?
        .execute(params![tenant, id, text])?;
    match table.is_tracked() {
        true => changes::touched(connection, tenant, table, id, &differing),
        false => Ok(()),
    }
}

/// Removes an object for good, with everything that hangs on it; whether there was one.
pub(crate) fn delete(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
) -> Result<bool, StoreError> {
    remove(connection, table, tenant, id, Removal::Permanent)
}

/// Removes an object with everything that hangs on it; whether there was one.
pub(super) fn remove(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
    removal: Removal,
) -> Result<bool, StoreError> {
    let sql = format!("DELETE FROM {} WHERE tenant_id = ?1 AND id = ?2", table.name());
    let is_gone = connection.prepare_cached(&sql)?.execute(params![tenant, id])? > 0;
    if is_gone && table.is_tracked() {
        links::remove_all(connection, tenant, table, id)?;
        changes::removed(connection, tenant, table, id, removal)?;
    }
    Ok(is_gone)
}

/// Finds an object by the value of a column that is unique (`id`, `app_id`, `user_principal_name`).
pub(crate) fn find(
    connection: &Connection,
    table: Table,
    tenant: &str,
    column: &'static str,
    value: &str,
) -> Result<Option<Object>, StoreError> {
    let sql = format!("SELECT seq, document FROM {} WHERE tenant_id = ?1 AND {column} = ?2", table.name());
    let found = connection.prepare_cached(&sql)?.query_row(params![tenant, value], read_row).optional()?;
    found.map(parse).transpose()
}

/// The objects of one page, at most `limit`.
pub(crate) fn page(
    connection: &Connection,
    table: Table,
    tenant: &str,
    query: &PageQuery<'_>,
) -> Result<Vec<Object>, StoreError> {
    let mut found = Vec::new();
    for_each(connection, table, tenant, query, |object| {
        found.push(object.object()?);
        Ok::<_, StoreError>(())
    })?;
    Ok(found)
}

/// Goes through the objects of one page, at most `limit`: each as it is found.
pub(crate) fn for_each<E: From<StoreError>>(
    connection: &Connection,
    table: Table,
    tenant: &str,
    query: &PageQuery<'_>,
    mut each: impl FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
    let is_plain = table == Table::Users && query.condition.is_all() && query.order.is_none();
    let (sql, parameters) = match is_plain && is_alone(connection, tenant)? {
        true => unshared_page_statement(table, query),
        false => page_statement(table, tenant, query),
    };
    let _planned = query.condition.planned(connection).map_err(failed)?;
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        each(Found(row))?;
    }
    Ok(())
}

/// An object that was found and is not parsed yet.
pub(crate) struct Found<'a>(&'a Row<'a>);

impl Found<'_> {
    pub(crate) fn seq(&self) -> Result<i64, StoreError> {
        Ok(self.0.get(0)?)
    }

    /// The document as compact JSON.
    pub(crate) fn text(&self) -> Result<&[u8], StoreError> {
        Ok(self.0.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?)
    }

    pub(crate) fn object(&self) -> Result<Object, StoreError> {
        parse((self.seq()?, self.text()?))
    }
}

/// Whether every user is one of this tenant, as in most sandboxes: then a page is one stretch of the table.
fn is_alone(connection: &Connection, tenant: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM users WHERE tenant_id < ?1) OR EXISTS (SELECT 1 FROM users WHERE tenant_id > ?1)";
    let others: bool = connection.prepare_cached(sql)?.query_row([tenant], |row| row.get(0))?;
    Ok(!others)
}

/// A page of a table whose objects are all of one tenant.
fn unshared_page_statement(table: Table, query: &PageQuery<'_>) -> (String, Vec<SqlValue>) {
    let sql = format!("SELECT seq, document FROM {} WHERE seq > ? ORDER BY seq LIMIT ?", table.name());
    let after = query.after.map_or(0, |position| position.seq);
    (sql, vec![SqlValue::Integer(after), SqlValue::Integer(i64::try_from(query.limit).unwrap_or(i64::MAX))])
}

fn page_statement(table: Table, tenant: &str, query: &PageQuery<'_>) -> (String, Vec<SqlValue>) {
    let mut parameters = vec![SqlValue::Text(tenant.to_owned())];
    parameters.extend(query.condition.parameters.iter().cloned());
    let mut sql = format!(
        "SELECT seq, document FROM {} WHERE tenant_id = ? AND ({})",
        table.name(),
        query.condition.sql
    );
    // Ties go by age in the direction of the order: so the column's index alone answers, forwards or backwards.
    let (beyond, direction) = match query.order {
        Some(Order { descending: true, .. }) => ("<", "DESC"),
        _ => (">", "ASC"),
    };
    match (query.after, query.order) {
        (None, _) => {}
        (Some(position), None) => {
            sql.push_str(" AND seq > ?");
            parameters.push(SqlValue::Integer(position.seq));
        }
        (Some(position), Some(Order { column, .. })) => {
            sql.push_str(&format!(" AND ({column}, seq) {beyond} (?, ?)"));
            let value = position.value.clone().unwrap_or_default();
            parameters.extend([SqlValue::Text(value), SqlValue::Integer(position.seq)]);
        }
    }
    match query.order {
        None => sql.push_str(" ORDER BY seq"),
        Some(Order { column, .. }) => {
            sql.push_str(&format!(" ORDER BY {column} {direction}, seq {direction}"));
        }
    }
    sql.push_str(" LIMIT ?");
    parameters.push(SqlValue::Integer(i64::try_from(query.limit).unwrap_or(i64::MAX)));
    (sql, parameters)
}

/// How many objects meet the condition.
pub(crate) fn count(
    connection: &Connection,
    table: Table,
    tenant: &str,
    condition: &Condition,
) -> Result<i64, StoreError> {
    let sql = format!("SELECT count(*) FROM {} WHERE tenant_id = ? AND ({})", table.name(), condition.sql);
    let parameters =
        std::iter::once(SqlValue::Text(tenant.to_owned())).chain(condition.parameters.iter().cloned());
    let _planned = condition.planned(connection)?;
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(parameters), |row| row.get(0))?)
}

fn id_of(document: &Map<String, Value>) -> &str {
    document.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// An object from its text. Nulls in it are there to be copied, not to be known of.
fn parse((seq, text): (i64, impl AsRef<[u8]>)) -> Result<Object, StoreError> {
    let mut document: Map<String, Value> = serde_json::from_slice(text.as_ref())?;
    document.retain(|_, value| !value.is_null());
    Ok(Object { seq, document })
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    /// What SQLite does for a condition: the plan's lines.
    fn plan(condition: &str, value: &str, order: &str) -> String {
        let store = Store::in_memory().unwrap();
        store
            .read(|connection| {
                let sql = format!(
                    "EXPLAIN QUERY PLAN SELECT seq, document FROM users WHERE tenant_id = ? AND ({condition}) {order}"
                );
                let condition = Condition { sql: condition.into(), parameters: Vec::new() };
                let _planned = condition.planned(connection)?;
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(["t", value], |row| row.get::<_, String>(3))?;
                Ok::<_, StoreError>(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
            })
            .unwrap()
    }

    #[test]
    fn a_user_among_a_million_is_found_by_an_index() {
        for (condition, index) in [
            ("user_principal_name = ?", "users_by_user_principal_name"),
            ("display_name = ?", "users_by_display_name"),
            ("mail = ?", "users_by_mail"),
            (r"display_name LIKE ? ESCAPE '\'", "users_by_display_name"),
            (r"user_principal_name LIKE ? ESCAPE '\'", "users_by_user_principal_name"),
        ] {
            let plan = plan(condition, "a%", "");
            assert!(
                plan.starts_with("SEARCH users USING INDEX") && plan.contains(index),
                "{condition}: {plan}"
            );
        }
    }

    #[test]
    fn the_pages_of_a_tenant_are_the_same_whether_it_shares_the_sandbox_or_not() {
        let store = Store::in_memory().unwrap();
        let insert = |tenant: &str, id: String| {
            store.write(|transaction| {
                transaction.execute("INSERT OR IGNORE INTO tenants VALUES (?1, ?1, 0)", [tenant])?;
                let name = Value::from(format!("{id}@{tenant}"));
                let document =
                    Map::from_iter([("id".into(), Value::from(id)), ("userPrincipalName".into(), name)]);
                insert(transaction, Table::Users, tenant, &document)
            })
        };
        let pages = |tenant: &str| {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let condition = Condition::all();
                let query = PageQuery { condition: &condition, order: None, after: after.as_ref(), limit: 4 };
                let found = store.read(|connection| page(connection, Table::Users, tenant, &query)).unwrap();
                ids.extend(found.iter().map(|object| object.id().to_owned()));
                match found.last() {
                    None => return ids,
                    Some(last) => after = Some(Position { seq: last.seq, value: None }),
                }
            }
        };
        let ids: Vec<_> = (0..10).map(|number| format!("m-{number}")).collect();
        ids.iter().try_for_each(|id| insert("m", id.clone())).unwrap();
        assert_eq!(pages("m"), ids);
        assert!(pages("other").is_empty());
        for other in ["a", "z"] {
            insert(other, other.into()).unwrap();
            assert_eq!((pages("m"), pages(other)), (ids.clone(), vec![other.to_owned()]));
        }
    }

    #[test]
    fn a_page_is_read_from_where_the_last_one_ended_and_not_sorted() {
        let plan = plan("seq > ?", "7", "ORDER BY seq");
        assert_eq!(plan, "SEARCH users USING INDEX users_by_tenant (tenant_id=? AND rowid>?)");
        for (beyond, direction) in [(">", "ASC"), ("<", "DESC")] {
            let condition = format!("(display_name, seq) {beyond} (?, 7)");
            let order = format!("ORDER BY display_name {direction}, seq {direction}");
            let plan = self::plan(&condition, "a", &order);
            assert!(plan.contains("users_by_display_name (tenant_id=? AND display_name"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
