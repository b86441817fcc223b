//! What every collection has in common: lists in pages, counts, single objects, what is shown of them.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::etag;
use super::exchange::{Answer, Body, Call};
use super::extension_properties;
use super::fault::Fault;
use super::odata::{QueryOptions, SkipTokens, is_eventual};
use super::pages::{Known, Page, PageName, push_text};
use super::projection::{self, Projection};
use super::schema::{EntityType, Kind, Property};
use crate::store::{Condition, Object, PageQuery, Position, StoreError, Table, objects, paging};

/// The member of an object that holds its tag.
const ETAG_MEMBER: &str = "@odata.etag";

/// The objects of a page as they were found.
struct Stretch {
    /// JSON, with commas between the objects, and the end of the page behind them.
    items: Vec<u8>,
    /// The last object, if there are more behind it.
    rest_after: Option<Position>,
}

/// Adds to an object what is kept beside its document.
pub(super) type Complete = fn(&Connection, &mut Object) -> Result<(), Fault>;

/// A collection as one request sees it.
pub(super) struct Collection {
    pub(super) entity: &'static EntityType,
    /// Where its objects are kept.
    pub(super) table: Table,
    /// Its path below the version, for links.
    pub(super) path: String,
    /// Which objects are in it, besides the filter.
    pub(super) within: Option<Condition>,
    /// The only properties the caller may see.
    pub(super) visible: Option<&'static [&'static str]>,
    /// Adds what is kept beside the document, if anything is.
    pub(super) complete: Option<Complete>,
}

impl Collection {
    /// A whole entity set.
    pub(super) fn of(entity: &'static EntityType) -> Self {
        Self {
            entity,
            table: entity.table,
            path: entity.set.to_owned(),
            within: None,
            visible: None,
            complete: None,
        }
    }

