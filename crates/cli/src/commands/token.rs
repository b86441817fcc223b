//! `unattended token`: acquires a token and shows what is in it.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use unattended_core::{Clock, SystemClock};
use unattended_daemon::Daemon;
use unattended_identity::{AccessToken, Freshness, TokenOrigin};

use crate::arguments::Token;
use crate::failure::{CommandError, Exit, explain};
use crate::printer::{BOLD, Printer, styled};

pub(crate) async fn run(arguments: &Token, daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let api = the_api(arguments.api.as_deref(), daemon)?;
    let scoped = daemon.scoped_token(api).map_err(|error| explain("no token can be asked for", &error))?;
    let freshness = if arguments.force_refresh { Freshness::Forced } else { Freshness::Cached };
    let token = scoped
        .acquire(freshness)
        .await
        .map_err(|error| explain(format!("no token for `{api}` could be acquired"), &error))?;
    if arguments.raw {
        printer.line(token.expose())?;
        return Ok(Exit::Done);
    }
    let mut shown = describe(api, &token, SystemClock.now());
    // The audience is a GUID where the API takes version 2.0 tokens; its URI tells a person more.
    shown.insert("resource".to_owned(), scoped.scope().default_resource().into());
    printer.json(&shown)?;
    printer.result(table(&shown))?;
    Ok(Exit::Done)
}

/// The API that was named, or the only one.
fn the_api<'a>(named: Option<&'a str>, daemon: &'a Daemon) -> Result<&'a str, CommandError> {
    let names: Vec<&str> = daemon.config().apis.keys().map(String::as_str).collect();
    match (named, names.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(only),
        (None, []) => Err(CommandError::new(Exit::Configuration, "the configuration names no API")
            .hint("add an [apis.NAME] table with `base-url` and `scope`")),
        (None, several) => Err(CommandError::new(Exit::Usage, "the configuration names more than one API")
            .hint(format!("name one of {}: `unattended token {}`", several.join(", "), several[0]))),
    }
}

/// What may be shown of a token: everything but the token.
pub(crate) fn describe(api: &str, token: &AccessToken, now: SystemTime) -> Map<String, Value> {
    let claims = token.unverified_claims().unwrap_or_default();
    let claim =
        |names: &[&str]| names.iter().find_map(|name| claims.get(*name)).cloned().unwrap_or(Value::Null);
    let time = |at: SystemTime| jiff::Timestamp::try_from(at).map_or(Value::Null, |at| seconds(at).into());
    let left = token.expires_at().duration_since(now).unwrap_or_default();
    let source = match token.origin() {
        TokenOrigin::Memory => "cache",
        TokenOrigin::Store => "store",
        _ => "server",
    };
    let bound_to = token.authorization().possession().map(|possession| match possession.connections() {
        Some(_) => "certificate",
        None => "key",
    });
    let shown = json!({
        "api": api,
        "audience": claim(&["aud"]),
        "application": claim(&["azp", "appid", "client_id", "sub"]),
        "tenant": claim(&["tid", "iss"]),
        "roles": claim(&["roles"]),
        "issuer": claim(&["iss"]),
        "expires_at": time(token.expires_at()),
        "expires_in": left.as_secs(),
        "refresh_at": time(token.refresh_at()),
        "bound_to": bound_to,
        "source": source,
        "correlation_id": token.correlation_id(),
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

fn table(shown: &Map<String, Value>) -> String {
    let lines: Vec<String> =
        ["audience", "application", "tenant", "roles", "expires_at", "refresh_at", "bound_to", "source"]
            .into_iter()
            .filter(|name| *name != "bound_to" || shown.get(*name).is_some_and(Value::is_string))
            .map(|name| {
                let value = match (name, shown.get(name)) {
                    ("roles", Some(Value::Array(roles))) => {
                        roles.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
                    }
                    ("roles", _) => "none: no application permission has been granted".to_owned(),
                    ("audience", Some(Value::String(audience))) => match shown.get("resource") {
                        Some(Value::String(resource)) if resource != audience => {
                            format!("{audience} ({resource})")
                        }
                        _ => audience.clone(),
                    },
                    ("expires_at", Some(Value::String(at))) => format!("{at} (in {} min)", minutes(shown)),
                    (_, Some(Value::String(text))) => text.clone(),
                    _ => "not told (the token is opaque)".to_owned(),
                };
                format!(
                    "{} {value}",
                    styled(BOLD, format_args!("{:<11}", name.trim_end_matches("_at").replace('_', " ")))
                )
            })
            .collect();
    lines.join("\n")
}

fn minutes(shown: &Map<String, Value>) -> u64 {
    shown.get("expires_in").and_then(Value::as_u64).unwrap_or_default() / 60
}

fn seconds(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}
