use super::*;

// directory 1: 201 with body and Location; 5: the default properties
#[tokio::test]
async fn a_user_is_made_read_changed_and_removed() {
    let world = World::new();
    let mut ada = user("ada");
    ada["displayName"] = json!("에이다 Lovelace, \"Countess\"");
    ada["department"] = json!("Mathematics");
    let made = world.post("/v1.0/users", &ada).await.is(201);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.headers["location"], format!("{BASE}/v1.0/users/{id}"));
    assert_eq!(made.body["@odata.context"], format!("{BASE}/v1.0/$metadata#users/$entity"));

    let read = world.get(&format!("/v1.0/users/{id}")).await.is(200);
    let mut names: Vec<&String> = read.body.as_object().unwrap().keys().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "@odata.context",
            "businessPhones",
            "displayName",
            "givenName",
            "id",
            "jobTitle",
            "mail",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "surname",
            "userPrincipalName"
        ]
    );
    assert_eq!(read.body["displayName"], ada["displayName"]);
    assert_eq!((&read.body["jobTitle"], &read.body["businessPhones"]), (&Value::Null, &json!([])));

    world.patch(&format!("/beta/users/{id}"), &json!({ "jobTitle": "Analyst" })).await.is(204);
    let path =
        "/v1.0/users/ADA@contoso.onmicrosoft.com?$select=jobTitle,department,accountEnabled,createdDateTime";
    let read = world.get(path).await.is(200);
    assert_eq!(
        read.body,
        json!({
            "@odata.context": format!(
                "{BASE}/v1.0/$metadata#users(jobTitle,department,accountEnabled,createdDateTime)/$entity"
            ),
            "jobTitle": "Analyst", "department": "Mathematics", "accountEnabled": true,
            "createdDateTime": "2027-01-15T08:00:00Z",
        })
    );
    world.patch(&format!("/v1.0/users/{id}"), &json!({ "jobTitle": null })).await.is(204);
    assert_eq!(world.get(&format!("/v1.0/users/{id}")).await.body["jobTitle"], Value::Null);

    world.delete(&format!("/v1.0/users/{id}")).await.is(204);
    let gone = world.get(&format!("/v1.0/users/{id}")).await.is(404);
    assert_eq!(gone.code(), "Request_ResourceNotFound");
    assert_eq!(
        gone.message(),
        format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        )
    );
    world.delete(&format!("/v1.0/users/{id}")).await.is(404);
}

#[tokio::test]
async fn a_password_is_neither_kept_nor_returned() {
    let world = World::new();
    let made = world.new_user("ada").await.is(201);
    assert!(!made.body.to_string().contains(PASSWORD));
    let id = made.body["id"].as_str().unwrap();
    let change = json!({ "passwordProfile": { "password": "Another-5ecret" } });
    world.patch(&format!("/v1.0/users/{id}"), &change).await.is(204);
    let read = world.get(&format!("/v1.0/users/{id}?$select=*")).await.is(200);
    assert_eq!(read.body["passwordProfile"], Value::Null);
    let documents: Vec<String> = world
        .store
        .read(|connection| {
            let mut statement = connection.prepare("SELECT document FROM users")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok::<_, crate::store::StoreError>(rows.collect::<Result<_, _>>()?)
        })
        .unwrap();
    assert_eq!(documents.len(), 1);
    assert!(!documents[0].contains(PASSWORD) && !documents[0].contains("Another-5ecret"));
}

// directory 2: 400 with the text of a taken value
#[tokio::test]
async fn a_principal_name_belongs_to_one_user_whatever_its_case() {
    let world = World::new();
    world.new_user("ada").await.is(201);
    let taken = world.new_user("ADA").await.is(400);
    assert_eq!(taken.code(), "Request_BadRequest");
    assert_eq!(
        taken.message(),
        "Another object with the same value for property userPrincipalName already exists."
    );
    assert_eq!(taken.body["error"]["details"][0]["code"], "ObjectConflict");
    assert_eq!(taken.body["error"]["details"][0]["target"], "userPrincipalName");
    world.new_user("bob").await.is(201);
    let taken = world
        .patch(
            "/v1.0/users/bob@contoso.onmicrosoft.com",
            &json!({ "userPrincipalName": "Ada@contoso.onmicrosoft.com" }),
        )
        .await
        .is(400);
    assert!(taken.message().contains("already exists"));
}

