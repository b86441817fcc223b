//! `unattended run`: a directory becomes what a file says, and is written out again.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Run, Sandbox, Workplace, sorted_lines};

#[test]
fn a_dry_run_plans_and_writes_nothing() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 60);
    place.run(&["run", "people", "--dry-run"]).expect(0).says(&["60", "create"]);
    assert_eq!(users(&place).len(), 0);
}

#[test]
fn people_are_provisioned_and_exported_again() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 60);
    let report = report(&place.run(&["--json", "run", "people"]).expect(0));
    assert_eq!((&report["created"], &report["outcome"]), (&60.into(), &"done".into()), "{report}");
    assert_eq!(users(&place).len(), 60);

    place.run(&["run", "users-export"]).expect(0);
    assert_eq!(sorted_lines(&place.path("users.ndjson")).len(), 60);
}

#[test]
fn a_second_run_plans_no_change_and_sends_no_write() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 60);
    place.run(&["run", "people"]).expect(0);
    let before = sorted(users(&place));

    let plan = report(&place.run(&["--json", "run", "people", "--dry-run"]).expect(0));
    assert_eq!((&plan["plan"]["create"], &plan["plan"]["update"]), (&json!([]), &json!([])), "{plan}");
    let report = report(&place.run(&["--json", "run", "people"]).expect(0));
    let changes = (&report["created"], &report["updated"], &report["unchanged"]);
    assert_eq!(changes, (&0.into(), &0.into(), &60.into()), "{report}");
    assert_eq!(sorted(users(&place)), before);
}

#[test]
fn a_person_whose_row_changed_is_updated_and_no_other() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 20);
    place.run(&["run", "people"]).expect(0);
    let changed = change_first_display_name(&place.path("people.csv"), "Renamed Person");

    let report = report(&place.run(&["--json", "run", "people"]).expect(0));
    let changes = (&report["created"], &report["updated"], &report["unchanged"]);
    assert_eq!(changes, (&0.into(), &1.into(), &19.into()), "{report}");
    let user = place.run(&["call", "graph", "GET", &format!("/users/{changed}")]).expect(0).json();
    assert_eq!(user["displayName"], "Renamed Person");
}

#[test]
fn rows_with_mistakes_are_rejected_one_by_one_and_the_rest_goes_through() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 0);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/people-with-mistakes.csv");
    fs::copy(source, place.path("people.csv")).unwrap();

    let run = place.run(&["--json", "run", "people"]).expect(1);
    let report = report(&run);
    let rejects = fs::read_to_string(place.path("rejects.ndjson")).unwrap();
    let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rejects.is_empty());
    assert_eq!(report["outcome"], "partial", "{report}");
    assert_eq!(report["rejected"], rejects.len(), "{report}");
    for reject in &rejects {
        assert!(
            reject["line"].as_u64().unwrap() > 1 && !reject["reason"].as_str().unwrap().is_empty(),
            "{reject}"
        );
    }
    assert!(!users(&place).is_empty());
    assert_eq!(report["created"], users(&place).len(), "{report}");
}

#[test]
fn the_people_of_the_examples_go_through_without_a_reject() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 0);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/people.csv");
    fs::copy(source, place.path("people.csv")).unwrap();
    let report = report(&place.run(&["--json", "run", "people"]).expect(0));
    assert_eq!((&report["created"], &report["rejected"]), (&1000.into(), &0.into()), "{report}");
}

#[test]
fn without_a_name_once_runs_every_job() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 20);
    let run = place.run(&["--json", "run", "--once"]).expect(0);
    let jobs: Vec<Value> = run.ndjson().into_iter().map(|report| report["job"].clone()).collect();
    assert_eq!(jobs.len(), 2, "{run}");
    assert!(jobs.contains(&"people".into()) && jobs.contains(&"users-export".into()), "{run}");
}

#[test]
fn a_job_that_is_not_configured_is_named_with_those_that_are() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 0);
    let run = place.run(&["run", "peple"]);
    run.says(&["peple", "people"]);
    run.expect(78);
}

/// The one document of a run with `--json`.
#[track_caller]
fn report(run: &Run) -> Value {
    let reports = run.ndjson();
    assert_eq!(reports.len(), 1, "{run}");
    reports.into_iter().next().unwrap()
}

fn users(place: &Workplace) -> Vec<Value> {
    place.run(&["call", "graph", "GET", "/users", "--all"]).expect(0).ndjson()
}

fn sorted(users: Vec<Value>) -> Vec<String> {
    let mut lines: Vec<String> = users.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

/// Renames the first person of a CSV file, and returns the user principal name.
fn change_first_display_name(path: &Path, name: &str) -> String {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |wanted: &str| headers.iter().position(|header| header == wanted).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(&headers).unwrap();
    for (index, record) in records.iter().enumerate() {
        let replaced = record
            .iter()
            .enumerate()
            .map(|(field, value)| if index == 0 && field == column("displayName") { name } else { value });
        writer.write_record(replaced).unwrap();
    }
    writer.flush().unwrap();
    records[0][column("userPrincipalName")].to_owned()
}
