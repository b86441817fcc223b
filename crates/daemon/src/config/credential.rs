//! `[[application.credentials]]`: how the application proves who it is.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;
use unattended_core::ClientId;
use unattended_identity::{ManagedIdentityId, SigningAlgorithm, TOKEN_EXCHANGE_AUDIENCE};
use url::{Host, Url};

use super::diagnostic::{Mistake, Mistakes};
use super::model::{AssertionUrl, Certificate, Credential, ManagedIdentity, Signer};
use super::pkcs11::pkcs11;
use super::reader::{Section, list};
use super::referred::reference;

const TITLE: &str = "[[application.credentials]]";

/// What says of which kind a credential is, and the keys that go with it.
const KINDS: [(&str, &[&str]); 9] = [
    ("certificate", &["password", "algorithm", "send-chain", "mutual-tls", "signer-command", "pkcs11"]),
    ("secret", &[]),
    ("assertion-file", &[]),
    ("assertion-command", &[]),
    ("assertion-url", &["bearer", "json-member"]),
    ("github-actions", &[]),
    ("azure-pipelines", &[]),
    ("managed-identity", &["audience"]),
    ("workload-identity", &[]),
];

pub(super) fn credentials(
    section: &Section<'_>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Vec<Credential> {
    let tables = section.tables("credentials", mistakes);
    if tables.is_empty() && !section.has_value_of_another_type("credentials") {
        mistakes.add(Mistake::at(
            section.key_span("credentials"),
            "the application has no credential",
            "without one it cannot prove who it is",
            "add [[application.credentials]] with `certificate = \"file:app.pem\"`",
        ));
    }
    tables.into_iter().filter_map(|(span, table)| credential(span, table, directory, mistakes)).collect()
}

fn credential(
    span: Range<usize>,
    table: &DeTable<'_>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<Credential> {
    let known: Vec<&str> =
        KINDS.iter().flat_map(|(kind, others)| [*kind].into_iter().chain(others.iter().copied())).collect();
    let section = Section::open(TITLE, span, table, &known, mistakes);
    let kind = kind(&section, mistakes)?;
    match kind {
        "certificate" => certificate(&section, directory, mistakes).map(Credential::Certificate),
        "secret" => reference(&section, kind, directory, mistakes).map(Credential::Secret),
        "assertion-file" => {
            let text = section.text(kind, mistakes)?;
            Some(Credential::AssertionFile(directory.join(text.value)))
        }
        "assertion-command" => argv(&section, kind, mistakes).map(Credential::AssertionCommand),
        "assertion-url" => assertion_url(&section, directory, mistakes).map(Credential::AssertionUrl),
        "github-actions" => text(&section, kind, mistakes).map(Credential::GithubActions),
        "azure-pipelines" => text(&section, kind, mistakes).map(Credential::AzurePipelines),
        "managed-identity" => managed_identity(&section, mistakes).map(Credential::ManagedIdentity),
        _ => workload_identity(&section, mistakes),
    }
}

fn assertion_url(section: &Section<'_>, directory: &Path, mistakes: &mut Mistakes) -> Option<AssertionUrl> {
    let text = section.text("assertion-url", mistakes)?;
    let url = Url::parse(text.value).ok().filter(is_confidential);
    if url.is_none() {
        mistakes.conceal(text.span.clone());
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`assertion-url` is not https",
            "who reads an assertion on the way can act as the application; http is for this machine alone",
            "write an https URL without a user name in it",
        ));
    }
    let bearer = reference(section, "bearer", directory, mistakes);
    let json_member = section.text("json-member", mistakes).map(|text| text.value.to_owned());
    Some(AssertionUrl { url: url?, bearer, json_member })
}

