use super::*;

/// An application: its path and how the names of its extension properties begin.
async fn application(world: &World) -> (String, String) {
    let made = world.post("/v1.0/applications", &json!({ "displayName": "hr" })).await.is(201);
    let app_id = made.body["appId"].as_str().unwrap().replace('-', "");
    (format!("/v1.0/applications/{}", made.body["id"].as_str().unwrap()), format!("extension_{app_id}_"))
}

fn definition(name: &str, data_type: &str) -> Value {
    json!({ "name": name, "dataType": data_type, "targetObjects": ["User", "Group"] })
}

/// Defines a property of users and groups: its name on them.
async fn define(world: &World, application: &str, name: &str, data_type: &str) -> String {
    let path = format!("{application}/extensionProperties");
    let made = world.post(&path, &definition(name, data_type)).await.is(201);
    made.body["name"].as_str().unwrap().to_owned()
}

async fn ada(world: &World) -> String {
    let made = world.new_user("ada").await.is(201);
    format!("/v1.0/users/{}", made.body["id"].as_str().unwrap())
}

/// The value of one property, asked for.
async fn selected(world: &World, object: &str, name: &str) -> Value {
    let found = world.get(&format!("{object}?$select=id,{name}")).await.is(200);
    found.body.get(name).unwrap_or_else(|| panic!("no {name}: {}", found.body)).clone()
}

#[tokio::test]
async fn a_definition_is_made_found_and_removed() {
    let world = World::new();
    let (application, prefix) = application(&world).await;
    let path = format!("{application}/extensionProperties");
    let mut wish = definition("costCentre", "String");
    wish["isMultiValued"] = json!(true);
    let made = world.post(&path, &wish).await.is(201);
    let id = made.body["id"].as_str().unwrap();
    assert!(made.headers["location"].to_str().unwrap().ends_with(&format!("/extensionProperties/{id}")));
    let mut read = world.get(&format!("{path}/{id}")).await.is(200).body;
    assert_eq!(read, made.body);
    let context = read.as_object_mut().unwrap().remove("@odata.context").unwrap();
    assert!(context.as_str().unwrap().ends_with("/extensionProperties/$entity"), "{context}");
    assert_eq!(
        read,
        json!({
            "id": id, "deletedDateTime": null, "appDisplayName": "hr", "dataType": "String", "isMultiValued": true,
            "isSyncedFromOnPremises": false, "name": format!("{prefix}costCentre"),
            "targetObjects": ["User", "Group"],
        })
    );
    let other = define(&world, &application, "badge", "Integer").await;
    let all = world.get(&path).await.is(200);
    assert_eq!(all.column("name"), [&other, &format!("{prefix}costCentre")]);
    let found = world.get(&format!("{path}?$filter=name%20eq%20'{other}'")).await.is(200);
    assert_eq!(found.column("name"), [&other]);
    let refused = world.get(&format!("{path}?$filter=dataType%20eq%20'String'")).await.is(400);
    assert_eq!(refused.code(), "Request_UnsupportedQuery");
    world.delete(&format!("{path}/{id}")).await.is(204);
    world.delete(&format!("{path}/{id}")).await.is(404);
    world.get(&format!("{path}/{id}")).await.is(404);
}

