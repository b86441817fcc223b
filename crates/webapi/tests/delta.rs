//! What has changed since the last look, whatever happens in between.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use unattended_core::ManualClock;
use unattended_webapi::{Client, Delta, DeltaEvent, DeltaState, Error};

use crate::support::{Api, BASE, Reply, Tokens, bench, bench_with, broken, json, reply, status};

const USERS: &str = "/users/delta?$select=id";
const DAY: Duration = Duration::from_secs(86_400);

/// A page of changes about these ids that links to the next page or, after `=`, to later changes.
fn page(ids: &[&str], link: &str) -> Reply {
    let items: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    json(&match link.strip_prefix('=') {
        Some(later) => json!({"value": items, "@odata.deltaLink": format!("{BASE}/users/delta?d={later}")}),
        None => json!({"value": items, "@odata.nextLink": format!("{BASE}/users/delta?n={link}")}),
    })
}

/// The events of a round as text, and how it ended.
async fn events(delta: &mut Delta) -> (Vec<String>, Option<Error>) {
    let mut told = Vec::new();
    loop {
        match delta.next().await {
            Ok(Some(DeltaEvent::ResyncStarted { reason })) => told.push(format!("resync {reason:?}")),
            Ok(Some(DeltaEvent::ResyncCompleted)) => told.push("sweep".to_owned()),
            Ok(Some(DeltaEvent::Page(page))) => {
                let ids: Vec<String> = page.changes.into_iter().filter_map(|change| change.id).collect();
                told.push(ids.join(" "));
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (told, None),
            Err(error) => return (told, Some(error)),
        }
    }
}

/// What a process that starts later gets to see.
fn kept(delta: &Delta) -> Option<DeltaState> {
    serde_json::from_str(&serde_json::to_string(delta.state()).unwrap()).unwrap()
}

async fn round(client: &Client, path: &str, saved: Option<DeltaState>) -> (Vec<String>, Option<DeltaState>) {
    let mut delta = client.delta(path, saved);
    let (told, error) = events(&mut delta).await;
    assert!(error.is_none(), "{error:?}");
    (told, kept(&delta))
}

// DL-1, DL-4, W11
#[tokio::test]
async fn rounds_follow_each_other_by_the_link_of_the_last_complete_one() {
    let api = Api::answering([
        page(&["a", "b"], "1"),
        page(&[], "2"),
        page(&["c"], "=1"),
        page(&["b", "a", "b"], "=2"),
        page(&[], "=2"),
    ]);
    let client = bench(&api).client;
    let mut first = client.delta(USERS, None);
    assert!(first.is_whole());
    assert_eq!(events(&mut first).await.0, ["a b", "", "c"]);
    let mut second = client.delta(USERS, kept(&first));
    assert!(!second.is_whole() && second.state().is_committed());
    let last: Vec<_> = second.collect().await.unwrap().into_iter().map(|change| change.id.unwrap()).collect();
    assert_eq!(last, ["a", "b"]);
    // The same link again is no loop: nothing has happened.
    assert_eq!(round(&client, USERS, kept(&second)).await.0, [""]);
    let asked: Vec<String> = api.requests().iter().map(|request| request.uri().to_string()).collect();
    assert!(asked[3].ends_with("?d=1") && asked[4].ends_with("?d=2"), "{asked:?}");
}

// DL-1
#[tokio::test]
async fn a_process_that_dies_anywhere_loses_no_change() {
    let server = || {
        Api::by(|request| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            match query.as_str() {
                "$select=id" => page(&["a", "b"], "1"),
                "n=1" => page(&["c"], "2"),
                "n=2" => page(&["d"], "=1"),
                "d=1" => page(&["e"], "3"),
                "n=3" => page(&["f"], "=2"),
                "d=2" => page(&[], "=2"),
                other => panic!("{other}"),
            }
        })
    };
    let whole = "a b c d e f";
    for dies_after in 0..12 {
        for acknowledged in [false, true] {
            let client = bench(&server()).client;
            let (mut seen, mut saved, mut steps) = (Vec::new(), None::<DeltaState>, 0);
            for _ in 0..4 {
                let mut delta = client.delta(USERS, saved.clone());
                while let Some(event) = delta.next().await.unwrap() {
                    let dies = steps == dies_after;
                    steps += 1;
                    if dies && !acknowledged {
                        break;
                    }
                    if let DeltaEvent::Page(page) = event {
                        seen.extend(page.changes.into_iter().filter_map(|change| change.id));
                    }
                    saved = kept(&delta);
                    if dies {
                        break;
                    }
                }
            }
            seen.dedup();
            assert_eq!(seen.join(" "), whole, "died after event {dies_after}");
        }
    }
}

