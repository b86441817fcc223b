//! `[application]`: who the daemon is, and who vouches for it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use unattended_core::{ClientId, TenantId};
use unattended_identity::{Cloud, Region};
use url::Url;

use super::address::{PlainHttp, address};
use super::credential::credentials;
use super::diagnostic::{Mistake, Mistakes};
use super::from_environment;
use super::model::{Application, Authority, SecretMethod};
use super::reader::{Section, Text, list};
use super::suggestion::nearest;
use super::token_store;
use crate::environment::Environment;

/// What the variable of an authority is to hold.
const AN_AUTHORITY: &str = "the https URL of the authority's host, or the name of a cloud";

pub(super) const KEYS: &[&str] = &[
    "client-id",
    "tenant",
    "authority",
    "region",
    "issuer",
    "credentials",
    "capabilities",
    "token-endpoint-auth-method",
    "token-store",
    "ca-file",
    "state-directory",
    "allow-insecure-loopback",
];

pub(super) fn application(
    span: Range<usize>,
    table: &DeTable<'_>,
    directory: &Path,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<Application> {
    let section = Section::open("[application]", span, table, KEYS, mistakes);
    let allow_insecure_loopback = section.flag("allow-insecure-loopback", mistakes);
    let is_federation_services = is_federation_services(table, environment);
    let authority = authority(&section, is_federation_services, environment, mistakes);
    let client_id = client_id(&section, is_federation_services, environment, mistakes);
    let credentials = credentials(&section, directory, mistakes);
    if is_federation_services {
        no_mutual_tls(&section, mistakes);
    }
    let capabilities = capabilities(&section, mistakes);
    let token_endpoint_auth_method = secret_method(&section, mistakes);
    let token_store = section
        .table("token-store", mistakes)
        .and_then(|(span, table)| token_store::token_store(span, table, directory, mistakes));
    let ca_file = section.text("ca-file", mistakes).map(|text| directory.join(text.value));
    let state_directory = section.text("state-directory", mistakes).map(|text| directory.join(text.value));
    Some(Application {
        client_id: client_id?,
        authority: authority?,
        credentials,
        capabilities,
        token_endpoint_auth_method,
        token_store,
        ca_file,
        state_directory: state_directory.unwrap_or_else(|| default_state_directory(directory, environment)),
        allow_insecure_loopback,
    })
}

/// systemd names the directory of `StateDirectory=` in the environment, several separated by colons.
fn default_state_directory(directory: &Path, environment: &dyn Environment) -> PathBuf {
    environment
        .variable("STATE_DIRECTORY")
        .and_then(|list| list.split(':').next().map(PathBuf::from))
        .unwrap_or_else(|| directory.join(".unattended").join("state"))
}

fn client_id(
    section: &Section<'_>,
    is_federation_services: bool,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<ClientId> {
    let text = section.required_text(
        "client-id",
        "it is the application (client) ID of the registration, and tells the authority who asks",
        "client-id = \"00000000-0000-0000-0000-000000000000\"",
        mistakes,
    )?;
    let is_elsewhere = section.has("issuer") || is_federation_services;
    let wanted = "the application (client) ID";
    from_environment::value("client-id", &text, wanted, environment, mistakes, |text, mistakes| {
        let mistake = match ClientId::parse(text.value) {
            Ok(client_id) if is_elsewhere || client_id.is_guid() => return Some(client_id),
            Ok(_) => Mistake::at(
                text.span.clone(),
                "`client-id` is not a GUID",
                "every application of the Microsoft identity platform has a GUID for its client id",
                "copy the application (client) ID of the registration, not its name",
            ),
            Err(error) => Mistake::at(
                text.span.clone(),
                "`client-id` is not a client identifier",
                error.to_string(),
                error.remedy(),
            ),
        };
        mistakes.add(mistake);
        None
    })
}

fn authority(
    section: &Section<'_>,
    is_federation_services: bool,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<Authority> {
    if section.has("issuer") {
        return issuer(section, mistakes);
    }
    if is_federation_services {
        return federation_services(section, environment, mistakes);
    }
    let host = match section.text("authority", mistakes) {
        Some(text) => {
            from_environment::value("authority", &text, AN_AUTHORITY, environment, mistakes, authority_host)
        }
        None if section.has("authority") => None,
        None => Some("https://login.microsoftonline.com".to_owned()),
    };
    let text = section.required_text(
        "tenant",
        "an application acts in one tenant, and the authority has to know which",
        "tenant = \"contoso.onmicrosoft.com\"",
        mistakes,
    )?;
    let wanted = "the directory (tenant) ID, or a domain";
    let tenant = from_environment::value("tenant", &text, wanted, environment, mistakes, tenant)?;
    let host = host?;
    let region = region(section, &host, mistakes);
    Some(Authority::Microsoft { host, tenant, region })
}

fn tenant(text: &Text<'_>, mistakes: &mut Mistakes) -> Option<TenantId> {
    TenantId::parse(text.value)
        .map_err(|error| {
            mistakes.add(Mistake::at(
                text.span.clone(),
                "`tenant` is not a tenant",
                error.to_string(),
                error.remedy(),
            ));
        })
        .ok()
}

/// Whether the table names the Microsoft identity platform, or names nobody.
pub(super) fn is_microsoft(table: &DeTable<'_>, environment: &dyn Environment) -> bool {
    !table.contains_key("issuer") && !is_federation_services(table, environment)
}

/// Whether `authority` is an AD FS: the path says so.
fn is_federation_services(table: &DeTable<'_>, environment: &dyn Environment) -> bool {
    let url = table.get("authority").and_then(|value| {
        let text = Text { value: value.get_ref().as_str()?, span: value.span() };
        let mut untold = Mistakes::default();
        from_environment::value("authority", &text, AN_AUTHORITY, environment, &mut untold, |text, _| {
            Url::parse(text.value).ok()
        })
    });
    url.is_some_and(|url| url.path().trim_end_matches('/').eq_ignore_ascii_case("/adfs"))
}

fn federation_services(
    section: &Section<'_>,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<Authority> {
    for key in ["tenant", "region"] {
        if section.has(key) {
            mistakes.add(Mistake::at(
                section.key_span(key),
                format!("`{key}` stands beside the authority of AD FS"),
                format!("a farm of Active Directory Federation Services has no {key}"),
                format!("remove `{key}`"),
            ));
        }
    }
    let text = section.text("authority", mistakes)?;
    from_environment::value("authority", &text, AN_AUTHORITY, environment, mistakes, |text, mistakes| {
        let url = address("authority", text, PlainHttp::Never, mistakes)?;
        Some(Authority::FederationServices(url.as_str().trim_end_matches('/').to_owned()))
    })
}

fn capabilities(section: &Section<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut capabilities = Vec::new();
    for text in section.texts("capabilities", mistakes) {
        let value = text.value;
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            mistakes.add(Mistake::at(
                text.span,
                "a client capability is misspelt",
                "it is a word of lower-case letters and digits, and the platform ignores what it does not know",
                "write `capabilities = [\"cp1\"]`: this program answers claims challenges",
            ));
        } else {
            capabilities.push(value.to_owned());
        }
    }
    capabilities
}

/// No host of a farm is known that asks for certificates.
fn no_mutual_tls(section: &Section<'_>, mistakes: &mut Mistakes) {
    for (_, table) in section.tables("credentials", &mut Mistakes::default()) {
        if let Some((key, value)) = table.get_key_value("mutual-tls")
            && value.get_ref().as_bool() == Some(true)
        {
            mistakes.add(Mistake::at(
                key.span(),
                "`mutual-tls` is not for AD FS",
                "a farm takes a certificate that signs an assertion",
                "remove `mutual-tls`",
            ));
        }
    }
}

/// A region of a cloud that is known, because it becomes a part of the host.
fn region(section: &Section<'_>, host: &str, mistakes: &mut Mistakes) -> Option<Region> {
    let text = section.text("region", mistakes)?;
    let known = Url::parse(host).ok().and_then(|url| Cloud::of_host(url.host_str()?));
    if known.is_none() {
        mistakes.add(Mistake::at(
            section.key_span("region"),
            "`region` is not for this authority",
            format!("{host} is no host of a cloud of the Microsoft identity platform, and has no regions"),
            "remove `region`",
        ));
        return None;
    }
    match Region::parse(text.value) {
        Ok(region) => Some(region),
        Err(error) => {
            mistakes.add(Mistake::at(
                text.span,
                "`region` is not a region",
                error.to_string(),
                "write a region of Azure as it is named there, such as `westeurope`",
            ));
            None
        }
    }
}

/// The host of the identity platform, by its URL or by the name of its cloud.
fn authority_host(text: &Text<'_>, mistakes: &mut Mistakes) -> Option<String> {
    if let Some(cloud) = Cloud::parse(text.value) {
        return Some(format!("https://{}", cloud.host()));
    }
    if text
        .value
        .chars()
        .all(|character| character.is_ascii_alphabetic() || matches!(character, '-' | '_' | ' '))
    {
        let names = Cloud::ALL.map(Cloud::name);
        let fix = match nearest(text.value, names) {
            Some(meant) => format!("write `authority = \"{meant}\"`"),
            None => "remove it for the public cloud, or write the host of the authority as an https URL"
                .to_owned(),
        };
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`authority` names no cloud",
            format!("the clouds are {}", list(&names)),
            fix,
        ));
        return None;
    }
    let url = address("authority", text, PlainHttp::Never, mistakes)?;
    if url.path() != "/" {
        let origin = origin(&url);
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`authority` has a path",
            "it is the host of the identity platform alone; tenant and endpoint are appended to it",
            format!("write `authority = \"{origin}\"` and name the tenant with `tenant`"),
        ));
        return None;
    }
    Some(origin(&url))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn issuer(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<Authority> {
    for key in ["authority", "tenant", "region"] {
        if section.has(key) {
            mistakes.add(Mistake::at(
                section.key_span(key),
                format!("`{key}` stands beside `issuer`"),
                "`authority`, `tenant` and `region` name the Microsoft identity platform, `issuer` any other server",
                format!("remove `{key}` or `issuer`"),
            ));
        }
    }
    let text = section.text("issuer", mistakes)?;
    address("issuer", &text, PlainHttp::Never, mistakes)?;
    // An issuer is compared character by character (RFC 8414 section 3.3), so the text stays as it is written.
    Some(Authority::Issuer(text.value.to_owned()))
}

fn secret_method(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<SecretMethod> {
    let text = section.text("token-endpoint-auth-method", mistakes)?;
    match text.value {
        "client_secret_post" => Some(SecretMethod::ClientSecretPost),
        "client_secret_basic" => Some(SecretMethod::ClientSecretBasic),
        _ => {
            mistakes.add(Mistake::at(
                text.span,
                "`token-endpoint-auth-method` has no such value",
                "it says how a client secret is sent; a certificate is always sent as `private_key_jwt`",
                "write `client_secret_post` or `client_secret_basic`, or remove the line",
            ));
            None
        }
    }
}
