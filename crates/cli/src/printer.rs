//! Results go to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::arguments::Output;
use crate::failure::CommandError;

/// Prints for a person or for a program, as the arguments ask. `NO_COLOR` and redirection turn colours off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// The text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A number with its noun, such as `1 item` or `2 items`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

impl Printer {
    pub(crate) fn new(output: &Output) -> Self {
        Self { json: output.json, quiet: output.quiet }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches who would like to see progress.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// A result for a person; not printed when JSON was asked for.
    pub(crate) fn result(&self, text: impl Display) -> Result<(), CommandError> {
        if self.json {
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// A result for a program; not printed unless JSON was asked for.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), CommandError> {
        if !self.json {
            return Ok(());
        }
        self.line(&serde_json::to_string(value).map_err(io::Error::from)?)
    }

    /// A line of a result that is the same for people and programs, such as NDJSON or a token.
    pub(crate) fn line(&self, text: &str) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Whole lines of such a result, at once: they are out when this returns.
    pub(crate) fn lines(&self, text: &[u8]) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        Ok(out.flush()?)
    }

    /// What happens, for whoever watches. Nobody watching is no failure.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// Why there is no result.
    pub(crate) fn failure(&self, failure: &CommandError) {
        if failure.is_silent() {
            return;
        }
        if self.json {
            _ = self.line(&failure.to_json().to_string());
        }
        let text = failure.to_string();
        let mut err = anstream::stderr().lock();
        for line in text.lines() {
            _ = match line.split_once(": ") {
                Some((label @ "error", rest)) => writeln!(err, "{}: {rest}", styled(BAD, label)),
                Some((label @ ("caused by" | "hint"), rest)) => {
                    writeln!(err, "{}: {rest}", styled(BOLD, label))
                }
                _ => writeln!(err, "{line}"),
            };
        }
    }
}