#[tokio::test]
async fn what_is_no_definition_is_refused_and_named() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let path = format!("{application}/extensionProperties");
    let long = "x".repeat(121);
    for (property, value) in [
        ("name", json!("")),
        ("name", json!("a b")),
        ("name", json!("a'||(SELECT 1)||'")),
        ("name", json!("a\"].x")),
        ("name", json!("김")),
        ("name", json!("a\u{0}")),
        ("name", json!(long)),
        ("name", json!(["a"])),
        ("name", Value::Null),
        ("dataType", json!("string")),
        ("dataType", Value::Null),
        ("targetObjects", json!([])),
        ("targetObjects", json!(["Users"])),
        ("targetObjects", json!([1])),
        ("targetObjects", json!("User")),
        ("isMultiValued", json!("yes")),
        ("shoeSize", json!(44)),
        ("id", json!("x")),
    ] {
        let mut wrong = definition("name", "String");
        wrong[property] = value.clone();
        let refused = world.post(&path, &wrong).await.is(400);
        assert_eq!(refused.code(), "Request_BadRequest");
        assert!(refused.message().contains(&format!("'{property}'")), "{value}: {}", refused.message());
    }
    define(&world, &application, "badge", "String").await;
    let twice = world.post(&path, &definition("Badge", "Integer")).await.is(400);
    assert_eq!(twice.body["error"]["details"][0]["code"], "ObjectConflict");
    for index in 1..100 {
        define(&world, &application, &format!("n{index}"), "Boolean").await;
    }
    let refused = world.post(&path, &definition("one_more", "Boolean")).await.is(400);
    assert!(refused.message().contains("maximum value of 100"), "{}", refused.message());
}

#[tokio::test]
async fn definitions_are_written_by_who_may_write_the_application() {
    let world = World::new();
    let (foreign, _) = application(&world).await;
    let owner = world.token(&["Application.ReadWrite.OwnedBy"]);
    let made =
        world.ask(&owner, Method::POST, "/v1.0/applications", Some(&json!({ "displayName": "own" }))).await;
    let own = format!("/v1.0/applications/{}/extensionProperties", made.is(201).body["id"].as_str().unwrap());
    let foreign = format!("{foreign}/extensionProperties");
    let kept = world.post(&foreign, &definition("kept", "String")).await.is(201);
    let kept = format!("{foreign}/{}", kept.body["id"].as_str().unwrap());
    let wish = definition("badge", "String");
    world.ask(&owner, Method::POST, &foreign, Some(&wish)).await.is(403);
    world.ask(&owner, Method::DELETE, &kept, None).await.is(403);
    let made = world.ask(&owner, Method::POST, &own, Some(&wish)).await.is(201);
    let made = format!("{own}/{}", made.body["id"].as_str().unwrap());
    let reader = world.token(&["Application.Read.All"]);
    for path in [&own, &made, &kept] {
        world.ask(&reader, Method::GET, path, None).await.is(200);
    }
    world.ask(&reader, Method::POST, &own, Some(&wish)).await.is(403);
    world.ask(&reader, Method::DELETE, &made, None).await.is(403);
    let stranger = world.token(&["User.ReadWrite.All"]);
    world.ask(&stranger, Method::GET, &own, None).await.is(403);
    // Its definitions are the application's, and not another one's.
    let id = kept.rsplit('/').next().unwrap();
    world.ask(&owner, Method::DELETE, &format!("{own}/{id}"), None).await.is(404);
    world.ask(&owner, Method::DELETE, &made, None).await.is(204);
}

#[tokio::test]
async fn users_and_groups_have_the_property_when_it_is_selected_and_not_unasked() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let name = define(&world, &application, "costCentre", "String").await;
    let mut wish = user("ada");
    wish[&name] = json!("CC-1");
    let made = world.post("/v1.0/users", &wish).await.is(201);
    assert!(made.body.get(&name).is_none());
    let person = format!("/v1.0/users/{}", made.body["id"].as_str().unwrap());
    let group = json!({
        "displayName": "staff", "mailEnabled": false, "mailNickname": "staff", "securityEnabled": true,
        &name: "CC-2",
    });
    let group = world.post("/v1.0/groups", &group).await.is(201);
    let group = format!("/v1.0/groups/{}", group.body["id"].as_str().unwrap());
    for (object, value) in [(&person, "CC-1"), (&group, "CC-2")] {
        assert!(world.get(object).await.is(200).body.get(&name).is_none());
        assert_eq!(selected(&world, object, &name).await, value);
        let list = object.rsplit_once('/').unwrap().0;
        assert_eq!(world.get(&format!("{list}?$select={name}")).await.is(200).column(&name), [value]);
        assert!(world.get(list).await.is(200).body["value"][0].get(&name).is_none());
        world.patch(object, &json!({ &name: "CC-3" })).await.is(204);
        assert_eq!(selected(&world, object, &name).await, "CC-3");
        world.patch(object, &json!({ &name: null })).await.is(204);
        assert_eq!(selected(&world, object, &name).await, Value::Null);
    }
    // Who sees only what is basic does not see it, and does not find by it.
    let basic = world.token(&["User.ReadBasic.All"]);
    for query in [format!("$select={name}"), format!("$filter={name}%20eq%20'CC-1'")] {
        world.ask(&basic, Method::GET, &format!("/v1.0/users?{query}"), None).await.is(403);
    }
    let narrow = world.token(&["User-Mail.ReadWrite.All"]);
    world.ask(&narrow, Method::PATCH, &person, Some(&json!({ &name: "x" }))).await.is(403);
}

