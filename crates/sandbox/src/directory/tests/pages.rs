//! Pages that are remembered are told from those that are not by nothing but the time they take.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{ALL, BASE, World};

const PAGE: &str = "/v1.0/users?$select=id,displayName,city";

// directory 6
#[tokio::test]
async fn a_page_shows_what_was_written_since_it_was_asked_for_last() {
    let world = World::new();
    let names = async || {
        let page = world.get(PAGE).await.is(200);
        let names = page.column("displayName").join(" ");
        // The second time it is read once more and then remembered.
        for _ in 0..2 {
            assert_eq!(world.get(PAGE).await.is(200).body, page.body);
        }
        names
    };
    assert_eq!(names().await, "");
    let ann = format!("/v1.0/users/{}", world.new_user_id("ann").await);
    assert_eq!(names().await, "ann");
    world.new_user_id("bob").await;
    assert_eq!(names().await, "ann bob");
    world.patch(&ann, &json!({ "displayName": "anna" })).await.is(204);
    assert_eq!(names().await, "anna bob");
    world.delete(&ann).await.is(204);
    assert_eq!(names().await, "bob");
}

// directory 4
#[tokio::test]
async fn who_may_see_less_is_not_shown_the_page_of_who_may_see_all() {
    let world = World::new();
    world.new_user_id("ann").await;
    world.get("/v1.0/users").await.is(200);
    let all = world.get("/v1.0/users").await.is(200);
    assert!(all.body["value"][0].get("jobTitle").is_some());
    let basic = world.token(&["User.ReadBasic.All"]);
    let basic = async |path| world.ask(&basic, Method::GET, path, None).await;
    assert!(basic("/v1.0/users").await.is(200).body["value"][0].get("jobTitle").is_none());
    for _ in 0..3 {
        world.get(PAGE).await.is(200);
        basic(PAGE).await.is(403);
    }
    let nobody = world.token(&["Organization.Read.All"]);
    world.ask(&nobody, Method::GET, PAGE, None).await.is(403);
}

#[tokio::test]
async fn every_version_and_every_way_to_ask_has_its_own_page() {
    let world = World::new();
    world.new_user_id("ann").await;
    let context = async |path| {
        world.get(path).await.is(200);
        world.get(path).await.is(200).body["@odata.context"].clone()
    };
    let [first, beta] = [context("/v1.0/users").await, context("/beta/users").await];
    assert!(first.as_str().unwrap().contains("/v1.0/") && beta.as_str().unwrap().contains("/beta/"));
    let counted = "/v1.0/users?$count=true";
    assert!(world.get(counted).await.is(200).body.get("@odata.count").is_none());
    assert_eq!(world.get_eventual(counted).await.is(200).body["@odata.count"], 1);
    assert!(world.get(counted).await.is(200).body.get("@odata.count").is_none());
    world.control.set([("etags", "on")]).unwrap();
    let token = world.token(&ALL);
    let tagged = world.ask(&token, Method::GET, "/v1.0/users", None).await.is(200);
    assert!(tagged.body["value"][0].get("@odata.etag").is_some());
}

// directory 3
#[tokio::test]
async fn the_link_of_a_remembered_page_is_as_young_as_the_answer() {
    let world = World::with_users(30);
    world.control.set([("page-life", "1h")]).unwrap();
    let next = async || {
        let page = world.get("/v1.0/users?$top=10").await.is(200);
        page.body["@odata.nextLink"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
    };
    next().await;
    let first = next().await;
    world.clock.advance(Duration::from_secs(3_000));
    let again = next().await;
    world.clock.advance(Duration::from_secs(600));
    world.get(&first).await.is(400);
    assert_eq!(world.get(&again).await.is(200).column("id").len(), 10);
}
