//! `unattended call --all --parallel`: a large collection, part by part at the same time.

use serde_json::json;
use unattended_webapi::{Client, ParallelEnd, ParallelEvent, RetryPolicy};

use super::{failed, push_line};
use crate::arguments::{Call, Header};
use crate::failure::{CommandError, Exit};
use crate::printer::{Printer, counted};
use crate::progress::Bar;

/// Every item is a line. What changed meanwhile comes last, in lines that say the last word about their `id`.
pub(super) async fn run(
    arguments: &Call,
    width: u16,
    client: &Client,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    // A page stands in line at the gate behind many others, so the patience of a single call is not enough.
    let mut read =
        client.with_retry(RetryPolicy::job()).parallel_read(arguments.path()).width(usize::from(width));
    for Header { name, value } in &arguments.headers {
        read = read.header(name, value);
    }
    let bar = Bar::new(printer);
    let mut items = 0_u64;
    while let Some(event) = read.next().await.map_err(|error| {
        bar.finish();
        failed(arguments, &error).detail("items_before", items)
    })? {
        let mut lines = Vec::new();
        match event {
            ParallelEvent::Items(found) => {
                found.iter().for_each(|item| push_line(&mut lines, item.get()));
                items += found.len() as u64;
            }
            ParallelEvent::Changed(found) => found.iter().for_each(|item| push_line(&mut lines, item.get())),
            ParallelEvent::Removed(ids) => ids.iter().for_each(|id| push_line(&mut lines, &removed(id))),
            _ => {}
        }
        printer.lines(&lines)?;
        bar.set("items", items, read.total());
    }
    bar.finish();
    match read.end() {
        Some(end) => report(arguments, end, printer),
        None => Err(CommandError::new(Exit::Failed, "the collection was not read to its end")),
    }
}

/// As a delta query tells that an object is gone.
fn removed(id: &str) -> String {
    json!({ "@removed": { "reason": "changed" }, "id": id }).to_string()
}

/// What came, and whether that is what the API counts: nobody else would notice that something is missing.
fn report(arguments: &Call, end: &ParallelEnd, printer: &Printer) -> Result<Exit, CommandError> {
    let (items, pages, parts) =
        (counted(end.items, "item"), counted(end.pages, "page"), counted(end.parts, "part"));
    printer.note(format_args!("{items} in {pages} of {parts}"));
    if end.changed + end.removed > 0 {
        let (changed, gone) = (end.changed, end.removed);
        printer.note(format_args!(
            "meanwhile {changed} changed and {gone} went: the last line about an id counts"
        ));
    }
    if !end.is_converged {
        printer.note("what changed meanwhile is not known: the directory lost the link to it");
    }
    match end.count {
        Some(count) if end.difference() > 0 => {
            let path = unattended_core::redact_url(arguments.path());
            let message =
                format!("{} came from {path}, and the API counts {count}", counted(end.items, "item"));
            let hint = "its index may lag behind: the same command later; without `--parallel` the index is not asked";
            let failure = CommandError::new(Exit::Temporary, message).hint(hint);
            Err(failure.detail("items", end.items).detail("count", count))
        }
        Some(_) => Ok(Exit::Done),
        None => {
            printer.note("the API does not count this collection, so that nothing can be compared");
            Ok(Exit::Done)
        }
    }
}
