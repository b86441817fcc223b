//! Keys whose value is a reference to a secret, and what people write instead.

use std::path::Path;

use super::diagnostic::{Mistake, Mistakes};
use super::reader::{Section, Text};
use super::reference::{NoReference, SecretReference};

pub(super) fn reference(
    section: &Section<'_>,
    key: &str,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretReference> {
    let text = section.text(key, mistakes)?;
    referred(key, &text, directory, mistakes)
}

/// A list of references.
pub(super) fn references(
    section: &Section<'_>,
    key: &str,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Vec<SecretReference> {
    let texts = section.texts(key, mistakes);
    texts.iter().filter_map(|text| referred(key, text, directory, mistakes)).collect()
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
                "pin" => "pin",
                "keys" => "token-store.key",
                _ => "client-secret",
            };
            let written = if key == "keys" { format!("[\"file:{file}\"]") } else { format!("\"file:{file}\"") };
            Mistake::at(
                span,
                format!("`{key}` holds a value and not a reference"),
                "configurations are copied, compared and committed, and what stands in them is no secret for long",
                format!(
                    "move the value to a file that only the daemon can read (`install -m 600 /dev/null {file}`, then \
                     edit it) and write `{key} = {written}`; `env:NAME` and `systemd:NAME` work too"
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
