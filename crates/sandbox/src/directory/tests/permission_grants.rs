use super::*;

const GRANTS: &str = "/v1.0/oauth2PermissionGrants";

/// A client and an API with one delegated permission, each by the object id of its service principal.
async fn ends(world: &World) -> (String, String) {
    let mut ids = Vec::new();
    for name in ["client", "api"] {
        let scope = json!({ "id": "cccccccc-0000-4000-8000-000000000001", "value": "Things.Read", "isEnabled": true });
        let application = json!({ "displayName": name, "api": { "oauth2PermissionScopes": [scope] } });
        let made = world.post("/v1.0/applications", &application).await.is(201);
        let wish = json!({ "appId": made.body["appId"] });
        let principal = world.post("/v1.0/servicePrincipals", &wish).await.is(201);
        assert_eq!(principal.body["oauth2PermissionScopes"], json!([scope]), "it follows its application");
        ids.push(principal.body["id"].as_str().unwrap().to_owned());
    }
    (ids.remove(0), ids.remove(0))
}

// directory 4.6: clientId, resourceId, consentType AllPrincipals|Principal, scope
#[tokio::test]
async fn a_delegated_permission_is_granted_to_all_users_or_to_one_read_changed_and_taken_back() {
    let world = World::new();
    let (client, api) = ends(&world).await;
    let for_all = json!({ "clientId": client.to_uppercase(), "consentType": "AllPrincipals", "resourceId": api, "scope": "Things.Read" });
    let made = world.post(GRANTS, &for_all).await.is(201);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!((id.len(), &made.body["principalId"]), (43, &Value::Null));
    assert_eq!(made.headers["location"], format!("{BASE}{GRANTS}/{id}"));
    let again = world.post(GRANTS, &for_all).await.is(409);
    assert_eq!(again.message(), "Permission entry already exists.");

    let ada = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    let mut for_one = for_all.clone();
    for_one["consentType"] = json!("Principal");
    world.post(GRANTS, &for_one).await.is(400);
    for_one["principalId"] = json!(ada);
    world.post(GRANTS, &for_one).await.is(201);

    let found = world.get(&format!("{GRANTS}?$filter=clientId%20eq%20'{client}'")).await.is(200);
    assert_eq!(found.column("consentType"), ["AllPrincipals", "Principal"]);
    let of_ada = format!("principalId%20eq%20'{ada}'%20and%20consentType%20eq%20'Principal'");
    assert_eq!(
        world.get(&format!("{GRANTS}?$filter={of_ada}")).await.is(200).column("principalId"),
        [ada.as_str()]
    );
    let of_client = format!("/v1.0/servicePrincipals/{client}/oauth2PermissionGrants?$top=1");
    let page = world.get(&of_client).await.is(200);
    assert!(page.body["@odata.nextLink"].is_string() && page.column("id") == [id]);

    let path = format!("{GRANTS}/{id}");
    world.patch(&path, &json!({ "scope": "Things.Read Things.Write" })).await.is(204);
    assert_eq!(world.get(&path).await.is(200).body["scope"], "Things.Read Things.Write");
    world.patch(&path, &json!({ "resourceId": client })).await.is(400);
    world.delete(&path).await.is(204);
    world.get(&path).await.is(404);

    // What it is for goes with whom it is for.
    world.delete(&format!("/v1.0/users/{ada}")).await.is(204);
    assert!(world.get(GRANTS).await.is(200).column("id").is_empty());
}

#[tokio::test]
async fn a_grant_names_what_there_is_and_needs_its_permission() {
    let world = World::new();
    let (client, api) = ends(&world).await;
    let grant = |changes: Value| {
        let mut grant =
            json!({ "clientId": client, "consentType": "AllPrincipals", "resourceId": api, "scope": "a" });
        grant.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        grant
    };
    for (changes, status) in [
        (json!({ "consentType": "Everybody" }), 400),
        (json!({ "principalId": client }), 400),
        (json!({ "scope": null }), 400),
        (json!({ "clientId": "nobody" }), 400),
        (json!({ "clientId": TENANT }), 404),
        (json!({ "resourceId": TENANT }), 404),
        (json!({ "consentType": "Principal", "principalId": client }), 404),
        (json!({ "expiryTime": "2030-01-01T00:00:00Z" }), 400),
    ] {
        world.post(GRANTS, &grant(changes.clone())).await.is(status);
    }
    let reader = world.token(&["DelegatedPermissionGrant.Read.All"]);
    world.ask(&reader, Method::GET, GRANTS, None).await.is(200);
    world.ask(&reader, Method::POST, GRANTS, Some(&grant(json!({})))).await.is(403);
    let writer = world.token(&["DelegatedPermissionGrant.ReadWrite.All"]);
    world.ask(&writer, Method::POST, GRANTS, Some(&grant(json!({})))).await.is(201);
    world.ask(&world.token(&["Application.ReadWrite.All"]), Method::GET, GRANTS, None).await.is(403);
}
