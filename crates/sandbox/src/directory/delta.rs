//! Delta queries: everything once, then what changed since.
//!
//! A round is pages until one ends with a `deltaLink`. The first round reads the objects in their order and notes where
//! the log of changes stood when it began; every later one reads the log from there on. What a token needs to go on is
//! sealed into it, the options of the first request included, so that the server keeps nothing for a client.

use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::collection::Collection;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::odata::{Constant, Expression, Operator, parse_filter, select};
use super::schema::{EntityType, Property, entity_of};
use crate::store::changes::{self, Change, Removal};
use crate::store::links::{self, Direction, Relation};
use crate::store::{Condition, Object, PageQuery, Position, StoreError, Table, objects, paging};

/// How many objects a page has when nobody says, and at most.
const DEFAULT_PAGE: usize = 200;
const MAX_PAGE: usize = 999;

/// How many links of one object a page has at most: a group with more comes several times.
const LINKS_PER_PAGE: usize = 1_000;

const MEMBERS: &str = "members@delta";

/// How many objects a filter may name.
const MAX_IDS: usize = 50;

/// What a token holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct State {
    /// Names in the `$select` of the first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    select: Option<Vec<String>>,
    /// The only objects that the client wants to hear of, unless there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    /// When the token was given out, in Unix seconds.
    issued: i64,
    /// Changes up to here are known to the client, or come in this first round.
    since: i64,
    /// The number of the last change when the token was given out: none that is younger was seen.
    #[serde(default)]
    head: i64,
    place: Place,
}

/// Where in a round the next page begins.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum Place {
    /// After the object of this age.
    Objects(i64),
    /// In the object of this age, after its link of that age.
    Links(i64, i64),
    /// After this number of the log.
    Changes(i64),
}

/// Answers one page of a round.
pub(super) fn answer(call: &Call<'_>, collection: &Collection) -> Result<Answer, Fault> {
    let entity = collection.known(call)?;
    let round = Round { call, collection, entity };
    let options = Options::parse(&call.request.query)?;
    let state = match options.token {
        None => round.first(options)?,
        Some(Token::Latest) => {
            let mut state = round.first(options)?;
            state.place = Place::Changes(state.since);
            return Ok(Answer::ok(round.body(&[], &state, true)?));
        }
        Some(Token::Sealed(token)) => round.resume(&token)?,
    };
    round.page(state)
}

struct Round<'a> {
    call: &'a Call<'a>,
    collection: &'a Collection,
    entity: EntityType,
}