    /// One page.
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let tokens = call.directory.skip_tokens()?;
        let name = PageName::of(self, call);
        let page = match call.directory.pages.get(&call.directory.store, &name, &tokens)? {
            Known::Page(page) => page,
            Known::Asked => self.read_page(call, name, true, &tokens)?,
            Known::Nothing => self.read_page(call, name, false, &tokens)?,
        };
        Ok(Answer::written(page.answer(&tokens)))
    }

    /// Reads a page, and has it remembered if it was asked for before.
    fn read_page(
        &self,
        call: &Call<'_>,
        name: PageName,
        was_asked: bool,
        tokens: &SkipTokens,
    ) -> Result<Arc<Page>, Fault> {
        // Before anything is read: whatever is written meanwhile makes the page one of the past.
        let generation = call.directory.store.generation();
        let entity = self.known(call)?;
        let options = self.options(call, &entity)?;
        let scope = format!("{}\n{}\n{}", call.tenant.id, self.path, options.identity);
        let after = options.skip_token.as_ref().map(|token| tokens.open(&scope, token)).transpose()?;
        let condition = self.narrowed(options.condition());
        let query =
            PageQuery::new(&condition, options.page_size() + 1).ordered(options.order).after(after.as_ref());
        let (mut stretch, count) = call.directory.store.read(|connection| {
            let stretch = self.stretch(connection, call, &options, &query)?;
            let count = match options.tells_count() {
                true => Some(paging::count(connection, self.table, &call.tenant.id, &condition)?),
                false => None,
            };
            Ok::<_, Fault>((stretch, count))
        })?;
        let mut head = b"\"@odata.context\":".to_vec();
        push_text(&mut head, &self.context(call, &options, false));
        if let Some(count) = count {
            head.extend_from_slice(format!(",\"@odata.count\":{count}").as_bytes());
        }
        // What is expanded depends on what else the caller may see.
        let may_remember = options.expand.is_none();
        if may_remember && was_asked {
            stretch.items.shrink_to_fit();
        }
        let link = || format!("{}/{}?{}$skiptoken=", call.version_url(), self.path, options.repeated);
        let page = Arc::new(Page {
            next: stretch.rest_after.map(|last| (link(), last)),
            scope,
            token: options.skip_token,
            head,
            items: stretch.items.into(),
        });
        if may_remember {
            call.directory.pages.put(generation, name, was_asked.then(|| Arc::clone(&page)));
        }
        Ok(page)
    }

    /// The objects of one page as they are shown, and where the next page begins: `query` asks for one object more
    /// than the page has.
    fn stretch(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        options: &QueryOptions<'_>,
        query: &PageQuery<'_>,
    ) -> Result<Stretch, Fault> {
        let (limit, order) = (query.limit() - 1, query.order());
        let select = options.select.as_deref();
        let projection = Projection::of(self.table, self.shown(select));
        let with_etags = call.directory.control.settings().etags;
        let items = Vec::with_capacity(limit * projection.likely_size());
        let mut page = Stretch { items, rest_after: None };
        let (mut count, mut last) = (0, None);
        paging::for_each(connection, self.table, &call.tenant.id, query, |found| {
            if count == limit {
                page.rest_after = last.take();
                return Ok(());
            }
            count += 1;
            if count > 1 {
                page.items.push(b',');
            }
            if count == limit {
                let text = found.text()?;
                let value = order.map(|order| self.order_value(text, order.column)).transpose()?;
                last = Some(Position { seq: found.seq()?, value });
            }
            if self.complete.is_none() && options.expand.is_none() && !with_etags {
                projection.write(found.text()?, &mut page.items)?;
                return Ok(());
            }
            let mut object = found.object()?;
            let etag = with_etags.then(|| etag::of(&object.document));
            if let Some(complete) = self.complete {
                complete(connection, &mut object)?;
            }
            let mut shown = self.show(&object, select, false);
            shown.extend(etag.map(|etag| (ETAG_MEMBER.to_owned(), etag.into())));
            if let Some(expansion) = &options.expand {
                expansion.add(connection, call, &object, &mut shown)?;
            }
            serde_json::to_writer(&mut page.items, &shown).map_err(StoreError::from)?;
            Ok::<_, Fault>(())
        })?;
        page.items.extend_from_slice(b"]}");
        Ok(page)
    }

    /// How many objects there are, as a plain number.
    pub(super) fn count(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        if !is_eventual(&call.request.headers) {
            return Err(Fault::bad_request("$count is not currently supported."));
        }
        let entity = self.known(call)?;
        let condition = self.narrowed(self.options(call, &entity)?.condition());
        let count = call
            .directory
            .store
            .read(|connection| paging::count(connection, self.table, &call.tenant.id, &condition))?;
        Ok(Answer::number(count))
    }

    /// One object.
    pub(super) fn single(&self, call: &Call<'_>, object: Object) -> Result<Answer, Fault> {
        let entity = self.known(call)?;
        let options = self.options(call, &entity)?;
        if call.request.method == Method::GET && !call.is_replicated(&object) {
            return Err(Fault::not_found(object.id()));
        }
        if etag::is_known(call, &object) {
            let headers = etag::header(&object).into_iter().collect();
            return Ok(Answer { status: StatusCode::NOT_MODIFIED, headers, body: Body::Empty });
        }
        let header = call.directory.control.settings().etags.then(|| etag::header(&object)).flatten();
        let mut answer = Answer::ok(self.entity_body(call, object, &options)?);
        answer.headers.extend(header);
        Ok(answer)
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
        options: &QueryOptions<'_>,
    ) -> Result<Value, Fault> {
        let etag = call.directory.control.settings().etags.then(|| etag::of(&object.document));
        if let Some(complete) = self.complete {
            call.directory.store.read(|connection| complete(connection, &mut object))?;
        }
        let mut body = Map::new();
        body.insert("@odata.context".into(), self.context(call, options, true).into());
        body.extend(etag.map(|etag| (ETAG_MEMBER.to_owned(), etag.into())));
        body.extend(self.show(&object, options.select.as_deref(), true));
        if let Some(expansion) = &options.expand {
            call.directory.store.read(|connection| expansion.add(connection, call, &object, &mut body))?;
        }
        Ok(Value::Object(body))
    }

    /// The type with every property that the query may name.
    pub(super) fn known(&self, call: &Call<'_>) -> Result<EntityType, Fault> {
        match call.request.query.is_empty() {
            true => Ok(self.entity.extended(&[])),
            false => extension_properties::extended(call, self.entity),
        }
    }

    fn options<'a>(&self, call: &Call<'_>, entity: &'a EntityType) -> Result<QueryOptions<'a>, Fault> {
        let options = QueryOptions::parse(&call.request.query, &call.request.headers, entity)?;
        if let Some(expansion) = &options.expand {
            expansion.admit(call)?;
        }
        if let Some(visible) = self.visible {
            let asked = options.asked().into_iter();
            let selected = options.select.iter().flatten().copied();
            if asked.chain(selected).any(|property| !visible.contains(&&*property.name)) {
                return Err(Fault::denied());
            }
        }
        Ok(options)
    }

    fn narrowed(&self, condition: Condition) -> Condition {
        match &self.within {
            Some(within) => within.clone().and(condition),
            None => condition,
        }
    }

    /// The value that an object is ordered by, as the order compares it.
    fn order_value(&self, document: &[u8], column: &str) -> Result<String, StoreError> {
        let property = self.entity.properties.iter().find(|property| property.order() == Some(column));
        let Some(property) = property else { return Ok(String::new()) };
        let document: Map<String, Value> = serde_json::from_slice(document)?;
        Ok(match document.get(&*property.name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(value)) => u8::from(*value).to_string(),
            _ => String::new(),
        })
    }

    fn context(&self, call: &Call<'_>, options: &QueryOptions<'_>, is_single: bool) -> String {
        let select = options.selected_names().map_or(String::new(), |names| format!("({})", names.join(",")));
        let suffix = if is_single { "/$entity" } else { "" };
        format!("{}/$metadata#{}{select}{suffix}", call.version_url(), self.path)
    }

    /// The properties that are shown: those that were selected or else the usual ones, as far as the caller may see them.
    fn shown<'a>(&self, select: Option<&[&'a Property]>) -> impl Iterator<Item = &'a Property> {
        let usual = self.entity.properties.iter().filter(|property| property.is_default);
        let shown: Vec<&'a Property> = select.map_or_else(|| usual.collect(), <[_]>::to_vec);
        let visible = self.visible;
        shown.into_iter().filter(move |property| {
            property.kind != Kind::Links && visible.is_none_or(|visible| visible.contains(&&*property.name))
        })
    }

    /// The properties that were asked for. One that has no value is null, a collection without elements is empty.
    pub(super) fn show(
        &self,
        object: &Object,
        select: Option<&[&Property]>,
        is_single: bool,
    ) -> Map<String, Value> {
        let show = |property: &Property| {
            let value = object.document.get(&*property.name).cloned();
            let nothing = || match projection::nothing(property.kind) {
                "[]" => json!([]),
                _ => Value::Null,
            };
            (property.name.to_string(), value.unwrap_or_else(nothing))
        };
        let mut shown: Map<String, Value> = self.shown(select).map(show).collect();
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
    let found = objects::find(connection, table, &call.tenant.id, column, &value)?
        .ok_or_else(|| Fault::not_found(&key.value))?;
    etag::check(call, &found)?;
    Ok(found)
}
