//! `/drives`: the drive of each user and each group, as far as uploads need one.

use axum::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::directory_objects::find_any;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::{groups, uploads, users};
use crate::store::drives::{self, DriveItem, OnConflict, UploadSession};
use crate::store::{Object, Table, timestamp};

/// `GET /users/{id}/drive`
pub(super) fn of_user(call: &Call<'_>) -> Result<Answer, Fault> {
    show_drive(call, &call.directory.store.read(|connection| users::find(connection, call))?)
}

/// `GET /groups/{id}/drive`
pub(super) fn of_group(call: &Call<'_>) -> Result<Answer, Fault> {
    show_drive(call, &call.directory.store.read(|connection| groups::find(connection, call))?)
}

/// `GET /drives/{id}`
pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let owner = call.directory.store.read(|connection| owner(connection, call))?;
    show_drive(call, &owner)
}

pub(super) fn get_item(call: &Call<'_>) -> Result<Answer, Fault> {
    let item = call.directory.store.read(|connection| find(connection, call))?;
    let mut body = shown(&item);
    body["@odata.context"] =
        format!("{}/$metadata#drives('{}')/items/$entity", call.version_url(), item.drive_id).into();
    Ok(Answer::ok(body))
}

pub(super) fn delete_item(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let item = find(transaction, call)?;
        Ok::<_, Fault>(drives::delete_item(transaction, &item.id)?)
    })?;
    Ok(Answer::no_content())
}

/// `POST .../createUploadSession`: the answer says where the slices go, without a token.
pub(super) fn create_upload_session(call: &Call<'_>) -> Result<Answer, Fault> {
    let wish = if call.request.body.is_empty() { serde_json::Map::new() } else { call.json()? };
    let on_conflict = match wish.get("item").and_then(|item| item.get("@microsoft.graph.conflictBehavior")) {
        None | Some(Value::Null) => OnConflict::Fail,
        Some(wish) => {
            let known = wish.as_str().and_then(OnConflict::parse);
            known.ok_or_else(|| invalid("The conflictBehavior is fail, rename or replace."))?
        }
    };
    let secret = crate::store::assignments::new_id(&*call.directory.entropy);
    let session = call.directory.store.write(|transaction| {
        let drive_id = drive_of(&owner(transaction, call)?);
        let named = path(call)?;
        let older = drives::item(transaction, &drive_id, &named)?;
        if older.is_none() && is_by_id(call) {
            return Err(item_not_found(&named));
        }
        let path = older.as_ref().map_or(named, |older| older.path.clone());
        let is_taken = older.is_some() || drives::is_awaited(transaction, &drive_id, &path, call.now)?;
        if on_conflict == OnConflict::Fail && is_taken {
            return Err(taken());
        }
        let session = UploadSession {
            id: call.directory.entropy.uuid(),
            drive_id,
            path,
            on_conflict,
            size: None,
            received: 0,
            expires_at: call.now + uploads::LIFE,
        };
        drives::begin(transaction, &session, &secret, call.now)?;
        Ok(session)
    })?;
    let mut body = uploads::state(&session);
    body["@odata.context"] = format!("{}/$metadata#microsoft.graph.uploadSession", call.version_url()).into();
    body["uploadUrl"] = uploads::url(call.directory, &session.id, &secret).into();
    Ok(Answer::ok(body))
}

/// A file as clients see it.
pub(super) fn shown(item: &DriveItem) -> Value {
    let name = item.path.rsplit('/').next().unwrap_or_default();
    let folder = item.path.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
    let colon = if folder.is_empty() { "" } else { ":/" };
    json!({
        "id": item.id,
        "name": name,
        "size": item.size,
        "eTag": format!("\"{{{}}},{}\"", item.id, item.version),
        "createdDateTime": timestamp(item.created_at),
        "lastModifiedDateTime": timestamp(item.modified_at),
        "file": { "hashes": { "sha256Hash": item.sha256 } },
        "parentReference": {
            "driveId": item.drive_id, "driveType": "business",
            "path": format!("/drives/{}/root{colon}{folder}", item.drive_id),
        },
    })
}

/// 409: the name belongs to something else.
pub(super) fn taken() -> Fault {
    Fault::new(
        StatusCode::CONFLICT,
        "nameAlreadyExists",
        "The specified item name already exists, or an upload to it is under way.",
    )
}

fn show_drive(call: &Call<'_>, owner: &Object) -> Result<Answer, Fault> {
    Ok(Answer::ok(json!({
        "@odata.context": format!("{}/$metadata#drives/$entity", call.version_url()),
        "id": drive_of(owner),
        "driveType": "business",
        "name": "OneDrive",
        "owner": { "user": { "id": owner.id(), "displayName": owner.text("displayName") } },
    })))
}

/// The drive of a user or a group.
fn drive_of(owner: &Object) -> String {
    format!("{PREFIX}{}", owner.id())
}

const PREFIX: &str = "b!";

/// Whose drive the path names: by the drive's id, or as that of a user or a group.
fn owner(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let set = call.request.path.trim_start_matches('/').split(['/', '(']).next().unwrap_or_default();
    if set.eq_ignore_ascii_case("users") {
        return users::find(connection, call);
    }
    if set.eq_ignore_ascii_case("groups") {
        return groups::find(connection, call);
    }
    let id = &call.key(0).value;
    let not_found = || item_not_found(id);
    let owner = id.strip_prefix(PREFIX).ok_or_else(not_found)?;
    match find_any(connection, &call.tenant.id, &owner.to_ascii_lowercase())? {
        Some((Table::Users | Table::Groups, owner)) => Ok(owner),
        _ => Err(not_found()),
    }
}

fn find(connection: &Connection, call: &Call<'_>) -> Result<DriveItem, Fault> {
    let drive = drive_of(&owner(connection, call)?);
    let named = path(call)?;
    drives::item(connection, &drive, &named)?.ok_or_else(|| item_not_found(&named))
}

/// The path or the id of the item that a request names. SDKs put a whole path into the place of an id.
fn path(call: &Call<'_>) -> Result<String, Fault> {
    let named = &call.key(1).value;
    let path = named.strip_prefix("root:").unwrap_or(named).trim_matches('/');
    let path = path.strip_suffix(':').unwrap_or(path);
    let is_name = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(|it: char| it.is_control() || r#""*:<>?\|"#.contains(it))
    };
    match path.len() <= 400 && path.split('/').all(is_name) {
        true => Ok(path.to_owned()),
        false => Err(invalid("The name of the item is not valid.")),
    }
}

/// Whether the item is not named by its path.
fn is_by_id(call: &Call<'_>) -> bool {
    let asked = call.request.path.to_ascii_lowercase();
    !["/root:", "/root%3a"].iter().any(|root| asked.contains(root))
}

fn item_not_found(what: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "itemNotFound", format!("The item '{what}' was not found."))
}

fn invalid(message: &str) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
}
