//! Questions about the groups that an object is in, through other groups, too.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::directory_objects::find_any;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::users;
use crate::store::links::{self, Direction};
use crate::store::{Table, objects};

/// How many groups one request may ask about.
const MAX_CHECKED: usize = 20;

/// The most groups that one answer tells of.
const MAX_GROUPS: usize = 11_000;

/// `POST .../getMemberGroups`: the ids of all groups.
pub(super) fn get_member_groups(call: &Call<'_>) -> Result<Answer, Fault> {
    let body = call.json()?;
    let security_only = match body.get("securityEnabledOnly") {
        Some(Value::Bool(only)) => *only,
        None | Some(Value::Null) => false,
        Some(_) => return Err(Fault::bad_request("The property 'securityEnabledOnly' is true or false.")),
    };
    let groups = call.directory.store.read(|connection| groups_of(connection, call, security_only))?;
    Ok(ids(call, groups))
}

/// `POST .../checkMemberGroups` and `POST .../checkMemberObjects`: those of up to 20 ids that are among the groups.
pub(super) fn check_member_groups(call: &Call<'_>) -> Result<Answer, Fault> {
    let body = call.json()?;
    let asked = ["groupIds", "ids"].into_iter().find_map(|name| body.get(name));
    let asked: Option<Vec<String>> = asked
        .and_then(Value::as_array)
        .and_then(|ids| ids.iter().map(|id| id.as_str().map(str::to_ascii_lowercase)).collect());
    let asked = asked.filter(|ids| (1..=MAX_CHECKED).contains(&ids.len())).ok_or_else(|| {
        Fault::bad_request(format!("One to {MAX_CHECKED} ids of groups are needed to be checked."))
    })?;
    let mut groups = call.directory.store.read(|connection| groups_of(connection, call, false))?;
    groups.retain(|id| asked.contains(id));
    Ok(ids(call, groups))
}

fn ids(call: &Call<'_>, ids: Vec<String>) -> Answer {
    let context = format!("{}/$metadata#Collection(Edm.String)", call.version_url());
    Answer::ok(json!({ "@odata.context": context, "value": ids }))
}

fn groups_of(connection: &Connection, call: &Call<'_>, security_only: bool) -> Result<Vec<String>, Fault> {
    let key = call.key(0);
    // What is no user principal name is the id of some object.
    let id = match key.value.contains('@') {
        true => users::find(connection, call)?.id().to_owned(),
        false => key.value.to_ascii_lowercase(),
    };
    find_any(connection, &call.tenant.id, &id)?.ok_or_else(|| Fault::not_found(&id))?;
    let ends = links::transitive_page(connection, Direction::ToSources, &id, None, "", MAX_GROUPS)?;
    let mut groups: Vec<String> = ends.into_iter().map(|end| end.id).collect();
    if security_only {
        let mut kept = Vec::new();
        for id in groups {
            let group = objects::find(connection, Table::Groups, &call.tenant.id, "id", &id)?;
            if group.is_some_and(|group| group.document.get("securityEnabled") == Some(&json!(true))) {
                kept.push(id);
            }
        }
        groups = kept;
    }
    Ok(groups)
}
