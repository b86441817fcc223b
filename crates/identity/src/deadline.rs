//! Work with an end, on the injected clock.

use std::time::Duration;

pub(crate) use unattended_core::within;

use crate::error::{Error, ErrorKind};

/// What to tell when it was the time that ended it.
pub(crate) fn timed_out(what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Transient, format!("{what} within {} s", limit.as_secs()))
}