#[tokio::test]
async fn only_targets_have_it_and_an_unknown_one_is_refused() {
    let world = World::new();
    let (application, prefix) = application(&world).await;
    let path = format!("{application}/extensionProperties");
    let wish = json!({ "name": "badge", "dataType": "String", "targetObjects": ["Group", "Device"] });
    let name = world.post(&path, &wish).await.is(201).body["name"].as_str().unwrap().to_owned();
    let ada = ada(&world).await;
    for unknown in [name, format!("{prefix}nothing"), "extension_".into(), "extension_x_y'--".into()] {
        let refused = world.patch(&ada, &json!({ &unknown: "x" })).await.is(400);
        assert_eq!(refused.message(), format!("Invalid property '{unknown}'."));
        assert_eq!(refused.body["error"]["details"][0]["target"], unknown);
        let encoded = unknown.replace('\'', "%27");
        for query in [format!("$select={encoded}"), format!("$filter={encoded}%20eq%20'x'")] {
            let refused = world.get(&format!("/v1.0/users?{query}")).await.is(400);
            assert_eq!(refused.code(), "BadRequest", "{query}");
        }
    }
}

#[tokio::test]
async fn values_are_of_the_type_of_the_definition() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let ada = ada(&world).await;
    let long = "x".repeat(256);
    let too_long = "x".repeat(257);
    let bytes = |count: usize| format!("{}{}", "AAAA".repeat(count / 3), "A".repeat(count % 3 * 2));
    for (data_type, good, wrong) in [
        (
            "Binary",
            vec![json!("3q2+7w=="), json!(bytes(255))],
            vec![json!("?"), json!(""), json!(bytes(258)), json!("A".repeat(100_000)), json!(1)],
        ),
        ("Boolean", vec![json!(true), json!(false)], vec![json!("true"), json!(1)]),
        ("DateTime", vec![json!("2026-01-31T09:00:00Z")], vec![json!("tomorrow"), json!(5)]),
        (
            "Integer",
            vec![json!(-2_147_483_648_i64), json!(7)],
            vec![json!(2_147_483_648_i64), json!(1.5), json!("7"), json!(u64::MAX)],
        ),
        (
            "LargeInteger",
            vec![json!(i64::MAX), json!(i64::MIN)],
            vec![json!(u64::MAX), json!(1.5), json!("7")],
        ),
        (
            "String",
            vec![json!("é'\"\\"), json!(long)],
            vec![json!(""), json!(too_long), json!(7), json!(["a"])],
        ),
    ] {
        let name = define(&world, &application, data_type, data_type).await;
        for value in &good {
            world.patch(&ada, &json!({ &name: value })).await.is(204);
            assert_eq!(selected(&world, &ada, &name).await, *value);
        }
        let last = good.last().unwrap();
        for value in wrong.into_iter().chain([json!({}), json!([last])]) {
            let refused = world.patch(&ada, &json!({ &name: value })).await.is(400);
            let message = format!("Invalid value specified for property '{name}' of resource 'User'.");
            assert_eq!((refused.code(), refused.message()), ("Request_BadRequest", &*message), "{value}");
        }
        assert_eq!(selected(&world, &ada, &name).await, *last);

        let mut many = definition(&format!("many{data_type}"), data_type);
        many["isMultiValued"] = json!(true);
        let made = world.post(&format!("{application}/extensionProperties"), &many).await.is(201);
        let many = made.body["name"].as_str().unwrap();
        assert_eq!(selected(&world, &ada, many).await, json!([]));
        world.patch(&ada, &json!({ many: good })).await.is(204);
        assert_eq!(selected(&world, &ada, many).await, json!(good));
        for value in [last.clone(), json!([null]), json!([{}]), json!([[last]])] {
            world.patch(&ada, &json!({ many: value })).await.is(400);
        }
        world.patch(&ada, &json!({ many: null })).await.is(204);
        assert_eq!(selected(&world, &ada, many).await, json!([]));
    }
}

