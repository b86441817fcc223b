//! Mistakes in the configuration, shown where they are.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::error::ExitClass;

/// One mistake: what is wrong, why it is wrong, and what to write instead.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    span: Option<Range<usize>>,
    what: String,
    why: String,
    fix: String,
}

impl Mistake {
    pub(crate) fn at(
        span: Range<usize>,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { span: Some(span), ..Self::of_the_file(what, why, fix) }
    }

    /// A mistake that has no place in the file, such as a table that is not there.
    pub(crate) fn of_the_file(
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { span: None, what: what.into(), why: why.into(), fix: fix.into() }
    }
}

/// Everything that was found while one file was read. Parts of the text that may be secrets are collected beside the
/// mistakes and never shown.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    list: Vec<Mistake>,
    concealed: Vec<Range<usize>>,
}

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: Mistake) {
        self.list.push(mistake);
    }

    pub(crate) fn conceal(&mut self, span: Range<usize>) {
        self.concealed.push(span);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_error(mut self, file: &Path, text: &str) -> ConfigError {
        self.list.sort_by_key(|mistake| mistake.span.as_ref().map_or(0, |span| span.start));
        let shown = conceal(text, &self.concealed);
        for mistake in &mut self.list {
            mistake.span = mistake.span.take().map(|span| within(&shown, span));
        }
        ConfigError { file: file.to_owned(), text: shown, mistakes: self.list }
    }
}

/// A configuration that cannot be used, with every mistake that was found in it.
#[derive(Clone, Debug)]
pub struct ConfigError {
    file: PathBuf,
    text: String,
    mistakes: Vec<Mistake>,
}

/// One mistake as data: what `--json` prints.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; none when the mistake is that something is not there.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// Why it is wrong.
    pub why: String,
    /// What to write or do instead.
    pub fix: String,
}

impl ConfigError {
    /// A file that could not be read at all.
    pub(crate) fn of_the_file(file: &Path, mistake: Mistake) -> Self {
        Self { file: file.to_owned(), text: String::new(), mistakes: vec![mistake] }
    }

    /// Every mistake, from the top of the file to its end.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.mistakes
            .iter()
            .map(|mistake| {
                let (line, column) =
                    mistake.span.as_ref().map(|span| position(&self.text, span.start)).unzip();
                Diagnostic {
                    file: self.file.display().to_string(),
                    line,
                    column,
                    what: mistake.what.clone(),
                    why: mistake.why.clone(),
                    fix: mistake.fix.clone(),
                }
            })
            .collect()
    }

    /// The report for a person: file and line, a caret under the mistake, the cause, and the mend. `styled` adds
    /// colours for a terminal.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        let renderer =
            if styled { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let file = self.file.display().to_string();
        let reports: Vec<String> = self
            .mistakes
            .iter()
            .map(|mistake| {
                let title = Level::ERROR.primary_title(mistake.what.as_str());
                let group: Group<'_> = match &mistake.span {
                    Some(span) => title.element(
                        Snippet::source(self.text.as_str())
                            .path(file.as_str())
                            .annotation(AnnotationKind::Primary.span(span.clone())),
                    ),
                    None => title.element(Origin::path(file.as_str())),
                };
                let group = group
                    .element(Level::NOTE.message(mistake.why.as_str()))
                    .element(Level::HELP.message(mistake.fix.as_str()));
                renderer.render(&[group])
            })
            .collect();
        reports.join("\n\n")
    }

    /// The class of exit code: always [`ExitClass::Configuration`].
    #[must_use]
    pub fn exit_class(&self) -> ExitClass {
        ExitClass::Configuration
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.mistakes.as_slice() {
            [only] => write!(f, "{file}: {}", only.what),
            several => write!(f, "{file} has {} mistakes", several.len()),
        }
    }
}

impl Error for ConfigError {}

/// The same text, byte for byte as long, with everything inside the spans masked and its lines kept.
fn conceal(text: &str, spans: &[Range<usize>]) -> String {
    let masked = |at: usize| spans.iter().any(|span| span.contains(&at));
    text.char_indices()
        .map(|(at, character)| match character {
            '\n' | '\r' => character.to_string(),
            _ if masked(at) => "*".repeat(character.len_utf8()),
            _ => character.to_string(),
        })
        .collect()
}

/// The span cut to the text and to whole characters.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concealed_part_keeps_its_length_and_its_lines() {
        let secret = 4..11;
        assert_eq!(conceal("a = \"ü\nb\" c", std::slice::from_ref(&secret)), "a = ***\n***c");
    }

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("ab\nü = x", 3), (2, 1));
        assert_eq!(position("ab\nü = x", 5), (2, 2));
        assert_eq!(position("", 0), (1, 1));
    }
}
