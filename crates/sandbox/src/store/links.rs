//! Links between objects: the members and owners of groups, the owners of applications, the managers of people.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, Table, changes};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS links (
    seq         INTEGER PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    relation    TEXT NOT NULL,
    source_id   TEXT NOT NULL,
    source_kind TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    target_kind TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS links_once ON links (source_id, relation, target_id);
CREATE INDEX IF NOT EXISTS links_in_order ON links (source_id, relation, seq);
CREATE INDEX IF NOT EXISTS links_by_target ON links (target_id, relation, seq);

CREATE TABLE IF NOT EXISTS link_changes (
    source_id   TEXT NOT NULL,
    relation    TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    is_removed  INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (source_id, relation, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_changes_in_order ON link_changes (source_id, relation, seq);
";

/// What one object is to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Relation {
    Manager,
    Members,
    Owners,
}

impl Relation {
    /// The navigation property of the source.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Members => "members",
            Self::Owners => "owners",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Manager, Self::Members, Self::Owners].into_iter().find(|relation| relation.name() == name)
    }
}

/// One end of a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct End {
    /// The place of the link among all.
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) table: Table,
}

/// Which end of a link is asked for, from the other one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    ToSources,
    ToTargets,
}

/// A change of the links of one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LinkChange {
    pub(crate) target_id: String,
    pub(crate) target: Table,
    pub(crate) is_removed: bool,
}

/// Links two objects; whether they were not linked before.
pub(crate) fn add(
    connection: &Connection,
    tenant: &str,
    relation: Relation,
    source: (Table, &str),
    target: (Table, &str),
) -> Result<bool, StoreError> {
    let is_new = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO links (tenant_id, relation, source_id, source_kind, target_id, target_kind)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![tenant, relation.name(), source.1, source.0.name(), target.1, target.0.name()])?
        > 0;
    if is_new {
        record(connection, tenant, relation, source, target, false)?;
    }
    Ok(is_new)
}

/// Takes a link away; whether there was one.
pub(crate) fn remove(
    connection: &Connection,
    tenant: &str,
    relation: Relation,
    source: (Table, &str),
    target_id: &str,
) -> Result<bool, StoreError> {
    let kind: Option<String> = connection
        .prepare_cached(
            "DELETE FROM links WHERE source_id = ?1 AND relation = ?2 AND target_id = ?3 RETURNING target_kind",
        )?
        .query_row(params![source.1, relation.name(), target_id], |row| row.get(0))
        .optional()?;
    let Some(target) = kind.as_deref().and_then(Table::from_name) else { return Ok(false) };
    record(connection, tenant, relation, source, (target, target_id), true)?;
    Ok(true)
}

/// Takes away every link of an object that goes.
pub(super) fn remove_all(
    connection: &Connection,
    tenant: &str,
    table: Table,
    id: &str,
) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT source_kind, source_id, relation FROM links WHERE target_id = ?1")?;
    let sources: Vec<(String, String, String)> = statement
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (source, source_id, relation) in sources {
        if let (Some(source), Some(relation)) = (Table::from_name(&source), Relation::from_name(&relation)) {
            record(connection, tenant, relation, (source, &source_id), (table, id), true)?;
        }
    }
    connection.prepare_cached("DELETE FROM links WHERE target_id = ?1 OR source_id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM link_changes WHERE source_id = ?1")?.execute([id])?;
    Ok(())
}

/// The other ends of an object's links after a place, in order; only those of `table` if there is one.
pub(crate) fn page(
    connection: &Connection,
    relation: Relation,
    direction: Direction,
    id: &str,
    table: Option<Table>,
    after: i64,
    limit: usize,
) -> Result<Vec<End>, StoreError> {
    let (own, other) = ends(direction);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq, {other}_id, {other}_kind FROM links
         WHERE {own}_id = ?1 AND relation = ?2 AND seq > ?3 AND (?4 IS NULL OR {other}_kind = ?4)
         ORDER BY seq LIMIT ?5",
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let kind = table.map(Table::name);
    let rows = statement.query_map(params![id, relation.name(), after, kind, limit], read)?;
    rows.map(|row| end(row?)).collect()
}