// DL-2
#[tokio::test]
async fn a_lost_link_brings_everything_again_between_a_mark_and_a_sweep() {
    let gone = |location: &str| reply(410, &[("location", location)], r#"{"error":{"code":"x"}}"#);
    let lost = |code: &str| reply(400, &[], json!({"error": {"code": code}}).to_string());
    let elsewhere = format!("{BASE}/users/delta?n=fresh");
    for (refusal, begins_at) in [
        (gone(&elsewhere), "n=fresh"),
        (gone("https://evil.example/v1.0/users/delta"), "$select=id"),
        (reply(410, &[], ""), "$select=id"),
        (lost("SyncStateNotFound"), "$select=id"),
        (lost("RESYNCREQUIRED"), "$select=id"),
    ] {
        let api = Api::answering([page(&["a"], "=1"), refusal, page(&["b"], "2"), page(&["c"], "=2")]);
        let client = bench(&api).client;
        let (_, saved) = round(&client, USERS, None).await;
        let (told, saved) = round(&client, USERS, saved).await;
        assert_eq!(told, ["resync LinkExpired", "b", "c", "sweep"]);
        assert!(saved.unwrap().is_committed());
        assert_eq!(api.requests()[2].uri().query(), Some(begins_at));
        assert!(api.requests().iter().all(|request| request.uri().host() == Some("graph.example")));
    }
}

// DL-1, DL-2
#[tokio::test]
async fn a_resync_that_is_cut_goes_on_and_still_ends_with_the_sweep() {
    let script = || [page(&["a"], "=1"), reply(410, &[], ""), page(&["b"], "2"), page(&["c"], "=2")];
    for acknowledged in 1..=3 {
        let api = Api::answering(script());
        let client = bench(&api).client;
        let (_, saved) = round(&client, USERS, None).await;
        let mut delta = client.delta(USERS, saved);
        for _ in 0..acknowledged {
            delta.next().await.unwrap().unwrap();
        }
        assert!(delta.is_whole());
        let state = kept(&delta);
        assert!(!state.as_ref().unwrap().is_committed());
        let (told, saved) = round(&client, USERS, state).await;
        assert_eq!(told, ["b", "c", "sweep"][acknowledged - 1..]);
        assert!(saved.unwrap().is_committed());
    }
}

// DL-2
#[tokio::test]
async fn an_api_that_loses_every_link_is_not_asked_for_ever() {
    let mut turn = 0;
    let api = Api::by(move |_| {
        turn += 1;
        if turn % 2 == 1 { page(&["a"], "1") } else { reply(410, &[], "") }
    });
    let mut delta = bench(&api).client.delta(USERS, None);
    let (told, error) = events(&mut delta).await;
    assert_eq!(told.iter().filter(|event| event.starts_with("resync")).count(), 3);
    assert!(error.unwrap().status().unwrap() == 410 && api.sent() == 8);
}

// DL-6
#[tokio::test]
async fn another_query_begins_anew_and_the_old_state_is_kept_until_that_is_complete() {
    let wider = "/users/delta?$select=id,mail";
    let api = Api::answering([
        page(&["a"], "=1"),
        page(&["a"], "1"),
        broken(unattended_core::HttpErrorKind::TooLong),
        page(&["b"], "=2"),
        page(&["c"], "=3"),
        page(&["d"], "=4"),
    ]);
    let client = bench(&api).client;
    let (_, saved) = round(&client, USERS, None).await;
    let mut delta = client.delta(wider, saved);
    let (told, error) = events(&mut delta).await;
    assert_eq!((told.join(", ").as_str(), error.is_some()), ("resync QueryChanged, a", true));
    // Back to the old query: its link is still there.
    let (told, saved) = round(&client, USERS, kept(&delta)).await;
    assert_eq!(told, ["b"]);
    // The order of parameters makes no difference, another tenant does.
    let (told, saved) = round(&client, "users/delta?&$select=id", saved).await;
    assert_eq!(told, ["c"]);
    let other =
        bench_with(&api, Tokens::default(), ManualClock::at(0), |it| it.identity("fabrikam.com", "x"));
    assert_eq!(round(&other.client, USERS, saved).await.0, ["resync QueryChanged", "d", "sweep"]);
    let asked: Vec<String> = api.requests().iter().map(|r| r.uri().query().unwrap().to_owned()).collect();
    assert_eq!(asked[3..], ["d=1", "d=2", "$select=id"]);
}

// DL-5
#[tokio::test]
async fn the_age_of_a_link_is_known() {
    let api = Api::answering([page(&["a"], "=1")]);
    let bench = bench(&api);
    let (_, saved) = round(&bench.client, USERS, None).await;
    bench.clock.advance(5 * DAY);
    let state = saved.unwrap();
    assert_eq!(state.age(unattended_core::Clock::now(&bench.clock)), Some(5 * DAY));
    assert_eq!(DeltaState::lifetime(USERS), Some(7 * DAY));
    assert_eq!(DeltaState::lifetime("/me/mailFolders/inbox/messages/delta"), None);
    assert_eq!(DeltaState::default().age(unattended_core::Clock::now(&bench.clock)), None);
}

// DL-7
#[tokio::test]
async fn from_now_on_is_a_round_without_changes_that_is_not_the_whole() {
    let api = Api::answering([page(&[], "=1"), page(&["a"], "=2")]);
    let client = bench(&api).client;
    let mut delta = client.delta("/users/delta?$deltaToken=latest", None);
    assert!(!delta.is_whole());
    assert_eq!(events(&mut delta).await.0, [""]);
    assert_eq!(round(&client, "/users/delta?$deltaToken=latest", kept(&delta)).await.0, ["a"]);
    let error = client.delta("/users/delta?$top=5", None).next().await.unwrap_err();
    assert!(error.to_string().contains("$top") && api.sent() == 2);
}

#[tokio::test]
async fn what_is_no_delta_is_an_error_and_never_an_end() {
    let api = Api::answering([json(&json!({"value": []})), status(403)]);
    let client = bench(&api).client;
    let mut delta = client.delta(USERS, None);
    let error = events(&mut delta).await.1.unwrap();
    assert!(error.to_string().contains("not a delta query"), "{error}");
    assert!(!delta.state().is_committed());
    assert!(client.delta(USERS, None).next().await.unwrap_err().needs_administrator());
}
