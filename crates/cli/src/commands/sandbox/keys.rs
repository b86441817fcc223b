//! `keys`: the keys that sign tokens, and how they follow each other.

use http::Method;
use serde_json::Value;

use super::running::Running;
use crate::arguments::SandboxKeys;
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

pub(super) async fn run(keys: &SandboxKeys, printer: &Printer) -> Result<(), CommandError> {
    let (sandbox, method, path) = match keys {
        SandboxKeys::List { sandbox } => (sandbox, Method::GET, "/keys".to_owned()),
        SandboxKeys::Publish { sandbox } => (sandbox, Method::POST, "/keys/prepublish".to_owned()),
        SandboxKeys::Rotate { sandbox } => (sandbox, Method::POST, "/keys/rotate".to_owned()),
        SandboxKeys::Revoke { kid, sandbox } => {
            (sandbox, Method::POST, format!("/keys/{}/revoke", segment(kid)?))
        }
    };
    let running = Running::find(sandbox.sandbox.as_deref())?;
    let answer = running.ask(method, &path, None).await?;
    for key in answer["keys"].as_array().into_iter().flatten() {
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        printer.result(format_args!("{}  {:<7}  since {}", text("kid"), text("state"), since(key)))?;
    }
    printer.json(&answer)
}

/// A `kid` is base64url: a segment of a path as it is.
fn segment(kid: &str) -> Result<&str, CommandError> {
    let is_plain = !kid.is_empty() && kid.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
    match is_plain {
        true => Ok(kid),
        false => Err(CommandError::new(Exit::Usage, format!("`{kid}` is no `kid` of a key"))
            .hint("`unattended sandbox keys list` shows them")),
    }
}

fn since(key: &Value) -> String {
    let seconds = key["since"].as_i64().unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
