//! What secrets and certificates have in common: they are listed, deleted, recovered and purged alike.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::fault::Fault;
use super::roles::Action;
use super::{certificates, secrets};
use crate::store::vault::{self, Place, RECOVERABLE, Shelf, Version};
use http::StatusCode;

/// Secrets or certificates.
#[derive(Debug)]
pub(super) struct Kind {
    /// As in paths.
    pub(super) name: &'static str,
    /// As in paths to those that are deleted.
    pub(super) deleted: &'static str,
    pub(super) title: &'static str,
    not_found: &'static str,
    read: Action,
    delete: Action,
    recover: Action,
    purge: Action,
    /// A version without what is secret.
    pub(super) bundle: fn(&Call<'_>, &Version) -> Value,
    /// The members of a bundle that a list shows.
    listed: &'static [&'static str],
}

pub(super) static SECRETS: Kind = Kind {
    name: "secrets",
    deleted: "deletedsecrets",
    title: "Secret",
    not_found: "SecretNotFound",
    read: Action("secrets/readMetadata/action"),
    delete: Action("secrets/delete"),
    recover: Action("secrets/recover/action"),
    purge: Action("secrets/purge/action"),
    bundle: secrets::bundle,
    listed: &["id", "attributes", "contentType", "tags", "managed"],
};

pub(super) static CERTIFICATES: Kind = Kind {
    name: "certificates",
    deleted: "deletedcertificates",
    title: "Certificate",
    not_found: "CertificateNotFound",
    read: Action::READ_CERTIFICATE,
    delete: Action("certificates/delete"),
    recover: Action("certificates/recover/action"),
    purge: Action("certificates/purge/action"),
    bundle: certificates::bundle,
    listed: &["id", "attributes", "x5t", "tags"],
};

impl Kind {
    /// A version of an object in use.
    pub(super) fn find(
        &self,
        connection: &Connection,
        place: Place<'_>,
        version: Option<&str>,
    ) -> Result<Version, Fault> {
        vault::find(connection, place, version, Shelf::InUse)?.ok_or_else(|| {
            let named = version.map_or_else(|| place.name.to_owned(), |it| format!("{}/{it}", place.name));
            let title = self.title.to_lowercase();
            Fault::new(
                StatusCode::NOT_FOUND,
                self.not_found,
                format!(
                    "A {title} with (name/id) {named} was not found in this key vault. If you recently deleted this \
                     {title} you may be able to recover it using the correct recovery command."
                ),
            )
        })
    }

    fn find_deleted(&self, connection: &Connection, place: Place<'_>, now: i64) -> Result<Version, Fault> {
        vault::find(connection, place, None, Shelf::DeletedAsOf(now))?.ok_or_else(|| {
            let message = format!("Deleted {} not found: {}", self.title, place.name);
            Fault::new(StatusCode::NOT_FOUND, self.not_found, message)
        })
    }

