//! The whole file: its tables, and what they say about each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Mistake, Mistakes};
use super::model::{Application, Config, Credential, Job, Sidecar, Work};
use super::reader::Section;
use super::{api, application, job, sidecar};
use crate::environment::Environment;

/// What the file is made of.
pub(super) const TABLES: &[&str] = &["application", "apis", "jobs", "sidecar"];

pub(super) fn config(
    path: &Path,
    table: &DeTable<'_>,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<Config> {
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let root = Section::open("the file", 0..0, table, TABLES, mistakes);
    let application_table = root.table("application", mistakes);
    if application_table.is_none() && !root.has("application") {
        mistakes.add(Mistake::of_the_file(
            "there is no [application] table",
            "it says which application the daemon is, and with which credential it proves it",
            "add [application] with `client-id`, `tenant` and [[application.credentials]], or run `unattended register`",
        ));
    }
    // Read here too, because an API is checked against them even when the rest of [application] is wrong.
    let is_microsoft =
        application_table.as_ref().is_none_or(|(_, table)| application::is_microsoft(table, environment));
    let insecure_loopback = application_table.as_ref().is_some_and(|(_, table)| {
        table.get("allow-insecure-loopback").and_then(|value| value.get_ref().as_bool()).unwrap_or(false)
    });
    let application = application_table
        .and_then(|(span, table)| application::application(span, table, directory, environment, mistakes));

    let api_tables = named_tables(&root, "apis", mistakes);
    let api_names: Vec<&str> = root
        .table("apis", &mut Mistakes::default())
        .map_or_else(Vec::new, |(_, table)| table.keys().map(|name| name.get_ref().as_ref()).collect());
    let shows_certificate = |application: &Application| {
        let is_shown = |credential: &Credential| matches!(credential, Credential::Certificate(certificate) if certificate.mutual_tls);
        application.credentials.iter().any(is_shown)
    };
    let context = api::Context {
        authority: application.as_ref().map(|application| &application.authority),
        is_microsoft,
        insecure_loopback,
        // Of what cannot be read it is not said what it lacks.
        shows_certificate: application.as_ref().is_none_or(shows_certificate),
    };
    let mut apis = BTreeMap::new();
    for (name, span, table) in &api_tables {
        if let Some(api) = api::api(name, span.clone(), table, context, mistakes) {
            apis.insert((*name).to_owned(), api);
        }
    }

    let context = job::Context { directory, apis: &api_names };
    let mut jobs = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    for (name, span, table) in named_tables(&root, "jobs", mistakes) {
        if let Some(job) = job::job(name, span.clone(), table, context, mistakes) {
            claim_files(name, &job, &span, &mut outputs, mistakes);
            jobs.insert(name.to_owned(), job);
        }
    }
    let sidecar = match root.table("sidecar", mistakes) {
        Some((span, table)) => sidecar::sidecar(span, table, &api_names, mistakes),
        None => Sidecar::default(),
    };
    Some(Config { file: path.to_owned(), application: application?, apis, jobs, sidecar })
}

type Named<'t> = (&'t str, std::ops::Range<usize>, &'t DeTable<'t>);

fn named_tables<'t>(root: &Section<'t>, key: &str, mistakes: &mut Mistakes) -> Vec<Named<'t>> {
    let Some((_, table)) = root.table(key, mistakes) else { return Vec::new() };
    let mut named = Vec::new();
    if let Some((first, _)) =
        table.iter().find(|(name, value)| belongs_to_a_name(key, name.get_ref(), value.get_ref()))
    {
        mistakes.add(Mistake::at(
            first.span(),
            format!("[{key}] has `{}`, and no name", first.get_ref()),
            format!("[{key}] holds one table for each name"),
            format!("write [{key}.NAME] in the place of [{key}], such as [{key}.{}]", example_of(key)),
        ));
        return named;
    }
    for (name, value) in table {
        let text = name.get_ref().as_ref();
        let is_name = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_name {
            mistakes.add(Mistake::at(
                name.span(),
                format!("`{}` is not a name for [{key}.NAME]", text.escape_debug()),
                "names stand on the command line and in file names, such as `--role graph:User.Read.All`",
                "use letters, digits, `-`, `_` and `.`",
            ));
        }
        match value.get_ref().as_table() {
            Some(inner) => named.push((text, name.span(), inner)),
            None => mistakes.add(Mistake::at(
                name.span(),
                format!("`{text}` in [{key}] is not a table"),
                format!("[{key}] holds one table for each name"),
                format!("write [{key}.{text}] and its keys below it"),
            )),
        }
    }
    // The order of the file, so that of two clashing jobs the later one is reported.
    named.sort_by_key(|(_, span, _)| span.start);
    named
}

/// Whether a key in the table of all names is one that stands below a name.
fn belongs_to_a_name(table: &str, key: &str, value: &DeValue<'_>) -> bool {
    let known = if table == "apis" { api::KEYS } else { job::KEYS };
    known.contains(&key) && value.as_table().is_none()
}

fn example_of(table: &str) -> &'static str {
    if table == "apis" { "graph" } else { "people" }
}

/// Two jobs that write one file would destroy each other's output; one that writes what it reads, its own input.
fn claim_files(
    name: &str,
    job: &Job,
    span: &std::ops::Range<usize>,
    outputs: &mut BTreeMap<PathBuf, String>,
    mistakes: &mut Mistakes,
) {
    let output = job.work.output();
    let (key, example) = match &job.work {
        Work::Provision { .. } => ("rejects", format!("rejects = \"{name}-rejects.ndjson\"")),
        Work::Export { .. } => ("to", format!("to = \"{name}.ndjson\"")),
    };
    if let Work::Provision { source, .. } = &job.work
        && source == output
    {
        mistakes.add(Mistake::at(
            span.clone(),
            format!("[jobs.{name}] writes the file that it reads"),
            format!("`source` and `{key}` are both {}", output.display()),
            format!("write `{example}`"),
        ));
    }
    if let Some(other) = outputs.get(output) {
        mistakes.add(Mistake::at(
            span.clone(),
            format!("[jobs.{name}] writes the same file as [jobs.{other}]"),
            format!("both write {}, and each would replace what the other wrote", output.display()),
            format!("give it a file of its own: `{example}`"),
        ));
    }
    outputs.insert(output.to_owned(), name.to_owned());
}
