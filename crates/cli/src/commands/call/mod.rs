//! `unattended call`: one request, many in batches, all pages of a collection, what has changed in one, or a file.

mod batch;
mod delta;
mod download;
mod parallel;
mod upload;

use std::io::Read;

use serde_json::json;
use unattended_daemon::Daemon;
use unattended_webapi::{Client, QueryLint, Response, lint_query};

use crate::arguments::{Call, Header};
use crate::failure::{CommandError, Exit, explain};
use crate::printer::{Printer, counted};
use crate::progress::Bar;

pub(crate) async fn run(arguments: &Call, daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let result = carry_out(arguments, daemon, printer).await;
    daemon.log_metrics();
    result
}

async fn carry_out(arguments: &Call, daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let client = daemon
        .client(&arguments.api)
        .map_err(|error| explain(format!("the API `{}` cannot be called", arguments.api), &error))?;
    let client = &if arguments.advanced { client.with_advanced_queries() } else { client.clone() };
    if let Some(file) = &arguments.batch {
        let batches = usize::from(arguments.batches);
        return batch::run(file, arguments.to.as_deref(), batches, client, printer).await;
    }
    if let Some(file) = &arguments.download {
        return download::run(arguments, file, client, printer).await;
    }
    if let Some(file) = &arguments.upload {
        return upload::run(arguments, file, client, daemon, printer).await;
    }
    let reads = arguments.all || arguments.delta.is_some();
    if reads && arguments.method() != http::Method::GET {
        let message = "`--all` and `--delta` read a collection, so the method is GET";
        return Err(CommandError::new(Exit::Usage, message));
    }
    match (&arguments.delta, arguments.parallel) {
        (Some(file), _) => delta::run(arguments, file, client, printer).await,
        (None, Some(width)) => parallel::run(arguments, width, client, printer).await,
        (None, None) if arguments.all => all_pages(arguments, client, printer).await,
        (None, None) => once(arguments, client, printer).await,
    }
}

async fn once(arguments: &Call, client: &Client, printer: &Printer) -> Result<Exit, CommandError> {
    let mut request = client.request(arguments.method(), arguments.path());
    for Header { name, value } in &arguments.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &arguments.body {
        request = request.body(read_body(body)?, "application/json");
    }
    let response = request.send().await.map_err(|error| failed(arguments, &error))?;
    tell(arguments, &response, printer)
}

/// The answer as it is.
fn tell(arguments: &Call, response: &Response, printer: &Printer) -> Result<Exit, CommandError> {
    let text = std::str::from_utf8(response.body())
        .map_err(|cause| CommandError::new(Exit::Failed, "the answer is not text").caused_by(&cause))?;
    match text {
        // Nothing else may be on standard output, but a program wants one document.
        "" => printer.json(&json!({ "status": response.status().as_u16() }))?,
        text => printer.line(text.trim_end())?,
    }
    printer.note(format_args!("{} {}", response.status(), arguments.path()));
    Ok(Exit::Done)
}

async fn all_pages(arguments: &Call, client: &Client, printer: &Printer) -> Result<Exit, CommandError> {
    let bar = Bar::new(printer);
    let mut pages = client.pages(arguments.path());
    for Header { name, value } in &arguments.headers {
        pages = pages.header(name, value);
    }
    let (mut items, mut count) = (0_u64, 0_u64);
    while let Some(page) = pages.next().await.map_err(|error| {
        bar.finish();
        failed(arguments, &error).detail("items_before", items)
    })? {
        count += 1;
        let mut lines = Vec::new();
        page.items.iter().for_each(|item| push_line(&mut lines, item.get()));
        printer.lines(&lines)?;
        items += page.items.len() as u64;
        bar.set("items", items, page.count);
    }
    bar.finish();
    printer.note(format_args!("{} in {}", counted(items, "item"), counted(count, "page")));
    Ok(Exit::Done)
}

fn failed(arguments: &Call, error: &unattended_webapi::Error) -> CommandError {
    let path = arguments.path();
    let failure =
        explain(format!("{} {} failed", arguments.method(), unattended_core::redact_url(path)), error);
    let needs_more = lint_query(path).iter().any(|lint| matches!(lint, QueryLint::Advanced { .. }));
    match error.remedy() {
        Some(lack)
            if needs_more && !arguments.advanced && error.code() == Some("Request_UnsupportedQuery") =>
        {
            failure.hint_instead(format!("{lack}: add `--advanced`"))
        }
        _ => failure,
    }
}

/// NDJSON has no line breaks inside an item; inside JSON text a raw one can only be white space.
fn push_line(lines: &mut Vec<u8>, json: &str) {
    lines.extend(json.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    lines.push(b'\n');
}

/// `@FILE`, `@-` for standard input, or the text itself; refused before anything is sent unless it is JSON.
fn read_body(body: &str) -> Result<String, CommandError> {
    let unreadable = |name: &str, cause: std::io::Error| {
        CommandError::new(Exit::Usage, format!("the body {name} cannot be read")).caused_by(&cause)
    };
    let (name, text) = match body.strip_prefix('@') {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|cause| unreadable("on standard input", cause))?;
            ("standard input", text)
        }
        Some(path) => (path, std::fs::read_to_string(path).map_err(|cause| unreadable(path, cause))?),
        None => ("--body", body.to_owned()),
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(cause) => {
            Err(CommandError::new(Exit::Usage, format!("the body ({name}) is not JSON")).caused_by(&cause))
        }
    }
}
