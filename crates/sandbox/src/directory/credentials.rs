//! Secrets and certificates of applications and of service principals.

use rusqlite::Connection;
use serde_json::{Map, Value, json};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::body::invalid;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::{APPLICATION, EntityType, SERVICE_PRINCIPAL};
use super::{applications, service_principals};
use crate::store::{Holder, KeyCredential, Object, PasswordCredential, credentials, timestamp};

/// A type whose objects have credentials.
pub(super) struct Credentialed {
    pub(super) entity: &'static EntityType,
    /// The object that the path names.
    pub(super) find: fn(&Connection, &Call<'_>) -> Result<Object, Fault>,
    /// The same, if the caller may write it.
    find_writable: fn(&Connection, &Call<'_>) -> Result<Object, Fault>,
    holder: for<'a> fn(&'a str) -> Holder<'a>,
}

pub(super) static APPLICATIONS: Credentialed = Credentialed {
    entity: &APPLICATION,
    find: applications::find,
    find_writable: applications::find_writable,
    holder: |id| Holder::Application(id),
};

pub(super) static SERVICE_PRINCIPALS: Credentialed = Credentialed {
    entity: &SERVICE_PRINCIPAL,
    find: service_principals::find,
    find_writable: service_principals::find_writable,
    holder: |id| Holder::ServicePrincipal(id),
};

/// How long a secret lasts when nobody says: two years.
const PASSWORD_LIFETIME: i64 = 2 * 365 * 86_400;

impl Credentialed {
    /// Whose credentials those of an object are.
    pub(super) fn holder<'a>(&self, object: &'a Object) -> Holder<'a> {
        (self.holder)(object.id())
    }

    /// `POST .../addPassword`: the only answer that holds the secret.
    pub(super) fn add_password(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let wish = match call.request.body.is_empty() {
            true => Map::new(),
            false => call.json()?,
        };
        let invalid = || invalid(self.entity, "passwordCredentials");
        let wish = match wish.get("passwordCredential") {
            None | Some(Value::Null) => &Map::new(),
            Some(Value::Object(wish)) => wish,
            Some(_) => return Err(invalid()),
        };
        let starts_at = time(wish, "startDateTime").map_err(|()| invalid())?.unwrap_or(call.now);
        let ends_at =
            time(wish, "endDateTime").map_err(|()| invalid())?.unwrap_or(starts_at + PASSWORD_LIFETIME);
        if ends_at <= starts_at {
            return Err(invalid());
        }
        let name = display_name(wish).map_err(|()| invalid())?;
        let key_id = call.directory.entropy.uuid();
        let (credential, secret) = PasswordCredential::generate(key_id, name, starts_at, ends_at)?;
        call.directory.store.write(|transaction| {
            let object = (self.find_writable)(transaction, call)?;
            let holder = self.holder(&object);
            credentials::insert_password(transaction, &call.tenant.id, holder, &credential)?;
            Ok::<_, Fault>(())
        })?;
        let mut body = password_json(&credential);
        body["secretText"] = secret.expose_text().unwrap_or_default().into();
        body["@odata.context"] =
            format!("{}/$metadata#microsoft.graph.passwordCredential", call.version_url()).into();
        Ok(Answer::ok(body))
    }

    /// `POST .../removePassword`
    pub(super) fn remove_password(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let body = call.json()?;
        let key_id = body.get("keyId").and_then(Value::as_str).unwrap_or_default();
        call.directory.store.write(|transaction| {
            let object = (self.find_writable)(transaction, call)?;
            match credentials::delete_password(transaction, self.holder(&object), key_id)? {
                true => Ok(Answer::no_content()),
                false => {
                    Err(Fault::bad_request(format!("No password credential found with keyId '{key_id}'.")))
                }
            }
        })
    }

    /// Replaces the certificates of an object by those that a client sent.
    pub(super) fn write_keys(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        object: &Object,
        wishes: &Value,
    ) -> Result<(), Fault> {
        let holder = self.holder(object);
        let known = credentials::keys(connection, holder)?;
        let keys = self.read_keys(call, wishes, &known)?;
        Ok(credentials::replace_keys(connection, &call.tenant.id, holder, &keys)?)
    }

    /// Adds the credentials to an object that is about to be shown. Secrets stay out.
    fn show(&self, connection: &Connection, object: &mut Object) -> Result<(), Fault> {
        let holder = self.holder(object);
        let passwords = credentials::passwords(connection, holder)?;
        let keys = credentials::keys(connection, holder)?;
        let passwords: Value = passwords.iter().map(password_json).collect();
        let keys: Value = keys.iter().map(key_json).collect();
        object.document.insert("passwordCredentials".into(), passwords);
        object.document.insert("keyCredentials".into(), keys);
        Ok(())
    }

    /// The certificates that are to replace all `known` ones. One that is sent with its `keyId` and without its key
    /// stays as it is.
    fn read_keys(
        &self,
        call: &Call<'_>,
        wishes: &Value,
        known: &[KeyCredential],
    ) -> Result<Vec<KeyCredential>, Fault> {
        let mut keys: Vec<KeyCredential> = Vec::new();
        for wish in wishes.as_array().into_iter().flatten().filter_map(Value::as_object) {
            let key = self.read_key(call, wish, known)?;
            if keys.iter().any(|other| other.key_id == key.key_id) {
                return Err(self.invalid_key("The same keyId occurs more than once."));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    pub(super) fn read_key(
        &self,
        call: &Call<'_>,
        wish: &Map<String, Value>,
        known: &[KeyCredential],
    ) -> Result<KeyCredential, Fault> {
        let text = |name: &str| wish.get(name).and_then(Value::as_str);
        let key_id = text("keyId").map(str::to_ascii_lowercase);
        if key_id.as_ref().is_some_and(|key_id| uuid::Uuid::try_parse(key_id).is_err()) {
            return Err(self.invalid_key("The keyId is not a GUID."));
        }
        let kept = known.iter().find(|key| Some(&key.key_id) == key_id.as_ref());
        let certificate = match (text("key"), kept) {
            (Some(key), _) => BASE64_STANDARD
                .decode(key.split_ascii_whitespace().collect::<String>())
                .map_err(|_| self.invalid_key("The key is not base64."))?,
            (None, Some(kept)) => kept.certificate.clone(),
            (None, None) => return Err(self.invalid_key("A new key credential needs its key.")),
        };
        let is_certificate = text("type").is_none_or(|kind| kind == "AsymmetricX509Cert")
            && text("usage").is_none_or(|usage| usage == "Verify");
        if !is_certificate {
            return Err(self.invalid_key("The type has to be AsymmetricX509Cert and the usage Verify."));
        }
        let parsed = Certificate::from_der(&certificate)
            .map_err(|_| self.invalid_key("The key is not an X.509 certificate in DER."))?;
        let validity = parsed.tbs_certificate().validity();
        let seconds = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let (not_before, not_after) = (seconds(&validity.not_before), seconds(&validity.not_after));
        let wrong_time = |()| self.invalid_key("A date is not acceptable.");
        let starts_at = time(wish, "startDateTime")
            .map_err(wrong_time)?
            .or_else(|| kept.map(|kept| kept.starts_at))
            .unwrap_or(not_before);
        let ends_at = time(wish, "endDateTime")
            .map_err(wrong_time)?
            .or_else(|| kept.map(|kept| kept.ends_at))
            .unwrap_or(not_after);
        if ends_at > not_after || ends_at <= starts_at {
            return Err(Fault::new(
                axum::http::StatusCode::BAD_REQUEST,
                "KeyCredentialsInvalidEndDate",
                "Key credential end date is invalid.",
            ));
        }
        let name = display_name(wish).map_err(|()| self.invalid_key("The displayName is not acceptable."))?;
        let name = name.or_else(|| kept.and_then(|kept| kept.display_name.clone()));
        let key_id = key_id.unwrap_or_else(|| call.directory.entropy.uuid());
        Ok(KeyCredential::new(key_id, name, certificate, starts_at, ends_at))
    }

    fn invalid_key(&self, message: &str) -> Fault {
        Fault::invalid_property(
            "keyCredentials",
            format!(
                "Invalid value specified for property 'keyCredentials' of resource '{}'. {message}",
                self.entity.resource
            ),
        )
    }
}

/// Adds the credentials to an application that is about to be shown.
pub(super) fn show_of_application(connection: &Connection, application: &mut Object) -> Result<(), Fault> {
    APPLICATIONS.show(connection, application)
}

/// Adds the credentials to a service principal that is about to be shown.
pub(super) fn show_of_principal(connection: &Connection, principal: &mut Object) -> Result<(), Fault> {
    SERVICE_PRINCIPALS.show(connection, principal)
}

fn time(wish: &Map<String, Value>, name: &str) -> Result<Option<i64>, ()> {
    match wish.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let time = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            time.map(|time| Some(time.as_second())).ok_or(())
        }
    }
}

fn display_name(wish: &Map<String, Value>) -> Result<Option<String>, ()> {
    match wish.get("displayName") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if name.chars().count() <= 90 => Ok(Some(name.clone())),
        Some(_) => Err(()),
    }
}

fn password_json(credential: &PasswordCredential) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": credential.display_name,
        "endDateTime": timestamp(credential.ends_at),
        "hint": credential.hint,
        "keyId": credential.key_id,
        "secretText": null,
        "startDateTime": timestamp(credential.starts_at),
    })
}

pub(super) fn key_json(credential: &KeyCredential) -> Value {
    let thumbprint: String = credential.thumbprint_sha1.iter().map(|byte| format!("{byte:02X}")).collect();
    json!({
        "customKeyIdentifier": thumbprint,
        "displayName": credential.display_name,
        "endDateTime": timestamp(credential.ends_at),
        "key": BASE64_STANDARD.encode(&credential.certificate),
        "keyId": credential.key_id,
        "startDateTime": timestamp(credential.starts_at),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}
