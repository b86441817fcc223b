use super::*;

// directory 9.1
#[tokio::test]
async fn without_a_good_token_the_answer_is_401_in_the_services_shape() {
    let world = World::new();
    let expired = world.token(&ALL);
    world.clock.advance(Duration::from_secs(3600 + 301));
    let wrong_audience = world.token_with(&json!({ "aud": "https://example.com" }));
    for (header, message) in [
        (None, "Access token is empty."),
        (Some("Basic YTpi".to_owned()), "Access token is empty."),
        (Some("Bearer nonsense".to_owned()), "CompactToken parsing failed with error code: 80049217"),
        (Some(format!("Bearer {expired}")), "Access token has expired or is not yet valid."),
        (Some(format!("Bearer {wrong_audience}")), "Access token validation failure. Invalid audience."),
    ] {
        let mut request = Request::get("/v1.0/users");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let refused = world.send(request.body(Body::empty()).unwrap()).await.is(401);
        assert_eq!((refused.code(), refused.message()), ("InvalidAuthenticationToken", message));
        assert_eq!(
            refused.headers["www-authenticate"],
            "Bearer realm=\"\", authorization_uri=\"https://localhost:4430/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\""
        );
    }
}

// authority 12, directory 2: disabling stops new tokens; who cannot be challenged keeps what it has
#[tokio::test]
async fn an_application_whose_service_principal_is_gone_is_nobody_and_a_disabled_one_keeps_its_tokens() {
    let world = World::new();
    let path = format!("/v1.0/servicePrincipals/{}", world.administrator);
    let token = world.token(&ALL);
    world.patch(&path, &json!({ "accountEnabled": false })).await.is(204);
    world.ask(&token, Method::GET, "/v1.0/users", None).await.is(200);
    world.delete(&path).await.is(204);
    let refused = world.ask(&token, Method::GET, "/v1.0/users", None).await.is(401);
    assert_eq!(refused.code(), "Authorization_IdentityNotFound");
    let stranger = world.token_with(&json!({ "oid": TENANT, "sub": TENANT, "roles": ALL }));
    let refused = world.ask(&stranger, Method::GET, "/v1.0/users", None).await.is(401);
    assert_eq!(refused.message(), "The identity of the calling application could not be established.");
}

#[tokio::test]
async fn every_route_asks_for_permissions_and_survives_keys_that_lead_nowhere() {
    let world = World::new();
    let nothing = world.token(&[]);
    for route in super::super::routes::routes() {
        let template = route.template.replace("{:}", "nowhere:");
        let path = format!("/v1.0/{}", template.replace("{}", "(nowhere='x')").replace("/(", "("));
        let path = path.replace("/appRoleAssignments(nowhere='x')", "/appRoleAssignments/x");
        let body = Some(json!({})).filter(|_| route.method == Method::POST || route.method == Method::PATCH);
        world.ask(&nothing, route.method.clone(), &path, body.as_ref()).await.is(403);
        for path in [path, format!("/v1.0/{}", template.replace("{}", "nowhere"))] {
            let reply = world.all(route.method.clone(), &path, body.as_ref()).await;
            assert!(reply.status.as_u16() < 500, "{} {path}: {}", route.method, reply.body);
        }
    }
}

// directory 9.3
#[tokio::test]
async fn each_call_takes_one_of_its_permissions() {
    let world = World::new();
    let made = world.post("/v1.0/applications", &json!({ "displayName": "a" })).await.is(201);
    let application = format!("/v1.0/applications/{}", made.body["id"].as_str().unwrap());
    let assignments = format!("/v1.0/servicePrincipals/{}/appRoleAssignments", world.administrator);
    for (method, path, enough, too_little) in [
        (Method::GET, "/v1.0/users", &["User.Read.All"][..], &["Application.Read.All"][..]),
        (Method::GET, "/v1.0/users", &["User.ReadBasic.All"], &["user.read.all"]),
        (Method::POST, "/v1.0/users", &["User.ReadWrite.All"], &["User.Read.All"]),
        (Method::PATCH, "/v1.0/users/x", &["Directory.ReadWrite.All"], &["User.Read.All"]),
        (Method::DELETE, "/v1.0/users/x", &["User.DeleteRestore.All"], &["Directory.ReadWrite.All"]),
        (Method::GET, "/v1.0/applications", &["Application.Read.All"], &["User.ReadWrite.All"]),
        (Method::POST, "/v1.0/applications", &["Application.ReadWrite.OwnedBy"], &["Application.Read.All"]),
        (Method::PATCH, &application, &["Application.ReadWrite.All"], &["Directory.ReadWrite.All"]),
        (Method::GET, "/v1.0/organization", &["Organization.Read.All"], &["Application.Read.All"]),
        (Method::GET, &assignments, &["Directory.Read.All"], &["User.Read.All"]),
        (
            Method::POST,
            &assignments,
            &["AppRoleAssignment.ReadWrite.All", "Application.Read.All"],
            &["AppRoleAssignment.ReadWrite.All"],
        ),
        (
            Method::POST,
            &assignments,
            &["AppRoleAssignment.ReadWrite.All", "Directory.Read.All"],
            &["Directory.Read.All"],
        ),
        (Method::GET, "/v1.0/users", &["Directory.Read.All"], &[]),
    ] {
        let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
        let denied = world.ask(&world.token(too_little), method.clone(), path, body.as_ref()).await.is(403);
        assert_eq!(denied.code(), "Authorization_RequestDenied", "{method} {path}");
        assert_eq!(denied.message(), "Insufficient privileges to complete the operation.");
        let admitted = world.ask(&world.token(enough), method.clone(), path, body.as_ref()).await;
        assert!(!matches!(admitted.status.as_u16(), 401 | 403), "{method} {path}: {}", admitted.body);
    }
}

