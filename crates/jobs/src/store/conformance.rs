//! What every store keeps its word on, as tests that any implementation calls.
//!
//! Each function wants an empty store and panics when the store breaks a rule; [`every_case`] calls them all.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Answer, Claim, Claimed, End, Intent, JobKey, Lease, Operation, Run, Store};

/// Runs every case, each against a new store of `make`.
pub async fn every_case<F: AsyncFn() -> Arc<dyn Store>>(make: F) {
    a_due_time_is_one_run_however_often_it_is_scheduled(&*make().await).await;
    a_new_schedule_forgets_the_times_of_the_old_one(&*make().await).await;
    one_of_many_claimants_gets_a_run(&*make().await).await;
    a_run_of_a_silent_owner_is_free_when_its_lease_ends(&*make().await).await;
    a_renewed_lease_lasts(&*make().await).await;
    a_job_does_not_overlap_itself(&*make().await).await;
    whoever_holds_a_job_takes_its_unfinished_run_at_once(&*make().await).await;
    a_hold_is_one_at_a_time(&*make().await).await;
    a_stale_owner_is_refused_everywhere(&*make().await).await;
    a_run_without_progress_is_parked(&*make().await).await;
    progress_makes_earlier_attempts_count_no_more(&*make().await).await;
    what_changes_nothing_is_no_progress(&*make().await).await;
    a_run_given_back_costs_nothing_and_waits_as_asked(&*make().await).await;
    the_history_tells_when_an_attempt_began_and_why_it_stopped(&*make().await).await;
    the_history_is_as_long_as_asked_and_begins_with_the_newest(&*make().await).await;
    an_end_and_the_cleared_checkpoint_are_one(&*make().await).await;
    a_memory_outlives_its_run_and_is_replaced_by_an_end(&*make().await).await;
    two_runs_begun_at_the_same_moment_are_two(&*make().await).await;
    the_journal_tells_answered_writes_from_others(&*make().await).await;
    tenants_do_not_meet(&*make().await).await;
}

const WHY: &str = "{\"error\":\"connection refused\"}";
const NOW: Duration = Duration::from_millis(1_700_000_000_123);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + NOW + Duration::from_secs(seconds)
}

fn people() -> JobKey {
    JobKey { tenant: "contoso.com".to_owned(), job: "people".to_owned() }
}

fn claim(owner: &str, seconds: u64) -> Claim {
    Claim {
        owner: owner.to_owned(),
        now: at(seconds),
        lease: Duration::from_secs(60),
        held: false,
        attempts: 3,
    }
}

fn held(owner: &str, seconds: u64) -> Claim {
    Claim { held: true, ..claim(owner, seconds) }
}

fn claimed(claimed: Claimed) -> Run {
    match claimed {
        Claimed::Run(run) => run,
        other => panic!("the run is free, and the claim says {other:?}"),
    }
}

async fn run_of(store: &dyn Store, id: &str) -> Run {
    store.schedule(&people(), id, at(0)).await.unwrap();
    claimed(store.claim(id, claim("a", 0)).await.unwrap())
}

// EN-6
async fn a_due_time_is_one_run_however_often_it_is_scheduled(store: &dyn Store) {
    for id in ["first", "second", "third"] {
        store.schedule(&people(), id, at(10)).await.unwrap();
    }
    let history = store.history(&people(), 10).await.unwrap();
    assert_eq!(history.len(), 1);
    let pending = store.pending(&people()).await.unwrap().unwrap();
    assert_eq!((pending.run_id.as_str(), pending.ready_at), (history[0].run_id.as_str(), at(10)));
}

async fn a_new_schedule_forgets_the_times_of_the_old_one(store: &dyn Store) {
    store.schedule(&people(), "late", at(100)).await.unwrap();
    store.schedule(&people(), "early", at(50)).await.unwrap();
    let history = store.history(&people(), 10).await.unwrap();
    assert_eq!(history.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["early"]);
}

async fn one_of_many_claimants_gets_a_run(store: &dyn Store) {
    store.schedule(&people(), "run", at(0)).await.unwrap();
    let mut winners = 0;
    for owner in ["a", "b", "c"] {
        winners += usize::from(matches!(store.claim("run", claim(owner, 0)).await.unwrap(), Claimed::Run(_)));
    }
    assert_eq!(winners, 1);
}

