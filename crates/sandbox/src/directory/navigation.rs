//! Navigation from an object to others: members, owners, `memberOf`, manager.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::directory_objects::{find_any, show};
use super::exchange::{Answer, Call, segments};
use super::fault::Fault;
use super::odata::{QueryOptions, is_eventual};
use super::schema::{DIRECTORY_OBJECT, EntityType, Property, entity_of};
use super::{applications, groups, service_principals, users};
use crate::store::links::{self, Direction, End, Relation};
use crate::store::{Object, Position, StoreError, Table};

/// Permissions that write groups with all that is in them.
const WRITE_ANY_GROUP: &[&str] = &["Group.ReadWrite.All", "Group.Create", "Directory.ReadWrite.All"];

/// How many objects one request may link.
pub(super) const MAX_BOUND: usize = 20;

/// One navigation property of one type.
#[derive(Clone, Copy)]
pub(super) struct Navigation {
    /// The property as the path spells it.
    pub(super) name: &'static str,
    /// The type whose property it is.
    of: Table,
    relation: Relation,
    direction: Direction,
    /// Through groups in groups, too.
    is_transitive: bool,
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
    is_transitive: false,
    find: groups::find,
    targets: &[Table::Users, Table::Groups, Table::ServicePrincipals],
};

pub(super) static GROUP_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::Groups,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    is_transitive: false,
    find: groups::find,
    targets: PRINCIPALS,
};

pub(super) static APPLICATION_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::Applications,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    is_transitive: false,
    find: applications::find_for_write,
    targets: PRINCIPALS,
};

pub(super) static SERVICE_PRINCIPAL_OWNERS: Navigation = Navigation {
    name: "owners",
    of: Table::ServicePrincipals,
    relation: Relation::Owners,
    direction: Direction::ToTargets,
    is_transitive: false,
    find: service_principals::find_for_write,
    targets: PRINCIPALS,
};

pub(super) static MANAGER: Navigation = Navigation {
    name: "manager",
    of: Table::Users,
    relation: Relation::Manager,
    direction: Direction::ToTargets,
    is_transitive: false,
    find: users::find,
    targets: &[Table::Users],
};

pub(super) static DIRECT_REPORTS: Navigation = Navigation {
    name: "directReports",
    of: Table::Users,
    relation: Relation::Manager,
    direction: Direction::ToSources,
    is_transitive: false,
    find: users::find,
    targets: &[Table::Users],
};

pub(super) static GROUP_TRANSITIVE_MEMBERS: Navigation =
    Navigation { name: "transitiveMembers", is_transitive: true, ..GROUP_MEMBERS };

pub(super) static USER_MEMBER_OF: Navigation = member_of(Table::Users, users::find);
pub(super) static GROUP_MEMBER_OF: Navigation = member_of(Table::Groups, groups::find);
pub(super) static SERVICE_PRINCIPAL_MEMBER_OF: Navigation =
    member_of(Table::ServicePrincipals, service_principals::find);

pub(super) static USER_TRANSITIVE_MEMBER_OF: Navigation = transitive(USER_MEMBER_OF);
pub(super) static GROUP_TRANSITIVE_MEMBER_OF: Navigation = transitive(GROUP_MEMBER_OF);
pub(super) static SERVICE_PRINCIPAL_TRANSITIVE_MEMBER_OF: Navigation =
    transitive(SERVICE_PRINCIPAL_MEMBER_OF);

