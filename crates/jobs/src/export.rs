//! Export: a paged read becomes a file, one item a line, byte for byte.
//!
//! Per page: append, make durable, then the checkpoint. So the checkpoint is never ahead of the file, and whatever the
//! file has beyond it was not acknowledged and is cut off.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use unattended_webapi::{self as webapi, Page, Pages};

use crate::error::JobError;
use crate::job::Export;
use crate::mirror;
use crate::observer::{Event, Phase};
use crate::report::{Outcome, Report};
use crate::run::{Ending, RunContext};
use unattended_files as files;

/// Where an export stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Checkpoint {
    /// What is read: another address begins anew.
    api: String,
    read: String,
    /// The page to read next; `None` when all are read and the file only lacks its name.
    next_link: Option<String>,
    pages: u64,
    items: u64,
    /// How many bytes of the file are acknowledged.
    offset: u64,
}

/// Runs to the end, or until the watch says stop.
pub(crate) async fn run(
    job: &Export,
    context: &RunContext<'_>,
    report: &mut Report,
) -> Result<Ending, JobError> {
    if webapi::is_delta(&job.read) {
        return mirror::run(job, context, report).await;
    }
    let partial = files::beside(&job.to, ".partial");
    let mut export = Exporter {
        job,
        context,
        file: open(&partial)?,
        partial,
        at: Checkpoint::default(),
        is_published: false,
    };
    let mut pages = export.begin(report).await?;
    let ending = loop {
        let Some(source) = &mut pages else { break Ending::Complete(None) };
        let page = tokio::select! {
            page = source.next() => page,
            () = context.watch.stop.cancelled() => break Ending::Interrupted,
        };
        match page {
            Ok(Some(page)) => {
                export.append(&page)?;
                export.save().await?;
                context.watch.progress(Phase::Export, export.at.items, page.count);
            }
            Ok(None) => pages = None,
            // Once: a server that refuses its own links for ever is not to be asked for ever.
            Err(error)
                if is_expired(&error) && report.restarted.is_none() && export.at.next_link.is_some() =>
            {
                pages =
                    Some(export.restart(report, "the server no longer knows where it was".to_owned()).await?);
            }
            Err(error) => return Err(JobError::of_call("reading the collection", error)),
        }
    };
    report.pages = export.at.pages;
    report.items = export.at.items;
    report.output = Some(export.partial.clone());
    if ending != Ending::Interrupted {
        export.publish()?;
        report.output = Some(job.to.clone());
        report.outcome = Outcome::Done;
    }
    Ok(ending)
}

struct Exporter<'a> {
    job: &'a Export,
    context: &'a RunContext<'a>,
    file: File,
    partial: PathBuf,
    at: Checkpoint,
    is_published: bool,
}

impl Exporter<'_> {
    /// The pages that are left; `None` when an earlier attempt has read them all.
    async fn begin(&mut self, report: &mut Report) -> Result<Option<Pages>, JobError> {
        let saved = self.context.store.checkpoint(self.context.key).await?;
        let Some(saved) = saved.and_then(|text| serde_json::from_str::<Checkpoint>(&text).ok()) else {
            return self.begin_anew().await.map(Some);
        };
        if saved.read != self.job.read || saved.api != self.job.client.base_url() {
            return self.restart(report, "it reads something else now".to_owned()).await.map(Some);
        }
        let written = self.file.metadata().map_err(|error| self.failed(error))?.len();
        let is_published = || std::fs::metadata(&self.job.to).is_ok_and(|file| file.len() == saved.offset);
        if saved.next_link.is_none() && written == 0 && saved.offset > 0 && is_published() {
            // It has its name already; only the end of the run was not noted.
            (self.at, self.is_published) = (saved, true);
            return Ok(None);
        }
        if written < saved.offset {
            return self.restart(report, "what it had written is gone".to_owned()).await.map(Some);
        }
        self.at = saved;
        self.truncate()?;
        Ok(self
            .at
            .next_link
            .as_deref()
            .map(|link| self.job.client.resume_pages(link).without_reading_ahead()))
    }

    async fn restart(&mut self, report: &mut Report, reason: String) -> Result<Pages, JobError> {
        self.context.watch.event(&Event::Restart { reason: reason.clone() });
        report.restarted = Some(reason);
        self.begin_anew().await
    }

    async fn begin_anew(&mut self) -> Result<Pages, JobError> {
        // First the checkpoint: the other way round it would stand ahead of the file.
        self.context.store.save_checkpoint(&self.context.run.lease, None).await?;
        self.at = Checkpoint {
            api: self.job.client.base_url().to_owned(),
            read: self.job.read.clone(),
            ..Checkpoint::default()
        };
        self.truncate()?;
        // A page is asked for once the one before is in the file: what a crash makes come again is one request.
        Ok(self.job.client.pages(&self.job.read).without_reading_ahead())
    }

    fn append(&mut self, page: &Page) -> Result<(), JobError> {
        let mut lines = Vec::with_capacity(page.items.iter().map(|item| item.get().len() + 1).sum());
        for item in &page.items {
            push_line(&mut lines, item.get());
        }
        self.file
            .write_all(&lines)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| self.failed(error))?;
        self.at.offset += lines.len() as u64;
        self.at.pages += 1;
        self.at.items += page.items.len() as u64;
        self.at.next_link.clone_from(&page.next_link);
        Ok(())
    }

    async fn save(&self) -> Result<(), JobError> {
        let checkpoint = serde_json::json!(self.at).to_string();
        Ok(self.context.store.save_checkpoint(&self.context.run.lease, Some(checkpoint)).await?)
    }

    fn truncate(&mut self) -> Result<(), JobError> {
        let cut =
            self.file.set_len(self.at.offset).and_then(|()| self.file.seek(SeekFrom::Start(self.at.offset)));
        cut.map(|_| ()).map_err(|error| self.failed(error))
    }

    fn publish(&self) -> Result<(), JobError> {
        let published = if self.is_published {
            std::fs::remove_file(&self.partial)
        } else {
            files::publish(&self.file, &self.partial, &self.job.to)
        };
        published.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> JobError {
        JobError::of_file(&self.partial, error)
    }
}

/// Adds an item as a line. A line break in JSON is white space between tokens; inside a text it is escaped.
pub(crate) fn push_line(lines: &mut Vec<u8>, item: &str) {
    lines.extend(item.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    lines.push(b'\n');
}

fn open(partial: &std::path::Path) -> Result<File, JobError> {
    files::open_private(partial).map_err(|error| JobError::of_file(partial, error))
}

/// Whether the place in the collection is lost and reading from the start is the way on.
fn is_expired(error: &webapi::Error) -> bool {
    error.status() == Some(StatusCode::GONE)
        || (error.status() == Some(StatusCode::BAD_REQUEST)
            && error.code().is_some_and(|code| code.eq_ignore_ascii_case("Directory_ExpiredPageToken")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_an_earlier_version_is_read() {
        let text =
            r#"{"api":"https://h/v1.0","read":"/users","next_link":null,"pages":1,"items":2,"offset":3}"#;
        let checkpoint: Checkpoint = serde_json::from_str(text).unwrap();
        assert_eq!((checkpoint.pages, checkpoint.items, checkpoint.offset), (1, 2, 3));
    }
}