// EN-2
async fn a_run_of_a_silent_owner_is_free_when_its_lease_ends(store: &dyn Store) {
    let first = run_of(store, "run").await;
    assert!(!first.resumed);
    assert_eq!(store.pending(&people()).await.unwrap().unwrap().ready_at, at(60));
    assert_eq!(store.claim("run", claim("b", 59)).await.unwrap(), Claimed::Taken);
    let second = claimed(store.claim("run", claim("b", 60)).await.unwrap());
    assert!(second.resumed && second.lease.fence > first.lease.fence);
    assert_eq!(second.attempts, 2);
}

async fn a_renewed_lease_lasts(store: &dyn Store) {
    let run = run_of(store, "run").await;
    store.renew(&run.lease, at(100)).await.unwrap();
    assert_eq!(store.claim("run", claim("b", 99)).await.unwrap(), Claimed::Taken);
}

// EN-7
async fn a_job_does_not_overlap_itself(store: &dyn Store) {
    run_of(store, "slow").await;
    store.schedule(&people(), "next", at(30)).await.unwrap();
    assert_eq!(store.claim("next", claim("b", 31)).await.unwrap(), Claimed::Taken);
    claimed(store.claim("next", claim("b", 60)).await.unwrap());
}

// EN-2
async fn whoever_holds_a_job_takes_its_unfinished_run_at_once(store: &dyn Store) {
    let killed = run_of(store, "killed").await;
    let run = claimed(store.begin(&people(), "new", held("b", 1)).await.unwrap());
    assert_eq!((run.lease.run_id.as_str(), run.resumed), ("killed", true));
    assert!(run.lease.fence > killed.lease.fence);
}

async fn a_hold_is_one_at_a_time(store: &dyn Store) {
    let hold = store.hold(&people()).await.unwrap();
    let refused = store.hold(&people()).await.unwrap_err();
    assert!(refused.is_held(), "{refused}");
    assert!(refused.to_string().starts_with("job people is already running"), "{refused}");
    let other = JobKey { job: "other".to_owned(), ..people() };
    drop(store.hold(&other).await.unwrap());
    drop(hold);
    drop(store.hold(&people()).await.unwrap());
}

// EN-11
async fn a_stale_owner_is_refused_everywhere(store: &dyn Store) {
    let stale = run_of(store, "run").await.lease;
    let current = claimed(store.claim("run", held("b", 1)).await.unwrap()).lease;
    store.save_checkpoint(&current, Some("\"current\"".to_owned())).await.unwrap();
    let intent = intent(1);
    for refused in [
        store.renew(&stale, at(100)).await,
        store.save_checkpoint(&stale, Some("\"stale\"".to_owned())).await,
        store.save_checkpoint(&stale, None).await,
        store.journal_sent(&stale, vec![intent.clone()]).await,
        store.journal_answered(&stale, vec![]).await,
        store.give_back(&stale, None, None).await,
        store.finish(&stale, End::Done, "{}".to_owned(), at(2), None).await,
    ] {
        assert!(refused.unwrap_err().is_stale());
    }
    assert_eq!(store.checkpoint(&people()).await.unwrap().as_deref(), Some("\"current\""));
    assert_eq!(store.journal("run").await.unwrap(), []);
    store.finish(&current, End::Done, "{}".to_owned(), at(2), None).await.unwrap();
    // A finished run is nobody's, not even its owner's.
    assert!(store.renew(&current, at(100)).await.unwrap_err().is_stale());
}

// EN-3
async fn a_run_without_progress_is_parked(store: &dyn Store) {
    store.schedule(&people(), "poison", at(0)).await.unwrap();
    for attempt in 1..=3 {
        let run = claimed(store.claim("poison", held("a", attempt)).await.unwrap());
        assert_eq!(u64::from(run.attempts), attempt);
    }
    assert_eq!(store.claim("poison", held("a", 4)).await.unwrap(), Claimed::Parked);
    assert_eq!(store.pending(&people()).await.unwrap(), None);
    let record = &store.history(&people(), 1).await.unwrap()[0];
    assert_eq!((record.state.as_str(), record.finished_at), ("parked", Some(at(4))));
    assert_eq!(store.claim("poison", held("a", 5)).await.unwrap(), Claimed::Taken);
    // A human who tries again gets a new run.
    let run = claimed(store.begin(&people(), "again", held("a", 6)).await.unwrap());
    assert_eq!(run.lease.run_id, "again");
}

