//! Secrets through their life.

use serde_json::{Value, json};

use super::{IDS, NOW, World};
use crate::store::StoreError;

// directory 11
#[tokio::test]
async fn a_secret_is_set_and_read_by_name_with_or_without_a_slash_and_by_version() {
    let world = World::with("secrets-officer");
    let body = json!({
        "value": "s3cret", "contentType": "text/plain", "tags": { "for": "tests" },
        "attributes": { "enabled": true, "nbf": 1, "exp": 4_000_000_000_u32 },
    });
    let first = world.ask("PUT", "/secrets/Db-Password", body).await.is(200).body;
    let version = first["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(version.len() == 32 && version.bytes().all(|it| it.is_ascii_hexdigit()), "{version}");
    let expected = json!({
        "value": "s3cret", "id": format!("{IDS}/secrets/Db-Password/{version}"), "contentType": "text/plain",
        "attributes": {
            "enabled": true, "nbf": 1, "exp": 4_000_000_000_u32, "created": NOW, "updated": NOW,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
        },
        "tags": { "for": "tests" },
    });
    assert_eq!(first, expected);
    world.set("db-password", "newer").await;
    for latest in ["/secrets/Db-Password", "/secrets/db-password/", "/Secrets/DB-PASSWORD"] {
        assert_eq!(world.get(latest).await.is(200).body["value"], "newer", "{latest}");
    }
    let old = world.get(&format!("/secrets/Db-Password/{version}")).await.is(200).body;
    assert_eq!(old, expected);
    let missing = world.get(&format!("/secrets/db-password/{}", "0".repeat(32))).await.is(404);
    assert_eq!(missing.error().0, "SecretNotFound");
    assert_eq!(world.get("/secrets/other").await.is(404).error().0, "SecretNotFound");
}

#[tokio::test]
async fn lists_have_pages_and_no_values() {
    let world = World::with("secrets-officer");
    for n in 0..30 {
        world.set(&format!("s{n:02}"), "VALUE").await;
    }
    let first = world.get("/secrets").await.is(200);
    assert_eq!(first.names().len(), 25);
    assert!(!first.body.to_string().contains("VALUE"));
    assert_eq!(first.body["value"][0]["id"], format!("{IDS}/secrets/s00"));
    let rest = world.get(first.body["nextLink"].as_str().unwrap()).await.is(200);
    assert_eq!(rest.names(), ["s25", "s26", "s27", "s28", "s29"]);
    assert_eq!(rest.body["nextLink"], Value::Null);
    let mut names = Vec::new();
    let mut next = "/secrets?maxresults=7".to_owned();
    loop {
        let page = world.get(&next).await.is(200);
        names.extend(page.names().into_iter().map(str::to_owned));
        match page.body["nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(names.len(), 30);
    for wrong in ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=%25"] {
        let refused = world.get(&format!("/secrets?{wrong}")).await.is(400);
        assert_eq!(refused.error().0, "BadParameter", "{wrong}");
    }
}

#[tokio::test]
async fn versions_of_a_secret_are_listed_oldest_first() {
    let world = World::with("secrets-officer");
    let mut versions = Vec::new();
    for value in ["a", "b", "c"] {
        let id = world.set("s", value).await["id"].as_str().unwrap().to_owned();
        versions.push(id.rsplit('/').next().unwrap().to_owned());
    }
    let first = world.get("/secrets/s/versions?maxresults=2").await.is(200);
    assert_eq!(first.names(), versions[..2]);
    let second = world.get(first.body["nextLink"].as_str().unwrap()).await.is(200);
    assert_eq!(second.names(), versions[2..]);
    assert!(first.body["value"][0].get("value").is_none());
}

#[tokio::test]
async fn attributes_change_and_the_value_does_not() {
    let world = World::with("secrets-officer");
    let id = world.set("s", "v").await["id"].as_str().unwrap().to_owned();
    let path = id.strip_prefix(IDS).unwrap();
    world.clock.advance(std::time::Duration::from_secs(10));
    let changed = json!({ "contentType": "x", "attributes": { "enabled": false }, "tags": { "a": "b" } });
    let changed = world.ask("PATCH", path, changed).await.is(200).body;
    assert_eq!((&changed["contentType"], &changed["tags"]["a"]), (&json!("x"), &json!("b")));
    assert_eq!(changed["attributes"]["updated"], NOW + 10);
    assert_eq!(changed["attributes"]["created"], NOW);
    assert!(changed.get("value").is_none());
    let disabled = world.get("/secrets/s").await.is(403);
    assert_eq!(disabled.error().0, "Forbidden");
    assert_eq!(disabled.body["error"]["innererror"]["code"], "SecretDisabled");
    world.ask("PATCH", path, json!({ "attributes": { "enabled": true, "exp": NOW - 5 } })).await.is(200);
    // Dates are for the readers.
    assert_eq!(world.get("/secrets/s/").await.is(200).body["value"], "v");
    let refused = json!({ "attributes": { "nbf": NOW, "exp": NOW - 5 } });
    world.ask("PATCH", path, refused).await.is(400);
}

#[tokio::test]
async fn a_deleted_secret_is_recovered_or_purged_and_keeps_its_name() {
    let world = World::with("secrets-officer");
    world.set("s", "v").await;
    let deleted = world.ask("DELETE", "/secrets/s", Value::Null).await.is(200).body;
    assert_eq!(deleted["recoveryId"], format!("{IDS}/deletedsecrets/s"));
    assert_eq!(deleted["deletedDate"], NOW);
    assert_eq!(deleted["scheduledPurgeDate"], NOW + 90 * 86_400);
    assert!(deleted.get("value").is_none());
    world.get("/secrets/s").await.is(404);
    assert!(world.get("/secrets").await.is(200).names().is_empty());
    assert_eq!(world.get("/deletedsecrets").await.is(200).names(), ["s"]);
    assert_eq!(world.get("/deletedsecrets/s").await.is(200).body, deleted);
    let taken = world.ask("PUT", "/secrets/s", json!({ "value": "w" })).await.is(409);
    assert_eq!(taken.body["error"]["innererror"]["code"], "ObjectIsDeletedButRecoverable");
    world.ask("POST", "/deletedsecrets/s/recover", Value::Null).await.is(200);
    assert_eq!(world.get("/secrets/s").await.is(200).body["value"], "v");

    world.ask("DELETE", "/deletedsecrets/s", Value::Null).await.is(404);
    world.ask("DELETE", "/secrets/s", Value::Null).await.is(200);
    world.ask("DELETE", "/deletedsecrets/s", Value::Null).await.is(204);
    world.get("/deletedsecrets/s").await.is(404);
    world.set("s", "w").await;
    assert_eq!(world.get("/secrets/s/versions").await.is(200).names().len(), 1);
}

#[tokio::test]
async fn a_deleted_secret_is_gone_after_ninety_days() {
    let world = World::with("secrets-officer");
    world.set("s", "v").await;
    world.ask("DELETE", "/secrets/s", Value::Null).await.is(200);
    world.clock.advance(std::time::Duration::from_secs(90 * 86_400 + 1));
    world.ask("POST", "/deletedsecrets/s/recover", Value::Null).await.is(404);
    assert!(world.get("/deletedsecrets").await.is(200).names().is_empty());
    world.set("s", "w").await;
}

#[tokio::test]
async fn what_is_no_secret_is_refused() {
    let world = World::with("secrets-officer");
    for (name, body) in [
        ("under_score", json!({ "value": "v" })),
        ("a.b", json!({ "value": "v" })),
        (&"n".repeat(128), json!({ "value": "v" })),
        ("s", json!({})),
        ("s", json!({ "value": 1 })),
        ("s", json!([1])),
        ("s", json!({ "value": "v".repeat(26 * 1024) })),
        ("s", json!({ "value": "v", "tags": { "a": 1 } })),
        ("s", json!({ "value": "v", "attributes": { "exp": "soon" } })),
        ("s", json!({ "value": "v", "contentType": "x".repeat(300) })),
    ] {
        let refused = world.ask("PUT", &format!("/secrets/{name}"), body).await.is(400);
        assert_eq!(refused.error().0, "BadParameter");
    }
    world.ask("PUT", "/secrets", json!({ "value": "v" })).await.is(405);
    world.get("/keys/k").await.is(404);
}

#[tokio::test]
async fn what_finds_no_room_is_refused_and_the_rest_is_read_as_ever() {
    let world = World::with("secrets-officer");
    world.set("there", "v").await;
    let limit = |transaction: &rusqlite::Transaction<'_>| {
        let count: i64 = transaction.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        transaction.query_row(&format!("PRAGMA max_page_count = {count}"), [], |_| Ok(()))?;
        Ok::<_, StoreError>(())
    };
    world.store.write(limit).unwrap();
    let value = "x".repeat(20_000);
    let refused = world.ask("PUT", "/secrets/late", json!({ "value": value })).await.is(507);
    assert_eq!(refused.error().0, "InsufficientStorage");
    assert_eq!(world.get("/secrets/there").await.is(200).body["value"], "v");
}
