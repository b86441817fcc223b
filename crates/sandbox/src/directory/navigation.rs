//! Navigation from an object to others: members, owners, `memberOf`, manager.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::collection::Collection;
use super::exchange::{Answer, Call, segments};
use super::fault::Fault;
use super::odata::{QueryOptions, is_eventual};
use super::schema::{DIRECTORY_OBJECT, EntityType, entity_of};
use super::{applications, groups, service_principals, users};
use crate::store::links::{self, Direction, End, Relation};
use crate::store::{Object, Position, Table, objects};

/// How many objects one request may link.
pub(super) const MAX_BOUND: usize = 20;

/// One navigation property of one type.
pub(super) struct Navigation {
    /// The property as the path spells it.
    name: &'static str,
    /// The type whose property it is.
    of: Table,
    relation: Relation,
    direction: Direction,
    find: fn(&Connection, &Call<'_>) -> Result<Object, Fault>,
    /// What may be linked.
    targets: &'static [Table],
}

const PRINCIPALS: &[Table] = &[Table::Users, Table::ServicePrincipals];

pub(super) static GROUP_MEMBERS: Navigation = Navigation {
    name: "members",
    of: Table::Groups,
    relation: Relation::Members,
    direction: Direction::ToTargets,
    find: groups::find,
    targets: &[Table::Users, Table::Groups, Table::ServicePrincipals],
};

pub(super) static GROUP_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::Groups,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    find: groups::find,
    targets: PRINCIPALS,
};

pub(super) static APPLICATION_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::Applications,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    find: applications::find_for_write,
    targets: PRINCIPALS,
};

pub(super) static SERVICE_PRINCIPAL_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::ServicePrincipals,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    find: service_principals::find_for_write,
    targets: PRINCIPALS,
};

pub(super) static MANAGER: Navigation = Navigation {
    name: "manager",
    of: Table::Users,
    relation: Relation::Manager,
    direction: Direction::ToTargets,
    find: users::find,
    targets: &[Table::Users],
};

pub(super) static DIRECT_REPORTS: Navigation = Navigation {
    name: "directReports",
    of: Table::Users,
    relation: Relation::Manager,
    direction: Direction::ToSources,
    find: users::find,
    targets: &[Table::Users],
};

pub(super) static USER_MEMBER_OF: Navigation = member_of(Table::Users, users::find);
pub(super) static GROUP_MEMBER_OF: Navigation = member_of(Table::Groups, groups::find);
pub(super) static SERVICE_PRINCIPAL_MEMBER_OF: Navigation =
    member_of(Table::ServicePrincipals, service_principals::find);