async fn progress_makes_earlier_attempts_count_no_more(store: &dyn Store) {
    store.schedule(&people(), "long", at(0)).await.unwrap();
    for second in 0..10 {
        let run = claimed(store.claim("long", held("a", second)).await.unwrap());
        store.save_checkpoint(&run.lease, Some(second.to_string())).await.unwrap();
    }
    assert_eq!(store.checkpoint(&people()).await.unwrap().as_deref(), Some("9"));
}

// EN-3
async fn what_changes_nothing_is_no_progress(store: &dyn Store) {
    store.schedule(&people(), "poison", at(0)).await.unwrap();
    for sequence in 1..=3 {
        let run = claimed(store.claim("poison", held("a", sequence)).await.unwrap());
        store.save_checkpoint(&run.lease, None).await.unwrap();
        store.journal_sent(&run.lease, vec![intent(sequence)]).await.unwrap();
        let answer = Answer { sequence, status: 503, request_id: None, answered_at: at(sequence) };
        store.journal_answered(&run.lease, vec![answer]).await.unwrap();
    }
    assert_eq!(store.claim("poison", held("a", 4)).await.unwrap(), Claimed::Parked);
}

// EN-12
async fn a_run_given_back_costs_nothing_and_waits_as_asked(store: &dyn Store) {
    store.schedule(&people(), "run", at(0)).await.unwrap();
    for _ in 0..5 {
        let run = claimed(store.claim("run", claim("a", 1)).await.unwrap());
        store.give_back(&run.lease, None, None).await.unwrap();
    }
    let run = claimed(store.claim("run", claim("a", 1)).await.unwrap());
    assert_eq!(run.attempts, 1);
    store.give_back(&run.lease, Some(at(90)), Some(WHY.to_owned())).await.unwrap();
    assert_eq!(store.pending(&people()).await.unwrap().unwrap().ready_at, at(90));
    assert_eq!(claimed(store.claim("run", claim("a", 90)).await.unwrap()).attempts, 2);
}

async fn the_history_tells_when_an_attempt_began_and_why_it_stopped(store: &dyn Store) {
    let newest = async || store.history(&people(), 1).await.unwrap().remove(0);
    store.schedule(&people(), "run", at(0)).await.unwrap();
    assert_eq!((newest().await.began_at, newest().await.resumed), (None, false));
    let run = claimed(store.claim("run", claim("a", 1)).await.unwrap());
    let record = newest().await;
    assert_eq!(
        (record.state.as_str(), record.began_at, record.lease_until),
        ("running", Some(at(1)), Some(at(61)))
    );
    store.give_back(&run.lease, Some(at(90)), Some(WHY.to_owned())).await.unwrap();
    let record = newest().await;
    assert_eq!((record.state.as_str(), record.report.as_deref()), ("interrupted", Some(WHY)));
    assert_eq!((record.not_before, record.lease_until), (Some(at(90)), None));
    claimed(store.claim("run", claim("b", 95)).await.unwrap());
    let record = newest().await;
    assert_eq!((record.began_at, record.resumed), (Some(at(95)), true));
}

