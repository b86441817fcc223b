//! `[[application.credentials]]`: how the application proves who it is.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;
use unattended_identity::SigningAlgorithm;

use super::diagnostic::{Mistake, Mistakes};
use super::model::{Certificate, Credential};
use super::reader::{Section, Text, list};
use super::reference::{NoReference, SecretReference};

const TITLE: &str = "[[application.credentials]]";

/// What says of which kind a credential is, and the keys that go with it.
const KINDS: [(&str, &[&str]); 2] =
    [("certificate", &["password", "algorithm", "send-chain"]), ("secret", &[])];

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
        _ => reference(&section, "secret", directory, mistakes).map(Credential::Secret),
    }
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
    Some(Certificate { file: file?, password, algorithm, send_chain })
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

fn reference(
    section: &Section<'_>,
    key: &str,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretReference> {
    let text = section.text(key, mistakes)?;
    referred(key, &text, directory, mistakes)
}

fn referred(
    key: &str,
    text: &Text<'_>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretReference> {
    let reason = match SecretReference::parse(text.value, directory) {
        Ok(reference) => return Some(reference),
        Err(reason) => reason,
    };
    let span = text.span.clone();
    let is_path = is_path_of_a_certificate(key, text.value);
    if !is_path {
        mistakes.conceal(span.clone());
    }
    mistakes.add(match reason {
        NoReference::InlineValue if is_path => Mistake::at(
            span,
            format!("`{key}` does not say where it is kept"),
            "a reference begins with `file:`, `env:` or `systemd:`",
            format!("write `{key} = \"file:{}\"`", text.value),
        ),
        NoReference::InlineValue => {
            let file = match key {
                "certificate" => "app.pem",
                "password" => "password",
                _ => "client-secret",
            };
            Mistake::at(
                span,
                format!("`{key}` holds a value and not a reference"),
                "configurations are copied, compared and committed, and what stands in them is no secret for long",
                format!(
                    "move the value to a file that only the daemon can read (`install -m 600 /dev/null {file}`, then \
                     edit it) and write `{key} = \"file:{file}\"`; `env:NAME` and `systemd:NAME` work too"
                ),
            )
        }
        NoReference::Empty => Mistake::at(
            span,
            format!("`{key}` is an empty reference"),
            "nothing follows the colon",
            "name a file, a variable or a systemd credential, such as `file:app.pem`",
        ),
        NoReference::NotAName => Mistake::at(
            span,
            format!("`{key}` names no systemd credential"),
            "a credential of a unit is a plain name below $CREDENTIALS_DIRECTORY and not a path",
            "write the name given to LoadCredential=, or use `file:PATH`",
        ),
        NoReference::UnknownScheme => Mistake::at(
            span,
            format!("`{key}` is kept where this version cannot read it"),
            "references are `file:PATH`, `env:NAME` and `systemd:NAME`",
            "fetch it into a file with mode 600 before the start, and write `file:PATH`",
        ),
    });
    None
}

fn is_path_of_a_certificate(key: &str, text: &str) -> bool {
    let extensions = [".pem", ".crt", ".cer", ".key", ".pfx", ".p12"];
    let has_extension = extensions.iter().any(|extension| text.ends_with(extension));
    key == "certificate" && has_extension && !text.contains(['\n', '\r'])
}
