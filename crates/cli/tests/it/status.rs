//! `unattended status`: did it work last night?

use std::fs;

use crate::support::{Sandbox, Workplace};

#[test]
fn each_job_tells_its_last_run_and_one_that_needs_attention_is_the_exit_code() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 3);

    place.run(&["status"]).expect(0).says(&["people has not run", "users-export has not run"]);
    assert!(!place.path(".unattended").exists(), "whoever only looks makes no state");

    place.run(&["run", "people", "users-export"]).expect(0);
    place.run(&["status"]).expect(0).says(&[
        "people done",
        "3 created, 0 updated, 0 unchanged",
        "3 items in 1 page",
        "all 2 jobs are well",
    ]);

    let mut people = fs::read_to_string(place.path("people.csv")).unwrap();
    people.push_str("not an address,Nobody\n");
    fs::write(place.path("people.csv"), people).unwrap();
    place.append_config(
        "\n[jobs.apps]\nexport = { api = \"graph\", read = \"/applications\", to = \"apps.ndjson\" }\n\
         \n[jobs.nightly]\nschedule = \"0 2 * * *\"\ntime-zone = \"Asia/Seoul\"\n\
         export = { api = \"graph\", read = \"/users\", to = \"nightly.ndjson\" }\n",
    );
    place.run(&["run", "people"]).expect(1);
    place.run(&["run", "apps"]).expect(77);
    let told = place.run(&["status"]).expect(1);
    told.says(&["apps failed", "Authorization_RequestDenied", "people done in part", "1 rejected"]);
    told.says(&["nightly not planned", "At 02:00 (0 2 * * *, Asia/Seoul)", "3 of 4 jobs need attention"]);

    let status = place.run(&["status", "--json"]).expect(1).json();
    let verdicts: Vec<_> = status["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["name"].as_str().unwrap(), job["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        [("apps", "failed"), ("nightly", "unplanned"), ("people", "failed"), ("users-export", "succeeded")]
    );
    let last = &status["jobs"][2]["last"];
    assert_eq!((&last["state"], &last["counts"]["unchanged"]), (&"partial".into(), &3.into()));
    assert_eq!(status["application"]["client_id"], place.client_id());
}

#[test]
fn a_daemon_that_cannot_start_still_tells_how_its_jobs_did() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 1);
    place.run(&["run", "people"]).expect(0);
    fs::remove_file(place.credential_file()).unwrap();
    place.run(&["token"]).expect(78);
    let told = place.run(&["status"]).expect(0);
    told.says(&["people done", "1 created", "warning", "cannot be read"]);

    fs::write(place.path(".unattended/state/state.db"), "this is not a database, however long it may go on")
        .unwrap();
    place.run(&["status"]).expect(78).says(&["state.db is damaged", "restore"]);
}