impl Round<'_> {
    fn first(&self, options: Options) -> Result<State, Fault> {
        let entity = &self.entity;
        let select = match &options.select {
            Some(names) => Some(select(names, entity)?.iter().map(|it| it.name.to_string()).collect()),
            None => None,
        };
        let ids = match &options.filter {
            Some(filter) => ids(&parse_filter(filter, entity)?).ok_or_else(|| {
                Fault::unsupported_query(format!(
                    "Change tracking of resource '{}' supports filters by up to {MAX_IDS} values of 'id' only.",
                    entity.resource
                ))
            })?,
            None => Vec::new(),
        };
        let since = self.call.directory.store.read(changes::head)?;
        Ok(State { select, ids, issued: self.call.now, since, head: since, place: Place::Objects(0) })
    }

    /// The state in a token that was given out before.
    ///
    /// # Errors
    /// 400 for a token of another collection or of nobody; 410 for one whose time is over, or that may know changes which
    /// this directory does not: it was put back to an earlier day.
    fn resume(&self, token: &str) -> Result<State, Fault> {
        let malformed = || Fault::bad_request("Badly formed token.");
        let tokens = self.call.directory.skip_tokens()?;
        let bytes = tokens.open_bytes(&self.identity(), token).ok_or_else(malformed)?;
        let state: State = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let life =
            i64::try_from(self.call.directory.control.settings().delta_life.as_secs()).unwrap_or(i64::MAX);
        let is_over = self.call.now.saturating_sub(state.issued) >= life;
        let known = state.head.max(state.since);
        if is_over || !self.call.directory.store.read(|connection| changes::is_past(connection, known))? {
            return Err(self.gone(&state));
        }
        Ok(state)
    }

    fn page(&self, mut state: State) -> Result<Answer, Fault> {
        let limit = page_size(&self.call.request.headers);
        let select = self.select(&state);
        let is_minimal = prefers(&self.call.request.headers, "return=minimal");
        let (items, is_end) =
            self.call.directory.store.read(|connection| match (state.place, state.ids.is_empty()) {
                (Place::Objects(after), true) => {
                    let found = self.objects(connection, after, limit)?;
                    let mut items = Vec::new();
                    for object in &found {
                        state.place = Place::Objects(object.seq);
                        let (item, rest) = self.whole(connection, object, select.as_deref(), 0)?;
                        items.push(item);
                        if let Some(link) = rest {
                            state.place = Place::Links(object.seq, link);
                            return Ok((items, false));
                        }
                    }
                    Ok::<_, Fault>((items, found.len() < limit))
                }
                (Place::Links(seq, after), _) => {
                    state.place = Place::Objects(seq);
                    let found = self.objects(connection, seq - 1, 1)?;
                    let Some(object) = found.first().filter(|object| object.seq == seq) else {
                        return Ok((Vec::new(), false));
                    };
                    let (item, rest) = self.whole(connection, object, select.as_deref(), after)?;
                    if let Some(link) = rest {
                        state.place = Place::Links(seq, link);
                    }
                    Ok((vec![item], false))
                }
                (Place::Objects(_), false) => {
                    let mut items: Vec<Value> = Vec::new();
                    for id in &state.ids {
                        if let Some(object) = self.object(connection, id)? {
                            items.push(self.whole(connection, &object, select.as_deref(), 0)?.0);
                        }
                    }
                    Ok((items, true))
                }
                (Place::Changes(after), _) => {
                    let tenant = &self.call.tenant.id;
                    let found = changes::after(connection, tenant, self.table(), after, limit)?;
                    let is_end = found.len() < limit;
                    if let Some(last) = found.last() {
                        state.place = Place::Changes(last.seq);
                    }
                    let mut items = Vec::new();
                    for change in &found {
                        items.extend(self.changed(
                            connection,
                            change,
                            &state,
                            select.as_deref(),
                            is_minimal,
                        )?);
                    }
                    Ok((items, is_end))
                }
            })?;
        if is_end {
            if let Place::Changes(seq) = state.place {
                state.since = seq.max(state.since);
            }
            state.place = Place::Changes(state.since);
        }
        // Not before: what is written meanwhile may be among the items.
        state.head = self.call.directory.store.read(changes::head)?;
        state.issued = self.call.now;
        Ok(Answer::ok(self.body(&items, &state, is_end)?))
    }

    fn body(&self, items: &[Value], state: &State, is_end: bool) -> Result<Value, Fault> {
        let tokens = self.call.directory.skip_tokens()?;
        let token =
            tokens.seal_bytes(&self.identity(), &serde_json::to_vec(state).map_err(StoreError::from)?);
        let url = format!("{}/{}/delta", self.call.version_url(), self.collection.path);
        let names = state.select.as_ref().map_or(String::new(), |names| format!("({})", names.join(",")));
        let context = format!("{}/$metadata#{}{names}/$delta", self.call.version_url(), self.collection.path);
        let (link, parameter) = match is_end {
            true => ("@odata.deltaLink", "$deltatoken"),
            false => ("@odata.nextLink", "$skiptoken"),
        };
        Ok(json!({ "@odata.context": context, link: format!("{url}?{parameter}={token}"), "value": items }))
    }

    fn objects(&self, connection: &Connection, after: i64, limit: usize) -> Result<Vec<Object>, Fault> {
        let condition = Condition::all();
        let after = Position { seq: after, value: None };
        let query = PageQuery::new(&condition, limit).after(Some(&after));
        let mut found = paging::page(connection, self.table(), &self.call.tenant.id, &query)?;
        if let Some(complete) = self.collection.complete {
            for object in &mut found {
                complete(connection, object)?;
            }
        }
        Ok(found)
    }

    fn object(&self, connection: &Connection, id: &str) -> Result<Option<Object>, Fault> {
        let found = objects::find(connection, self.table(), &self.call.tenant.id, "id", id)?;
        let Some(mut object) = found else { return Ok(None) };
        if let Some(complete) = self.collection.complete {
            complete(connection, &mut object)?;
        }
        Ok(Some(object))
    }

    /// An object that the client has not seen: every property that has a value, and its links after a place. If there
    /// are more than one page holds, the place where the rest begins.
    fn whole(
        &self,
        connection: &Connection,
        object: &Object,
        select: Option<&[&Property]>,
        after: i64,
    ) -> Result<(Value, Option<i64>), Fault> {
        let mut shown = self.shown(object, select, |_, value| !is_nothing(value));
        if !self.tracks_members(select) {
            return Ok((shown, None));
        }
        let (relation, direction) = (Relation::Members, Direction::ToTargets);
        let mut ends =
            links::page(connection, relation, direction, object.id(), None, after, LINKS_PER_PAGE + 1)?;
        let has_more = ends.len() > LINKS_PER_PAGE;
        ends.truncate(LINKS_PER_PAGE);
        if !ends.is_empty() {
            shown[MEMBERS] = ends.iter().map(|end| member(end.table, &end.id, false)).collect();
        }
        Ok((shown, ends.last().map(|end| end.seq).filter(|_| has_more)))
    }

    /// Whether the client hears of the members of groups.
    fn tracks_members(&self, select: Option<&[&Property]>) -> bool {
        self.table() == Table::Groups
            && select.is_none_or(|select| select.iter().any(|property| property.name == "members"))
    }

    /// What a client that knows everything up to `state.since` has to hear about a change; nothing if it does not
    /// concern it.
    fn changed(
        &self,
        connection: &Connection,
        change: &Change,
        state: &State,
        select: Option<&[&Property]>,
        is_minimal: bool,
    ) -> Result<Option<Value>, Fault> {
        if !state.ids.is_empty() && !state.ids.contains(&change.object_id) {
            return Ok(None);
        }
        let tombstone = |removal| {
            let reason = match removal {
                Removal::Soft => "changed",
                Removal::Permanent => "deleted",
            };
            Some(json!({ "id": change.object_id, "@removed": { "reason": reason } }))
        };
        if let Some(removal) = change.removal {
            return Ok(tombstone(removal));
        }
        let Some(object) = self.object(connection, &change.object_id)? else {
            return Ok(tombstone(Removal::Permanent));
        };
        if change.appeared > state.since {
            return Ok(Some(self.whole(connection, &object, select, 0)?.0));
        }
        let is_tracked = |property: &Property| match select {
            Some(select) => select.iter().any(|it| it.name == property.name),
            None => property.is_default,
        };
        let is_touched = |name: &str| change.touched(name, state.since);
        if !self.entity.all().any(|property| is_tracked(property) && is_touched(&property.name)) {
            return Ok(None);
        }
        let mut shown = self.shown(&object, select, |name, value| match is_minimal {
            true => is_touched(name),
            false => is_touched(name) || !is_nothing(value),
        });
        if self.tracks_members(select) && is_touched("members") {
            let changed = links::changed_after(connection, Relation::Members, object.id(), state.since)?;
            shown[MEMBERS] =
                changed.iter().map(|it| member(it.target, &it.target_id, it.is_removed)).collect();
        }
        Ok(Some(shown))
    }

    fn shown(
        &self,
        object: &Object,
        select: Option<&[&Property]>,
        keep: impl Fn(&str, &Value) -> bool,
    ) -> Value {
        let mut shown = Map::from_iter([("id".to_owned(), json!(object.id()))]);
        let all = self.collection.show(object, select, false);
        shown.extend(all.into_iter().filter(|(name, value)| keep(name, value)));
        Value::Object(shown)
    }

    /// The properties that a round began with, as far as they are still there: definitions of extensions may go.
    fn select(&self, state: &State) -> Option<Vec<&Property>> {
        let names = state.select.as_ref()?;
        Some(names.iter().filter_map(|name| self.entity.property(name)).collect())
    }

    fn table(&self) -> Table {
        self.collection.entity.table
    }

    /// What tokens are bound to.
    fn identity(&self) -> String {
        format!("delta\n{}\n{}", self.call.tenant.id, self.collection.path)
    }

    /// 410 with the way to begin again.
    fn gone(&self, state: &State) -> Fault {
        let mut fault = Fault::new(
            StatusCode::GONE,
            "SyncStateNotFound",
            "The sync state generation is not found; a full synchronization is needed.",
        );
        let select = state.select.as_ref().map(|names| format!("$select={}&", names.join(",")));
        let filter = (!state.ids.is_empty()).then(|| {
            let terms: Vec<String> = state.ids.iter().map(|id| format!("id%20eq%20'{id}'")).collect();
            format!("$filter={}&", terms.join("%20or%20"))
        });
        let url = format!(
            "{}/{}/delta?{}{}$deltatoken=",
            self.call.version_url(),
            self.collection.path,
            select.unwrap_or_default(),
            filter.unwrap_or_default()
        );
        fault.headers.extend(HeaderValue::from_str(&url).map(|url| (LOCATION, url)));
        fault
    }
}

