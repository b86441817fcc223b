//! From a row of the source to an object that may be wanted: checks that need no directory.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::reject::Reject;
use crate::source::Record;
use crate::users;

/// An object as the source wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The line of the source.
    pub line: u64,
    /// The value of the match attribute, as the source spells it.
    pub key: String,
    /// The attributes, the match attribute included.
    pub attributes: Map<String, Value>,
}

/// The objects of one resource: what its rows have to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Users of a directory.
    User,
    /// Anything else: the server knows.
    Other,
}

impl Kind {
    pub(crate) fn of(resource: &str) -> Self {
        if resource.trim_matches('/').eq_ignore_ascii_case("users") { Self::User } else { Self::Other }
    }
}

/// Checks rows one after another; keys are compared without regard to case.
#[derive(Debug)]
pub(crate) struct RowChecks {
    kind: Kind,
    match_on: String,
    first_line: HashMap<String, u64>,
}

impl RowChecks {
    pub(crate) fn new(kind: Kind, match_on: &str) -> Self {
        Self { kind, match_on: match_on.to_owned(), first_line: HashMap::new() }
    }

    pub(crate) fn check(&mut self, record: Record) -> Result<Desired, Reject> {
        let Record { line, mut attributes } = record;
        let key = match attributes.get(&self.match_on) {
            Some(Value::String(key)) if !key.trim().is_empty() => key.clone(),
            Some(Value::Number(number)) => number.to_string(),
            None | Some(Value::Null) => {
                return Err(Reject::row(line, format!("{} is missing", self.match_on), None, attributes));
            }
            Some(_) => {
                return Err(Reject::row(line, format!("{} is not a text", self.match_on), None, attributes));
            }
        };
        if self.kind == Kind::User
            && let Err(reason) = users::check(&mut attributes)
        {
            return Err(Reject::row(line, reason, Some(&key), attributes));
        }
        // Only a row that would have been provisioned claims its key.
        if let Some(first) = self.first_line.get(&fold(&key)) {
            let reason = format!("{} is already on line {first}", self.match_on);
            return Err(Reject::row(line, reason, Some(&key), attributes));
        }
        self.first_line.insert(fold(&key), line);
        Ok(Desired { line, key, attributes })
    }
}

/// The form in which keys are compared.
pub(crate) fn fold(key: &str) -> String {
    key.to_lowercase()
}
