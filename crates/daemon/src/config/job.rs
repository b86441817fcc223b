//! `[jobs.NAME]`: what is done, and when.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use unattended_jobs::Schedule;

use super::diagnostic::{Mistake, Mistakes};
use super::model::{Job, Work};
use super::reader::{Section, Text, list};
use super::suggestion::nearest;

pub(super) const KEYS: &[&str] = &["schedule", "time-zone", "throttle-priority", "provision", "export"];
const PROVISION_KEYS: &[&str] = &["api", "resource", "source", "match", "rejects"];
const EXPORT_KEYS: &[&str] = &["api", "read", "to"];

/// What a job is read with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// Where relative paths start.
    pub(super) directory: &'a Path,
    /// Every `[apis.NAME]`, whether or not it is right itself.
    pub(super) apis: &'a [&'a str],
}

pub(super) fn job(
    name: &str,
    span: Range<usize>,
    table: &DeTable<'_>,
    context: Context<'_>,
    mistakes: &mut Mistakes,
) -> Option<Job> {
    let section = Section::open(format!("[jobs.{name}]"), span, table, KEYS, mistakes);
    let schedule = schedule(&section, mistakes);
    let is_low_priority = is_low_priority(&section, mistakes);
    let work = work(name, &section, context, mistakes);
    Some(Job { schedule, is_low_priority, work: work? })
}

fn is_low_priority(section: &Section<'_>, mistakes: &mut Mistakes) -> bool {
    let Some(text) = section.text("throttle-priority", mistakes) else { return false };
    if !["low", "normal"].contains(&text.value) {
        mistakes.add(Mistake::at(
            text.span,
            format!("`throttle-priority` is neither low nor normal, in {}", section.title),
            "an API that has to refuse requests refuses those of low priority first",
            "write `throttle-priority = \"low\"` for work that can wait, or remove it",
        ));
    }
    text.value == "low"
}