const fn member_of(of: Table, find: fn(&Connection, &Call<'_>) -> Result<Object, Fault>) -> Navigation {
    Navigation {
        name: "memberOf",
        of,
        relation: Relation::Members,
        direction: Direction::ToSources,
        find,
        targets: &[Table::Groups],
    }
}

impl Navigation {
    /// One page of the objects at the other end.
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        self.page(call, None)
    }

    /// One page of those of one type: `members/microsoft.graph.user`.
    pub(super) fn list_of(&self, call: &Call<'_>, entity: &'static EntityType) -> Result<Answer, Fault> {
        self.page(call, Some(entity))
    }

    fn page(&self, call: &Call<'_>, cast: Option<&'static EntityType>) -> Result<Answer, Fault> {
        let options = self.options(call, cast)?;
        let tokens = call.directory.skip_tokens()?;
        let limit = options.page_size();
        let (object, ends, count) = call.directory.store.read(|connection| {
            let object = (self.find)(connection, call)?;
            let scope = self.scope(call, &object, cast);
            let after = options.skip_token.as_ref().map(|token| tokens.open(&scope, token)).transpose()?;
            let after = after.map_or(0, |position| position.seq);
            let table = cast.map(|entity| entity.table);
            let ends =
                links::page(connection, self.relation, self.direction, object.id(), table, after, limit + 1)?;
            let count = match options.count {
                true => Some(links::count(connection, self.relation, self.direction, object.id(), table)?),
                false => None,
            };
            let shown = ends.iter().take(limit).map(|end| show(connection, call, end, &options, cast));
            let shown = shown.collect::<Result<Vec<_>, Fault>>()?;
            Ok::<_, Fault>((object, (shown, ends), count))
        })?;
        let (shown, ends) = ends;
        let set = cast.map_or("directoryObjects", |entity| entity.set);
        let mut body = json!({ "@odata.context": format!("{}/$metadata#{set}", call.version_url()) });
        if let Some(count) = count {
            body["@odata.count"] = count.into();
        }
        if let Some(last) = ends.get(limit - 1).filter(|_| ends.len() > limit) {
            let scope = self.scope(call, &object, cast);
            let token = tokens.seal(&scope, &Position { seq: last.seq, value: None });
            let suffix = cast.map_or(String::new(), |entity| format!("/microsoft.graph.{}", entity.name));
            let url = format!(
                "{}/{}{suffix}?{}$skiptoken={token}",
                call.version_url(),
                self.path(&object),
                options.repeated
            );
            body["@odata.nextLink"] = url.into();
        }
        body["value"] = shown.into();
        Ok(Answer::ok(body))
    }

    /// How many there are, as a plain number.
    pub(super) fn count(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        if !is_eventual(&call.request.headers) {
            return Err(Fault::bad_request("$count is not currently supported."));
        }
        let count = call.directory.store.read(|connection| {
            let object = (self.find)(connection, call)?;
            Ok::<_, Fault>(links::count(connection, self.relation, self.direction, object.id(), None)?)
        })?;
        Ok(Answer::number(count))
    }

    /// The one object at the other end.
    pub(super) fn single(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let options = self.options(call, None)?;
        let found = call.directory.store.read(|connection| {
            let object = (self.find)(connection, call)?;
            let ends = links::page(connection, self.relation, self.direction, object.id(), None, 0, 1)?;
            ends.first().map(|end| show(connection, call, end, &options, None)).transpose()
        })?;
        let mut body = found.ok_or_else(|| Fault::not_found(self.name))?;
        body["@odata.context"] = format!("{}/$metadata#directoryObjects/$entity", call.version_url()).into();
        Ok(Answer::ok(body))
    }

    /// `POST .../$ref`
    pub(super) fn add(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let body = call.json()?;
        let reference = body.get("@odata.id").and_then(Value::as_str);
        let reference =
            reference.ok_or_else(|| Fault::bad_request("A value is required for '@odata.id'."))?;
        call.directory.store.write(|transaction| {
            let object = (self.find)(transaction, call)?;
            self.link(transaction, call, &object, &[reference.to_owned()])
        })?;
        Ok(Answer::no_content())
    }

    /// `PUT .../$ref`: the only one, whoever it was before.
    pub(super) fn set(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let body = call.json()?;
        let reference = body.get("@odata.id").and_then(Value::as_str);
        let reference =
            reference.ok_or_else(|| Fault::bad_request("A value is required for '@odata.id'."))?;
        call.directory.store.write(|transaction| {
            let object = (self.find)(transaction, call)?;
            self.unlink_all(transaction, call, &object)?;
            self.link(transaction, call, &object, &[reference.to_owned()])
        })?;
        Ok(Answer::no_content())
    }

    /// `DELETE .../$ref` of the only one.
    pub(super) fn clear(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.write(|transaction| {
            let object = (self.find)(transaction, call)?;
            match self.unlink_all(transaction, call, &object)? {
                0 => Err(Fault::not_found(self.name)),
                _ => Ok(Answer::no_content()),
            }
        })
    }

    /// `DELETE .../{id}/$ref`
    pub(super) fn remove(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let target = call.key(1).value.to_ascii_lowercase();
        call.directory.store.write(|transaction| {
            let object = (self.find)(transaction, call)?;
            let source = (self.of, object.id());
            match links::remove(transaction, &call.tenant.id, self.relation, source, &target)? {
                true => Ok(Answer::no_content()),
                false => Err(Fault::not_found(&target)),
            }
        })
    }

    /// Links the objects that the references name: all of them or none.
    ///
    /// # Errors
    /// 404 for an object that does not exist, 400 for one that cannot be linked or is linked already.
    pub(super) fn link(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        object: &Object,
        references: &[String],
    ) -> Result<(), Fault> {
        for reference in references {
            let id = id_in(reference).ok_or_else(|| {
                Fault::bad_request(format!(
                    "The reference '{reference}' is not the URL of a directory object."
                ))
            })?;
            let end = find_any(connection, &call.tenant.id, &id)?.ok_or_else(|| Fault::not_found(&id))?;
            if !self.targets.contains(&end) || id == object.id() {
                return Err(Fault::bad_request(format!(
                    "The object '{id}' cannot be added to the property '{}'.",
                    self.name
                )));
            }
            let tenant = &call.tenant.id;
            let source = (self.of, object.id());
            if !links::add(connection, tenant, self.relation, source, (end, &id))? {
                return Err(Fault::bad_request(format!(
                    "One or more added object references already exist for the following modified properties: '{}'.",
                    self.name
                )));
            }
        }
        Ok(())
    }

    fn unlink_all(&self, connection: &Connection, call: &Call<'_>, object: &Object) -> Result<usize, Fault> {
        let ends = links::page(connection, self.relation, self.direction, object.id(), None, 0, usize::MAX)?;
        for end in &ends {
            links::remove(connection, &call.tenant.id, self.relation, (self.of, object.id()), &end.id)?;
        }
        Ok(ends.len())
    }

    fn options(&self, call: &Call<'_>, cast: Option<&'static EntityType>) -> Result<QueryOptions, Fault> {
        let entity = cast.unwrap_or(&DIRECTORY_OBJECT);
        let options = QueryOptions::parse(&call.request.query, &call.request.headers, entity)?;
        if options.filter.is_some() || options.order.is_some() {
            return Err(Fault::unsupported_query(format!(
                "Filtering and sorting are not supported on the property '{}'.",
                self.name
            )));
        }
        Ok(options)
    }

    fn path(&self, object: &Object) -> String {
        format!("{}/{}/{}", entity_of(self.of).set, object.id(), self.name)
    }

    /// What page tokens are bound to.
    fn scope(&self, call: &Call<'_>, object: &Object, cast: Option<&EntityType>) -> String {
        format!("{}\n{}\n{}", call.tenant.id, self.path(object), cast.map_or("", |entity| entity.name))
    }
}

