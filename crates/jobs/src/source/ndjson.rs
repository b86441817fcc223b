//! NDJSON: one object a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Fault, Record, SourceError, is_attribute_name, is_read_only};
use crate::reject::Reject;

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 1024 * 1024;

/// The rows of an NDJSON file.
#[derive(Debug)]
pub(super) struct NdjsonRecords {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
    buffer: Vec<u8>,
    broken: bool,
}

impl NdjsonRecords {
    pub(super) fn new(path: &Path, reader: BufReader<File>) -> Self {
        Self { path: path.to_owned(), reader, line: 0, buffer: Vec::new(), broken: false }
    }

    /// The next line without its end, `Ok(None)` at the end of the file; longer ones are cut and skipped.
    fn read_line(&mut self) -> std::io::Result<Option<bool>> {
        self.buffer.clear();
        let read = self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.buffer)?;
        self.line += 1;
        if read == 0 {
            return Ok(None);
        }
        let whole =
            self.buffer.ends_with(b"\n") || read < usize::try_from(LONGEST_LINE).unwrap_or(usize::MAX);
        if !whole {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(whole))
    }

    fn record(&self) -> Result<Record, Reject> {
        let unreadable = |reason: String| Reject::unreadable(self.line, reason);
        let text = std::str::from_utf8(&self.buffer).map_err(|error| {
            unreadable(format!(
                "character {} of the line is not UTF-8; save the file as UTF-8",
                error.valid_up_to() + 1
            ))
        })?;
        let mut attributes: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            unreadable(format!("it is not a JSON object: {}", without_line(&error.to_string())))
        })?;
        attributes.retain(|name, _| !is_read_only(name));
        if let Some(name) = attributes.keys().find(|name| !is_attribute_name(name)) {
            return Err(unreadable(format!("`{}` is not the name of an attribute", name.escape_debug())));
        }
        Ok(Record { line: self.line, attributes })
    }
}

impl Iterator for NdjsonRecords {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.broken {
            match self.read_line() {
                Ok(None) => return None,
                Ok(Some(true)) if self.buffer.trim_ascii().is_empty() => {}
                Ok(Some(true)) => return Some(self.record().map_err(Fault::Row)),
                Ok(Some(false)) => {
                    let reason = format!("the line is longer than {LONGEST_LINE} bytes");
                    return Some(Err(Fault::Row(Reject::unreadable(self.line, reason))));
                }
                Err(error) => {
                    self.broken = true;
                    return Some(Err(Fault::File(SourceError::io(&self.path, error))));
                }
            }
        }
        None
    }
}

/// The parser sees each line as line 1; only the column means something here.
fn without_line(message: &str) -> String {
    message.replace("at line 1 column", "at character")
}
