//! What every collection has in common: lists in pages, counts, single objects, what is shown of them.

use axum::http::Method;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::odata::{QueryOptions, is_eventual};
use super::schema::{EntityType, Kind, Property};
use crate::store::{Condition, Object, PageQuery, Position, SqlValue, Table, objects};

/// A collection as one request sees it.
pub(super) struct Collection<'a> {
    pub(super) entity: &'static EntityType,
    /// Where its objects are kept.
    pub(super) table: Table,
    /// Its path below the version, for links.
    pub(super) path: String,
    /// The only objects in it, besides the filter: a column and its value.
    pub(super) within: Option<(&'static str, &'a str)>,
    /// The only properties the caller may see.
    pub(super) visible: Option<&'static [&'static str]>,
    /// Adds what is kept beside the document.
    pub(super) complete: fn(&Connection, &mut Object) -> Result<(), Fault>,
}

impl Collection<'_> {
    /// A whole entity set.
    pub(super) fn of(entity: &'static EntityType) -> Self {
        Self {
            entity,
            table: entity.table,
            path: entity.set.to_owned(),
            within: None,
            visible: None,
            complete: |_, _| Ok(()),
        }
    }

    /// One page.
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let options = self.options(call)?;
        let scope = format!("{}\n{}\n{}", call.tenant.id, self.path, options.identity);
        let tokens = call.directory.skip_tokens()?;
        let after = options.skip_token.as_ref().map(|token| tokens.open(&scope, token)).transpose()?;
        let condition = self.narrowed(options.condition());
        let limit = options.page_size();
        let query = PageQuery {
            condition: &condition,
            order: options.order,
            after: after.as_ref(),
            limit: limit + 1,
        };
        let (mut page, count) = call.directory.store.read(|connection| {
            let mut page = objects::page(connection, self.table, &call.tenant.id, &query)?;
            for object in page.iter_mut().take(limit) {
                (self.complete)(connection, object)?;
            }
            let count = match options.count {
                true => Some(objects::count(connection, self.table, &call.tenant.id, &condition)?),
                false => None,
            };
            Ok::<_, Fault>((page, count))
        })?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        let mut body = json!({ "@odata.context": self.context(call, &options, false) });
        if let Some(count) = count {
            body["@odata.count"] = count.into();
        }
        if let Some(last) = page.last().filter(|_| has_more) {
            let value = options.order.map(|order| self.order_value(last, order.column));
            let token = tokens.seal(&scope, &Position { seq: last.seq, value });
            let url = format!("{}/{}?{}$skiptoken={token}", call.version_url(), self.path, options.repeated);
            body["@odata.nextLink"] = url.into();
        }
        body["value"] = page
            .iter()
            .map(|object| Value::Object(self.show(object, options.select.as_deref(), false)))
            .collect();
        Ok(Answer::ok(body))
    }

    /// How many objects there are, as a plain number.
    pub(super) fn count(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        if !is_eventual(&call.request.headers) {
            return Err(Fault::bad_request("$count is not currently supported."));
        }
        let condition = self.narrowed(self.options(call)?.condition());
        let count = call
            .directory
            .store
            .read(|connection| objects::count(connection, self.table, &call.tenant.id, &condition))?;
        Ok(Answer::number(count))
    }

    /// One object.
    pub(super) fn single(&self, call: &Call<'_>, object: Object) -> Result<Answer, Fault> {
        let options = self.options(call)?;
        if call.request.method == Method::GET && !call.is_replicated(&object) {
            return Err(Fault::not_found(object.id()));
        }
        let body = self.entity_body(call, object, &options)?;
        Ok(Answer::ok(body))
    }

    /// 201 for an object that was just made.
    pub(super) fn created(&self, call: &Call<'_>, document: Map<String, Value>) -> Result<Answer, Fault> {
        let object = Object { seq: 0, document };
        let location = format!("{}/{}/{}", call.version_url(), self.path, object.id());
        let options = QueryOptions::parse("", &call.request.headers, self.entity)?;
        Ok(Answer::created(&location, self.entity_body(call, object, &options)?))
    }

    fn entity_body(
        &self,
        call: &Call<'_>,
        mut object: Object,
        options: &QueryOptions,
    ) -> Result<Value, Fault> {
        call.directory.store.read(|connection| (self.complete)(connection, &mut object))?;
        let mut body = Map::new();
        body.insert("@odata.context".into(), self.context(call, options, true).into());
        body.extend(self.show(&object, options.select.as_deref(), true));
        Ok(Value::Object(body))
    }

    fn options(&self, call: &Call<'_>) -> Result<QueryOptions, Fault> {
        let options = QueryOptions::parse(&call.request.query, &call.request.headers, self.entity)?;
        if let Some(visible) = self.visible {
            let asked = options.filter.iter().flat_map(|filter| filter.properties());
            let selected = options.select.iter().flatten().copied();
            if asked.chain(selected).any(|property| !visible.contains(&property.name)) {
                return Err(Fault::denied());
            }
        }
        Ok(options)
    }

    fn narrowed(&self, condition: Condition) -> Condition {
        let Some((column, value)) = self.within else { return condition };
        let mut parameters = vec![SqlValue::Text(value.to_owned())];
        parameters.extend(condition.parameters);
        Condition { sql: format!("{column} = ? AND ({})", condition.sql), parameters }
    }

    fn order_value(&self, object: &Object, column: &str) -> String {
        let property = self.entity.properties.iter().find(|property| property.column == Some(column));
        property.map_or(String::new(), |property| object.text(property.name).to_owned())
    }

    fn context(&self, call: &Call<'_>, options: &QueryOptions, is_single: bool) -> String {
        let select = options.selected_names().map_or(String::new(), |names| format!("({})", names.join(",")));
        let suffix = if is_single { "/$entity" } else { "" };
        format!("{}/$metadata#{}{select}{suffix}", call.version_url(), self.path)
    }

    /// The properties that were asked for. One that has no value is null, a collection without elements is empty.
    pub(super) fn show(
        &self,
        object: &Object,
        select: Option<&[&'static Property]>,
        is_single: bool,
    ) -> Map<String, Value> {
        let is_visible = |property: &&Property| {
            property.kind != Kind::Links
                && self.visible.is_none_or(|visible| visible.contains(&property.name))
        };
        let show = |property: &Property| {
            let value = object.document.get(property.name).cloned().unwrap_or(match property.kind {
                Kind::Objects | Kind::Texts(_) => json!([]),
                Kind::Boolean | Kind::DateTime | Kind::Guid | Kind::Links | Kind::Object | Kind::Text(_) => {
                    Value::Null
                }
            });
            (property.name.to_owned(), value)
        };
        let mut shown: Map<String, Value> = match select {
            Some(select) => select.iter().copied().filter(is_visible).map(show).collect(),
            None => self
                .entity
                .properties
                .iter()
                .filter(|property| property.is_default)
                .filter(is_visible)
                .map(show)
                .collect(),
        };
        // Certificates are shown to who asks for them on one object.
        if let (false, Some(Value::Array(keys))) =
            (is_single && select.is_some(), shown.get_mut("keyCredentials"))
        {
            for key in keys {
                key["key"] = Value::Null;
            }
        }
        shown
    }
}

/// Finds the object that a path names, by `id` or by one of `alternates` (property and column).
pub(super) fn named(
    connection: &Connection,
    call: &Call<'_>,
    place: usize,
    table: Table,
    alternates: &[(&str, &'static str)],
) -> Result<Object, Fault> {
    let key = call.key(place);
    let column = match &key.property {
        None => "id",
        Some(property) => alternates
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(property))
            .map(|(_, column)| *column)
            .ok_or_else(|| Fault::bad_query(format!("The key property '{property}' is not known.")))?,
    };
    let value = if column == "id" { key.value.to_ascii_lowercase() } else { key.value.clone() };
    objects::find(connection, table, &call.tenant.id, column, &value)?
        .ok_or_else(|| Fault::not_found(&key.value))
}
