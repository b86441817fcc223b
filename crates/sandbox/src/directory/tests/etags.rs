//! Entity tags: told on a wish, kept whenever they are sent.

use axum::http::Method;
use serde_json::json;

use super::{ALL, World};

// directory 10, ET
#[tokio::test]
async fn tags_are_told_on_a_wish_only() {
    let world = World::new();
    let user = format!("/v1.0/users/{}", world.new_user_id("ann").await);
    let silent = world.get(&user).await.is(200);
    assert!(silent.body.get("@odata.etag").is_none() && !silent.headers.contains_key("etag"));
    world.control.set([("etags", "on")]).unwrap();
    let told = world.get(&user).await.is(200);
    let tag = told.headers["etag"].to_str().unwrap();
    assert!(tag.starts_with("W/\"") && told.body["@odata.etag"] == tag, "{tag}");
    let listed = world.get("/v1.0/users").await.is(200);
    assert_eq!(listed.body["value"][0]["@odata.etag"], tag);
}

// directory 10, 2: 412
#[tokio::test]
async fn a_write_to_what_has_changed_meanwhile_is_refused() {
    let world = World::new();
    world.control.set([("etags", "on")]).unwrap();
    let token = world.token(&ALL);
    let user = format!("/v1.0/users/{}", world.new_user_id("ann").await);
    let group = format!("/v1.0/groups/{}", world.new_group("g", &[]).await);
    for path in [user, group] {
        let tag = world.get(&path).await.is(200).headers["etag"].to_str().unwrap().to_owned();
        let write = async |method: Method, tag: &str, name: &str| {
            let body = (method == Method::PATCH).then(|| json!({ "displayName": name }));
            world.ask_with(&token, method, &path, body.as_ref(), &[("If-Match", tag)]).await
        };
        write(Method::PATCH, &tag, "first").await.is(204);
        let refused = write(Method::PATCH, &tag, "second").await.is(412);
        assert_eq!(refused.code(), "resourceModified");
        write(Method::DELETE, &tag, "").await.is(412);
        assert_eq!(world.get(&path).await.body["displayName"], "first");
        write(Method::PATCH, "*", "third").await.is(204);
        let newest = world.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
        write(Method::DELETE, &format!("\"other\", {newest}"), "").await.is(204);
    }
}

// directory 10
#[tokio::test]
async fn who_has_the_object_as_it_is_gets_no_body() {
    let world = World::new();
    world.control.set([("etags", "on")]).unwrap();
    let token = world.token(&ALL);
    let made = world.new_user("ann").await.is(201).body;
    let user = format!("/v1.0/users/{}", made["id"].as_str().unwrap());
    let tag = world.get(&user).await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(made["@odata.etag"], tag);
    let read = async || world.ask_with(&token, Method::GET, &user, None, &[("If-None-Match", &tag)]).await;
    let same = read().await.is(304);
    assert_eq!((same.body, &same.headers["etag"]), ("".into(), &tag.parse().unwrap()));
    world.patch(&user, &json!({ "displayName": "new" })).await.is(204);
    assert_eq!(read().await.is(200).body["displayName"], "new");
}
