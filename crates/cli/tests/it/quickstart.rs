//! `unattended quickstart`: from nothing to an export with one command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Workplace, end, mode, sorted_lines, wait_for_file};

#[test]
fn a_newcomer_gets_from_nothing_to_an_export_and_a_second_time_nothing_changes() {
    let place = Workplace::new();
    let first = place.run(&["quickstart"]).expect(0);
    first.says(&["unattended register", "unattended doctor", "unattended token", "unattended run", "1000"]);

    let directory = place.path("unattended-quickstart");
    let people = principal_names_of_csv(&directory.join("people.csv"));
    assert_eq!(people.len(), 1000);
    let exported = sorted_lines(&directory.join("users.ndjson"));
    assert_eq!(exported.len(), 1000);
    assert_eq!(principal_names_of_ndjson(&exported), people);
    assert!(directory.join("unattended.toml").is_file());
    assert_eq!(mode(&directory), 0o700);
    for private in files_with_a_private_key(&directory) {
        assert_eq!(mode(&private), 0o600, "{}", private.display());
    }

    place.run(&["quickstart"]).expect(0).says(&["nothing"]);
    assert_eq!(sorted_lines(&directory.join("users.ndjson")), exported);
}

#[test]
fn the_commands_that_do_it_by_hand_do_it() {
    let place = Workplace::new();
    let run = place.run(&["quickstart", "--dir", "."]).expect(0);
    let by_hand: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("by hand: unattended "))
        .map(|command| command.split_whitespace().collect())
        .collect();
    assert_eq!(by_hand.len(), 6, "{run}");

    let [start, finite @ .., scheduled] = by_hand.as_slice() else { panic!("{run}") };
    let mut sandbox = place.command(start).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_file(&place.path("sandbox.json"), &mut sandbox, &place.path("no log"));
    for command in finite {
        place.run(command).expect(0);
    }
    assert_eq!(*scheduled, ["run"]);
    end(&mut sandbox);
}

#[test]
fn the_directory_and_the_number_of_people_can_be_chosen() {
    let place = Workplace::new();
    place.run(&["quickstart", "--dir", "elsewhere", "--people", "25"]).expect(0);
    assert_eq!(sorted_lines(&place.path("elsewhere/users.ndjson")).len(), 25);
    assert!(!place.path("unattended-quickstart").exists());
}

#[test]
fn with_json_standard_output_holds_json_and_nothing_else() {
    let place = Workplace::new();
    let run = place.run(&["--json", "quickstart", "--people", "5"]).expect(0);
    assert!(!run.ndjson().is_empty() || run.json().is_object(), "{run}");
}

/// The certificate's key is there, so the list is never empty.
fn files_with_a_private_key(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("PRIVATE KEY-----") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn principal_names_of_csv(path: &Path) -> BTreeSet<String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let column = reader.headers().unwrap().iter().position(|name| name == "userPrincipalName").unwrap();
    reader.records().map(|record| record.unwrap()[column].to_owned()).collect()
}

fn principal_names_of_ndjson(lines: &[String]) -> BTreeSet<String> {
    let name = |line: &String| {
        let user: Value = serde_json::from_str(line).unwrap();
        user["userPrincipalName"]
            .as_str()
            .unwrap_or_else(|| panic!("no userPrincipalName: {line}"))
            .to_owned()
    };
    lines.iter().map(name).collect()
}
