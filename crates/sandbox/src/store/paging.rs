//! Objects page by page: each page begins behind the last object of the one before, and is a stretch of an index.

use rusqlite::{Connection, Row, params_from_iter};

use super::objects::parse;
use super::ranges::{Range, Ranges, Side};
use super::{Object, SqlValue, StoreError, Table};

const TRUE: &str = "TRUE";

/// A condition over a table's columns with its parameters in order. The SQL is written by this crate alone; everything
/// that came from outside is a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    sql: String,
    parameters: Vec<SqlValue>,
    /// Besides, the value of a column is in one of these ranges: no object is without it, and there is an index.
    ranges: Option<(&'static str, Ranges)>,
}

impl Condition {
    pub(crate) fn new(sql: String, parameters: Vec<SqlValue>) -> Self {
        Self { sql, parameters, ranges: None }
    }

    /// True of those with a value in a column.
    pub(crate) fn equal(column: &'static str, value: &str) -> Self {
        Self::new(format!("{column} = ?"), vec![SqlValue::Text(value.to_owned())])
    }

    /// True of every object.
    pub(crate) fn all() -> Self {
        Self::new(TRUE.into(), Vec::new())
    }

    /// True of those for which another one holds as well.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.sql = format!("({}) AND ({})", self.sql, other.sql);
        self.parameters.extend(other.parameters);
        self.ranges = self.ranges.or(other.ranges);
        self
    }

    /// True of those for which, besides, the value of an indexed column is in one of the ranges. No object may be without
    /// one. Pages of them go by that column, unless they have an order; then it has to be by that column.
    pub(crate) fn within(self, column: &'static str, ranges: Ranges) -> Self {
        Self { ranges: Some((column, ranges)), ..self }
    }

    fn is_all(&self) -> bool {
        self.sql == TRUE && self.ranges.is_none()
    }
}

/// An order by one column or expression that no object is without; ties, and everything without an order, go by age.
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
    condition: &'a Condition,
    order: Option<Order>,
    after: Option<&'a Position>,
    limit: usize,
}

impl<'a> PageQuery<'a> {
    /// The first objects of which a condition is true, at most so many.
    pub(crate) fn new(condition: &'a Condition, limit: usize) -> Self {
        let by_ranges = condition.ranges.as_ref().map(|(column, _)| Order { column, descending: false });
        Self { condition, order: by_ranges, after: None, limit }
    }

    /// In this order, if it is one.
    pub(crate) fn ordered(self, order: Option<Order>) -> Self {
        Self { order: order.or(self.order), ..self }
    }

    /// Those behind the last page, if there was one.
    pub(crate) fn after(self, last: Option<&'a Position>) -> Self {
        Self { after: last, ..self }
    }