async fn the_history_is_as_long_as_asked_and_begins_with_the_newest(store: &dyn Store) {
    for second in [3, 1, 2] {
        let run = claimed(store.begin(&people(), &second.to_string(), held("a", second)).await.unwrap());
        store.finish(&run.lease, End::Done, "{}".to_owned(), at(second), None).await.unwrap();
    }
    let ids = async |limit| {
        let history = store.history(&people(), limit).await.unwrap();
        history.into_iter().map(|run| run.run_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(2).await, ["3", "2"]);
    assert_eq!(ids(9).await, ["3", "2", "1"]);
}

// EN-1
async fn an_end_and_the_cleared_checkpoint_are_one(store: &dyn Store) {
    let run = run_of(store, "run").await;
    store.save_checkpoint(&run.lease, Some("{}".to_owned())).await.unwrap();
    store.finish(&run.lease, End::Done, "{\"items\":1}".to_owned(), at(9), None).await.unwrap();
    assert_eq!(store.checkpoint(&people()).await.unwrap(), None);
    assert_eq!(store.pending(&people()).await.unwrap(), None);
    let record = &store.history(&people(), 1).await.unwrap()[0];
    assert_eq!((record.state.as_str(), record.report.as_deref()), ("done", Some("{\"items\":1}")));
    assert_eq!((record.due, record.finished_at), (at(0), Some(at(9))));
}

// DL-1, EN-8
async fn a_memory_outlives_its_run_and_is_replaced_by_an_end(store: &dyn Store) {
    let memory = async || store.memory(&people()).await.unwrap();
    assert_eq!(memory().await, None);
    for (number, (end, told, kept)) in [
        (End::Done, Some("\"first\""), Some("\"first\"")),
        (End::Failed, None, Some("\"first\"")),
        (End::Done, Some("\"second\""), Some("\"second\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let run = claimed(store.begin(&people(), &number.to_string(), held("a", 0)).await.unwrap());
        store.save_checkpoint(&run.lease, Some("{}".to_owned())).await.unwrap();
        store
            .finish(&run.lease, end, "{}".to_owned(), at(number as u64), told.map(str::to_owned))
            .await
            .unwrap();
        assert_eq!(memory().await.as_deref(), kept);
        // Whoever has lost the run changes nothing.
        let late = store.finish(&run.lease, end, "{}".to_owned(), at(9), Some("\"late\"".to_owned())).await;
        assert!(late.unwrap_err().is_stale());
        assert_eq!(memory().await.as_deref(), kept);
    }
    let other = JobKey { tenant: "fabrikam.com".to_owned(), ..people() };
    assert_eq!(store.memory(&other).await.unwrap(), None);
}

async fn two_runs_begun_at_the_same_moment_are_two(store: &dyn Store) {
    for id in ["one", "two"] {
        let run = claimed(store.begin(&people(), id, held("a", 0)).await.unwrap());
        assert_eq!(run.lease.run_id, id);
        store.finish(&run.lease, End::Failed, "\"why\"".to_owned(), at(0), None).await.unwrap();
    }
    assert_eq!(store.history(&people(), 10).await.unwrap().len(), 2);
}

// EN-1
async fn the_journal_tells_answered_writes_from_others(store: &dyn Store) {
    let Run { lease, .. } = run_of(store, "run").await;
    store.journal_sent(&lease, vec![intent(1), intent(2)]).await.unwrap();
    // All or none: the second of these is there already.
    store.journal_sent(&lease, vec![intent(3), intent(2)]).await.unwrap_err();
    let answer = Answer { sequence: 2, status: 201, request_id: Some("r-2".to_owned()), answered_at: at(5) };
    store.journal_answered(&lease, vec![answer.clone()]).await.unwrap();
    let journal = store.journal("run").await.unwrap();
    assert_eq!(journal.iter().map(|entry| &entry.intent).collect::<Vec<_>>(), [&intent(1), &intent(2)]);
    assert_eq!(journal.iter().map(|entry| &entry.answer).collect::<Vec<_>>(), [&None, &Some(answer)]);
}

// EN-8
async fn tenants_do_not_meet(store: &dyn Store) {
    let other = JobKey { tenant: "fabrikam.com".to_owned(), ..people() };
    let run = run_of(store, "run").await;
    store.save_checkpoint(&run.lease, Some("1".to_owned())).await.unwrap();
    assert_eq!(store.checkpoint(&other).await.unwrap(), None);
    assert_eq!(store.pending(&other).await.unwrap(), None);
    store.schedule(&other, "other", at(0)).await.unwrap();
    let Run { lease: Lease { run_id, .. }, .. } = claimed(store.claim("other", claim("b", 0)).await.unwrap());
    assert_eq!(run_id, "other");
}

fn intent(sequence: u64) -> Intent {
    Intent {
        sequence,
        key: format!("user{sequence}@contoso.com"),
        operation: if sequence == 1 { Operation::Create } else { Operation::Update },
        digest: "00".to_owned(),
        sent_at: at(sequence),
    }
}
