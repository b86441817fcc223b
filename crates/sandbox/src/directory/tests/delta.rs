use super::*;

/// The path of a link that an answer has.
#[track_caller]
fn link(reply: &Reply, name: &str) -> String {
    let link = reply.body[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", reply.body));
    link.strip_prefix(BASE).unwrap().to_owned()
}

/// Reads a round from a path on: what came in it, and the path of the next round.
async fn round(world: &World, path: &str) -> (Vec<Value>, String) {
    let mut path = path.to_owned();
    let mut items = Vec::new();
    loop {
        let page = world.get(&path).await.is(200);
        items.extend(page.body["value"].as_array().unwrap().iter().cloned());
        if page.body.get("@odata.nextLink").is_none() {
            return (items, link(&page, "@odata.deltaLink"));
        }
        path = link(&page, "@odata.nextLink");
    }
}

async fn id_of(world: &World, name: &str) -> String {
    let user = world.get(&format!("/v1.0/users/{name}@contoso.onmicrosoft.com")).await.is(200);
    user.body["id"].as_str().unwrap().to_owned()
}

// directory 6: start, page, end, no change
#[tokio::test]
async fn the_first_round_has_everyone_once_and_the_next_one_nobody() {
    let world = World::with_users(450);
    for path in ["/v1.0/users/delta", "/v1.0/users/microsoft.graph.delta()", "/beta/users/delta()"] {
        let (people, next) = round(&world, path).await;
        let ids: std::collections::HashSet<_> =
            people.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!((people.len(), ids.len()), (450, 450), "{path}");
        assert!(people.iter().all(|it| it.as_object().unwrap().values().all(|value| !value.is_null())));
        assert!(!next.contains("select") && next.contains("/users/delta?$deltatoken="), "{next}");
        let (none, again) = round(&world, &next).await;
        assert!(none.is_empty());
        assert!(again.contains("$deltatoken="));
    }
}

// directory 6: items
#[tokio::test]
async fn a_round_tells_what_was_made_changed_and_removed_since_the_last_one() {
    let world = World::new();
    for name in ["ada", "bob", "eve"] {
        world.new_user(name).await.is(201);
    }
    let (_, next) = round(&world, "/v1.0/users/delta").await;
    let (ada, bob) = (id_of(&world, "ada").await, id_of(&world, "bob").await);
    world.patch(&format!("/v1.0/users/{ada}"), &json!({ "jobTitle": "Countess" })).await.is(204);
    world.patch(&format!("/v1.0/users/{ada}"), &json!({ "jobTitle": null })).await.is(204);
    world.delete(&format!("/v1.0/users/{bob}")).await.is(204);
    world.new_user("joe").await.is(201);
    let (changes, after) = round(&world, &next).await;
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert_eq!(changes[0]["id"], json!(ada));
    assert_eq!(changes[0].get("jobTitle"), Some(&Value::Null), "what was taken away is null");
    assert_eq!(changes[0].get("surname"), None, "what never was is absent");
    assert!(changes[1]["@removed"]["reason"].is_string());
    assert_eq!(changes[1].as_object().unwrap().len(), 2, "{}", changes[1]);
    assert_eq!(changes[2]["displayName"], "joe");
    // The same token again gives the same again: a client that lost the answer loses nothing.
    assert_eq!(round(&world, &next).await.0, changes);
    assert!(round(&world, &after).await.0.is_empty());
}

#[tokio::test]
async fn who_changes_while_the_first_round_goes_on_comes_in_the_next_one() {
    let world = World::with_users(3);
    let token = world.token(&ALL);
    let preference = [("Prefer", "odata.maxpagesize=1")];
    let first = world.ask_with(&token, Method::GET, "/v1.0/users/delta", None, &preference).await.is(200);
    assert_eq!(first.body["value"].as_array().unwrap().len(), 1);
    let seen = first.body["value"][0]["id"].as_str().unwrap().to_owned();
    world.patch(&format!("/v1.0/users/{seen}"), &json!({ "city": "Busan", "surname": "Kim" })).await.is(204);
    let (rest, next) = round(&world, &link(&first, "@odata.nextLink")).await;
    assert_eq!(rest.len(), 2);
    let (changes, _) = round(&world, &next).await;
    assert_eq!(changes[0]["id"], json!(seen));
    assert_eq!(changes[0]["surname"], "Kim");
}

// directory 6: $select is tracked; Prefer: return=minimal
#[tokio::test]
async fn a_selection_decides_which_changes_are_told() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let (people, next) = round(&world, "/v1.0/users/delta?$select=displayName,jobTitle").await;
    assert_eq!(people[0].as_object().unwrap().len(), 2, "id and the name: {}", people[0]);
    let ada = format!("/v1.0/users/{}", id_of(&world, "ada").await);
    world.patch(&ada, &json!({ "city": "London" })).await.is(204);
    assert!(round(&world, &next).await.0.is_empty(), "nobody asked for the city");
    world.patch(&ada, &json!({ "jobTitle": "Analyst", "city": "Paris" })).await.is(204);
    let (changes, _) = round(&world, &next).await;
    let id = changes[0]["id"].clone();
    assert_eq!(changes, [json!({ "id": id, "displayName": "ada", "jobTitle": "Analyst" })]);
    let token = world.token(&ALL);
    let minimal = [("Prefer", "return=minimal")];
    let page = world.ask_with(&token, Method::GET, &next, None, &minimal).await.is(200);
    assert_eq!(page.body["value"], json!([{ "id": id, "jobTitle": "Analyst" }]));
}