fn is_confidential(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none();
    is_bare && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

fn managed_identity(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<ManagedIdentity> {
    let text = section.text("managed-identity", mistakes)?;
    let id = match text.value.split_once(':') {
        None if text.value == "system" => ManagedIdentityId::System,
        Some(("client-id", id)) if !id.is_empty() => ManagedIdentityId::ClientId(id.to_owned()),
        Some(("object-id", id)) if !id.is_empty() => ManagedIdentityId::ObjectId(id.to_owned()),
        Some(("resource-id", id)) if !id.is_empty() => ManagedIdentityId::ResourceId(id.to_owned()),
        _ => {
            mistakes.add(Mistake::at(
                text.span,
                "`managed-identity` names no identity",
                "a machine has one of its own (`system`), and others that were assigned to it",
                "write `system`, or `client-id:GUID`, `object-id:GUID` or `resource-id:/subscriptions/...`",
            ));
            return None;
        }
    };
    let (named, shape) = match &id {
        ManagedIdentityId::ClientId(id) | ManagedIdentityId::ObjectId(id) => (is_guid(id), "a GUID"),
        ManagedIdentityId::ResourceId(id) => (id.starts_with('/'), "a path such as `/subscriptions/...`"),
        _ => (true, ""),
    };
    if !named {
        mistakes.add(Mistake::at(
            text.span,
            format!("`managed-identity` names no identity by what is not {shape}"),
            "the platform would look for it at the first token request, and find none",
            "copy it from the page of the identity in the portal: client ID, object (principal) ID, or resource ID",
        ));
        return None;
    }
    let audience = section.text("audience", mistakes).map_or(TOKEN_EXCHANGE_AUDIENCE, |text| text.value);
    Some(ManagedIdentity { id, audience: audience.to_owned() })
}

fn is_guid(text: &str) -> bool {
    ClientId::parse(text).is_ok_and(|id| id.is_guid())
}

fn workload_identity(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<Credential> {
    if section.flag("workload-identity", mistakes) {
        return Some(Credential::WorkloadIdentity);
    }
    if section.is_false("workload-identity") {
        mistakes.add(Mistake::at(
            section.key_span("workload-identity"),
            "`workload-identity` is switched off",
            "a credential that is none has no table",
            "write `true`, or remove the table",
        ));
    }
    None
}

/// Text that says something.
fn text(section: &Section<'_>, key: &str, mistakes: &mut Mistakes) -> Option<String> {
    let text = section.text(key, mistakes)?;
    if text.value.trim().is_empty() {
        let example = match key {
            "github-actions" => "write the audience, such as `api://AzureADTokenExchange`",
            _ => "write the id of the service connection",
        };
        mistakes.add(Mistake::at(
            text.span,
            format!("`{key}` is empty"),
            "it is sent with the request",
            example,
        ));
        return None;
    }
    Some(text.value.to_owned())
}

/// A program and its arguments.
fn argv(section: &Section<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    if !section.has(key) {
        return None;
    }
    let argv: Vec<String> =
        section.texts(key, mistakes).into_iter().map(|text| text.value.to_owned()).collect();
    if argv.first().is_none_or(String::is_empty) {
        if section.is_array(key) {
            mistakes.add(Mistake::at(
                section.key_span(key),
                format!("`{key}` names no program"),
                "no shell stands between: the program and each argument are strings of their own",
                format!("write `{key} = [\"/usr/local/bin/program\", \"argument\"]`"),
            ));
        }
        return None;
    }
    Some(argv)
}

/// The one kind that the table names; the keys of others are mistakes.
fn kind(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<&'static str> {
    let named: Vec<_> = KINDS.iter().filter(|(kind, _)| section.has(kind)).collect();
    let (kind, own) = match named.as_slice() {
        [] => {
            let names: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            mistakes.add(Mistake::at(
                section.span.clone(),
                "a credential does not say what it is",
                format!("exactly one of {} is expected here", list(&names)),
                "add `certificate = \"file:app.pem\"` or `secret = \"file:client-secret\"`",
            ));
            return None;
        }
        [only] => **only,
        [first, second, ..] => {
            mistakes.add(Mistake::at(
                section.key_span(second.0),
                format!("one credential is both `{}` and `{}`", first.0, second.0),
                "credentials are tried one after the other, in the order of their tables",
                "give the second one a table of its own: [[application.credentials]]",
            ));
            // What is a value instead of a reference must not be shown with this report.
            for (kind, _) in named.iter().filter(|(kind, _)| matches!(*kind, "certificate" | "secret")) {
                reference(section, kind, Path::new(""), mistakes);
            }
            return None;
        }
    };
    let strangers = KINDS.iter().flat_map(|(_, others)| others.iter()).filter(|key| !own.contains(key));
    let mut seen = Vec::new();
    for key in strangers {
        if section.has(key) && !seen.contains(key) {
            seen.push(key);
            mistakes.add(Mistake::at(
                section.key_span(key),
                format!("`{key}` does not go with `{kind}`"),
                match own {
                    [] => format!("a credential with `{kind}` has no other key"),
                    own => format!("beside `{kind}` there can be {}", list(own)),
                },
                format!("remove `{key}`"),
            ));
        }
    }
    Some(kind)
}

fn certificate(section: &Section<'_>, directory: &Path, mistakes: &mut Mistakes) -> Option<Certificate> {
    let file = reference(section, "certificate", directory, mistakes);
    let password = reference(section, "password", directory, mistakes);
    let algorithm = algorithm(section, mistakes);
    let send_chain = section.flag("send-chain", mistakes);
    let mutual_tls = section.flag("mutual-tls", mistakes);
    let command = argv(section, "signer-command", mistakes).map(Signer::Command);
    let module = section
        .table("pkcs11", mistakes)
        .and_then(|(span, table)| pkcs11(span, table, directory, mistakes))
        .map(Signer::Module);
    let is_whole = section.has("pkcs11") == module.is_some();
    if !agree(section, mutual_tls, mistakes) || !is_whole {
        return None;
    }
    let signer = command.or(module);
    Some(Certificate { file: file?, password, algorithm, send_chain, mutual_tls, signer })
}

/// Whether no two keys contradict each other.
fn agree(section: &Section<'_>, mutual_tls: bool, mistakes: &mut Mistakes) -> bool {
    const ELSEWHERE: &str = "the private key is elsewhere, and the file holds the certificate alone";
    const UNSIGNED: &str = "a certificate that is shown in the TLS handshake signs no assertion";
    let pairs = [
        ("password", "signer-command", ELSEWHERE),
        ("password", "pkcs11", ELSEWHERE),
        ("pkcs11", "signer-command", "one private key is in one place"),
        ("algorithm", "mutual-tls", UNSIGNED),
        ("send-chain", "mutual-tls", "in the TLS handshake the issuers in the file are always shown"),
        ("signer-command", "mutual-tls", "the TLS handshake needs the private key itself"),
        ("pkcs11", "mutual-tls", "the TLS handshake needs the private key itself"),
    ];
    let has = |key: &str| section.has(key) && (key != "mutual-tls" || mutual_tls);
    let contradiction = pairs.into_iter().find(|(one, other, _)| has(one) && has(other));
    if let Some((one, other, why)) = contradiction {
        mistakes.add(Mistake::at(
            section.key_span(one),
            format!("`{one}` stands beside `{other}`"),
            why,
            format!("remove `{one}`"),
        ));
    }
    contradiction.is_none()
}

fn algorithm(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<SigningAlgorithm> {
    let text = section.text("algorithm", mistakes)?;
    match text.value {
        "PS256" => Some(SigningAlgorithm::Ps256),
        "RS256" => Some(SigningAlgorithm::Rs256),
        "ES256" => Some(SigningAlgorithm::Es256),
        _ => {
            mistakes.add(Mistake::at(
                text.span,
                "`algorithm` has no such value",
                "an RSA key signs with PS256 or RS256, and a P-256 key with ES256",
                "remove the line: PS256 and ES256 are what the keys sign with by themselves",
            ));
            None
        }
    }
}
