//! TOML itself.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Mistake, Mistakes};
use super::reader::may_be_secret;

/// The tables of a text, if it is TOML. A text that is not is reported for its syntax alone: what could be recovered
/// of it would lead to mistakes that are none.
pub(super) fn table<'t>(text: &'t str, mistakes: &mut Mistakes) -> Option<Spanned<DeTable<'t>>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table);
    }
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        conceal_lines(text, &span, mistakes);
        let (what, fix) = match text.get(span.clone()) {
            Some(name) if error.message().contains("duplicate key") => {
                (format!("`{}` stands twice", name.escape_debug()), "keep one of the two")
            }
            _ => described(error.message()),
        };
        mistakes.add(Mistake::at(span, what, "the file is not TOML", fix));
    }
    None
}

const QUOTES: &str = "put text between double quotes, and close them on the same line";

fn described(message: &str) -> (String, &'static str) {
    // What begins with a letter or digit and is neither a number nor a date nor `true`, such as a GUID without quotes.
    let numbers = ["boolean", "float", "integer", "number", "datetime", "date", "time"];
    if numbers.iter().any(|kind| message.starts_with(&format!("invalid {kind}"))) {
        let what = "a value is neither text in quotes nor a number, and not true or false";
        return (what.to_owned(), QUOTES);
    }
    let fix = if message.contains("escape") {
        "in text between double quotes write each backslash twice, or put the text between single quotes"
    } else if message.contains("string") || message.contains("literal") || message.contains("quot") {
        QUOTES
    } else {
        "write tables as [table] and values as `key = \"value\"`, one on each line"
    };
    (message.lines().collect::<Vec<_>>().join("; "), fix)
}

/// A line that cannot be read may hold a secret under any name, or a piece of a key: only a line that is plainly
/// something else is shown.
fn conceal_lines(text: &str, span: &Range<usize>, mistakes: &mut Mistakes) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if start <= span.end && span.start <= end {
            match line.split_once('=') {
                _ if line.trim_start().starts_with(['[', '#']) && !line.contains('=') => {}
                Some((key, _)) if !may_be_secret(key) => {}
                Some((key, _)) => mistakes.conceal(start + key.len() + 1..end),
                None => mistakes.conceal(start..end),
            }
        }
        start = end;
    }
}