// DL-7, directory 6: sync from now
#[tokio::test]
async fn who_asks_for_the_latest_token_hears_of_later_changes_only() {
    let world = World::with_users(5);
    let spellings = ["$deltaToken=latest", "$deltatoken=latest", "%24deltatoken=latest&$select=id"];
    for (index, spelling) in spellings.into_iter().enumerate() {
        let now = world.get(&format!("/v1.0/users/delta?{spelling}")).await.is(200);
        assert_eq!(now.body["value"], json!([]));
        let next = link(&now, "@odata.deltaLink");
        world.new_user(&format!("late{index}")).await.is(201);
        assert_eq!(round(&world, &next).await.0.len(), 1);
    }
}

// DL-2, directory 6: expiry and resync
#[tokio::test]
async fn a_token_lives_as_long_as_the_setting_says_and_then_leads_to_a_new_round() {
    let world = World::with_users(2);
    world.control.set([("delta-life", "1h")]).unwrap();
    let (_, next) = round(&world, "/v1.0/users/delta?$select=displayName,mail").await;
    world.clock.advance(Duration::from_secs(3599));
    world.get(&next).await.is(200);
    world.clock.advance(Duration::from_secs(2));
    let gone = world.get(&next).await.is(410);
    assert_eq!(gone.code(), "SyncStateNotFound");
    let location = gone.headers["location"].to_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    assert_eq!(location, "/v1.0/users/delta?$select=displayName,mail&$deltatoken=");
    assert_eq!(round(&world, &location).await.0.len(), 2);
}

#[tokio::test]
async fn a_token_of_changes_that_were_undone_is_gone() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let (_, next) = round(&world, "/v1.0/users/delta").await;
    let undo = |transaction: &rusqlite::Transaction<'_>| {
        transaction.execute_batch("DELETE FROM changes; DELETE FROM sqlite_sequence")?;
        Ok::<_, crate::store::StoreError>(())
    };
    world.store.write(undo).unwrap();
    assert_eq!(world.get(&next).await.is(410).code(), "SyncStateNotFound");
}

// directory 6: restrictions
#[tokio::test]
async fn options_that_tracking_does_not_know_are_refused() {
    let world = World::with_users(1);
    for option in ["$top=5", "$orderby=displayName", "$expand=manager", "$count=true", "$search=%22a%22"] {
        let refused = world.get(&format!("/v1.0/users/delta?{option}")).await.is(400);
        assert_eq!(refused.code(), "Request_UnsupportedQuery", "{option}");
    }
    for path in [
        "/v1.0/users/delta?$filter=displayName%20eq%20'a'",
        "/v1.0/users/delta?$select=shoeSize",
        "/v1.0/users/delta?$deltatoken=AAAA",
        "/v1.0/users/delta?$skiptoken=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        world.get(path).await.is(400);
    }
    let (_, next) = round(&world, "/v1.0/users/delta").await;
    world.get(&next.replace("/users/", "/applications/")).await.is(400);
    world.ask(&world.token(&["User.ReadBasic.All"]), Method::GET, "/v1.0/users/delta", None).await.is(403);
}

