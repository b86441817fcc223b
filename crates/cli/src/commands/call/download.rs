//! `unattended call --download`: a file, in slices, that is whole or not there.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use http::Method;
use serde_json::json;
use unattended_webapi::{Client, Download, RetryPolicy};

use super::failed;
use crate::arguments::Call;
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;
use crate::progress::Bar;

pub(super) async fn run(
    arguments: &Call,
    file: &Path,
    client: &Client,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    if arguments.method() != Method::GET || arguments.body.is_some() || !arguments.headers.is_empty() {
        let message = "`--download` reads a file, so the method is GET, without a body and headers";
        return Err(CommandError::new(Exit::Usage, message));
    }
    if file.is_dir() {
        let message = format!("{} is a directory: name the file", file.display());
        return Err(CommandError::new(Exit::Usage, message));
    }
    let draft = unattended_files::beside(file, ".part");
    let client = client.with_retry(RetryPolicy::job());
    let mut download =
        client.download(arguments.path()).slice(u64::from(arguments.slice_kib.unwrap_or(10_240)) << 10);
    let written = write(&mut download, arguments, &draft, file, printer).await;
    if written.is_err() {
        _ = std::fs::remove_file(&draft);
    }
    written?;
    let bytes = download.position();
    match printer.is_json() {
        true => printer.json(&json!({ "file": file.display().to_string(), "bytes": bytes }))?,
        false => printer.note(format_args!("{bytes} bytes in {}", file.display())),
    }
    Ok(Exit::Done)
}

async fn write(
    download: &mut Download,
    arguments: &Call,
    draft: &Path,
    file: &Path,
    printer: &Printer,
) -> Result<(), CommandError> {
    let unwritable = |cause: std::io::Error| {
        CommandError::new(Exit::Failed, format!("{} cannot be written", file.display())).caused_by(&cause)
    };
    let bar = Bar::new(printer);
    let mut output: Option<File> = None;
    loop {
        let next = download.next().await.map_err(|error| {
            bar.finish();
            failed(arguments, &error).detail("bytes_before", download.position())
        })?;
        // Nothing is made for a file that is not there.
        let output = match &mut output {
            Some(output) => output,
            none => none.insert(begin(draft).map_err(unwritable)?),
        };
        let Some(bytes) = next else { break unattended_files::publish(output, draft, file) };
        output.write_all(&bytes).map_err(unwritable)?;
        bar.set("bytes", download.position(), download.size());
    }
    .map_err(unwritable)?;
    bar.finish();
    Ok(())
}

/// What a killed process has left there is not gone on with: the file may be another by now.
fn begin(draft: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => unattended_files::open_private(draft),
    }
}
