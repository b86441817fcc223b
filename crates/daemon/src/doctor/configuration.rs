//! The configuration itself.

use super::finding::Finding;
use crate::config::{Config, ConfigError};

const CHECK: &str = "configuration";

pub(super) fn in_force(config: &Config) -> Finding {
    let (apis, jobs) = (counted(config.apis.len(), "API"), counted(config.jobs.len(), "job"));
    Finding::ok(CHECK, format!("{} with {apis} and {jobs}", config.file.display()))
}

/// The findings of a configuration that could not be read: every mistake, and that nothing else was looked at.
#[must_use]
pub fn of_mistakes(error: &ConfigError) -> Vec<Finding> {
    let mistakes = error.diagnostics().into_iter().map(|mistake| {
        let place = match (mistake.line, mistake.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", mistake.file),
            _ => mistake.file,
        };
        Finding::failed(CHECK, mistake.what, mistake.why, mistake.fix).about(place)
    });
    let rest = ["files", "network", "clock", "authority", "credential", "token", "roles", "job"];
    mistakes.chain(rest.map(|check| Finding::skipped(check, "the configuration has mistakes"))).collect()
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
