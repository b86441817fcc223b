use super::*;

async fn group(world: &World, name: &str, members: &[&str]) -> String {
    let mut new =
        json!({ "displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true });
    if !members.is_empty() {
        new["members@odata.bind"] = members.iter().map(|id| json!(url(id))).collect();
    }
    let made = world.post("/v1.0/groups", &new).await.is(201);
    made.body["id"].as_str().unwrap().to_owned()
}

async fn person(world: &World, name: &str) -> String {
    world.new_user(name).await.is(201).body["id"].as_str().unwrap().to_owned()
}

fn url(id: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")
}

// directory 5
#[tokio::test]
async fn a_group_is_made_read_changed_and_removed() {
    let world = World::new();
    let id = group(&world, "staff", &[]).await;
    let read = world.get(&format!("/v1.0/groups/{id}")).await.is(200);
    assert_eq!((&read.body["displayName"], &read.body["groupTypes"]), (&json!("staff"), &json!([])));
    assert!(read.body.get("members").is_none());
    world.patch(&format!("/v1.0/groups/{id}"), &json!({ "description": "All" })).await.is(204);
    let list = world.get("/v1.0/groups?$filter=startswith(displayName,'STA')&$select=description").await;
    assert_eq!(list.is(200).body["value"], json!([{ "description": "All" }]));
    for property in ["displayName", "mailEnabled", "mailNickname", "securityEnabled"] {
        let mut new =
            json!({ "displayName": "x", "mailEnabled": false, "mailNickname": "x", "securityEnabled": true });
        new.as_object_mut().unwrap().remove(property);
        assert!(world.post("/v1.0/groups", &new).await.is(400).message().contains(property));
    }
    let team = json!({
        "displayName": "Team", "mailEnabled": true, "mailNickname": "team", "securityEnabled": false,
        "groupTypes": ["Unified"],
    });
    let team = world.post("/v1.0/groups", &team).await.is(201);
    assert_eq!(team.body["mail"], "team@contoso.onmicrosoft.com");
    world.delete(&format!("/v1.0/groups/{id}")).await.is(204);
    world.get(&format!("/v1.0/groups/{id}")).await.is(404);
    let reader = world.token(&["Group.Read.All"]);
    world.ask(&reader, Method::GET, "/v1.0/groups", None).await.is(200);
    world.ask(&reader, Method::DELETE, &format!("/v1.0/groups/{id}"), None).await.is(403);
}

// directory 5: members
#[tokio::test]
async fn members_are_added_once_listed_in_pages_and_removed() {
    let world = World::new();
    let (ada, bob) = (person(&world, "ada").await, person(&world, "bob").await);
    let (inner, id) = (group(&world, "inner", &[]).await, group(&world, "staff", &[&ada]).await);
    let members = format!("/v1.0/groups/{id}/members");
    for target in [&bob, &inner, &world.administrator] {
        world.post(&format!("{members}/$ref"), &json!({ "@odata.id": url(target) })).await.is(204);
    }
    let again = world.post(&format!("{members}/$ref"), &json!({ "@odata.id": url(&bob) })).await.is(400);
    assert_eq!(
        again.message(),
        "One or more added object references already exist for the following modified properties: 'members'."
    );
    world.post(&format!("{members}/$ref"), &json!({ "@odata.id": url(TENANT) })).await.is(404);
    for wrong in [json!({}), json!({ "@odata.id": "x" }), json!({ "@odata.id": url(&id) })] {
        world.post(&format!("{members}/$ref"), &wrong).await.is(400);
    }
    let all = world.get(&members).await.is(200);
    assert_eq!(
        all.column("@odata.type"),
        ["user", "user", "group", "servicePrincipal"].map(|kind| format!("#microsoft.graph.{kind}"))
    );
    let page = world.get(&format!("{members}?$top=3&$select=id")).await.is(200);
    let next = page.body["@odata.nextLink"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    assert_eq!(world.get(&next).await.is(200).column("id"), [&world.administrator]);
    let users = world.get(&format!("{members}/microsoft.graph.user?$select=displayName")).await.is(200);
    assert_eq!(users.body["value"], json!([{ "displayName": "ada" }, { "displayName": "bob" }]));
    assert_eq!(world.get_eventual(&format!("{members}/$count")).await.is(200).body, 4);
    let of = world.get(&format!("/v1.0/users/{ada}/memberOf")).await.is(200);
    assert_eq!(of.column("id"), [&id]);
    world.delete(&format!("{members}/{bob}/$ref")).await.is(204);
    world.delete(&format!("{members}/{bob}/$ref")).await.is(404);
    let objects = world.post("/v1.0/directoryObjects/getByIds", &json!({ "ids": [ada, id, TENANT] })).await;
    assert_eq!(objects.is(200).column("displayName"), ["ada", "staff"]);
}

// directory 5: members@odata.bind up to 20, all or nothing
#[tokio::test]
async fn up_to_twenty_members_come_with_a_change_or_none_does() {
    let world = World::with_users(21);
    let people = world.get("/v1.0/users?$select=id").await.is(200);
    let people = people.column("id");
    let id = group(&world, "staff", &people[..1]).await;
    let path = format!("/v1.0/groups/{id}");
    let bind =
        |ids: &[&str]| json!({ "members@odata.bind": ids.iter().map(|id| url(id)).collect::<Vec<_>>() });
    world.patch(&path, &bind(&people)).await.is(400);
    world.patch(&path, &bind(&[people[1], people[2], people[0]])).await.is(400);
    assert_eq!(world.get(&format!("{path}/members")).await.is(200).column("id").len(), 1);
    world.patch(&path, &bind(&people[1..])).await.is(204);
    assert_eq!(world.get(&format!("{path}/members")).await.is(200).column("id").len(), 21);
}

// directory 6: members@delta
#[tokio::test]
async fn who_comes_and_goes_is_told_with_the_group() {
    let world = World::new();
    let (ada, bob) = (person(&world, "ada").await, person(&world, "bob").await);
    let id = group(&world, "staff", &[&ada]).await;
    let next = |reply: &Reply| {
        reply.body["@odata.deltaLink"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
    };
    let first = world.get("/v1.0/groups/delta?$select=displayName,members").await.is(200);
    assert_eq!(
        first.body["value"],
        json!([{ "id": id, "displayName": "staff",
                 "members@delta": [{ "@odata.type": "#microsoft.graph.user", "id": ada }] }])
    );
    world.post(&format!("/v1.0/groups/{id}/members/$ref"), &json!({ "@odata.id": url(&bob) })).await.is(204);
    world.delete(&format!("/v1.0/users/{ada}")).await.is(204);
    let second = world.get(&next(&first)).await.is(200);
    assert_eq!(
        second.body["value"][0]["members@delta"],
        json!([
            { "@odata.type": "#microsoft.graph.user", "id": bob },
            { "@odata.type": "#microsoft.graph.user", "id": ada, "@removed": { "reason": "deleted" } },
        ])
    );
    assert_eq!(world.get(&next(&second)).await.is(200).body["value"], json!([]));
    world.delete(&format!("/v1.0/groups/{id}")).await.is(204);
    let last = world.get(&next(&second)).await.is(200);
    assert_eq!(last.body["value"], json!([{ "id": id, "@removed": { "reason": "changed" } }]));
}

#[tokio::test]
async fn a_large_group_comes_in_several_pieces() {
    let world = World::with_users(999);
    for name in ["x1", "x2", "x3"] {
        person(&world, name).await;
    }
    let id = group(&world, "everyone", &[]).await;
    let fill = |transaction: &rusqlite::Transaction<'_>| {
        transaction.execute(
            "INSERT INTO links (tenant_id, relation, source_id, source_kind, target_id, target_kind)
             SELECT tenant_id, 'members', ?1, 'groups', id, 'users' FROM users",
            [&id],
        )?;
        Ok::<_, crate::store::StoreError>(())
    };
    world.store.write(fill).unwrap();
    let mut path = "/v1.0/groups/delta".to_owned();
    let mut counts = Vec::new();
    while !path.contains("deltatoken") {
        let page = world.get(&path).await.is(200);
        for group in page.body["value"].as_array().unwrap() {
            counts.push(group["members@delta"].as_array().unwrap().len());
        }
        let link = page.body.get("@odata.nextLink").unwrap_or_else(|| &page.body["@odata.deltaLink"]);
        path = link.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    }
    assert_eq!(counts, [1_000, 2]);
}

#[tokio::test]
async fn a_person_has_one_manager() {
    let world = World::new();
    let (ada, bob, eve) =
        (person(&world, "ada").await, person(&world, "bob").await, person(&world, "eve").await);
    let manager = format!("/v1.0/users/{ada}/manager");
    world.get(&manager).await.is(404);
    for boss in [&bob, &eve] {
        let body = json!({ "@odata.id": url(boss) });
        world.all(Method::PUT, &format!("{manager}/$ref"), Some(&body)).await.is(204);
    }
    assert_eq!(world.get(&manager).await.is(200).body["displayName"], "eve");
    assert_eq!(world.get(&format!("/v1.0/users/{eve}/directReports")).await.is(200).column("id"), [ada]);
    world.delete(&format!("{manager}/$ref")).await.is(204);
    world.delete(&format!("{manager}/$ref")).await.is(404);
}
