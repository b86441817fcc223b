//! `set`, `get`, `fault`, `snapshot`, `restore`, `reset`, `tenant`: one request each.

use http::Method;
use serde_json::{Map, Value, json};

use super::running::Running;
use crate::arguments::{FaultOnce, Setting};
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

pub(super) async fn set(
    running: &Running,
    settings: &[Setting],
    printer: &Printer,
) -> Result<(), CommandError> {
    let changes: Map<String, Value> =
        settings.iter().map(|it| (it.key.clone(), Value::String(it.value.clone()))).collect();
    let all = running.ask(Method::PATCH, "/settings", Some(&Value::Object(changes))).await?;
    let mut changed: Map<String, Value> = Map::new();
    changed.extend(settings.iter().map(|it| (it.key.clone(), all[&it.key].clone())));
    show(&Value::Object(changed), printer)
}

pub(super) async fn get(running: &Running, key: Option<&str>, printer: &Printer) -> Result<(), CommandError> {
    let all = running.ask(Method::GET, "/settings", None).await?;
    let Some(key) = key else {
        return show(&all, printer);
    };
    let value = all.get(key).and_then(Value::as_str).ok_or_else(|| {
        let names = all.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        CommandError::new(Exit::Usage, format!("there is no setting `{key}`"))
            .hint(format!("the settings are {}", names.join(", ")))
    })?;
    printer.result(value)?;
    printer.json(&json!({ key: value }))
}

pub(super) async fn fault(
    running: &Running,
    fault: &FaultOnce,
    printer: &Printer,
) -> Result<(), CommandError> {
    let FaultOnce { kind, path, method, times, .. } = fault;
    let mut body = json!({ "kind": kind, "path": path, "times": times });
    if let Some(method) = method {
        body["method"] = json!(method.as_str());
    }
    let answer = running.ask(Method::POST, "/faults", Some(&body)).await?;
    printer.result(format_args!("{kind} waits for {times} of the next requests to {path}"))?;
    printer.json(&answer)
}

/// A request whose success is all there is to say.
pub(super) async fn order(
    running: &Running,
    method: Method,
    path: &str,
    done: (&str, &str),
    printer: &Printer,
) -> Result<(), CommandError> {
    running.ask(method, path, None).await?;
    let (verb, object) = done;
    printer.result(format_args!("{verb} {object}"))?;
    printer.json(&json!({ verb: object }))
}

pub(super) async fn add_tenant(running: &Running, name: &str, printer: &Printer) -> Result<(), CommandError> {
    let tenant = running.ask(Method::POST, "/tenants", Some(&json!({ "name": name }))).await?;
    printer.result(row(&tenant))?;
    printer.json(&tenant)
}

pub(super) async fn list_tenants(running: &Running, printer: &Printer) -> Result<(), CommandError> {
    let answer = running.ask(Method::GET, "/tenants", None).await?;
    for tenant in answer["tenants"].as_array().into_iter().flatten() {
        printer.result(row(tenant))?;
    }
    printer.json(&answer)
}

fn row(tenant: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let administrator = &tenant["administrator"];
    format!(
        "{} ({}), administrator {}, secret in {}",
        text(&tenant["tenant_domain"]),
        text(&tenant["tenant_id"]),
        text(&administrator["client_id"]),
        text(&administrator["secret_file"]),
    )
}

fn show(settings: &Value, printer: &Printer) -> Result<(), CommandError> {
    for (name, value) in settings.as_object().into_iter().flatten() {
        printer.result(format_args!("{name}={}", value.as_str().unwrap_or_default()))?;
    }
    printer.json(settings)
}
