//! `addKey` and `removeKey`: an application rolls its keys, or those of its service principal, over by proving that it
//! holds one of them. Keys are RSA keys, as for the assertions that the authority takes.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::applications::require_owner;
use super::credentials::{Credentialed, key_json};
use super::exchange::{Answer, Call};
use super::fault::Fault;
use crate::authority::decoded_parts;
use crate::store::{KeyCredential, Object, credentials};

/// Whom a proof is for: the directory.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// How long a proof may be good, and how far clocks may differ, in seconds.
const LIFE: i64 = 600;
const LEEWAY: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// The claims of a proof; the times may have fractions.
#[derive(Deserialize)]
struct Claims {
    aud: String,
    /// The object id of the application.
    iss: String,
    nbf: f64,
    exp: f64,
}

impl Credentialed {
    /// `POST .../addKey`
    pub(super) fn add_key(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.read(|connection| self.admitted(connection, call))?;
        let body = call.json()?;
        let wish = body.get("keyCredential").and_then(Value::as_object);
        let wish = wish.ok_or_else(|| Fault::bad_request("The property 'keyCredential' is required."))?;
        if body.get("passwordCredential").is_some_and(|it| !it.is_null()) {
            return Err(Fault::bad_request(
                "The property 'passwordCredential' has to be null for a key of the type AsymmetricX509Cert.",
            ));
        }
        let added = call.directory.store.write(|transaction| {
            let (object, mut keys) = self.proven(transaction, call, &body)?;
            let key = self.read_key(call, wish, &[])?;
            if keys.iter().any(|other| other.key_id == key.key_id) {
                return Err(Fault::bad_request(format!(
                    "There is a key credential with keyId '{}'.",
                    key.key_id
                )));
            }
            keys.push(key.clone());
            credentials::replace_keys(transaction, &call.tenant.id, self.holder(&object), &keys)?;
            Ok(key)
        })?;
        let mut shown = key_json(&added);
        shown["key"] = Value::Null;
        shown["@odata.context"] =
            format!("{}/$metadata#microsoft.graph.keyCredential", call.version_url()).into();
        Ok(Answer::ok(shown))
    }

    /// `POST .../removeKey`
    pub(super) fn remove_key(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.read(|connection| self.admitted(connection, call))?;
        let body = call.json()?;
        let key_id = body.get("keyId").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        call.directory.store.write(|transaction| {
            let (object, mut keys) = self.proven(transaction, call, &body)?;
            let before = keys.len();
            keys.retain(|key| key.key_id != key_id);
            if keys.len() == before {
                return Err(Fault::bad_request(format!("No key credential found with keyId '{key_id}'.")));
            }
            credentials::replace_keys(transaction, &call.tenant.id, self.holder(&object), &keys)?;
            Ok(Answer::no_content())
        })
    }

    /// The object, if the caller may write it or is it.
    fn admitted(&self, connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
        let may_write = call.caller.require_any_role(WRITERS).is_ok();
        let object =
            (self.find)(connection, call).map_err(|fault| if may_write { fault } else { Fault::denied() })?;
        if object.text("appId").eq_ignore_ascii_case(call.caller.client_id().as_str()) {
            return Ok(object);
        }
        if !may_write {
            return Err(Fault::denied());
        }
        require_owner(connection, call, &object)?;
        Ok(object)
    }

    /// The object and its keys, if the proof is signed by one of them.
    fn proven(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        body: &Map<String, Value>,
    ) -> Result<(Object, Vec<KeyCredential>), Fault> {
        let object = self.admitted(connection, call)?;
        let proof = body.get("proof").and_then(Value::as_str);
        let proof = proof.ok_or_else(|| Fault::bad_request("The property 'proof' is required."))?;
        let keys = credentials::keys(connection, self.holder(&object))?;
        let usable: Vec<&KeyCredential> =
            keys.iter().filter(|key| (key.starts_at..key.ends_at).contains(&call.now)).collect();
        if usable.is_empty() {
            return Err(Fault::bad_request(
                "The application has no valid certificate to prove possession of: update 'keyCredentials' instead.",
            ));
        }
        match is_good(proof, object.id(), &usable, call.now) {
            true => Ok((object, keys)),
            false => Err(Fault::new(
                axum::http::StatusCode::UNAUTHORIZED,
                "Authentication_MissingOrMalformed",
                "The proof of possession is not valid: a JWT signed by an existing key of the application, whose issuer is \
                 the application's object id.",
            )),
        }
    }
}

/// Permissions that write applications.
const WRITERS: [&str; 2] = ["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"];

fn is_good(proof: &str, application: &str, keys: &[&KeyCredential], now: i64) -> bool {
    let Some((header, claims, message, signature)) = decoded_parts::<Header, Claims>(proof) else {
        return false;
    };
    let algorithm = match header.alg.as_str() {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        _ => return false,
    };
    let now = now as f64;
    let is_now = claims.nbf <= now + LEEWAY as f64 && claims.exp > now - LEEWAY as f64;
    let is_short = claims.exp > claims.nbf && claims.exp - claims.nbf <= LIFE as f64;
    let is_for_us = claims.aud == AUDIENCE && claims.iss.eq_ignore_ascii_case(application);
    let is_signed_by = |key: &&KeyCredential| {
        let certificate = Certificate::from_der(&key.certificate).ok();
        let info = certificate.as_ref().map(|it| it.tbs_certificate().subject_public_key_info());
        info.and_then(|info| info.subject_public_key.as_bytes()).is_some_and(|public_key| {
            UnparsedPublicKey::new(algorithm, public_key).verify(message.as_bytes(), &signature).is_ok()
        })
    };
    is_now && is_short && is_for_us && keys.iter().any(is_signed_by)
}
