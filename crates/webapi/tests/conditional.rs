//! Updates that overwrite nobody else's.

mod support;

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use unattended_webapi::Updated;

use crate::support::{Api, Reply, bench, reply, status};

/// One resource, with a weak tag that changes with every write.
struct Plan {
    version: u32,
    value: Value,
    /// What somebody else writes between a read and a write, so many times.
    rival: u32,
    /// How many writes are carried out without an answer.
    lost: u32,
}

fn api(rival: u32, lost: u32) -> (Api, Arc<Mutex<Plan>>) {
    let plan = Arc::new(Mutex::new(Plan { version: 1, value: json!({ "count": 0 }), rival, lost }));
    let shared = Arc::clone(&plan);
    let api = Api::by(move |request| {
        let mut plan = shared.lock().unwrap();
        let tag = format!("W/\"JzEtVGFzayAg+{}=='\"", plan.version);
        if request.method() == Method::GET {
            return reply(200, &[("etag", &tag)], plan.value.to_string());
        }
        if plan.rival > 0 {
            plan.rival -= 1;
            plan.version += 1;
            plan.value["rival"] = json!(plan.version);
            return status(412);
        }
        write(&mut plan, request, &tag)
    });
    (api, plan)
}

fn write(plan: &mut Plan, request: &http::Request<bytes::Bytes>, tag: &str) -> Reply {
    if request.headers().get("if-match").is_none_or(|given| given != tag) {
        return status(412);
    }
    let change: Value = serde_json::from_slice(request.body()).unwrap();
    plan.value["count"] = change["count"].clone();
    plan.version += 1;
    if plan.lost > 0 {
        plan.lost -= 1;
        return status(504);
    }
    status(204)
}

fn counted_up(current: &Value) -> Option<Value> {
    Some(json!({ "count": current["count"].as_u64().unwrap() + 1 }))
}

// ET-1
#[tokio::test]
async fn an_update_carries_the_tag_as_it_was_read_and_is_merged_anew_when_somebody_was_faster() {
    let (api, plan) = api(2, 0);
    let updated = bench(&api).client.update("/tasks/1", counted_up).await.unwrap();
    assert!(matches!(updated, Updated::Written(_)));
    let plan = plan.lock().unwrap();
    assert_eq!((&plan.value["count"], &plan.value["rival"]), (&json!(1), &json!(3)));
    let tags: Vec<String> = api.header("if-match").into_iter().filter(|tag| !tag.is_empty()).collect();
    assert_eq!(tags, [1, 2, 3].map(|version| format!("W/\"JzEtVGFzayAg+{version}=='\"")));
}

// ET-1
#[tokio::test]
async fn after_three_defeats_the_error_has_what_is_there_now() {
    let (api, plan) = api(9, 0);
    let error = bench(&api).client.update("/tasks/1", counted_up).await.unwrap_err();
    assert!(error.is_precondition_failed() && error.is_conflict() && !error.is_ambiguous());
    let current = error.current().unwrap();
    assert_eq!((&current.value["rival"], plan.lock().unwrap().rival), (&json!(4), 6));
    assert_eq!(current.etag.as_deref(), Some("W/\"JzEtVGFzayAg+4=='\""));
    assert!(!format!("{error:?}").contains("rival"), "what is in a resource can be personal");
}

// ET-1, RT-3
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_done_twice() {
    let (api, plan) = api(0, 1);
    let error = bench(&api).client.update("/tasks/1", counted_up).await.unwrap_err();
    assert!(error.is_ambiguous() && error.current().unwrap().value["count"] == 1, "{error}");
    assert_eq!(plan.lock().unwrap().value["count"], 1);
    // A merge that sees its own work has nothing to do.
    let (api, plan) = self::api(0, 1);
    let seven = |current: &Value| (current["count"] != 7).then(|| json!({ "count": 7 }));
    let updated = bench(&api).client.update("/tasks/1", seven).await.unwrap();
    assert!(matches!(updated, Updated::Unchanged(current) if current.value["count"] == 7));
    assert_eq!(plan.lock().unwrap().version, 2);
}

// ET-1
#[tokio::test]
async fn nothing_is_overwritten_whatever_it_is() {
    let api = Api::answering([reply(200, &[], "{}"), reply(200, &[], r#"{"@odata.etag":"W/\"7\""}"#)]);
    let client = bench(&api).client;
    let untagged = client.update("/users/1", |_| Some(json!({}))).await.unwrap_err();
    assert!(untagged.to_string().contains("no ETag"), "{untagged}");
    assert_eq!(client.current("/users/1").await.unwrap().etag.as_deref(), Some("W/\"7\""));
    for wrong in ["*", "", "7"] {
        let refused = client.patch("/users/1").if_match(wrong).json(&json!({})).send().await.unwrap_err();
        assert_eq!(refused.attempts(), 0, "{wrong}: {refused}");
    }
    assert_eq!(api.header("if-match"), ["", ""]);
}
