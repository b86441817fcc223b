//! `unattended explain`: what an error means, with no network and no configuration.

use std::io::Read;

use serde::Serialize;
use unattended_core::{aadsts, oauth_errors};

use crate::arguments::Explain;
use crate::failure::{CommandError, Exit};
use crate::printer::{BOLD, Printer, styled};

/// More than any error is long.
const LONGEST_TEXT: u64 = 1024 * 1024;

/// What was found in a text.
#[derive(Debug, Serialize)]
struct Explanation {
    errors: Vec<Explained>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

/// One code. Without `class` the catalogue does not know it.
#[derive(Debug, Serialize)]
struct Explained {
    code: String,
    class: Option<&'static str>,
    cause: Option<&'static str>,
    remedy: Option<&'static str>,
    retry: Option<&'static str>,
}

pub(crate) fn run(arguments: &Explain, printer: &Printer) -> Result<Exit, CommandError> {
    let text = match arguments.text.as_slice() {
        [] => standard_input()?,
        [dash] if dash == "-" => standard_input()?,
        words => words.join(" "),
    };
    let explanation = explain(&text);
    if explanation.errors.is_empty() {
        return Err(CommandError::new(Exit::Usage, "the text names no error code")
            .hint("give a code such as AADSTS7000215, or the whole text of the error"));
    }
    printer.json(&explanation)?;
    for explained in &explanation.errors {
        printer.result(explained.rendered())?;
    }
    for (label, identifier) in
        [("correlation id", &explanation.correlation_id), ("trace id", &explanation.trace_id)]
    {
        if let Some(identifier) = identifier {
            printer.result(format_args!("{label} {identifier} (support asks for it)"))?;
        }
    }
    let any_known = explanation.errors.iter().any(|explained| explained.class.is_some());
    Ok(if any_known { Exit::Done } else { Exit::Failed })
}

fn standard_input() -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LONGEST_TEXT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn explain(text: &str) -> Explanation {
    let lower = text.to_ascii_lowercase();
    let mut codes = aadsts::codes_in(&text.to_ascii_uppercase());
    codes.extend(text.trim().parse::<u32>());
    codes.extend(listed_codes(&lower));
    codes.extend(linked_codes(&lower));
    let mut seen = std::collections::HashSet::new();
    codes.retain(|code| seen.insert(*code));
    let mut errors: Vec<Explained> = codes.into_iter().map(Explained::of_code).collect();
    // An AADSTS number tells more than the OAuth error beside it.
    if errors.is_empty() {
        errors.extend(oauth_errors::find_in(text).map(Explained::of_oauth));
    }
    Explanation {
        errors,
        correlation_id: identifier(&lower, &["correlation id", "correlation_id", "correlationid"]),
        trace_id: identifier(&lower, &["trace id", "trace_id", "traceid"]),
    }
}

/// The numbers of `"error_codes": [7000215]`, or as the libraries for JavaScript and .NET print it.
fn listed_codes(lower: &str) -> Vec<u32> {
    let listed = ["error_codes", "errorcodes"].into_iter().filter_map(|name| {
        let (_, rest) = lower.split_once(name)?.1.split_once('[')?;
        Some(rest.split_once(']')?.0)
    });
    let number = |number: &str| number.trim_matches([' ', '"', '\'', '\r', '\n', '\t']).parse().ok();
    listed.flat_map(|list| list.split(',')).filter_map(number).collect()
}

/// The numbers of `"error_uri": "https://login.microsoftonline.com/error?code=7000215"`.
fn linked_codes(lower: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    lower.split("/error?code=").skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

/// The identifier that follows one of the labels.
fn identifier(lower: &str, labels: &[&str]) -> Option<String> {
    labels.iter().find_map(|label| {
        let (_, after) = lower.split_once(label)?;
        let start = after.trim_start_matches([':', '"', ' ', '\'', '=']);
        let end = start.find(|character: char| !character.is_ascii_hexdigit() && character != '-');
        let found = &start[..end.unwrap_or(start.len())];
        (found.len() == 36).then(|| found.to_owned())
    })
}

impl Explained {
    fn of_code(code: u32) -> Self {
        let entry = aadsts::find(code);
        Self {
            code: format!("AADSTS{code}"),
            class: entry.map(|entry| entry.class.name()),
            cause: entry.map(|entry| entry.cause),
            remedy: entry.map(|entry| entry.remedy),
            retry: entry.map(|entry| entry.class.retry()),
        }
    }

    fn of_oauth(entry: &oauth_errors::Entry) -> Self {
        Self {
            code: entry.code.to_owned(),
            class: Some(entry.class.name()),
            cause: Some(entry.cause),
            remedy: Some(entry.remedy),
            retry: Some(entry.class.retry()),
        }
    }

    fn rendered(&self) -> String {
        let Self { code, class, cause, remedy, retry } = self;
        match (class, cause, remedy, retry) {
            (Some(class), Some(cause), Some(remedy), Some(retry)) => format!(
                "{}: {cause}\n  {:<7} {class}\n  {:<7} {remedy}\n  {:<7} {retry}",
                styled(BOLD, code),
                "class",
                "remedy",
                "retry"
            ),
            _ => format!(
                "{}: not in the catalogue; the text of the error says what the server thinks",
                styled(BOLD, code)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        explain(text).errors.into_iter().map(|explained| explained.code).collect()
    }

    #[test]
    fn a_code_is_read_in_every_form_that_people_paste() {
        for text in [
            "7000215",
            "AADSTS7000215",
            "aadsts7000215",
            "error: AADSTS7000215: Invalid client secret provided.",
            r#"{"error":"invalid_client","error_codes":[7000215]}"#,
            r#"{"error":"invalid_client","error_codes":["7000215"]}"#,
            "{ error: 'invalid_client', errorCodes: [\n 7000215\n ] }",
            "https://login.microsoftonline.com/error?code=7000215",
        ] {
            assert_eq!(codes(text), ["AADSTS7000215"], "{text}");
        }
        assert_eq!(codes(r#"{"error":"invalid_target"}"#), ["invalid_target"]);
        assert_eq!(codes("nothing at all"), [""; 0]);
        assert_eq!(codes("AADSTS700027: x AADSTS700027 AADSTS1"), ["AADSTS700027", "AADSTS1"]);
    }

    #[test]
    fn the_identifiers_that_support_asks_for_are_found() {
        let pasted = "AADSTS700016: Unknown. Trace ID: 8eea4a59-7a0d-4a64-9a7e-4a9d6f3d0100 Correlation ID: \
                      d0f04a59-7a0d-4a64-9a7e-4a9d6f3d0100 Timestamp: 2026-01-01 00:00:00Z";
        let explanation = explain(pasted);
        assert_eq!(explanation.trace_id.as_deref(), Some("8eea4a59-7a0d-4a64-9a7e-4a9d6f3d0100"));
        assert_eq!(explanation.correlation_id.as_deref(), Some("d0f04a59-7a0d-4a64-9a7e-4a9d6f3d0100"));
        let json = r#"{"trace_id":"8eea4a59-7a0d-4a64-9a7e-4a9d6f3d0100"}"#;
        assert!(explain(json).trace_id.is_some());
        let printed = "correlationId: 'D0F04a59-7a0d-4a64-9a7e-4a9d6f3d0100', traceId: '8eea4a59-7a0d-4a64-9a7e-4a9d6f3d0100'";
        let explanation = explain(printed);
        assert!(explanation.correlation_id.is_some() && explanation.trace_id.is_some());
        assert_eq!(explain("\u{130}correlation id: short").correlation_id, None);
    }
}
