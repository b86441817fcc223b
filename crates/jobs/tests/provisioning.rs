//! Provisioning against a directory that fails in every way that a test can think of.

mod support;

use std::collections::HashSet;

use serde_json::{Value, json};
use support::{Directory, Fault, engine, everything_in, run, run_or_die, run_or_die_in_store, write_people};
use tokio_util::sync::CancellationToken;
use unattended_jobs::store::JobKey;
use unattended_jobs::{Event, Observer, Outcome, Progress, Reject, Unobserved};

const PEOPLE: usize = 65;

fn assert_everybody_once(server: &Directory) {
    let names = server.names();
    let distinct: HashSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (PEOPLE, PEOPLE));
}

fn rejects(directory: &std::path::Path) -> Vec<Reject> {
    let text = std::fs::read_to_string(directory.join("rejects.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn people_are_created_and_the_second_run_sends_no_write() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());

    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((report.outcome, report.created, report.unchanged), (Outcome::Done, PEOPLE as u64, 0));
    assert_everybody_once(&server);
    assert_eq!(server.user("user7@contoso.com")["displayName"], "User, 7");

    let written = server.writes();
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((report.outcome, report.created, report.unchanged), (Outcome::Done, 0, PEOPLE as u64));
    assert_eq!((report.pages, report.items), (4, PEOPLE as u64));
    assert_eq!(server.writes(), written);
}

#[tokio::test]
async fn only_the_attributes_that_differ_are_written() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    run(directory.path(), &job).await.unwrap();
    server.change("user3@contoso.com", "jobTitle", json!("Baker"));
    server.change("user3@contoso.com", "city", json!("Busan"));

    let plan = engine(directory.path()).plan(&job).await.unwrap();
    assert_eq!(plan.update.len(), 1);
    assert_eq!(json!(plan.update[0].changes), json!({"jobTitle": {"from": "Baker", "to": "Engineer"}}));
    assert_eq!(server.user("user3@contoso.com")["jobTitle"], "Baker");

    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((report.updated, report.unchanged), (1, PEOPLE as u64 - 1));
    assert_eq!(server.user("user3@contoso.com")["jobTitle"], "Engineer");
    assert_eq!(server.user("user3@contoso.com")["city"], "Busan");
}

// EN-1, EN-2
#[tokio::test]
async fn a_run_killed_at_any_call_is_resumed_and_makes_everybody_once() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for call in 1.. {
            let directory = tempfile::tempdir().unwrap();
            write_people(directory.path(), PEOPLE);
            let server = Directory::new(20);
            server.fail(call, fault.clone());
            let job = server.provision(directory.path());

            let Some(undisturbed) = run_or_die(directory.path(), &job, &server).await else {
                let report = run(directory.path(), &job).await.unwrap();
                assert_everybody_once(&server);
                assert!(report.resumed);
                assert_eq!(
                    (report.outcome, report.created),
                    (Outcome::Done, PEOPLE as u64),
                    "{fault:?} {call}"
                );
                assert_journal_is_complete(directory.path(), &report.run_id).await;
                continue;
            };
            assert_eq!(undisturbed.unwrap().created, PEOPLE as u64);
            assert!(call > 4, "some calls were disturbed");
            break;
        }
    }
}

async fn assert_journal_is_complete(directory: &std::path::Path, run_id: &str) {
    let journal = engine(directory).store().journal(run_id).await.unwrap();
    let created: HashSet<&str> = journal
        .iter()
        .filter(|entry| entry.answer.as_ref().is_some_and(|answer| answer.status == 201))
        .map(|entry| entry.intent.key.as_str())
        .collect();
    assert_eq!(created.len(), PEOPLE);
}

// EN-1
#[tokio::test]
async fn a_run_killed_at_any_call_of_the_store_makes_everybody_once() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for call in 1.. {
            let directory = tempfile::tempdir().unwrap();
            write_people(directory.path(), PEOPLE);
            let server = Directory::new(20);
            let job = server.provision(directory.path());
            let ended = run_or_die_in_store(directory.path(), &job, call, fault.clone()).await;
            let is_undisturbed = ended.is_some();
            let report = match ended {
                Some(report) => report.unwrap(),
                None => run(directory.path(), &job).await.unwrap(),
            };
            assert_everybody_once(&server);
            if is_undisturbed {
                assert_eq!(call, 12, "hold, begin, four batches of two entries, finish");
                break;
            }
            // Only the end itself was not heard of: the run is over and this one is new.
            let is_new = call == 11 && matches!(fault, Fault::DieAfter);
            assert_eq!(report.created, if is_new { 0 } else { PEOPLE as u64 }, "{fault:?} {call}");
        }
    }
}

