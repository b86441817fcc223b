use super::*;

// directory 5, DL-3: soft deletion and the way back
#[tokio::test]
async fn a_deleted_person_can_be_restored_with_its_groups_for_thirty_days() {
    let world = World::new();
    let id = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    let group = json!({
        "displayName": "staff", "mailEnabled": false, "mailNickname": "staff", "securityEnabled": true,
        "members@odata.bind": [format!("{BASE}/v1.0/users/{id}")],
    });
    let group = world.post("/v1.0/groups", &group).await.is(201).body["id"].as_str().unwrap().to_owned();
    let next =
        world.get("/v1.0/users/delta?$deltatoken=latest").await.is(200).body["@odata.deltaLink"].clone();
    let next = next.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    world.delete(&format!("/v1.0/users/{id}")).await.is(204);
    let tombstone = json!([{ "id": id, "@removed": { "reason": "changed" } }]);
    assert_eq!(world.get(&next).await.is(200).body["value"], tombstone);
    let list =
        world.get("/v1.0/directory/deletedItems/microsoft.graph.user?$select=id,deletedDateTime").await;
    assert_eq!(list.is(200).body["value"], json!([{ "id": id, "deletedDateTime": "2027-01-15T08:00:00Z" }]));
    let item = format!("/v1.0/directory/deletedItems/{id}");
    assert_eq!(world.get(&item).await.is(200).body["@odata.type"], "#microsoft.graph.user");
    let reader = world.token(&["Application.Read.All"]);
    world.ask(&reader, Method::GET, &item, None).await.is(403);

    let restored = world.all(Method::POST, &format!("{item}/restore"), None).await.is(200);
    assert_eq!(restored.body["displayName"], "ada");
    world.get(&format!("/v1.0/users/{id}")).await.is(200);
    assert_eq!(world.get(&format!("/v1.0/groups/{group}/members")).await.is(200).column("id"), [&id]);
    assert_eq!(world.get(&next).await.is(200).body["value"][0]["displayName"], "ada");
    world.get(&item).await.is(404);

    world.delete(&format!("/v1.0/users/{id}")).await.is(204);
    world.clock.advance(Duration::from_secs(30 * 86_400));
    world.get(&item).await.is(404);
}

#[tokio::test]
async fn what_is_deleted_for_good_stays_so_and_a_name_that_was_taken_cannot_come_back() {
    let world = World::new();
    let next = world.get("/v1.0/users/delta").await.is(200).body["@odata.deltaLink"].clone();
    let next = next.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    let id = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    world.delete(&format!("/v1.0/users/{id}")).await.is(204);
    let item = format!("/v1.0/directory/deletedItems/{id}");
    world.new_user("ada").await.is(201);
    let refused = world.all(Method::POST, &format!("{item}/restore"), None).await.is(400);
    assert!(refused.message().contains("userPrincipalName"));
    world.delete(&item).await.is(204);
    world.delete(&item).await.is(404);
    let changes = world.get(&next).await.is(200);
    assert_eq!(changes.body["value"][1], json!({ "id": id, "@removed": { "reason": "deleted" } }));
}

// directory 4.1: an application comes back with its credentials, its service principal and what was granted to it
#[tokio::test]
async fn an_application_comes_back_as_it_was() {
    let world = World::new();
    let made = world.post("/v1.0/applications", &json!({ "displayName": "daemon" })).await.is(201);
    let (id, app_id) = (made.body["id"].as_str().unwrap(), made.body["appId"].as_str().unwrap());
    let client = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    let client = client.body["id"].as_str().unwrap();
    let graph = world.store.resource_by_name(TENANT, GRAPH_APP_ID).unwrap().unwrap();
    let grant = json!({
        "principalId": client, "resourceId": graph.id(), "appRoleId": "df021288-bdef-4463-88db-98f22de89214",
    });
    world.post(&format!("/v1.0/servicePrincipals/{client}/appRoleAssignments"), &grant).await.is(201);
    world.all(Method::POST, &format!("/v1.0/applications/{id}/addPassword"), None).await.is(200);
    let before = world.get(&format!("/v1.0/applications/{id}")).await.is(200).body;
    world.delete(&format!("/v1.0/applications/{id}")).await.is(204);
    world.get(&format!("/v1.0/servicePrincipals/{client}")).await.is(404);
    assert!(world.store.application_by_app_id(app_id).unwrap().is_none());
    world.all(Method::POST, &format!("/v1.0/directory/deletedItems/{id}/restore"), None).await.is(200);
    assert_eq!(world.get(&format!("/v1.0/applications/{id}")).await.is(200).body, before);
    let roles = world.store.application_role_values(TENANT, client, graph.id()).unwrap();
    assert_eq!(roles, ["User.Read.All"]);
}