const fn member_of(of: Table, find: fn(&Connection, &Call<'_>) -> Result<Object, Fault>) -> Navigation {
    Navigation {
        name: "memberOf",
        of,
        relation: Relation::Members,
        direction: Direction::ToSources,
        is_transitive: false,
        find,
        targets: &[Table::Groups],
    }
}

const fn transitive(direct: Navigation) -> Navigation {
    Navigation { name: "transitiveMemberOf", is_transitive: true, ..direct }
}

/// The navigation property of a type that `$expand` may name.
pub(super) fn of(entity: &EntityType, name: &str) -> Option<&'static Navigation> {
    let all = [
        &GROUP_MEMBERS,
        &GROUP_OWNERS,
        &GROUP_MEMBER_OF,
        &GROUP_TRANSITIVE_MEMBERS,
        &GROUP_TRANSITIVE_MEMBER_OF,
        &APPLICATION_OWNERS,
        &SERVICE_PRINCIPAL_OWNERS,
        &SERVICE_PRINCIPAL_MEMBER_OF,
        &SERVICE_PRINCIPAL_TRANSITIVE_MEMBER_OF,
        &MANAGER,
        &DIRECT_REPORTS,
        &USER_MEMBER_OF,
        &USER_TRANSITIVE_MEMBER_OF,
    ];
    let is_set = |navigation: &Navigation| entity_of(navigation.of).name == entity.name;
    all.into_iter().find(|navigation| navigation.name == name && is_set(navigation))
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
            let table = cast.map(|entity| entity.table);
            let ends = self.ends(connection, object.id(), table, after.as_ref(), limit + 1)?;
            let count = match options.tells_count() {
                true => Some(self.number(connection, object.id(), table)?),
                false => None,
            };
            let select = options.select.as_deref();
            let shown = ends.iter().take(limit).map(|end| show(connection, call, end, select, cast));
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
            let value = self.is_transitive.then(|| last.id.clone());
            let token = tokens.seal(&scope, &Position { seq: last.seq, value });
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
            Ok::<_, Fault>(self.number(connection, object.id(), None)?)
        })?;
        Ok(Answer::number(count))
    }

    /// The first objects at the other end, as they are shown.
    pub(super) fn first(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        id: &str,
        select: Option<&[&Property]>,
        limit: usize,
    ) -> Result<Vec<Value>, Fault> {
        let ends = self.ends(connection, id, None, None, limit)?;
        ends.iter().map(|end| show(connection, call, end, select, None)).collect()
    }

    /// Whether it leads to one object at most.
    pub(super) fn is_single(&self) -> bool {
        self.relation == Relation::Manager && self.direction == Direction::ToTargets
    }

    fn ends(
        &self,
        connection: &Connection,
        id: &str,
        table: Option<Table>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<End>, StoreError> {
        if self.is_transitive {
            let after = after.and_then(|position| position.value.as_deref()).unwrap_or_default();
            return links::transitive_page(connection, self.direction, id, table, after, limit);
        }
        let after = after.map_or(0, |position| position.seq);
        links::page(connection, self.relation, self.direction, id, table, after, limit)
    }

    fn number(&self, connection: &Connection, id: &str, table: Option<Table>) -> Result<i64, StoreError> {
        match self.is_transitive {
            true => links::transitive_count(connection, self.direction, id, table),
            false => links::count(connection, self.relation, self.direction, id, table),
        }
    }

    /// The one object at the other end.
    pub(super) fn single(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let options = self.options(call, None)?;
        let found = call.directory.store.read(|connection| {
            let object = (self.find)(connection, call)?;
            let ends = links::page(connection, self.relation, self.direction, object.id(), None, 0, 1)?;
            let select = options.select.as_deref();
            ends.first().map(|end| show(connection, call, end, select, None)).transpose()
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
            self.replace(transaction, call, &object, reference)
        })?;
        Ok(Answer::no_content())
    }

    /// Links an object to this one alone.
    pub(super) fn replace(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        object: &Object,
        reference: &str,
    ) -> Result<(), Fault> {
        self.unlink_all(connection, call, object)?;
        self.link(connection, call, object, &[reference.to_owned()])
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
            if let Some((kind, _)) = find_any(transaction, &call.tenant.id, &target)? {
                self.admit_target(call, kind)?;
            }
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
            let (end, _) =
                find_any(connection, &call.tenant.id, &id)?.ok_or_else(|| Fault::not_found(&id))?;
            if !self.targets.contains(&end) || id == object.id() {
                return Err(Fault::bad_request(format!(
                    "The object '{id}' cannot be added to the property '{}'.",
                    self.name
                )));
            }
            self.admit_target(call, end)?;
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

    /// 403 for a caller that may write memberships and not the kind of object that is a member: it needs the permission
    /// for both.
    fn admit_target(&self, call: &Call<'_>, target: Table) -> Result<(), Fault> {
        let may_write_groups = call.caller.require_any_role(WRITE_ANY_GROUP).is_ok();
        if self.of != Table::Groups || self.relation != Relation::Members || may_write_groups {
            return Ok(());
        }
        let second = match target {
            Table::Groups => "Group.ReadWrite.All",
            Table::ServicePrincipals => "Application.ReadWrite.All",
            _ => "User.ReadWrite.All",
        };
        call.caller.require_any_role([second]).map_err(|_| Fault::denied())
    }

    fn unlink_all(&self, connection: &Connection, call: &Call<'_>, object: &Object) -> Result<usize, Fault> {
        let ends = links::page(connection, self.relation, self.direction, object.id(), None, 0, usize::MAX)?;
        for end in &ends {
            links::remove(connection, &call.tenant.id, self.relation, (self.of, object.id()), &end.id)?;
        }
        Ok(ends.len())
    }

    fn options(
        &self,
        call: &Call<'_>,
        cast: Option<&'static EntityType>,
    ) -> Result<QueryOptions<'static>, Fault> {
        let entity = cast.unwrap_or(&DIRECTORY_OBJECT);
        let options = QueryOptions::parse(&call.request.query, &call.request.headers, entity)?;
        if options.filter.is_some()
            || options.order.is_some()
            || options.search.is_some()
            || options.expand.is_some()
        {
            return Err(Fault::unsupported_query(format!(
                "Filtering, sorting and expanding are not supported on the property '{}'.",
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

/// The id that the URL of an object ends in.
fn id_in(reference: &str) -> Option<String> {
    let (_, rest) = reference.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let last = segments(path)?.pop()?;
    uuid::Uuid::try_parse(&last.value).ok().map(|_| last.value.to_ascii_lowercase())
}