#[tokio::test]
async fn objects_are_found_by_the_value() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let mut names = std::collections::HashMap::new();
    for data_type in ["Binary", "Boolean", "DateTime", "Integer", "String"] {
        names.insert(data_type, define(&world, &application, data_type, data_type).await);
    }
    let mut many = definition("many", "String");
    many["isMultiValued"] = json!(true);
    let made = world.post(&format!("{application}/extensionProperties"), &many).await.is(201);
    names.insert("many", made.body["name"].as_str().unwrap().to_owned());
    world.new_user("bob").await.is(201);
    let mut wish = user("ada");
    for (data_type, value) in [
        ("Binary", json!("AAAA")),
        ("Boolean", json!(true)),
        ("DateTime", json!("2026-01-31T09:00:00+09:00")),
        ("Integer", json!(-5)),
        ("String", json!("CC-1")),
        ("many", json!(["red", "green"])),
    ] {
        wish[&names[data_type]] = value;
    }
    world.post("/v1.0/users", &wish).await.is(201);
    let path = |data_type: &str, filter: &str, more: &str| {
        let filter = filter.replace("NAME", &names[data_type]).replace(' ', "%20");
        format!("/v1.0/users?$filter={filter}{more}")
    };
    for (data_type, filter) in [
        ("Boolean", "NAME eq true"),
        ("DateTime", "NAME eq 2026-01-31T00:00:00Z"),
        ("DateTime", "NAME ge 2026-01-30T00:00:00Z"),
        ("Integer", "NAME eq -5"),
        ("Integer", "NAME in (4, -5)"),
        ("String", "NAME eq 'cc-1'"),
        ("String", "startswith(NAME,'CC')"),
        ("many", "NAME/any(x:x eq 'green')"),
    ] {
        let found = world.get(&path(data_type, filter, "")).await.is(200);
        assert_eq!(found.column("displayName"), ["ada"], "{filter}");
    }
    for (data_type, filter) in [
        ("String", "NAME eq null"),
        ("Integer", "NAME ne -5"),
        ("String", "not(startswith(NAME,'CC'))"),
        ("many", "NAME/$count eq 0"),
    ] {
        let found = world.get_eventual(&path(data_type, filter, "&$count=true")).await.is(200);
        assert!(found.column("displayName").contains(&"bob"), "{filter}");
        assert!(!found.column("displayName").contains(&"ada"), "{filter}");
    }
    for (data_type, filter) in [
        ("Binary", "NAME eq 'AAAA'"),
        ("Boolean", "NAME eq 1"),
        ("Integer", "NAME eq '5'"),
        ("Integer", "NAME eq 99999999999999999999"),
        ("Integer", "NAME ge 5"),
        ("Integer", "NAME le 5"),
        ("Integer", "NAME eq null"),
        ("Integer", "startswith(NAME,'5')"),
        ("many", "NAME eq 'red'"),
    ] {
        world.get(&path(data_type, filter, "")).await.is(400);
    }
    let refused = world.get(&path("Integer", "NAME ge 5", "")).await.is(400);
    let message =
        "Unsupported or invalid query filter clause specified for property 'NAME' of resource 'User'.";
    assert_eq!(refused.message(), message.replace("NAME", &names["Integer"]));
    let sorted = format!("/v1.0/users?$orderby={}&$count=true", names["String"]);
    assert_eq!(world.get_eventual(&sorted).await.is(400).code(), "Request_UnsupportedQuery");
}