#[tokio::test]
async fn what_a_user_needs_is_asked_for_by_name() {
    let world = World::new();
    for property in ["accountEnabled", "displayName", "mailNickname", "userPrincipalName"] {
        let mut incomplete = user("ada");
        incomplete.as_object_mut().unwrap().remove(property);
        let refused = world.post("/v1.0/users", &incomplete).await.is(400);
        assert_eq!(
            refused.message(),
            format!("A value is required for property '{property}' of resource 'User'.")
        );
        let taken_away = json!({ property: null });
        world.new_user("bob").await;
        world.patch("/v1.0/users/bob@contoso.onmicrosoft.com", &taken_away).await.is(400);
    }
    let mut without = user("ada");
    without.as_object_mut().unwrap().remove("passwordProfile");
    assert!(world.post("/v1.0/users", &without).await.is(400).message().contains("password"));
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_and_named() {
    let world = World::new();
    for (property, value, words) in [
        ("displayName", json!(""), "'displayName'"),
        ("displayName", json!("x".repeat(257)), "'displayName'"),
        ("displayName", json!(7), "'displayName'"),
        ("accountEnabled", json!("true"), "'accountEnabled'"),
        ("businessPhones", json!("1"), "'businessPhones'"),
        ("shoeSize", json!(44), "Invalid property 'shoeSize'."),
        ("displayname", json!("a"), "Invalid property 'displayname'."),
        ("id", json!("6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0"), "read-only"),
        ("createdDateTime", json!("2026-01-01T00:00:00Z"), "read-only"),
        ("userPrincipalName", json!("not an address"), "'userPrincipalName'"),
        ("userPrincipalName", json!("ada@fabrikam.example"), "verified domain names"),
        ("userPrincipalName", json!("아다@contoso.onmicrosoft.com"), "'userPrincipalName'"),
        ("mailNickname", json!("a b"), "'mailNickname'"),
        ("mail", json!("nowhere"), "'mail'"),
        ("usageLocation", json!("kr"), "'usageLocation'"),
        ("employeeHireDate", json!("yesterday"), "'employeeHireDate'"),
        ("passwordProfile", json!({ "password": "short" }), "password complexity"),
        ("passwordProfile", json!({ "password": "onlylowercase" }), "password complexity"),
    ] {
        let mut wrong = user("ada");
        wrong[property] = value.clone();
        let refused = world.post("/v1.0/users", &wrong).await.is(400);
        assert_eq!(refused.code(), "Request_BadRequest", "{property} {value}");
        assert!(refused.message().contains(words), "{property} {value}: {}", refused.message());
    }
    assert_eq!(world.get("/v1.0/users").await.is(200).body["value"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let world = World::new();
    let token = world.token(&ALL);
    for (content_type, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "", 400),
        ("text/plain", "{}", 415),
    ] {
        let request = Request::post("/v1.0/users")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        world.send(request).await.is(status);
    }
    let request = Request::post("/v1.0/users")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(vec![b' '; 5 * 1024 * 1024]))
        .unwrap();
    world.send(request).await.is(413);
}

#[tokio::test]
async fn every_person_of_the_example_can_be_provisioned_and_the_mistakes_cannot() {
    for (file, rows, good) in [("people.csv", 1_000, 1_000), ("people-with-mistakes.csv", 12, 4)] {
        let world = World::new();
        let path = format!("{}/../../examples/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines();
        let columns = fields(lines.next().unwrap());
        let mut statuses = Vec::new();
        for line in lines {
            let mut new = user("x");
            for (column, value) in columns.iter().zip(fields(line)) {
                new[column] = if value.is_empty() { Value::Null } else { value.into() };
            }
            statuses.push(world.post("/v1.0/users", &new).await.status.as_u16());
        }
        assert_eq!(statuses.len(), rows, "{file}");
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), good, "{file}: {statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 400)), "{file}: {statuses:?}");
    }
}

/// The fields of one line of CSV.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => fields.last_mut().unwrap().push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            letter => fields.last_mut().unwrap().push(letter),
        }
    }
    fields
}

#[tokio::test]
async fn a_manager_is_bound_when_a_user_is_made_and_changed() {
    let world = World::new();
    let id = |reply: Reply| reply.is(201).body["id"].as_str().unwrap().to_owned();
    let (ann, bea) = (id(world.new_user("ann").await), id(world.new_user("bea").await));
    let url = |id: &str| format!("https://graph.microsoft.com/v1.0/users/{id}");
    let mut wish = user("cat");
    wish["manager@odata.bind"] = url(&ann).into();
    let cat = format!("/v1.0/users/{}", id(world.post("/v1.0/users", &wish).await));
    assert_eq!(world.get(&format!("{cat}/manager")).await.is(200).body["id"], ann);
    world.patch(&cat, &json!({ "manager@odata.bind": url(&bea), "jobTitle": "Poet" })).await.is(204);
    assert_eq!(world.get(&format!("{cat}/manager")).await.is(200).body["id"], bea);
    // Nothing of a body is done if the manager cannot be bound.
    let nobody = url("00000000-0000-4000-8000-000000000000");
    for (wrong, status) in [(json!(nobody), 404), (json!("x"), 400), (json!([url(&ann)]), 400)] {
        let body = json!({ "manager@odata.bind": wrong, "jobTitle": "Baker" });
        world.patch(&cat, &body).await.is(status);
    }
    assert_eq!(world.get(&format!("{cat}?$select=jobTitle")).await.is(200).body["jobTitle"], "Poet");
    let narrow = world.token(&["User.EnableDisableAccount.All", "User.Read.All"]);
    let body = json!({ "manager@odata.bind": url(&ann) });
    world.ask(&narrow, Method::PATCH, &cat, Some(&body)).await.is(403);
    // What nobody links is not dropped unseen.
    for path in [&cat, &format!("/v1.0/users/{ann}")] {
        world.patch(path, &json!({ "directReports@odata.bind": [url(&bea)] })).await.is(400);
    }
}

#[tokio::test]
async fn a_body_that_says_a_thing_twice_or_is_no_json_by_its_type_is_refused() {
    let world = World::new();
    let token = world.token(&ALL);
    let send = |media_type: &'static str, body: String| {
        let request = Request::post("/v1.0/users").header("authorization", format!("Bearer {token}"));
        world.send(request.header("content-type", media_type).body(Body::from(body)).unwrap())
    };
    let good = user("ann").to_string();
    for media_type in ["application/jsonx", "text/json", "application/json-patch+json", "text/plain"] {
        assert_eq!(
            send(media_type, good.clone()).await.is(415).code(),
            "UnsupportedMediaType",
            "{media_type}"
        );
    }
    let twice = good.replacen('{', r#"{"displayName":"eve","#, 1);
    let refused = send("application/json", twice).await.is(400);
    assert_eq!(refused.code(), "BadRequest");
    assert!(refused.message().contains("'displayName'"), "{}", refused.body);
    send("application/json", format!("{{\"a\":{}", "[".repeat(1_000_000))).await.is(400);
    send("Application/JSON; charset=utf-8", good).await.is(201);
}
