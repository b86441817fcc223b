//! Certificates: imported with their keys, which are the secrets of the same names.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use der::Encode;
use serde_json::{Map, Value, json};
use unattended_core::Secret;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::attributes;
use super::call::{Answer, Call};
use super::fault::Fault;
use super::key_material::{KeyMaterial, KeyType, PEM, PKCS12};
use super::objects::{CERTIFICATES, SECRETS};
use super::roles::Action;
use crate::store::vault::{self, Place, Shelf, Version};

/// A month of a validity, in seconds.
const MONTH: i64 = 30 * 86_400;

/// A certificate without its key.
pub(super) fn bundle(call: &Call<'_>, version: &Version) -> Value {
    let mut bundle = version.document.clone();
    let id = |kind: &str| Value::from(call.id(&format!("{kind}/{}/{}", version.name, version.version)));
    for (member, kind) in [("id", "certificates"), ("kid", "keys"), ("sid", "secrets")] {
        bundle.insert(member.into(), id(kind));
    }
    bundle.insert("attributes".into(), attributes::shown(version.document.get("attributes")));
    if let Some(policy) = bundle.get_mut("policy") {
        policy["id"] = call.id(&format!("certificates/{}/policy", version.name)).into();
    }
    Value::Object(bundle)
}

/// `POST /certificates/{name}/import`: a new version, and one of the secret that holds the key.
pub(super) fn import(call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
    let place = call.place(CERTIFICATES.name, name)?;
    call.may(Action::IMPORT_CERTIFICATE, name)?;
    let body = call.json()?;
    let text = |member: &str| Secret::from(body.get(member).and_then(Value::as_str).unwrap_or_default());
    let value = text("value");
    if value.is_empty() {
        return Err(Fault::bad_parameter("The property 'value' is missing or no text."));
    }
    let material = KeyMaterial::read(&value, &text("pwd"))?;
    let content_type = content_type(&body, &material)?;
    let attributes = dated(attributes::attributes(None, body.get("attributes"), call.now)?, &material);
    let certificate = document(&material, &body, content_type, attributes.clone())?;
    let secret = material.write(content_type)?;
    let mut key = Map::new();
    key.insert("value".into(), secret.expose_text().unwrap_or_default().into());
    key.insert("contentType".into(), content_type.into());
    key.insert("attributes".into(), attributes.into());
    key.insert("managed".into(), true.into());
    key.extend(certificate.get("tags").map(|tags| ("tags".to_owned(), tags.clone())));
    let version = call.new_version();
    call.vaults.store.write(|transaction| {
        let key_place = Place { kind: SECRETS.name, ..place };
        let before = vault::find(transaction, key_place, None, Shelf::InUse)?;
        if before.is_some_and(|before| before.document.get("managed") != Some(&Value::Bool(true))) {
            let message = format!("A secret with the name {name} is there already, and no certificate's.");
            return Err(Fault::new(http::StatusCode::CONFLICT, "Conflict", message));
        }
        for (place, document, title) in
            [(place, &certificate, CERTIFICATES.title), (key_place, &key, SECRETS.title)]
        {
            if !vault::add(transaction, place, &version, document, call.now)? {
                return Err(Fault::name_of_deleted(title, name));
            }
        }
        let added = CERTIFICATES.find(transaction, place, Some(&version))?;
        Ok(Answer::Document(bundle(call, &added)))
    })
}