/// How many links of a kind an object has.
pub(crate) fn count(
    connection: &Connection,
    relation: Relation,
    direction: Direction,
    id: &str,
    table: Option<Table>,
) -> Result<i64, StoreError> {
    let (own, other) = ends(direction);
    let sql = format!(
        "SELECT count(*) FROM links WHERE {own}_id = ?1 AND relation = ?2 AND (?3 IS NULL OR {other}_kind = ?3)"
    );
    Ok(connection
        .prepare_cached(&sql)?
        .query_row(params![id, relation.name(), table.map(Table::name)], |row| row.get(0))?)
}

/// The groups that an object is in, or the members of a group, through groups in groups, in the order of their ids;
/// those after an id. The object itself is not among them.
pub(crate) fn transitive_page(
    connection: &Connection,
    direction: Direction,
    id: &str,
    table: Option<Table>,
    after: &str,
    limit: usize,
) -> Result<Vec<End>, StoreError> {
    let sql = format!(
        "{} SELECT 0, id, kind FROM reached
         WHERE id > ?3 AND id <> ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY id LIMIT ?4",
        reached(direction)
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![id, table.map(Table::name), after, limit], read)?;
    rows.map(|row| end(row?)).collect()
}

/// How many there are of those.
pub(crate) fn transitive_count(
    connection: &Connection,
    direction: Direction,
    id: &str,
    table: Option<Table>,
) -> Result<i64, StoreError> {
    let sql = format!(
        "{} SELECT count(*) FROM reached WHERE id <> ?1 AND (?2 IS NULL OR kind = ?2)",
        reached(direction)
    );
    Ok(connection.prepare_cached(&sql)?.query_row(params![id, table.map(Table::name)], |row| row.get(0))?)
}

/// Everything that is reached from `?1` by memberships; a circle of groups is gone round once.
fn reached(direction: Direction) -> String {
    let (own, other) = ends(direction);
    let members = Relation::Members.name();
    format!(
        "WITH RECURSIVE reached (id, kind) AS (
             SELECT {other}_id, {other}_kind FROM links WHERE {own}_id = ?1 AND relation = '{members}'
             UNION
             SELECT next.{other}_id, next.{other}_kind FROM links AS next JOIN reached ON next.{own}_id = reached.id
             WHERE next.relation = '{members}'
         )"
    )
}

/// Whether two objects are linked.
pub(crate) fn exists(
    connection: &Connection,
    relation: Relation,
    source_id: &str,
    target_id: &str,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM links WHERE source_id = ?1 AND relation = ?2 AND target_id = ?3")?
        .exists(params![source_id, relation.name(), target_id])?)
}

/// The links of an object that came or went after a number of the log of changes.
pub(crate) fn changed_after(
    connection: &Connection,
    relation: Relation,
    source_id: &str,
    seq: i64,
) -> Result<Vec<LinkChange>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT target_id, target_kind, is_removed FROM link_changes
         WHERE source_id = ?1 AND relation = ?2 AND seq > ?3 ORDER BY seq",
    )?;
    let rows = statement.query_map(params![source_id, relation.name(), seq], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
    })?;
    rows.map(|row| {
        let (target_id, kind, is_removed) = row?;
        Ok(LinkChange { target_id, target: table(&kind)?, is_removed })
    })
    .collect()
}

/// A change of a link is a change of its source.
fn record(
    connection: &Connection,
    tenant: &str,
    relation: Relation,
    source: (Table, &str),
    target: (Table, &str),
    is_removed: bool,
) -> Result<(), StoreError> {
    changes::touched(connection, tenant, source.0, source.1, &[relation.name()])?;
    let seq = changes::head(connection)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO link_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![source.1, relation.name(), target.1, target.0.name(), is_removed, seq])?;
    Ok(())
}

fn ends(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::ToSources => ("target", "source"),
        Direction::ToTargets => ("source", "target"),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, String, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn end((seq, id, kind): (i64, String, String)) -> Result<End, StoreError> {
    Ok(End { seq, id, table: table(&kind)? })
}

fn table(kind: &str) -> Result<Table, StoreError> {
    Table::from_name(kind).ok_or_else(|| StoreError::corrupt("a link leads to an unknown kind of object"))
}