// directory 6: $filter by id
#[tokio::test]
async fn a_round_may_be_about_some_people_only() {
    let world = World::new();
    for name in ["ada", "bob", "eve"] {
        world.new_user(name).await.is(201);
    }
    let (ada, eve) = (id_of(&world, "ada").await, id_of(&world, "eve").await);
    let path =
        format!("/v1.0/users/delta?$filter=id%20eq%20'{ada}'%20or%20id%20eq%20'{}'", eve.to_uppercase());
    let (people, next) = round(&world, &path).await;
    assert_eq!(people.len(), 2);
    world.delete("/v1.0/users/bob@contoso.onmicrosoft.com").await.is(204);
    world.delete(&format!("/v1.0/users/{eve}")).await.is(204);
    let (changes, _) = round(&world, &next).await;
    assert_eq!(changes.iter().map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>(), [eve]);
}

#[tokio::test]
async fn applications_and_service_principals_are_tracked_with_their_credentials() {
    let world = World::new();
    let (_, applications) = round(&world, "/v1.0/applications/delta").await;
    let (principals, next_principals) = round(&world, "/v1.0/servicePrincipals/delta?$select=appId").await;
    assert!(principals.len() >= 2, "{principals:?}");
    let made = world.post("/v1.0/applications", &json!({ "displayName": "daemon" })).await.is(201);
    let path = format!("/v1.0/applications/{}", made.body["id"].as_str().unwrap());
    world.post("/v1.0/servicePrincipals", &json!({ "appId": made.body["appId"] })).await.is(201);
    let (changes, applications) = round(&world, &applications).await;
    assert_eq!(changes[0]["appId"], made.body["appId"]);
    assert_eq!(round(&world, &next_principals).await.0[0]["appId"], made.body["appId"]);
    world.all(Method::POST, &format!("{path}/addPassword"), None).await.is(200);
    let (changes, applications) = round(&world, &applications).await;
    assert_eq!(changes[0]["passwordCredentials"].as_array().unwrap().len(), 1);
    assert!(round(&world, &applications).await.0.is_empty());
    let (principals, _) = round(&world, "/v1.0/servicePrincipals/delta").await;
    assert!(principals.iter().any(|it| it["appId"] == made.body["appId"]));
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_no_change() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let (_, next) = round(&world, "/v1.0/users/delta").await;
    let path = "/v1.0/users/ada@contoso.onmicrosoft.com";
    world.patch(path, &json!({ "displayName": "ada" })).await.is(204);
    assert!(round(&world, &next).await.0.is_empty());
}

// directory 6: 410; numbers of changes that were undone are never given out again
#[tokio::test]
async fn who_saw_what_a_restored_snapshot_undid_begins_anew_and_nobody_else() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let (_, before) = round(&world, "/v1.0/users/delta").await;
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("a.sqlite3");
    world.store.snapshot(&snapshot).unwrap();
    let mut undone = Vec::new();
    for _ in 0..2 {
        world.new_user("lost").await.is(201);
        undone.push(round(&world, &before).await.1);
        // What was seen of another collection may have been undone as well.
        undone.push(round(&world, "/v1.0/groups/delta").await.1);
        world.store.restore(&snapshot).unwrap();
        for name in ["bob", "eve"] {
            for link in &undone {
                assert_eq!(world.get(link).await.is(410).code(), "SyncStateNotFound");
            }
            world.new_user(name).await.is(201);
        }
        let (changes, after) = round(&world, &before).await;
        let names: Vec<_> = changes.iter().map(|it| it["displayName"].as_str().unwrap()).collect();
        assert_eq!(names, ["bob", "eve"]);
        assert!(round(&world, &after).await.0.is_empty());
        undone.push(after);
    }
}
