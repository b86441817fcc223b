//! The desired state of a directory, as a file: one object a row, read in constant memory.
//!
//! Two shapes of one idea. In CSV the header names the attributes and an empty cell says nothing about its attribute;
//! in NDJSON each line is an object, and `null` clears an attribute. A row that cannot be read is a [`Reject`]; the
//! rest of the file goes on.

mod csv;
mod error;
mod ndjson;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

pub use self::error::SourceError;
use crate::reject::Reject;

/// One row as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The line it begins on, counted from 1.
    pub line: u64,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// Why there is no record here.
#[derive(Debug)]
pub enum Fault {
    /// This row cannot be read.
    Row(Reject),
    /// The file cannot be read further.
    File(SourceError),
}

/// The rows of a file in their order.
#[derive(Debug)]
pub struct Records(Format);

#[derive(Debug)]
enum Format {
    Csv(csv::CsvRecords),
    Ndjson(ndjson::NdjsonRecords),
}

impl Records {
    /// Opens `path`, which ends in `.csv`, `.ndjson` or `.jsonl`.
    ///
    /// # Errors
    /// The file cannot be opened, has another ending, is not UTF-8 from its first bytes on, or its header is unusable.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let open = || -> Result<BufReader<File>, SourceError> {
            let mut reader = BufReader::new(File::open(path).map_err(|error| SourceError::io(path, error))?);
            let start = reader.fill_buf().map_err(|error| SourceError::io(path, error))?;
            if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
                return Err(SourceError::invalid(path, "it is UTF-16", "save it as UTF-8"));
            }
            if start.starts_with("\u{feff}".as_bytes()) {
                reader.consume(3);
            }
            Ok(reader)
        };
        Ok(Self(match extension.as_deref() {
            Some("csv") => Format::Csv(csv::CsvRecords::new(path, open()?)?),
            Some("ndjson" | "jsonl") => Format::Ndjson(ndjson::NdjsonRecords::new(path, open()?)),
            _ => {
                return Err(SourceError::invalid(
                    path,
                    "its ending says neither CSV nor NDJSON",
                    "name it .csv or .ndjson",
                ));
            }
        }))
    }
}

impl Iterator for Records {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Format::Csv(records) => records.next(),
            Format::Ndjson(records) => records.next(),
        }
    }
}

/// What a file is about, found by reading it once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Survey {
    /// The attributes that occur, in the order of their first occurrence.
    pub attributes: Vec<String>,
    /// The rows, unreadable ones included.
    pub rows: u64,
}

impl Survey {
    /// Reads the whole file.
    ///
    /// # Errors
    /// As [`Records::open`]; a column that cannot be an attribute; `match_on` that no row has.
    pub fn of(path: &Path, match_on: &str) -> Result<Self, SourceError> {
        let records = Records::open(path)?;
        let mut survey = Self::default();
        // Only CSV knows its attributes before its first row.
        if let Format::Csv(csv) = &records.0 {
            survey.attributes.extend(csv.columns().map(str::to_owned));
        }
        for record in records {
            survey.rows += 1;
            match record {
                Ok(record) => record.attributes.into_iter().for_each(|(name, _)| survey.note(name)),
                Err(Fault::Row(_)) => {}
                Err(Fault::File(error)) => return Err(error),
            }
        }
        if survey.rows > 0 && !survey.attributes.iter().any(|name| name == match_on) {
            return Err(no_match_attribute(path, match_on, &survey.attributes));
        }
        Ok(survey)
    }

    fn note(&mut self, name: String) {
        if !self.attributes.contains(&name) {
            self.attributes.push(name);
        }
    }
}

fn no_match_attribute(path: &Path, match_on: &str, attributes: &[String]) -> SourceError {
    let reason = format!("it has no attribute {match_on}; it has {}", attributes.join(", "));
    let remedy = match attributes {
        [only] if only.contains([';', '\t']) => "separate its columns by commas".to_owned(),
        all => all.iter().find(|name| name.eq_ignore_ascii_case(match_on)).map_or_else(
            || "name the column as the directory names the attribute, or set `match`".to_owned(),
            |near| format!("write {match_on} and not {near}: the names of attributes are case-sensitive"),
        ),
    };
    SourceError::invalid(path, reason, remedy)
}

/// Whether a directory may have an attribute of this name.
fn is_attribute_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Attributes that only the server sets: a file that was exported can be provisioned as it is.
fn is_read_only(name: &str) -> bool {
    name == "id" || name.starts_with('@')
}
