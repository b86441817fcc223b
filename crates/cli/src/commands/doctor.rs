//! `unattended doctor`: why it does not work, and what mends it.

use std::path::Path;

use unattended_daemon::doctor::{Finding, Verdict, examine, of_mistakes};
use unattended_daemon::{Config, Ports, ProcessEnvironment};

use crate::failure::{CommandError, Exit, of_config};
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, WARN, counted, styled};

pub(crate) async fn run(config: Option<&Path>, printer: &Printer) -> Result<Exit, CommandError> {
    let findings = match Config::load(config, &ProcessEnvironment) {
        Ok(config) => examine(&config, &Ports::of_the_machine()).await,
        // A program gets findings in any case; a person gets the lines of the file with carets.
        Err(error) if printer.is_json() => of_mistakes(&error),
        Err(error) => return Err(of_config(&error)),
    };
    printer.json(&serde_json::json!({ "findings": findings }))?;
    for finding in &findings {
        printer.result(rendered(finding))?;
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count() as u64;
    printer.note(match (count(Verdict::Failed), count(Verdict::Warning)) {
        (0, 0) => "everything is in order".to_owned(),
        (failures, warnings) => format!("{}, {}", counted(failures, "failure"), counted(warnings, "warning")),
    });
    Ok(findings.iter().find(|finding| finding.is_failure()).map_or(Exit::Done, exit_of))
}

fn rendered(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Ok => styled(GOOD, "[ok]  "),
        Verdict::Warning => styled(WARN, "[warn]"),
        Verdict::Failed => styled(BAD, "[fail]"),
        _ => styled(DIM, "[skip]"),
    };
    let subject = finding.subject.as_ref().map(|subject| format!("{subject}: ")).unwrap_or_default();
    let mut text =
        format!("{mark} {} {subject}{}", styled(BOLD, format_args!("{:<13}", finding.check)), finding.detail);
    for (label, told) in [("why", &finding.why), ("fix", &finding.fix)] {
        if let Some(told) = told {
            text.push_str(&format!("\n       {label:<13} {}", told.replace('\n', "\n                     ")));
        }
    }
    text
}

/// The first failure decides.
fn exit_of(failure: &Finding) -> Exit {
    match failure.check {
        "configuration" | "files" => Exit::Configuration,
        "network" | "authority" => Exit::Unavailable,
        "credential" | "token" | "roles" => Exit::Refused,
        _ => Exit::Failed,
    }
}
