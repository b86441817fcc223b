//! `unattended call --upload`: a file in one request, or in slices that go on after a kill.

mod source;
mod state;

use std::path::Path;
use std::sync::Arc;

use futures_util::stream;
use http::Method;
use unattended_daemon::Daemon;
use unattended_webapi::{Client, Response, RetryPolicy, UploadSource as _};

use self::source::FileSource;
use self::state::StateFile;
use super::{failed, read_body, tell};
use crate::arguments::{Call, Header};
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;
use crate::progress::Bar;

pub(super) async fn run(
    arguments: &Call,
    file: &Path,
    client: &Client,
    daemon: &Daemon,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    let usage = |message: &str| Err(CommandError::new(Exit::Usage, message));
    let source = FileSource::open(file).map_err(|cause| {
        CommandError::new(Exit::Usage, format!("{} cannot be read", file.display())).caused_by(&cause)
    })?;
    let response = match (arguments.method(), &arguments.state) {
        (Method::PUT, None) if arguments.body.is_none() => whole(arguments, Arc::new(source), client).await?,
        (Method::POST, Some(state)) if arguments.headers.is_empty() => {
            let directory = &daemon.config().application.state_directory;
            let store = StateFile::open(state, directory, arguments.path())?;
            in_slices(arguments, &source, client, &store, printer).await?
        }
        (Method::PUT, _) => return usage("with PUT the file is all that is sent: no `--state`, no `--body`"),
        (Method::POST, None) => {
            return usage("with POST the file goes to an upload session, which `--state FILE` remembers");
        }
        (Method::POST, _) => return usage("an upload session takes no headers"),
        _ => return usage("a file is sent with PUT, or with POST to an upload session"),
    };
    tell(arguments, &response, printer)
}

/// Every attempt reads the file anew.
async fn whole(arguments: &Call, source: Arc<FileSource>, client: &Client) -> Result<Response, CommandError> {
    const CHUNK: u64 = 256 << 10;
    let size = source.size();
    let mut request = client.request(arguments.method(), arguments.path());
    for Header { name, value } in &arguments.headers {
        request = request.header(name, value);
    }
    let chunks = move || {
        let source = Arc::clone(&source);
        stream::unfold((source, 0), move |(source, at)| async move {
            let length = CHUNK.min(size - at);
            if length == 0 {
                return None;
            }
            let chunk = source.read(at, length).await;
            Some((chunk, (source, at + length)))
        })
    };
    let request = request.stream_from(chunks, Some(size), "application/octet-stream");
    request.send().await.map_err(|error| failed(arguments, &error))
}

async fn in_slices(
    arguments: &Call,
    source: &FileSource,
    client: &Client,
    store: &StateFile<'_>,
    printer: &Printer,
) -> Result<Response, CommandError> {
    let client = client.with_retry(RetryPolicy::job());
    let mut upload =
        client.upload(arguments.path()).slice(u64::from(arguments.slice_kib.unwrap_or(10_240)) << 10);
    if let Some(body) = &arguments.body {
        let description: serde_json::Value = serde_json::from_str(&read_body(body)?)
            .map_err(|cause| CommandError::new(Exit::Usage, "the body is not JSON").caused_by(&cause))?;
        upload = upload.describe(&description);
    }
    let bar = Bar::new(printer);
    let (total, mut arrived) = (source.size(), None);
    let mut progress = |bytes| {
        if arrived.is_none() && bytes > 0 {
            bar.say(printer, format_args!("going on after {bytes} bytes"));
        }
        arrived = Some(bytes);
        bar.set("bytes", bytes, Some(total));
    };
    let outcome = upload.run(source, store, &mut progress).await;
    bar.finish();
    outcome.map_err(|error| {
        let told = failed(arguments, &error).detail("bytes_before", arrived.unwrap_or(0));
        match error.is_transient() {
            true => told.hint("the same command goes on where it stopped"),
            false => told,
        }
    })
}