/// `GET /certificates/{name}` and `GET /certificates/{name}/{version}`
pub(super) fn get(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Answer, Fault> {
    Ok(Answer::Document(bundle(call, &read(call, name, version)?)))
}

/// `GET /certificates/{name}/policy`
pub(super) fn policy(call: &Call<'_>, name: &str) -> Result<Answer, Fault> {
    let bundle = bundle(call, &read(call, name, None)?);
    Ok(Answer::Document(bundle["policy"].clone()))
}

fn read(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Version, Fault> {
    let place = call.place(CERTIFICATES.name, name)?;
    call.may(Action::READ_CERTIFICATE, name)?;
    call.vaults.store.read(|connection| CERTIFICATES.find(connection, place, version))
}

/// `PATCH /certificates/{name}/{version}`: attributes and tags. The secret with the key follows.
pub(super) fn update(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Answer, Fault> {
    let place = call.place(CERTIFICATES.name, name)?;
    call.may(Action("certificates/update/action"), name)?;
    let body = call.json()?;
    let tags = body.get("tags").filter(|tags| !tags.is_null()).map(attributes::tags).transpose()?;
    let mut written = body.get("attributes").cloned();
    if let Some(Value::Object(written)) = &mut written {
        // The certificate says them.
        written.retain(|name, _| !matches!(name.as_str(), "nbf" | "exp"));
    }
    call.vaults.store.write(|transaction| {
        let mut certificate = CERTIFICATES.find(transaction, place, version)?;
        let key = Place { kind: SECRETS.name, ..place };
        let mut secret = vault::find(transaction, key, Some(&certificate.version), Shelf::InUse)?;
        for changed in [Some(&mut certificate), secret.as_mut()].into_iter().flatten() {
            let before = changed.document.get("attributes").and_then(Value::as_object);
            let attributes = attributes::attributes(before, written.as_ref(), call.now)?;
            changed.document.insert("attributes".into(), attributes.into());
            changed.document.extend(tags.clone().map(|tags| ("tags".to_owned(), tags)));
            vault::replace(transaction, changed.seq, &changed.document)?;
        }
        Ok(Answer::Document(bundle(call, &certificate)))
    })
}

/// The form of the secret: what the policy says, or the form of what was imported.
fn content_type(body: &Map<String, Value>, material: &KeyMaterial) -> Result<&'static str, Fault> {
    let wanted = body.get("policy").and_then(|policy| policy["secret_props"]["contentType"].as_str());
    match wanted {
        None => Ok(material.content_type),
        Some(PKCS12) => Ok(PKCS12),
        Some(PEM) => Ok(PEM),
        Some(other) => {
            let other: String = other.chars().take(60).collect();
            Err(Fault::bad_parameter(format!("The content type '{other}' is neither {PKCS12} nor {PEM}.")))
        }
    }
}

/// A certificate is valid when it says so, whatever a client wrote.
fn dated(mut attributes: Map<String, Value>, material: &KeyMaterial) -> Map<String, Value> {
    let (begin, end) = validity(material.certificate());
    attributes.insert("nbf".into(), begin.into());
    attributes.insert("exp".into(), end.into());
    attributes
}

fn validity(certificate: &Certificate) -> (i64, i64) {
    let validity = certificate.tbs_certificate().validity();
    let seconds =
        |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    (seconds(validity.not_before), seconds(validity.not_after))
}

fn document(
    material: &KeyMaterial,
    body: &Map<String, Value>,
    content_type: &str,
    attributes: Map<String, Value>,
) -> Result<Map<String, Value>, Fault> {
    let certificate = material.certificate();
    let der = certificate
        .to_der()
        .map_err(|_| Fault::bad_parameter("The certificate cannot be written again as it was read."))?;
    let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
    let mut document = Map::new();
    document.insert("x5t".into(), BASE64_URL_SAFE_NO_PAD.encode(thumbprint).into());
    document.insert("cer".into(), BASE64_STANDARD.encode(&der).into());
    document.insert("policy".into(), policy_of(material, content_type, &attributes));
    document.insert("attributes".into(), attributes.into());
    if let Some(tags) = body.get("tags").filter(|tags| !tags.is_null()) {
        document.insert("tags".into(), attributes::tags(tags)?);
    }
    Ok(document)
}

fn policy_of(material: &KeyMaterial, content_type: &str, attributes: &Map<String, Value>) -> Value {
    let certificate = material.certificate();
    let mut key = json!({ "exportable": true, "reuse_key": false });
    match material.key_type {
        KeyType::Rsa(bits) => (key["kty"], key["key_size"]) = ("RSA".into(), bits.into()),
        KeyType::Ec(curve) => (key["kty"], key["crv"]) = ("EC".into(), curve.into()),
    }
    let (begin, end) = validity(certificate);
    let mut x509 = json!({
        "subject": certificate.tbs_certificate().subject().to_string(),
        "validity_months": (end.saturating_sub(begin) / MONTH).max(1),
    });
    let names = dns_names(certificate);
    if !names.is_empty() {
        x509["sans"] = json!({ "dns_names": names });
    }
    json!({
        "key_props": key,
        "secret_props": { "contentType": content_type },
        "x509_props": x509,
        "issuer": { "name": "Unknown" },
        "attributes": {
            "enabled": true,
            "created": attributes.get("created"),
            "updated": attributes.get("updated"),
        },
    })
}

fn dns_names(certificate: &Certificate) -> Vec<String> {
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    let dns = names.into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        _ => None,
    });
    dns.collect()
}
