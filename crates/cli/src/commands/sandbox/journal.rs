//! `unattended sandbox journal`: what was asked and answered, and whether rules were kept.

use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use super::running::{Running, broken_off};
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

/// Prints the journal, one entry a line; ends with the sandbox if more is waited for.
pub(super) async fn print(running: &Running, follow: bool, printer: &Printer) -> Result<(), CommandError> {
    let mut body = running.open(Method::GET, &format!("/journal?follow={follow}"), None).await?;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = body.next().await {
        rest.extend_from_slice(&chunk.map_err(|cause| broken_off(&cause))?);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let whole: Vec<u8> = rest.drain(..=end).collect();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            if printer.is_json() {
                printer.line(&line)?;
            } else {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                printer.result(summary(&entry))?;
            }
        }
    }
    Ok(())
}

/// Whether every rule was kept; the entries that break one are printed.
pub(super) async fn check(
    running: &Running,
    rules: &[String],
    printer: &Printer,
) -> Result<Exit, CommandError> {
    let result = running.ask(Method::POST, "/journal/check", Some(&json!({ "rules": rules }))).await?;
    printer.json(&result)?;
    for broken in result["broken"].as_array().into_iter().flatten() {
        let entries = broken["entries"].as_array().map_or(&[][..], Vec::as_slice);
        let rule = broken["rule"].as_str().unwrap_or_default();
        printer.result(format_args!(
            "broken: {rule}, by {} of {} requests",
            entries.len(),
            result["entries"]
        ))?;
        for entry in entries {
            printer.result(format_args!("  {}", summary(entry)))?;
        }
    }
    if result["kept"] == true {
        printer.result(format_args!("kept: {}, by {} requests", rules.join(", "), result["entries"]))?;
        return Ok(Exit::Done);
    }
    Ok(Exit::Failed)
}

/// An entry in one line for a person.
fn summary(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let status = entry["status"].as_u64().map_or_else(|| "cut".to_owned(), |status| status.to_string());
    let mut line = format!(
        "{} #{} {} {}{}",
        text("time"),
        entry["number"],
        text("method"),
        if entry["path"].as_str().is_some_and(|it| it.starts_with("/foreign-origin")) {
            text("origin")
        } else {
            String::new()
        },
        text("path"),
    );
    if let Some(names) = entry["query"].as_array() {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        line.push_str(&format!("?{}", names.join("&")));
    }
    line.push_str(&format!(" -> {status} in {} ms", entry["duration_ms"]));
    for (label, name) in [("", "application"), ("for ", "scope"), ("fault ", "fault")] {
        if entry.get(name).is_some() {
            line.push_str(&format!(", {label}{}", text(name)));
        }
    }
    if let Some(wait) = entry["retry_after_ms"].as_u64() {
        line.push_str(&format!(", retry after {wait} ms"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let entry = json!({
            "number": 7, "time": "2026-01-01T00:00:00.000Z", "method": "GET", "path": "/graph/v1.0/users",
            "query": ["$top"], "origin": "https://localhost:1", "status": 429, "duration_ms": 3, "application": "a",
            "retry_after_ms": 1000, "fault": "throttled",
        });
        assert_eq!(
            summary(&entry),
            "2026-01-01T00:00:00.000Z #7 GET /graph/v1.0/users?$top -> 429 in 3 ms, a, fault throttled, \
             retry after 1000 ms"
        );
    }
}