    /// `GET /{kind}`
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        self.list_in(call, Shelf::InUse, self.name)
    }

    /// `GET /deleted{kind}`
    pub(super) fn list_deleted(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        self.list_in(call, Shelf::DeletedAsOf(call.now), self.deleted)
    }

    fn list_in(&self, call: &Call<'_>, shelf: Shelf, path: &str) -> Result<Answer, Fault> {
        call.may(self.read, path)?;
        let page = call.page()?;
        let mut found = call.vaults.store.read(|connection| {
            vault::page(connection, &call.tenant.id, self.name, shelf, &page.after, page.size + 1)
        })?;
        let is_more = found.len() > page.size;
        found.truncate(page.size);
        let next = found.last().filter(|_| is_more).map(|last| call.link(path, &page, &last.name));
        let items = found.iter().map(|version| {
            let mut item = self.item(call, version);
            item["id"] = call.id(&format!("{}/{}", self.name, version.name)).into();
            item
        });
        Ok(Answer::Document(json!({ "value": items.collect::<Vec<_>>(), "nextLink": next })))
    }

    /// `GET /{kind}/{name}/versions`
    pub(super) fn versions(&self, call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
        let path = format!("{}/{name}/versions", self.name);
        let place = call.place(self.name, name)?;
        call.may(self.read, &path)?;
        let page = call.page()?;
        let after = match page.after.as_str() {
            "" => 0,
            after => after
                .parse()
                .map_err(|_| Fault::bad_parameter("The value of $skiptoken is not one of this list."))?,
        };
        let mut found =
            call.vaults.store.read(|connection| vault::versions(connection, place, after, page.size + 1))?;
        let is_more = found.len() > page.size;
        found.truncate(page.size);
        let next = found.last().filter(|_| is_more);
        let next = next.map(|last| call.link(&path, &page, &last.seq.to_string()));
        let items: Vec<Value> = found.iter().map(|version| self.item(call, version)).collect();
        Ok(Answer::Document(json!({ "value": items, "nextLink": next })))
    }

    /// What lists show of a version.
    fn item(&self, call: &Call<'_>, version: &Version) -> Value {
        let mut bundle = self.deleted_bundle(call, version);
        if let Some(members) = bundle.as_object_mut() {
            let is_listed = |name: &str| self.listed.contains(&name) || DELETED_MEMBERS.contains(&name);
            members.retain(|name, _| is_listed(name));
        }
        bundle
    }

    /// A version, and when it was deleted if it was.
    fn deleted_bundle(&self, call: &Call<'_>, version: &Version) -> Value {
        let mut bundle = (self.bundle)(call, version);
        if let Some(deleted_at) = version.deleted_at {
            let members = [
                json!(call.id(&format!("{}/{}", self.deleted, version.name))),
                json!(deleted_at),
                json!(deleted_at + RECOVERABLE),
            ];
            for (name, value) in DELETED_MEMBERS.into_iter().zip(members) {
                bundle[name] = value;
            }
        }
        bundle
    }

    /// `DELETE /{kind}/{name}`
    pub(super) fn delete(&self, call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
        let place = call.place(self.name, name)?;
        call.may(self.delete, name)?;
        call.vaults.store.write(|transaction| {
            let mut version = self.find(transaction, place, None)?;
            self.refuse_managed(&version, "delete")?;
            for place in self.places(place) {
                vault::delete(transaction, place, call.now)?;
            }
            version.deleted_at = Some(call.now);
            Ok(Answer::Document(self.deleted_bundle(call, &version)))
        })
    }

    /// `GET /deleted{kind}/{name}`
    pub(super) fn get_deleted(&self, call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
        let place = call.place(self.name, name)?;
        call.may(self.read, name)?;
        let version = call.vaults.store.read(|connection| self.find_deleted(connection, place, call.now))?;
        Ok(Answer::Document(self.deleted_bundle(call, &version)))
    }

    /// `POST /deleted{kind}/{name}/recover`
    pub(super) fn recover(&self, call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
        let place = call.place(self.name, name)?;
        call.may(self.recover, name)?;
        call.vaults.store.write(|transaction| {
            let version = self.find_deleted(transaction, place, call.now)?;
            self.refuse_managed(&version, "recover")?;
            for place in self.places(place) {
                vault::recover(transaction, place)?;
            }
            Ok(Answer::Document((self.bundle)(call, &version)))
        })
    }

    /// `DELETE /deleted{kind}/{name}`
    pub(super) fn purge(&self, call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
        let place = call.place(self.name, name)?;
        call.may(self.purge, name)?;
        call.vaults.store.write(|transaction| {
            let version = self.find_deleted(transaction, place, call.now)?;
            self.refuse_managed(&version, "purge")?;
            for place in self.places(place) {
                vault::purge(transaction, place)?;
            }
            Ok(Answer::Nothing)
        })
    }

    /// The object, and the secret that goes with a certificate.
    fn places<'a>(&self, place: Place<'a>) -> impl Iterator<Item = Place<'a>> {
        let secret = (self.name == CERTIFICATES.name).then_some(Place { kind: SECRETS.name, ..place });
        [place].into_iter().chain(secret)
    }

    /// A secret that belongs to a certificate goes where the certificate goes.
    pub(super) fn refuse_managed(&self, version: &Version, operation: &str) -> Result<(), Fault> {
        match version.document.get("managed") {
            Some(Value::Bool(true)) => Err(Fault::managed(operation)),
            _ => Ok(()),
        }
    }
}

/// What deleted objects have more.
const DELETED_MEMBERS: [&str; 3] = ["recoveryId", "deletedDate", "scheduledPurgeDate"];