/// The options of a request. Those of the first one are in the token of every later one, which repeats none.
#[derive(Debug, Default)]
struct Options {
    select: Option<String>,
    filter: Option<String>,
    token: Option<Token>,
}

#[derive(Debug)]
enum Token {
    /// No round: only what changes from now on.
    Latest,
    Sealed(String),
}

impl Options {
    fn parse(query: &str) -> Result<Self, Fault> {
        let mut options = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(option) = name.strip_prefix('$').map(str::to_ascii_lowercase) else { continue };
            match option.as_str() {
                "select" => options.select = Some(value.into_owned()),
                "filter" => options.filter = Some(value.into_owned()),
                "deltatoken" if value.eq_ignore_ascii_case("latest") => options.token = Some(Token::Latest),
                // Where a 410 leads: the first round again.
                "deltatoken" if value.is_empty() => {}
                "deltatoken" | "skiptoken" => options.token = Some(Token::Sealed(value.into_owned())),
                "format" => {}
                _ => {
                    return Err(Fault::unsupported_query(format!(
                        "The query option '${option}' is not supported by change tracking."
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// The ids in `id eq 'a' or id eq 'b'`; nothing for any other filter.
fn ids(filter: &Expression<'_>) -> Option<Vec<String>> {
    let ids = match filter {
        Expression::Any(parts) => parts.iter().map(ids).collect::<Option<Vec<_>>>()?.concat(),
        Expression::Compare { property, operator: Operator::Equal, value: Constant::Text(id) }
            if property.name == "id" =>
        {
            vec![id.to_ascii_lowercase()]
        }
        _ => return None,
    };
    (ids.len() <= MAX_IDS).then_some(ids)
}

/// A member that was there, came or went.
fn member(table: Table, id: &str, is_removed: bool) -> Value {
    let kind = format!("#microsoft.graph.{}", entity_of(table).name);
    match is_removed {
        true => json!({ "@odata.type": kind, "id": id, "@removed": { "reason": "deleted" } }),
        false => json!({ "@odata.type": kind, "id": id }),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
}

fn page_size(headers: &HeaderMap) -> usize {
    let asked = preferences(headers)
        .find_map(|preference| preference.strip_prefix("odata.maxpagesize=")?.trim().parse().ok());
    asked.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)
}

fn prefers(headers: &HeaderMap, wish: &str) -> bool {
    preferences(headers).any(|preference| preference == wish)
}

/// The preferences of RFC 7240 in lower case.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|preference| preference.trim().to_ascii_lowercase())
}
