//! `unattended call --batch`: many requests from a file, and their results in its order.

mod requests;
mod results;

use std::path::Path;

use serde_json::{Map, Value, json};
use unattended_webapi::{BatchOutcome, Client, Error};

use self::requests::Requests;
use self::results::Results;
use crate::failure::{CommandError, Exit, explain};
use crate::printer::{Printer, counted};
use crate::progress::Bar;

pub(super) async fn run(
    file: &Path,
    to: Option<&Path>,
    batches: usize,
    client: &Client,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    let requests = Requests::read(file)?;
    let mut results = Results::open(to, printer)?;
    if results.written() > requests.len() {
        let message = format!("{} has more results than there are requests", results.name());
        return Err(CommandError::new(Exit::Usage, message).hint("name another file for the results"));
    }
    if results.written() > 0 {
        printer.note(format_args!("going on after {}", counted(results.written() as u64, "result")));
    }
    let client = client.with_batches_under_way(batches);
    let bar = Bar::new(printer);
    let total = Some(requests.len() as u64);
    bar.set("requests", results.written() as u64, total);
    while results.written() < requests.len() {
        let window = requests.window(results.written(), batches);
        // What was under way when an earlier process ended may have been done, and is not done again unless that is
        // harmless.
        let is_doubtful = |index: &usize| *index < results.announced() && !requests.is_harmless(*index);
        let (doubtful, fresh): (Vec<usize>, Vec<usize>) = window.clone().partition(is_doubtful);
        results.announce(window.end)?;
        let sent = client.batch(requests.build(&fresh, &doubtful)).await;
        let outcomes = sent.map_err(|error| {
            bar.finish();
            explain("the batch cannot be sent".to_owned(), &error)
        })?;
        let mut outcomes = fresh.into_iter().zip(outcomes).peekable();
        let mut lines = Vec::new();
        let mut stopped_by = None;
        for index in window {
            let line = match outcomes.next_if(|(at, _)| *at == index) {
                Some((_, outcome)) if was_not_done(&outcome) => {
                    stopped_by = Some((index, outcome));
                    break;
                }
                Some((_, outcome)) => told(&outcome),
                None => unknown(requests.id(index)),
            };
            results.failures += u64::from(line.get("error").is_some());
            super::push_line(&mut lines, &line.to_string());
        }
        results.append(&lines, printer)?;
        if let Some((index, BatchOutcome { result: Err(error), .. })) = stopped_by {
            bar.finish();
            let in_doubt = outcomes.filter(|(_, outcome)| is_ambiguous(outcome)).map(|(at, _)| at + 1).max();
            results.announce(in_doubt.unwrap_or(index))?;
            let done = results.written();
            return Err(explain(
                format!("the batch stopped after {}", counted(done as u64, "result")),
                &error,
            ));
        }
        bar.set("requests", results.written() as u64, total);
    }
    bar.finish();
    results.end()?;
    let failed = results.failures;
    printer.note(format_args!("{}, {failed} failed", counted(requests.len() as u64, "request")));
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// Whether a later call can do it: the batch as a whole failed, and this was certainly not carried out.
fn was_not_done(outcome: &BatchOutcome) -> bool {
    matches!(&outcome.result, Err(error) if error.is_of_whole_batch() && !error.is_ambiguous())
}

fn is_ambiguous(outcome: &BatchOutcome) -> bool {
    matches!(&outcome.result, Err(error) if error.is_ambiguous())
}

/// A result as an object.
fn told(outcome: &BatchOutcome) -> Value {
    match &outcome.result {
        Ok(response) => {
            let mut told = json!({ "id": outcome.id, "status": response.status.as_u16() });
            if !response.body.is_null() {
                told["body"] = response.body.clone();
            }
            if response.already_gone {
                told["alreadyGone"] = true.into();
            }
            told
        }
        Err(error) => failure(&outcome.id, error),
    }
}

fn failure(id: &str, error: &Error) -> Value {
    let mut about = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            about.insert(name.to_owned(), value.into());
        }
    };
    put("code", error.code());
    put("message", error.message());
    put("requestId", error.request_id());
    put("remedy", error.remedy());
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source());
    let chain: Vec<String> =
        std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect();
    about.insert("reason".to_owned(), chain.join(": ").into());
    about.insert("transient".to_owned(), error.is_transient().into());
    about.insert("ambiguous".to_owned(), error.is_ambiguous().into());
    let mut told = json!({ "id": id, "error": about });
    if let Some(status) = error.status() {
        told["status"] = status.as_u16().into();
    }
    told
}

fn unknown(id: &str) -> Value {
    let reason = "it was under way when the process ended, and may have been done; look before you repeat it";
    json!({ "id": id, "error": { "reason": reason, "transient": false, "ambiguous": true } })
}
