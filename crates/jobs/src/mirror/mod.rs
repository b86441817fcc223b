//! Mirror: an export that reads changes and keeps a file what the collection is.
//!
//! Per page: append to a log of changes, make durable, then the checkpoint, which holds the offset and the state of the
//! delta query. At the end of the round the log is merged into the file, and the link to later changes is kept in the
//! transaction that ends the run. Merging twice changes nothing the second time. So a process that dies anywhere
//! repeats changes at most.

mod merge;
mod object;

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use unattended_files as files;
use unattended_webapi::{Delta, DeltaEvent, DeltaPage, DeltaState, ResyncReason};

use crate::error::JobError;
use crate::export::push_line;
use crate::job::Export;
use crate::observer::{Event, Phase};
use crate::report::{Outcome, Report};
use crate::run::{Ending, RunContext};

/// Where a round stands.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Checkpoint {
    state: DeltaState,
    /// Whether the log holds the whole collection, and not changes to the file.
    whole: bool,
    pages: u64,
    items: u64,
    /// How many bytes of the log are acknowledged.
    offset: u64,
    /// How long the file is that the log was merged into; from then on the log may be gone.
    #[serde(default)]
    merged: Option<u64>,
}

/// What lasts from run to run.
#[derive(Debug, Deserialize, Serialize)]
struct Memory {
    state: DeltaState,
    /// How long the file was when it was left.
    bytes: u64,
}

/// Runs one round to the end, or until the watch says stop.
pub(crate) async fn run(
    job: &Export,
    context: &RunContext<'_>,
    report: &mut Report,
) -> Result<Ending, JobError> {
    let path = files::beside(&job.to, ".changes");
    let log = files::open_private(&path).map_err(|error| JobError::of_file(&path, error))?;
    let mut mirror = Mirror { job, context, log, path, at: Checkpoint::default() };
    let mut delta = mirror.begin(report).await?;
    let ending = loop {
        if mirror.at.state.is_committed() {
            break mirror.publish().await?;
        }
        let event = tokio::select! {
            event = delta.next() => event.map_err(|error| JobError::of_call("reading the changes", error))?,
            () = context.watch.stop.cancelled() => break Ending::Interrupted,
        };
        match event {
            Some(DeltaEvent::Page(page)) => mirror.append(&page)?,
            Some(DeltaEvent::ResyncStarted { reason }) => mirror.mark(reason, report)?,
            // What did not come has no line in the log, and so none in the file.
            Some(_) => {}
            None => {
                let cause = std::io::Error::other("the changes ended without a link to later ones");
                return Err(mirror.failed(cause));
            }
        }
        mirror.at.state = delta.state().clone();
        mirror.save().await?;
        context.watch.progress(Phase::Export, mirror.at.items, None);
    };
    report.pages = mirror.at.pages;
    report.items = mirror.at.items;
    report.output = Some(if ending == Ending::Interrupted { mirror.path } else { job.to.clone() });
    if ending != Ending::Interrupted {
        report.outcome = Outcome::Done;
    }
    Ok(ending)
}

struct Mirror<'a> {
    job: &'a Export,
    context: &'a RunContext<'a>,
    log: File,
    path: PathBuf,
    at: Checkpoint,
}

impl Mirror<'_> {
    /// Goes on with the round that an earlier attempt began, or begins the next one.
    async fn begin(&mut self, report: &mut Report) -> Result<Delta, JobError> {
        let RunContext { store, key, run, .. } = self.context;
        let saved = store.checkpoint(key).await?;
        let logged = self.log.metadata().map_err(|error| self.failed(error))?.len();
        let left = std::fs::metadata(&self.job.to).map(|file| file.len()).ok();
        if let Some(saved) = saved.and_then(|text| serde_json::from_str::<Checkpoint>(&text).ok()) {
            let is_published = logged == 0 && saved.merged.is_some() && saved.merged == left;
            if saved.offset <= logged || is_published {
                let delta = self.job.client.delta(&self.job.read, Some(saved.state.clone()));
                self.at = Checkpoint { state: delta.state().clone(), ..saved };
                if !is_published {
                    self.at.merged = None;
                    self.truncate()?;
                }
                return Ok(delta);
            }
            self.restart(report, "what it had written is gone");
        }
        store.save_checkpoint(&run.lease, None).await?;
        let memory = store.memory(key).await?.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
        let state = match memory {
            Some(memory) if left == Some(memory.bytes) => Some(memory.state),
            Some(_) => {
                self.restart(report, "the file is not as it was left");
                None
            }
            None => None,
        };
        let delta = self.job.client.delta(&self.job.read, state);
        self.at = Checkpoint { whole: delta.is_whole(), ..Checkpoint::default() };
        self.truncate()?;
        Ok(delta)
    }

    fn append(&mut self, page: &DeltaPage) -> Result<(), JobError> {
        let mut lines = Vec::new();
        page.changes.iter().for_each(|change| push_line(&mut lines, change.raw.get()));
        let written = self.log.write_all(&lines).and_then(|()| self.log.sync_data());
        written.map_err(|error| self.failed(error))?;
        self.at.offset += lines.len() as u64;
        self.at.pages += 1;
        self.at.items += page.changes.len() as u64;
        Ok(())
    }

    /// The whole collection comes, and what has come before it counts no more.
    fn mark(&mut self, reason: ResyncReason, report: &mut Report) -> Result<(), JobError> {
        self.restart(
            report,
            match reason {
                ResyncReason::QueryChanged => "it reads something else now",
                _ => "the server no longer knows what has changed",
            },
        );
        self.at = Checkpoint { whole: true, ..Checkpoint::default() };
        self.truncate()
    }

    async fn save(&self) -> Result<(), JobError> {
        let checkpoint = serde_json::json!(self.at).to_string();
        Ok(self.context.store.save_checkpoint(&self.context.run.lease, Some(checkpoint)).await?)
    }

    /// Merges the log into the file, unless an earlier attempt has. What is remembered is kept by the end of the run.
    async fn publish(&mut self) -> Result<Ending, JobError> {
        let bytes = match self.at.merged {
            Some(bytes) => bytes,
            None => self.merge().await?,
        };
        std::fs::remove_file(&self.path).map_err(|error| self.failed(error))?;
        let memory = Memory { state: std::mem::take(&mut self.at.state), bytes };
        Ok(Ending::Complete(Some(serde_json::json!(memory).to_string())))
    }

    async fn merge(&mut self) -> Result<u64, JobError> {
        let merged = files::beside(&self.job.to, ".new");
        let failed = |error| JobError::of_file(&merged, error);
        let file = files::open_private(&merged).map_err(failed)?;
        let base = (!self.at.whole).then_some(&*self.job.to);
        let bytes = merge::merge(base, &self.path, &file).map_err(failed)?;
        self.at.merged = Some(bytes);
        self.save().await?;
        files::publish(&file, &merged, &self.job.to).map_err(failed)?;
        Ok(bytes)
    }

    fn restart(&self, report: &mut Report, reason: &str) {
        self.context.watch.event(&Event::Restart { reason: reason.to_owned() });
        report.restarted = Some(reason.to_owned());
    }

    fn truncate(&mut self) -> Result<(), JobError> {
        let cut =
            self.log.set_len(self.at.offset).and_then(|()| self.log.seek(SeekFrom::Start(self.at.offset)));
        cut.map(|_| ()).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> JobError {
        JobError::of_file(&self.path, error)
    }
}
