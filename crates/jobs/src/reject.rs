//! Rows that could not be provisioned, each with its line and the reason.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unattended_files as files;

/// A row that was left out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reject {
    /// The line of the source it begins on, counted from 1.
    pub line: u64,
    /// Why, in words for whoever mends the source.
    pub reason: String,
    /// The value of the match attribute, if the row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The row, without secrets, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Map<String, Value>>,
}

impl Reject {
    /// A row that could not even be read.
    pub(crate) fn unreadable(line: u64, reason: String) -> Self {
        Self { line, reason, key: None, record: None }
    }

    /// A row that could be read and cannot be provisioned.
    pub(crate) fn row(line: u64, reason: String, key: Option<&str>, mut record: Map<String, Value>) -> Self {
        record.remove("passwordProfile");
        Self { line, reason, key: key.map(str::to_owned), record: Some(record) }
    }
}

/// The file of rejects: written as they are found under a name of its own, given its name when the run is complete.
#[derive(Debug)]
pub(crate) struct RejectFile {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
}

impl RejectFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), partial: files::beside(path, ".partial"), file: None }
    }

    pub(crate) fn write(&mut self, reject: &Reject) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(reject)?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = files::open_private(&self.partial)?;
                file.set_len(0)?;
                none.insert(file)
            }
        };
        file.write_all(&line)
    }

    /// Publishes the rejects and says where; without any, an earlier file goes.
    pub(crate) fn finish(self) -> std::io::Result<Option<PathBuf>> {
        let Some(file) = self.file else {
            for stale in [&self.partial, &self.path] {
                match std::fs::remove_file(stale) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            return Ok(None);
        };
        files::publish(&file, &self.partial, &self.path)?;
        Ok(Some(self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_appear_when_the_run_is_complete_and_go_when_there_are_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rejects.ndjson");
        let mut file = RejectFile::new(&path);
        file.write(&Reject::unreadable(7, "why".to_owned())).unwrap();
        assert!(!path.exists());
        assert_eq!(file.finish().unwrap().as_deref(), Some(&*path));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"line\":7,\"reason\":\"why\"}\n");

        assert_eq!(RejectFile::new(&path).finish().unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_password_of_the_source_is_not_in_a_reject() {
        let record = serde_json::json!({"displayName": "A", "passwordProfile": {"password": "hunter2"}})
            .as_object()
            .cloned();
        let reject = Reject::row(2, "why".to_owned(), Some("a@b.c"), record.unwrap());
        assert!(!serde_json::to_string(&reject).unwrap().contains("hunter2"));
    }
}
