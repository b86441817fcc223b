//! What an application has many of, each below its path: `/applications/{}/SEGMENT/{}`.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::applications::{find, find_writable};
use super::exchange::{Answer, Call, Key};
use super::fault::Fault;
use super::odata::{Constant, Expression, Operator, QueryOptions};
use super::schema::EntityType;
use crate::store::{Object, StoreError, Table, changes};

/// How a property that is text is read.
pub(super) type ReadText<T> = fn(&T) -> &str;

/// One kind of them.
pub(super) struct ApplicationParts<T: 'static> {
    pub(super) segment: &'static str,
    pub(super) entity: &'static EntityType,
    /// What filters may ask for, by equality, and how it is read.
    pub(super) filtered: &'static [(&'static str, ReadText<T>)],
    /// All of an application's, by its object id.
    pub(super) all: fn(&Connection, &str) -> Result<Vec<T>, StoreError>,
    /// Whether a key means it.
    pub(super) is_meant: fn(&T, &Key) -> bool,
    pub(super) id: fn(&T) -> &str,
    /// Removes one by the object id of its application and its own.
    pub(super) delete: fn(&Connection, &str, &str) -> Result<bool, StoreError>,
    pub(super) shown: fn(&Object, &T) -> Value,
}

impl<T> ApplicationParts<T> {
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let options = QueryOptions::parse(&call.request.query, &call.request.headers, self.entity)?;
        let (application, mut all) = call.directory.store.read(|connection| {
            let application = find(connection, call)?;
            let all = (self.all)(connection, application.id())?;
            Ok::<_, Fault>((application, all))
        })?;
        if let Some(filter) = &options.filter {
            let (read, value) = self.equality(filter).ok_or_else(|| self.unsupported())?;
            all.retain(|part| read(part) == value);
        }
        let value: Vec<Value> = all.iter().map(|part| (self.shown)(&application, part)).collect();
        Ok(Answer::ok(json!({ "@odata.context": self.context(call, &application), "value": value })))
    }

    pub(super) fn get(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let (application, part) = call.directory.store.read(|connection| {
            let application = find(connection, call)?;
            let part = self.named(connection, call, &application)?;
            Ok::<_, Fault>((application, part))
        })?;
        Ok(Answer::ok(self.described(call, &application, &part)))
    }

    /// Answers with what is made of the application that the caller may write.
    pub(super) fn create(
        &self,
        call: &Call<'_>,
        make: impl FnOnce(&Connection, &Object) -> Result<T, Fault>,
    ) -> Result<Answer, Fault> {
        let (application, part) = call.directory.store.write(|transaction| {
            let application = find_writable(transaction, call)?;
            let part = make(transaction, &application)?;
            self.touch(transaction, call, &application)?;
            Ok::<_, Fault>((application, part))
        })?;
        Ok(self.created(call, &application, &part))
    }

    /// That a part was made.
    pub(super) fn created(&self, call: &Call<'_>, application: &Object, part: &T) -> Answer {
        let (id, segment) = (application.id(), self.segment);
        let location = format!("{}/applications/{id}/{segment}/{}", call.version_url(), (self.id)(part));
        Answer::created(&location, self.described(call, application, part))
    }

    pub(super) fn delete(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.write(|transaction| {
            let application = find_writable(transaction, call)?;
            let part = self.named(transaction, call, &application)?;
            (self.delete)(transaction, application.id(), (self.id)(&part))?;
            self.touch(transaction, call, &application)
        })?;
        Ok(Answer::no_content())
    }

    /// The one that the path means.
    pub(super) fn named(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        application: &Object,
    ) -> Result<T, Fault> {
        let key = call.key(1);
        let all = (self.all)(connection, application.id())?;
        let found = all.into_iter().find(|part| (self.is_meant)(part, key));
        found.ok_or_else(|| Fault::not_found(&key.value))
    }

    /// Tells who follows the changes of applications.
    pub(super) fn touch(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        application: &Object,
    ) -> Result<(), Fault> {
        let tenant = &call.tenant.id;
        Ok(changes::touched(connection, tenant, Table::Applications, application.id(), &[self.segment])?)
    }

    /// How the property is read that a filter compares, and with what.
    fn equality<'a>(&self, filter: &'a Expression<'_>) -> Option<(ReadText<T>, &'a str)> {
        let Expression::Compare { property, operator: Operator::Equal, value: Constant::Text(text) } = filter
        else {
            return None;
        };
        let (_, read) = self.filtered.iter().find(|(name, _)| *name == property.name)?;
        Some((*read, text))
    }

    fn unsupported(&self) -> Fault {
        let names: Vec<String> = self.filtered.iter().map(|(name, _)| format!("'{name}'")).collect();
        let names = names.join(" or ");
        Fault::unsupported_query(format!("Only a filter by equality of {names} is supported."))
    }

    fn context(&self, call: &Call<'_>, application: &Object) -> String {
        format!("{}/$metadata#applications('{}')/{}", call.version_url(), application.id(), self.segment)
    }

    fn described(&self, call: &Call<'_>, application: &Object, part: &T) -> Value {
        let mut body = (self.shown)(application, part);
        body["@odata.context"] = format!("{}/$entity", self.context(call, application)).into();
        body
    }
}