fn schedule(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<Schedule> {
    let zone = section.text("time-zone", mistakes);
    let Some(text) = section.text("schedule", mistakes) else {
        if zone.is_some() && !section.has("schedule") {
            mistakes.add(Mistake::at(
                section.key_span("time-zone"),
                format!("`time-zone` stands without `schedule` in {}", section.title),
                "a job without a schedule runs by name only, at once",
                "add `schedule = \"0 2 * * *\"`, or remove `time-zone`",
            ));
        }
        return None;
    };
    if let Err(error) = Schedule::parse(text.value, Some("UTC")) {
        mistakes.add(Mistake::at(
            text.place(error.position()),
            format!("`schedule` names no time, in {}", section.title),
            error.to_string(),
            error.remedy(),
        ));
        return None;
    }
    let name = zone.as_ref().map(|zone| zone.value);
    match (Schedule::parse(text.value, name), zone) {
        (Ok(schedule), _) => Some(schedule),
        (Err(_), zone) => {
            mistakes.add(Mistake::at(
                zone.map_or(text.span, |zone| zone.span),
                "`time-zone` is not a time zone",
                "the IANA time zone database of this machine does not have it",
                "write a name such as \"Europe/Berlin\" or \"UTC\"",
            ));
            None
        }
    }
}

fn work(name: &str, section: &Section<'_>, context: Context<'_>, mistakes: &mut Mistakes) -> Option<Work> {
    let provision = section.table("provision", mistakes);
    let export = section.table("export", mistakes);
    match (provision, export) {
        (Some((span, table)), None) => {
            let title = format!("`provision` of [jobs.{name}]");
            let section = Section::open(title, span, table, PROVISION_KEYS, mistakes);
            self::provision(&section, context, mistakes)
        }
        (None, Some((span, table))) => {
            let title = format!("`export` of [jobs.{name}]");
            let section = Section::open(title, span, table, EXPORT_KEYS, mistakes);
            self::export(&section, context, mistakes)
        }
        (Some(_), Some((span, _))) => {
            mistakes.add(Mistake::at(
                span,
                format!("[jobs.{name}] both provisions and exports"),
                "a job does one thing, so that its checkpoint and its report mean one thing",
                "make it two jobs",
            ));
            None
        }
        (None, None) => {
            if !section.has("provision") && !section.has("export") {
                mistakes.add(Mistake::at(
                    section.span.clone(),
                    format!("[jobs.{name}] does nothing"),
                    "a job either provisions or exports",
                    "add `export = { api = \"graph\", read = \"/users\", to = \"users.ndjson\" }` or `provision = { ... }`",
                ));
            }
            None
        }
    }
}

fn provision(section: &Section<'_>, context: Context<'_>, mistakes: &mut Mistakes) -> Option<Work> {
    let api = api(section, context, mistakes);
    let resource = required_path(section, "resource", "resource = \"/users\"", mistakes);
    let source = section.required_text(
        "source",
        "the file says what the directory is to hold",
        "source = \"people.csv\"",
        mistakes,
    );
    let source = source.and_then(|text| source_file(&text, context.directory, mistakes));
    let match_on = section.required_text(
        "match",
        "the attribute tells which entity of the directory a row is",
        "match = \"userPrincipalName\"",
        mistakes,
    );
    let rejects = section.text("rejects", mistakes).map_or("rejects.ndjson", |text| text.value);
    Some(Work::Provision {
        api: api?,
        resource: resource?,
        source: source?,
        match_on: match_on.and_then(|text| property(&text, mistakes))?,
        rejects: context.directory.join(rejects),
    })
}

fn export(section: &Section<'_>, context: Context<'_>, mistakes: &mut Mistakes) -> Option<Work> {
    let api = api(section, context, mistakes);
    let read = required_path(section, "read", "read = \"/users?$select=id,displayName\"", mistakes);
    let to = section.required_text("to", "what is read is written there", "to = \"users.ndjson\"", mistakes);
    let to = to.map(|text| context.directory.join(text.value));
    Some(Work::Export { api: api?, read: read?, to: to? })
}

fn api(section: &Section<'_>, context: Context<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let text = section.required_text(
        "api",
        "it names one of the [apis.NAME] tables",
        "api = \"graph\"",
        mistakes,
    )?;
    if context.apis.contains(&text.value) {
        return Some(text.value.to_owned());
    }
    let fix = match nearest(text.value, context.apis.iter().copied()) {
        Some(meant) => format!("write `api = \"{meant}\"`"),
        None => format!("add [apis.{}] with `base-url` and `scope`, or use another API", text.value),
    };
    let why = match context.apis {
        [] => "the file has no [apis.NAME] table".to_owned(),
        known => format!("the file has {}", list(known)),
    };
    mistakes.add(Mistake::at(text.span, format!("there is no API `{}`", text.value), why, fix));
    None
}

fn required_path(section: &Section<'_>, key: &str, example: &str, mistakes: &mut Mistakes) -> Option<String> {
    let text = section.required_text(key, "it is the path below the API's `base-url`", example, mistakes)?;
    if text.value.starts_with('/') && !text.value.starts_with("//") && !text.value.contains(char::is_control)
    {
        return Some(text.value.to_owned());
    }
    let fix = if text.value.contains("://") {
        format!("write only what follows the `base-url`, such as `{example}`")
    } else {
        format!("write `{key} = \"/{}\"`", text.value.trim_start_matches('/'))
    };
    mistakes.add(Mistake::at(
        text.span,
        format!("`{key}` is not a path"),
        "a path begins with one slash and is appended to the API's `base-url`",
        fix,
    ));
    None
}

fn source_file(text: &Text<'_>, directory: &Path, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let path = directory.join(text.value);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["csv", "ndjson"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return Some(path);
    }
    mistakes.add(Mistake::at(
        text.span.clone(),
        "`source` is neither .csv nor .ndjson",
        "the extension says how the file is read",
        "save it as CSV with a header line, or as one JSON object per line, and name it so",
    ));
    None
}

fn property(text: &Text<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let is_name = !text.value.is_empty()
        && text.value.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if is_name {
        return Some(text.value.to_owned());
    }
    mistakes.add(Mistake::at(
        text.span.clone(),
        "`match` is not the name of an attribute",
        "rows and entities are compared by one attribute that both have",
        "write one name, such as `match = \"userPrincipalName\"`",
    ));
    None
}