/// The references in a property such as `members@odata.bind`.
///
/// # Errors
/// 400 for what is no list of URLs, or of more than may be linked at once.
pub(super) fn bound(body: &Map<String, Value>, property: &str) -> Result<Vec<String>, Fault> {
    let Some(references) = body.get(property) else { return Ok(Vec::new()) };
    let texts = references
        .as_array()
        .and_then(|all| all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>())
        .ok_or_else(|| Fault::bad_request(format!("The value of '{property}' is not a list of URLs.")))?;
    if texts.len() > MAX_BOUND {
        return Err(Fault::bad_request(format!(
            "The number of references in '{property}' exceeds the maximum value of {MAX_BOUND}."
        )));
    }
    Ok(texts)
}

/// `GET /directoryObjects/{}`
pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let id = call.key(0).value.to_ascii_lowercase();
    let options = QueryOptions::parse(&call.request.query, &call.request.headers, &DIRECTORY_OBJECT)?;
    let mut body = call.directory.store.read(|connection| {
        let table = find_any(connection, &call.tenant.id, &id)?.ok_or_else(|| Fault::not_found(&id))?;
        show(connection, call, &End { seq: 0, id: id.clone(), table }, &options, None)
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
            let Some(table) = find_any(connection, &call.tenant.id, &id)? else { continue };
            let kind = entity_of(table).name;
            if types.is_empty() || types.iter().any(|name| name.eq_ignore_ascii_case(kind)) {
                found.push(show(connection, call, &End { seq: 0, id, table }, &options, None)?);
            }
        }
        Ok::<_, Fault>(found)
    })?;
    let context = format!("{}/$metadata#directoryObjects", call.version_url());
    Ok(Answer::ok(json!({ "@odata.context": context, "value": found })))
}

/// An object of any type as it is shown among others.
fn show(
    connection: &Connection,
    call: &Call<'_>,
    end: &End,
    options: &QueryOptions,
    cast: Option<&'static EntityType>,
) -> Result<Value, Fault> {
    let entity = entity_of(end.table);
    let object = objects::find(connection, end.table, &call.tenant.id, "id", &end.id)?;
    let object = object.ok_or_else(|| Fault::not_found(&end.id))?;
    let select: Option<Vec<_>> = options
        .select
        .as_ref()
        .map(|select| select.iter().filter_map(|property| entity.property(property.name)).collect());
    let mut shown = Map::new();
    if cast.is_none() {
        shown.insert("@odata.type".into(), format!("#microsoft.graph.{}", entity.name).into());
    }
    shown.extend(Collection::of(entity).show(&object, select.as_deref(), false));
    Ok(Value::Object(shown))
}

/// The type of the object with an id.
fn find_any(connection: &Connection, tenant: &str, id: &str) -> Result<Option<Table>, Fault> {
    for table in [Table::Users, Table::Groups, Table::ServicePrincipals, Table::Applications] {
        if objects::find(connection, table, tenant, "id", id)?.is_some() {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// The id that the URL of an object ends in.
fn id_in(reference: &str) -> Option<String> {
    let (_, rest) = reference.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let last = segments(path)?.pop()?;
    uuid::Uuid::try_parse(&last.value).ok().map(|_| last.value.to_ascii_lowercase())
}