#[tokio::test]
async fn basic_readers_see_basic_properties_only() {
    let world = World::with_users(1);
    let token = world.token(&["User.ReadBasic.All"]);
    let list = world.ask(&token, Method::GET, "/v1.0/users", None).await.is(200);
    let names: Vec<&String> = list.body["value"][0].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(list.body["value"][0].get("jobTitle").is_none());
    for query in ["$select=jobTitle", "$filter=jobTitle%20eq%20'x'"] {
        world.ask(&token, Method::GET, &format!("/v1.0/users?{query}"), None).await.is(403);
    }
}

// directory 9.3
#[tokio::test]
async fn a_narrow_permission_writes_its_properties_and_no_other() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let path = "/v1.0/users/ada@contoso.onmicrosoft.com";
    let password = json!({ "password": PASSWORD });
    let changes = [
        ("User.EnableDisableAccount.All", json!({ "accountEnabled": false })),
        ("User-Mail.ReadWrite.All", json!({ "otherMails": ["ada@example.com"] })),
        ("User-PasswordProfile.ReadWrite.All", json!({ "passwordProfile": password })),
        ("User-Phone.ReadWrite.All", json!({ "businessPhones": ["1"], "mobilePhone": "2" })),
    ];
    for (permission, own) in &changes {
        let token = world.token(&[permission, "User.Read.All"]);
        for (other, change) in &changes {
            let expected = if other == permission { 204 } else { 403 };
            world.ask(&token, Method::PATCH, path, Some(change)).await.is(expected);
        }
        for property in ["jobTitle", "mail"] {
            let mut both = own.clone();
            both[property] = json!("x@example.com");
            world.ask(&token, Method::PATCH, path, Some(&both)).await.is(403);
        }
    }
    let read = world.get(&format!("{path}?$select=accountEnabled,otherMails,mobilePhone,jobTitle")).await;
    assert_eq!((&read.body["accountEnabled"], &read.body["mobilePhone"]), (&json!(false), &json!("2")));
    assert_eq!(
        (&read.body["otherMails"], &read.body["jobTitle"]),
        (&json!(["ada@example.com"]), &Value::Null)
    );
    // Who may not read an account cannot switch it either.
    let blind = world.token(&["User.EnableDisableAccount.All"]);
    world.ask(&blind, Method::PATCH, path, Some(&json!({ "accountEnabled": true }))).await.is(403);
}

#[tokio::test]
async fn an_application_may_write_what_it_owns_and_nothing_else() {
    let world = World::new();
    let theirs = world.post("/v1.0/applications", &json!({ "displayName": "client" })).await.is(201);
    let app_id = theirs.body["appId"].as_str().unwrap();
    let principal =
        world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201).body["id"].clone();
    let token = world.token_with(&json!({
        "roles": ["Application.ReadWrite.OwnedBy"], "azp": app_id, "oid": principal, "sub": principal,
    }));
    let own = world
        .ask(&token, Method::POST, "/v1.0/applications", Some(&json!({ "displayName": "own" })))
        .await
        .is(201);
    let own_path = format!("/v1.0/applications/{}", own.body["id"].as_str().unwrap());
    let their_path = format!("/v1.0/applications/{}", theirs.body["id"].as_str().unwrap());
    let change = json!({ "notes": "x" });
    world.ask(&token, Method::PATCH, &own_path, Some(&change)).await.is(204);
    world.ask(&token, Method::PATCH, &their_path, Some(&change)).await.is(403);
    world.ask(&token, Method::POST, &format!("{their_path}/addPassword"), None).await.is(403);
    let path = format!("/v1.0/servicePrincipals/{}", world.administrator);
    world.ask(&token, Method::DELETE, &path, None).await.is(403);
    world.ask(&token, Method::DELETE, &own_path, None).await.is(204);
}

// directory 9.3, AU-3
#[test]
fn the_permissions_that_the_client_tells_of_are_those_that_open_the_call() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../webapi/src/permissions/microsoft-graph.json");
    let known: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let texts = |call: &Value, name: &str| -> Vec<String> {
        let values = call[name].as_array().into_iter().flatten();
        values.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut compared = 0;
    for call in known["calls"].as_array().unwrap() {
        for (method, path) in texts(call, "methods")
            .iter()
            .flat_map(|method| texts(call, "paths").into_iter().map(move |path| (method.clone(), path)))
        {
            let method: Method = method.parse().unwrap();
            let template = path.trim_start_matches('/');
            let Some(route) = super::super::routes::routes()
                .find(|route| route.method == method && route.template == template)
            else {
                panic!("{method} {path} is no call of the sandbox");
            };
            for role in texts(call, "any-of") {
                assert!(
                    route.access.any_of.contains(&&*role) || route.access.for_own_objects == Some(&*role),
                    "{role} does not open {method} {path}"
                );
            }
            assert_eq!(texts(call, "and-any-of"), route.access.and_any_of, "{method} {path}");
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}