// EN-2
#[tokio::test]
async fn a_run_killed_twenty_times_goes_on_each_time() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    for kill in 1..=20 {
        let die_at = server.calls() + 1 + kill % 3;
        server.fail(die_at, if kill % 2 == 0 { Fault::DieBefore } else { Fault::DieAfter });
        if run_or_die(directory.path(), &job, &server).await.is_some() {
            break;
        }
    }
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_everybody_once(&server);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_settled_by_looking() {
    for call in [2, 3] {
        let directory = tempfile::tempdir().unwrap();
        write_people(directory.path(), PEOPLE);
        let server = Directory::new(20);
        server.fail(call, Fault::BreakAfter);
        let report = run(directory.path(), &server.provision(directory.path())).await.unwrap();
        assert_eq!((report.outcome, report.created), (Outcome::Done, PEOPLE as u64));
        assert_everybody_once(&server);
        assert_eq!(server.writes(), PEOPLE as u64);
        assert_journal_is_complete(directory.path(), &report.run_id).await;
    }
}

#[tokio::test]
async fn what_this_run_has_made_is_known_although_the_list_lags() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    server.fail(3, Fault::DieAfter);
    assert!(run_or_die(directory.path(), &job, &server).await.is_none());
    server.lag(30);
    let written = server.writes();
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((report.outcome, report.created), (Outcome::Done, PEOPLE as u64));
    assert_eq!(server.writes(), PEOPLE as u64, "after {written} writes");
}

#[tokio::test]
async fn rows_that_cannot_be_provisioned_are_rejected_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let text = "userPrincipalName,displayName,mail\r\n\
                ana@contoso.com,\"Ana, née Kim\",ana@contoso.com\r\n\
                ANA@contoso.com,Another Ana,\r\n\
                bad address@contoso.com,Bad,\r\n\
                ,Nobody,\r\n\
                nameless@contoso.com,,\r\n\
                refused@contoso.com,Refused,\r\n\
                forbidden@contoso.com,Forbidden,\r\n\
                last@contoso.com,Last,\r\n";
    std::fs::write(directory.path().join("people.csv"), text).unwrap();
    let server = Directory::new(20);
    server.refuse("refused@contoso.com", 400, "Request_BadRequest");
    server.refuse("forbidden@contoso.com", 403, "Authorization_RequestDenied");
    let report = run(directory.path(), &server.provision(directory.path())).await.unwrap();

    assert_eq!(
        server.names().into_iter().collect::<HashSet<_>>(),
        HashSet::from(["ana@contoso.com".to_owned(), "last@contoso.com".to_owned()])
    );
    assert_eq!((report.outcome, report.created, report.rejected), (Outcome::Partial, 2, 6));
    assert_eq!(report.rejects.as_deref(), Some(&*directory.path().join("rejects.ndjson")));
    let mut rejects = rejects(directory.path());
    rejects.sort_by_key(|reject| reject.line);
    let lines: Vec<(u64, &str)> =
        rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(
        lines,
        [
            (3, "userPrincipalName is already on line 2"),
            (
                4,
                "userPrincipalName has a space before the @; letters a to z, digits and ' . - _ ! # ^ ~ are allowed"
            ),
            (5, "userPrincipalName is missing"),
            (6, "displayName is missing, and a new user needs it"),
            (7, "the directory refused it: 400 Request_BadRequest: the directory says Request_BadRequest"),
            (
                8,
                "the directory refused it: 403 Authorization_RequestDenied: the directory says Authorization_RequestDenied"
            ),
        ]
    );
    assert_eq!(rejects[4].key.as_deref(), Some("refused@contoso.com"));
    assert_eq!(Value::from(rejects[0].record.clone().unwrap())["displayName"], "Another Ana");
}

