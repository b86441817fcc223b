//! `unattended call --delta`: what has changed since the last time.

use std::path::Path;

use serde_json::json;
use unattended_core::BoxFuture;
use unattended_webapi::{Client, DeltaEvent, DeltaState, DeltaStore, ResyncReason};

use super::{failed, push_line};
use crate::arguments::{Call, Header};
use crate::failure::{CommandError, Exit};
use crate::printer::{Printer, counted};
use crate::progress::Bar;

/// One round: every change is a line, and the state is kept after the lines of each page are written.
pub(super) async fn run(
    arguments: &Call,
    file: &Path,
    client: &Client,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    let store = StateFile(file);
    let mut delta = client.delta(arguments.path(), store.load().await?);
    for Header { name, value } in &arguments.headers {
        delta = delta.header(name, value);
    }
    let bar = Bar::new(printer);
    let mut changes = 0_u64;
    while let Some(event) = delta.next().await.map_err(|error| {
        bar.finish();
        failed(arguments, &error).detail("items_before", changes)
    })? {
        let mut lines = Vec::new();
        match event {
            DeltaEvent::Page(page) => {
                page.changes.iter().for_each(|change| push_line(&mut lines, change.raw.get()));
                changes += page.changes.len() as u64;
            }
            DeltaEvent::ResyncStarted { reason } => push_line(&mut lines, &resync_started(reason)),
            _ => push_line(&mut lines, &json!({ "@resync": "completed" }).to_string()),
        }
        printer.lines(&lines)?;
        delta.acknowledge(&store).await?;
        bar.set("changes", changes, None);
    }
    bar.finish();
    printer.note(format_args!("{}; the next call goes on from here", counted(changes, "change")));
    Ok(Exit::Done)
}

/// From this line on everything comes again; what has not come before the line `completed` is gone.
fn resync_started(reason: ResyncReason) -> String {
    let reason = match reason {
        ResyncReason::QueryChanged => "queryChanged",
        _ => "linkExpired",
    };
    json!({ "@resync": "started", "reason": reason }).to_string()
}

/// The state in a file of its own, replaced as a whole.
struct StateFile<'a>(&'a Path);

impl DeltaStore for StateFile<'_> {
    type Error = CommandError;

    fn load(&self) -> BoxFuture<'_, Result<Option<DeltaState>, CommandError>> {
        Box::pin(async {
            let refused = |message: String| CommandError::new(Exit::Usage, message);
            match std::fs::read(self.0) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(refused(format!("{} cannot be read", self.0.display())).caused_by(&error)),
                Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                    refused(format!("{} is not the state of a delta query", self.0.display()))
                        .caused_by(&error)
                        .hint("name another file; a new one begins with everything")
                }),
            }
        })
    }

    fn save(&self, state: &DeltaState) -> BoxFuture<'_, Result<(), CommandError>> {
        let text = json!(state).to_string();
        Box::pin(async move {
            unattended_files::write_private(self.0, text.as_bytes()).map_err(|error| {
                CommandError::new(Exit::Failed, format!("{} cannot be written", self.0.display()))
                    .caused_by(&error)
            })
        })
    }
}
