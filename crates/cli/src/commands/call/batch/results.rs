//! Where results go, and how far an earlier process came.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

/// Lines on standard output, or in a file that is its own checkpoint: as many lines as it has are done. Beside it
/// stands how far requests were sent, while some may be under way.
pub(super) struct Results {
    file: Option<(File, PathBuf)>,
    written: usize,
    announced: usize,
    pub(super) failures: u64,
}

impl Results {
    pub(super) fn open(to: Option<&Path>, printer: &Printer) -> Result<Self, CommandError> {
        let mut this = Self { file: None, written: 0, announced: 0, failures: 0 };
        let Some(path) = to else { return Ok(this) };
        let mut file = unattended_files::open_private(path).map_err(|cause| failed(path, &cause))?;
        let whole = this.count(&file).map_err(|cause| failed(path, &cause))?;
        // Half a line was never acknowledged.
        file.set_len(whole)
            .and_then(|()| file.seek(SeekFrom::Start(whole)))
            .map_err(|cause| failed(path, &cause))?;
        this.announced = match std::fs::read_to_string(sent(path)) {
            Ok(text) => text.trim().parse().unwrap_or(usize::MAX),
            Err(_) => 0,
        };
        if this.announced > this.written {
            printer.note("an earlier process ended while requests were under way");
        }
        this.file = Some((file, path.to_owned()));
        Ok(this)
    }

    /// Counts whole lines and failures in them; returns the length of what is whole.
    fn count(&mut self, file: &File) -> std::io::Result<u64> {
        let (mut reader, mut whole, mut line) = (BufReader::new(file), 0, String::new());
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            whole += line.len() as u64;
            self.written += 1;
            let value: serde_json::Value = serde_json::from_str(&line)?;
            self.failures += u64::from(value.get("error").is_some());
            line.clear();
        }
        Ok(whole)
    }

    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// How far an earlier process may have sent requests.
    pub(super) fn announced(&self) -> usize {
        self.announced
    }

    pub(super) fn name(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(|| "standard output".to_owned(), |(_, path)| path.display().to_string())
    }

    /// Notes that requests before `end` are about to be sent.
    pub(super) fn announce(&self, end: usize) -> Result<(), CommandError> {
        let Some((_, path)) = &self.file else { return Ok(()) };
        unattended_files::write_private(&sent(path), end.to_string().as_bytes())
            .map_err(|cause| failed(path, &cause))
    }

    /// Adds whole lines, for good.
    pub(super) fn append(&mut self, lines: &[u8], printer: &Printer) -> Result<(), CommandError> {
        self.written += lines.iter().filter(|byte| **byte == b'\n').count();
        match &mut self.file {
            None => printer.lines(lines),
            Some((file, path)) => {
                file.write_all(lines).and_then(|()| file.sync_data()).map_err(|cause| failed(path, &cause))
            }
        }
    }

    /// Nothing is under way any more.
    pub(super) fn end(&self) -> Result<(), CommandError> {
        let Some((_, path)) = &self.file else { return Ok(()) };
        match std::fs::remove_file(sent(path)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &cause)),
            _ => Ok(()),
        }
    }
}

fn sent(path: &Path) -> PathBuf {
    unattended_files::beside(path, ".sent")
}

fn failed(path: &Path, cause: &std::io::Error) -> CommandError {
    CommandError::new(Exit::Failed, format!("the results in {} cannot be kept", path.display()))
        .caused_by(cause)
}