#[tokio::test]
async fn the_examples_are_what_their_description_says() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let directory = tempfile::tempdir().unwrap();
    for (file, created, rejected) in [("people.csv", 1_000, 0), ("people-with-mistakes.csv", 4, 8)] {
        std::fs::copy(examples.join(file), directory.path().join("people.csv")).unwrap();
        let server = Directory::new(999);
        server.refuse("aoife.obrien@fabrikam.example", 400, "Request_BadRequest");
        let report = run(directory.path(), &server.provision(directory.path())).await.unwrap();
        assert_eq!((report.created, report.rejected), (created, rejected), "{file}");
    }
}

#[tokio::test]
async fn initial_passwords_differ_and_are_written_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    server.refuse("user9@contoso.com", 400, "Request_BadRequest");
    run(directory.path(), &server.provision(directory.path())).await.unwrap();
    let passwords = server.passwords();
    assert_eq!(passwords.iter().collect::<HashSet<_>>().len(), PEOPLE - 1);
    let written = everything_in(directory.path());
    for password in passwords {
        assert!(!written.windows(password.len()).any(|window| window == password.as_bytes()));
    }
}

#[tokio::test]
async fn a_server_that_is_away_leaves_the_run_to_go_on_later() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    (3..5).for_each(|call| server.fail(call, Fault::Answer(503, "serviceNotAvailable")));
    let error = run(directory.path(), &job).await.unwrap_err();
    assert!(error.is_transient() && !error.is_already_running(), "{error}");
    let report = run(directory.path(), &job).await.unwrap();
    assert!(report.resumed);
    assert_eq!(report.created, PEOPLE as u64);
    assert_everybody_once(&server);
}

#[tokio::test]
async fn a_missing_permission_ends_the_run_and_says_who_can_mend_it() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    server.refuse_all(Some((403, "Authorization_RequestDenied")));
    let error = run(directory.path(), &job).await.unwrap_err();
    assert!(error.needs_administrator() && !error.is_transient());
    server.refuse_all(None);
    // Reading is allowed and writing is not: one batch shows it, not one reject per row.
    for number in 0..PEOPLE {
        server.refuse(&format!("user{number}@contoso.com"), 403, "Authorization_RequestDenied");
    }
    let error = run(directory.path(), &job).await.unwrap_err();
    assert!(error.needs_administrator());
    assert_eq!(server.writes(), 20);
    let key = JobKey { tenant: "contoso.com".to_owned(), job: "people".to_owned() };
    let history = engine(directory.path()).store().history(&key, 9).await.unwrap();
    assert_eq!(history.iter().map(|run| run.state.as_str()).collect::<Vec<_>>(), ["failed", "failed"]);
}

/// Asks to stop once so many rows are done.
struct StopAt(u64, CancellationToken);

impl Observer for StopAt {
    fn progress(&self, _: &str, progress: Progress) {
        if progress.phase == unattended_jobs::Phase::Apply && progress.done >= self.0 {
            self.1.cancel();
        }
    }

    fn event(&self, _: &str, event: &Event) {
        assert!(!matches!(event, Event::Fail { .. }));
    }
}

// EN-12
#[tokio::test]
async fn a_run_that_is_asked_to_stop_does_so_between_batches_and_goes_on_later() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    let stop = CancellationToken::new();
    let report = engine(directory.path()).run_now(&job, &StopAt(40, stop.clone()), stop).await.unwrap();
    assert_eq!((report.outcome, report.created), (Outcome::Interrupted, 40));
    assert_eq!(server.names().len(), 40);

    let again = run(directory.path(), &job).await.unwrap();
    assert_eq!((again.run_id, again.outcome, again.created), (report.run_id, Outcome::Done, PEOPLE as u64));
    assert_everybody_once(&server);
}

#[tokio::test]
async fn a_job_that_runs_is_not_run_a_second_time() {
    let directory = tempfile::tempdir().unwrap();
    write_people(directory.path(), PEOPLE);
    let server = Directory::new(20);
    let job = server.provision(directory.path());
    server.fail(2, Fault::DieBefore);
    let first = engine(directory.path());
    let running = first.run_now(&job, &Unobserved, CancellationToken::new());
    let second = async {
        server.died.notified().await;
        run(directory.path(), &job).await.unwrap_err()
    };
    let error = tokio::select! {
        biased;
        _ = running => panic!("it hangs in its second call"),
        error = second => error,
    };
    assert!(error.is_already_running());
    assert_eq!(error.to_string(), format!("job people is already running (pid {})", std::process::id()));
    // The first was dropped: a kill.
    assert_eq!(run(directory.path(), &job).await.unwrap().created, PEOPLE as u64);
}