#[tokio::test]
async fn those_of_all_applications_are_told_together() {
    let world = World::new();
    let mut names = Vec::new();
    for data_type in ["Binary", "String"] {
        let (application, _) = application(&world).await;
        names.push(define(&world, &application, data_type, data_type).await);
    }
    let path = "/v1.0/directoryObjects/getAvailableExtensionProperties";
    let token = world.token(&["Directory.Read.All"]);
    for body in [None, Some(json!({})), Some(json!({ "isSyncedFromOnPremises": false }))] {
        let all = world.ask(&token, Method::POST, path, body.as_ref()).await.is(200);
        let mut found = all.column("name");
        found.sort_unstable();
        names.sort_unstable();
        assert_eq!(found, names);
        assert_eq!(all.column("appDisplayName"), ["hr", "hr"]);
    }
    let synced = json!({ "isSyncedFromOnPremises": true });
    let none = world.ask(&token, Method::POST, path, Some(&synced)).await.is(200);
    assert_eq!(none.body["value"], json!([]));
    let wrong = json!({ "isSyncedFromOnPremises": "no" });
    world.ask(&token, Method::POST, path, Some(&wrong)).await.is(400);
    let others = world.token(&["Directory.ReadWrite.All", "Application.ReadWrite.All"]);
    world.ask(&others, Method::POST, path, None).await.is(403);
}

#[tokio::test]
async fn changes_of_it_are_told_to_who_selected_it() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let name = define(&world, &application, "badge", "Integer").await;
    let ada = ada(&world).await;
    let next = |reply: &Reply| {
        reply.body["@odata.deltaLink"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
    };
    let latest = "/v1.0/users/delta?$deltatoken=latest";
    let unasked = next(&world.get(latest).await.is(200));
    let asked = next(&world.get(&format!("{latest}&$select={name}")).await.is(200));
    world.patch(&ada, &json!({ &name: 7 })).await.is(204);
    assert_eq!(world.get(&unasked).await.is(200).body["value"], json!([]));
    let told = world.get(&asked).await.is(200);
    let id = ada.rsplit('/').next().unwrap();
    assert_eq!(told.body["value"], json!([{ "id": id, &name: 7 }]));
    // A round that began with a property goes on without it.
    let all = world.get(&format!("{application}/extensionProperties")).await.is(200);
    world.delete(&format!("{application}/extensionProperties/{}", all.column("id")[0])).await.is(204);
    assert_eq!(world.get(&next(&told)).await.is(200).body["value"], json!([]));
}

#[tokio::test]
async fn without_its_definition_a_property_is_unknown_and_comes_back_with_it() {
    let world = World::new();
    let (application, _) = application(&world).await;
    let name = define(&world, &application, "badge", "String").await;
    let ada = ada(&world).await;
    world.patch(&ada, &json!({ &name: "x" })).await.is(204);
    let list = format!("/v1.0/users?$select={name}");
    assert_eq!(world.get(&list).await.is(200).column(&name), ["x"]);
    let all = world.get(&format!("{application}/extensionProperties")).await.is(200);
    world.delete(&format!("{application}/extensionProperties/{}", all.column("id")[0])).await.is(204);
    world.get(&list).await.is(400);
    world.get(&format!("{ada}?$select={name}")).await.is(400);
    world.patch(&ada, &json!({ &name: "y" })).await.is(400);
    world.patch(&ada, &json!({ "jobTitle": "Countess" })).await.is(204);
    define(&world, &application, "badge", "String").await;
    assert_eq!(selected(&world, &ada, &name).await, "x");
    // So it goes and comes with the application.
    world.delete(&application).await.is(204);
    world.get(&list).await.is(400);
    let deleted = application.replace("/applications/", "/directory/deletedItems/");
    world.all(Method::POST, &format!("{deleted}/restore"), None).await.is(200);
    assert_eq!(world.get(&list).await.is(200).column(&name), ["x"]);
}