    pub(crate) fn order(&self) -> Option<Order> {
        self.order
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
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
    let is_unshared = is_plain && is_alone(connection, tenant)?;
    let mut left = query.limit;
    for stretch in stretches(query) {
        let (sql, parameters) = match is_unshared {
            true => unshared_page_statement(table, query),
            false => page_statement(table, tenant, query, stretch, left),
        };
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(Found(row))?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
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

/// How many objects meet the condition.
pub(crate) fn count(
    connection: &Connection,
    table: Table,
    tenant: &str,
    condition: &Condition,
) -> Result<i64, StoreError> {
    let mut sum = 0;
    for stretch in stretches(&PageQuery::new(condition, 0)) {
        let (sql, parameters) = selection("count(*)", table, tenant, condition, stretch);
        let count = |row: &Row<'_>| row.get::<_, i64>(0);
        sum += connection.prepare_cached(&sql)?.query_row(params_from_iter(parameters), count)?;
    }
    Ok(sum)
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
    (sql, vec![after.into(), as_value(query.limit)])
}

fn page_statement(
    table: Table,
    tenant: &str,
    query: &PageQuery<'_>,
    stretch: Stretch,
    limit: usize,
) -> (String, Vec<SqlValue>) {
    let (mut sql, mut parameters) = selection("seq, document", table, tenant, query.condition, stretch);
    match query.order {
        None => sql.push_str(" ORDER BY seq"),
        // Ties go by age in the direction of the order: so the column's index alone answers, forwards or backwards.
        Some(Order { column, descending }) => {
            let direction = if descending { "DESC" } else { "ASC" };
            sql.push_str(&format!(" ORDER BY {column} {direction}, seq {direction}"));
        }
    }
    sql.push_str(" LIMIT ?");
    parameters.push(as_value(limit));
    (sql, parameters)
}

/// Selects what is in a stretch and meets the condition.
fn selection(
    what: &str,
    table: Table,
    tenant: &str,
    condition: &Condition,
    stretch: Stretch,
) -> (String, Vec<SqlValue>) {
    let mut sql = format!("SELECT {what} FROM {} WHERE tenant_id = ? AND ({})", table.name(), condition.sql);
    sql.push_str(&stretch.sql);
    let tenant = std::iter::once(SqlValue::Text(tenant.to_owned()));
    (sql, tenant.chain(condition.parameters.iter().cloned()).chain(stretch.parameters).collect())
}

/// Further conditions, so that what meets them stands beside each other in an index.
#[derive(Debug, Default)]
struct Stretch {
    sql: String,
    parameters: Vec<SqlValue>,
}

impl Stretch {
    fn compare(&mut self, column: &str, operator: &str, value: &str) {
        self.sql.push_str(&format!(" AND {column} {operator} ?"));
        self.parameters.push(SqlValue::Text(value.to_owned()));
    }

    /// Leaves out everything up to a position.
    fn begin_after(&mut self, last: &Position, order: Option<Order>) {
        match order {
            None => self.sql.push_str(" AND seq > ?"),
            Some(Order { column, descending }) => {
                let beyond = if descending { "<" } else { ">" };
                self.sql.push_str(&format!(" AND ({column}, seq) {beyond} (?, ?)"));
                self.parameters.push(SqlValue::Text(last.value.clone().unwrap_or_default()));
            }
        }
        self.parameters.push(last.seq.into());
    }
}

/// What is behind the last page, in the order of the query.
fn stretches(query: &PageQuery<'_>) -> Vec<Stretch> {
    let Some((column, ranges)) = &query.condition.ranges else {
        let mut all = Stretch::default();
        if let Some(last) = query.after {
            all.begin_after(last, query.order);
        }
        return vec![all];
    };
    let descending = query.order.is_some_and(|order| order.descending);
    let over = if descending { Side::Before } else { Side::Behind };
    let stretch = |range: &Range| {
        let side = query.after.map(|last| range.side(last.value.as_deref().unwrap_or_default()));
        let begun = query.after.filter(|_| side == Some(Side::Within));
        let mut stretch = Stretch::default();
        if descending || begun.is_none() {
            stretch.compare(column, ">=", &range.from);
        }
        if let Some(to) = range.to.as_deref().filter(|_| !descending || begun.is_none()) {
            stretch.compare(column, "<", to);
        }
        if let Some(last) = begun {
            stretch.begin_after(last, query.order);
        }
        (side != Some(over)).then_some(stretch)
    };
    let mut stretches: Vec<Stretch> = ranges.iter().filter_map(stretch).collect();
    if descending {
        stretches.reverse();
    }
    stretches
}

fn as_value(limit: usize) -> SqlValue {
    SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::{Store, objects};
    use super::*;

    /// What SQLite does for a statement: the plan's lines.
    fn plan((sql, parameters): (String, Vec<SqlValue>)) -> String {
        let store = Store::in_memory().unwrap();
        store
            .read(|connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let rows =
                    statement.query_map(params_from_iter(parameters), |row| row.get::<_, String>(3))?;
                Ok::<_, StoreError>(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
            })
            .unwrap()
    }

    /// The plans of all that is done for a page of users.
    fn plans(query: &PageQuery<'_>) -> Vec<String> {
        let statement = |stretch| page_statement(Table::Users, "t", query, stretch, query.limit);
        stretches(query).into_iter().map(|stretch| plan(statement(stretch))).collect()
    }

    #[test]
    fn a_user_among_a_million_is_found_by_an_index() {
        for (condition, values, index) in [
            ("user_principal_name = ?", &["a"][..], "users_by_user_principal_name"),
            ("display_name = ?", &["a"], "users_by_display_name"),
            ("mail = ?", &["a"], "users_by_mail"),
            ("(mail >= ? AND mail < ?)", &["a", "b"], "users_by_mail"),
        ] {
            let values = values.iter().map(|value| SqlValue::Text((*value).to_owned()));
            let condition = Condition::new(condition.into(), values.collect());
            for plan in plans(&PageQuery::new(&condition, 2)) {
                let by_index = plan.starts_with("SEARCH users USING INDEX") && plan.contains(index);
                assert!(by_index, "{condition:?}: {plan}");
            }
        }
    }

    // Not one row is read that is not shown, and none is sorted.
    #[test]
    fn a_page_of_those_that_begin_otherwise_is_read_between_the_beginnings() {
        let rest = Ranges::union(["b", "A", "x", "김"].map(Ranges::beginning_with)).complement();
        let condition = Condition::all().within("user_principal_name", rest);
        let in_range = "SEARCH users USING INDEX users_by_user_principal_name (tenant_id=? AND user_principal_name>? AND \
                        user_principal_name<?)";
        let to_the_end = in_range.replace(" AND user_principal_name<?", "");
        let first = PageQuery::new(&condition, 9);
        assert_eq!(plans(&first), [in_range, in_range, in_range, &to_the_end]);
        let last = Position { seq: 7, value: Some("m".into()) };
        assert_eq!(plans(&first.clone().after(Some(&last))), [in_range, in_range, &to_the_end]);
        let descending = Some(Order { column: "user_principal_name", descending: true });
        let backwards = PageQuery::new(&condition, 9).ordered(descending);
        assert_eq!(plans(&backwards), [&to_the_end, in_range, in_range, in_range]);
        assert_eq!(plans(&backwards.clone().after(Some(&last))), [in_range, in_range]);
        let count = |stretch| plan(selection("count(*)", Table::Users, "t", &condition, stretch));
        let counts: Vec<_> = stretches(&first).into_iter().map(count).collect();
        assert_eq!(counts, plans(&first));
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
                objects::insert(transaction, Table::Users, tenant, &document)
            })
        };
        let pages = |tenant: &str| {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let condition = Condition::all();
                let query = PageQuery::new(&condition, 4).after(after.as_ref());
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
        let (condition, last) = (Condition::all(), Position { seq: 7, value: Some("a".into()) });
        let query = PageQuery::new(&condition, 9).after(Some(&last));
        assert_eq!(plans(&query), ["SEARCH users USING INDEX users_by_tenant (tenant_id=? AND rowid>?)"]);
        for descending in [false, true] {
            let order = Some(Order { column: "display_name", descending });
            let [plan] = &plans(&query.clone().ordered(order))[..] else { panic!("one statement") };
            assert!(plan.contains("users_by_display_name (tenant_id=? AND display_name"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
