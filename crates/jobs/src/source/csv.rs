//! CSV (RFC 4180): the header names the attributes.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use serde_json::{Map, Value};

use super::{Fault, Record, SourceError, is_attribute_name, is_read_only};
use crate::reject::Reject;

/// The rows of a CSV file.
#[derive(Debug)]
pub(super) struct CsvRecords {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
    columns: Vec<String>,
    row: ByteRecord,
    broken: bool,
}

impl CsvRecords {
    pub(super) fn new(path: &Path, reader: BufReader<File>) -> Result<Self, SourceError> {
        // The carriage return of CRLF stays in the last cell and is trimmed with it: the reader counts lines by what
        // ends a row, and would be one behind.
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(reader);
        let mut header = ByteRecord::new();
        reader.read_byte_record(&mut header).map_err(|error| SourceError::io(path, error.into()))?;
        let columns =
            columns_of(&header).map_err(|(reason, remedy)| SourceError::invalid(path, reason, remedy))?;
        Ok(Self { path: path.to_owned(), reader, columns, row: ByteRecord::new(), broken: false })
    }

    /// The attributes of the header.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str).filter(|name| !name.is_empty() && !is_read_only(name))
    }

    fn record(&self, line: u64) -> Result<Record, Reject> {
        let mut attributes = Map::new();
        for (index, cell) in self.row.iter().enumerate() {
            let column = self.columns.get(index).map_or("", String::as_str);
            let text = std::str::from_utf8(cell).map_err(|error| {
                let byte = cell.get(error.valid_up_to()).copied().unwrap_or(0);
                let place = place(index, column);
                Reject::unreadable(
                    line,
                    format!("{place} is not UTF-8 (byte 0x{byte:02X}); save the file as UTF-8"),
                )
            })?;
            let text = text.trim();
            if text.is_empty() || is_read_only(column) {
                continue;
            }
            if column.is_empty() {
                let reason = format!(
                    "it has a value in {}, but the header names {} columns; is a comma not quoted?",
                    place(index, column),
                    self.columns.len()
                );
                return Err(Reject::unreadable(line, reason));
            }
            attributes.insert(column.to_owned(), Value::String(text.to_owned()));
        }
        Ok(Record { line, attributes })
    }
}

impl Iterator for CsvRecords {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.broken {
            match self.reader.read_byte_record(&mut self.row) {
                Ok(false) => return None,
                // A row of commas alone is what spreadsheets make of an empty one.
                Ok(true) if self.row.iter().all(|cell| cell.trim_ascii().is_empty()) => {}
                Ok(true) => {
                    let line = self.row.position().map_or(0, csv::Position::line);
                    return Some(self.record(line).map_err(Fault::Row));
                }
                Err(error) => {
                    self.broken = true;
                    return Some(Err(Fault::File(SourceError::io(&self.path, error.into()))));
                }
            }
        }
        None
    }
}

fn columns_of(header: &ByteRecord) -> Result<Vec<String>, (String, &'static str)> {
    let mut seen = HashSet::new();
    let mut columns = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let name = std::str::from_utf8(name)
            .map_err(|_| {
                (format!("the name of column {} is not UTF-8", index + 1), "save the file as UTF-8")
            })?
            .trim();
        if !name.is_empty() && !is_read_only(name) && header.len() > 1 && !is_attribute_name(name) {
            let reason = format!("`{}` is not the name of an attribute", name.escape_debug());
            return Err((reason, "name the columns as the directory names the attributes"));
        }
        if !name.is_empty() && !seen.insert(name) {
            return Err((format!("two columns are named {name}"), "remove one of them"));
        }
        columns.push(name.to_owned());
    }
    if columns.iter().all(String::is_empty) {
        return Err(("it has no header".to_owned(), "name the attributes in the first line"));
    }
    Ok(columns)
}

fn place(index: usize, column: &str) -> String {
    if column.is_empty() {
        format!("column {}", index + 1)
    } else {
        format!("column {} ({column})", index + 1)
    }
}
