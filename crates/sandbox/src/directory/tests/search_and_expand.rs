//! `$search` and `$expand`.

use serde_json::{Value, json};

use super::World;

async fn people() -> World {
    let world = World::new();
    for (name, display) in [("ann", "Ann-Marie O'Neill"), ("bob", "Bob Marley (Room 12)"), ("cy", "Mary Ann")]
    {
        let id = world.new_user_id(name).await;
        world.patch(&format!("/v1.0/users/{id}"), &json!({ "displayName": display })).await.is(204);
    }
    world
}

// directory 3
#[tokio::test]
async fn a_search_finds_words_wherever_they_stand() {
    let world = people().await;
    for (search, expected) in [
        (r#""displayName:ann""#, vec!["ann", "cy"]),
        (r#""displayName:mar""#, vec!["ann", "bob", "cy"]),
        (r#""displayName:ary""#, vec![]),
        (r#""displayName:neill""#, vec!["ann"]),
        (r#""displayName:marley 12""#, vec!["bob"]),
        (r#""displayName:12 bob""#, vec!["bob"]),
        (r#""displayName:ann" AND "displayName:mary""#, vec!["cy"]),
        (r#""displayName:room" OR "mailNickname:c""#, vec!["bob", "cy"]),
        (r#"("displayName:room" OR "displayName:mary") AND "mailNickname:b""#, vec!["bob"]),
        // Of other properties the beginning is found.
        (r#""userPrincipalName:contoso""#, vec![]),
        (r#""displayName:%""#, vec![]),
    ] {
        let query = url::form_urlencoded::byte_serialize(search.as_bytes()).collect::<String>();
        let path = format!("/v1.0/users?$search={query}&$select=mailNickname");
        let found = world.get_eventual(&path).await.is(200);
        assert_eq!(found.column("mailNickname"), expected, "{search}");
        let counted = world.get_eventual(&format!("{path}&$count=true")).await.is(200);
        assert_eq!(counted.body["@odata.count"], expected.len(), "{search}");
    }
}

#[tokio::test]
async fn a_search_goes_with_a_filter_and_over_pages() {
    let world = people().await;
    let path = "/v1.0/users?$search=%22displayName:mar%22&$top=1&$select=mailNickname";
    let (mut found, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = world.get_eventual(&next).await.is(200);
        found.extend(page.column("mailNickname").into_iter().map(str::to_owned));
        match page.body["@odata.nextLink"].as_str() {
            Some(link) => next = link.split("/graph").nth(1).unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(found, ["ann", "bob", "cy"]);
    let filtered = format!("{path}&$filter=mailNickname%20eq%20'bob'").replace("$top=1", "$top=9");
    assert_eq!(world.get_eventual(&filtered).await.is(200).column("mailNickname"), ["bob"]);
}

// directory 2
#[tokio::test]
async fn a_search_that_is_none_is_refused() {
    let world = people().await;
    let refused = world.get("/v1.0/users?$search=%22displayName:a%22").await.is(400);
    assert!(refused.message().contains("ConsistencyLevel: eventual"), "{}", refused.message());
    for (search, code) in [
        ("displayName:ann", "BadRequest"),
        ("%22ann%22", "BadRequest"),
        ("%22nothing:ann%22", "Request_UnsupportedQuery"),
        ("%22accountEnabled:true%22", "Request_UnsupportedQuery"),
    ] {
        let refused = world.get_eventual(&format!("/v1.0/users?$search={search}")).await.is(400);
        assert_eq!(refused.code(), code, "{search}");
    }
    let id = world.get("/v1.0/users").await.column("id")[0].to_owned();
    world.get_eventual(&format!("/v1.0/users/{id}/memberOf?$search=%22displayName:a%22")).await.is(400);
    // What a caller may not see it may not search by.
    let basic = world.token(&["User.ReadBasic.All"]);
    let eventual = [("ConsistencyLevel", "eventual")];
    let path = "/v1.0/users?$search=%22department:a%22";
    world.ask_with(&basic, axum::http::Method::GET, path, None, &eventual).await.is(403);
}

// directory 3
#[tokio::test]
async fn an_object_is_expanded_by_what_it_leads_to_and_not_further_than_twenty() {
    let world = World::with_users(30);
    let users = world.get("/v1.0/users?$top=30").await.is(200);
    let users = users.column("id");
    let group = world.new_group("g", &users[..20]).await;
    let more = json!({ "members@odata.bind": users[20..25].iter()
        .map(|id| format!("https://graph.microsoft.com/v1.0/users/{id}")).collect::<Vec<_>>() });
    world.patch(&format!("/v1.0/groups/{group}"), &more).await.is(204);

    let path = format!("/v1.0/groups/{group}?$expand=members");
    let expanded = world.get(&path).await.is(200);
    assert_eq!(expanded.headers["x-ms-resource-unit"], "2");
    let members = expanded.body["members"].as_array().unwrap();
    assert_eq!((members.len(), &members[0]["@odata.type"]), (20, &json!("#microsoft.graph.user")));
    assert_eq!(expanded.body["displayName"], "g");
    let narrow = world.get("/v1.0/groups?$select=id&$expand=members($select=id),owners").await.is(200);
    let narrow = &narrow.body["value"][0];
    assert_eq!(narrow.as_object().unwrap().len(), 3);
    assert_eq!(narrow["owners"], json!([]));
    assert_eq!(narrow["members"][0].as_object().unwrap().len(), 2, "{}", narrow["members"][0]);

    let (ann, boss) = (users[0], users[1]);
    let reference = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/users/{boss}") });
    world
        .all(axum::http::Method::PUT, &format!("/v1.0/users/{ann}/manager/$ref"), Some(&reference))
        .await
        .is(204);
    let with_manager = world.get(&format!("/v1.0/users/{ann}?$expand=manager($select=id)")).await.is(200);
    assert_eq!(with_manager.body["manager"]["id"], boss);
    let without = world.get(&format!("/v1.0/users/{boss}?$expand=manager,memberOf")).await.is(200);
    assert!(without.body.get("manager").is_none());
    assert_eq!(without.body["memberOf"][0]["displayName"], "g");
    let all: Value = world.get("/v1.0/users?$expand=manager").await.is(200).body;
    assert_eq!(all["value"].as_array().unwrap().iter().filter(|it| it["manager"]["id"] == boss).count(), 1);
}

#[tokio::test]
async fn an_expansion_that_is_none_is_refused() {
    let world = people().await;
    for (query, code) in [
        ("$expand=nothing", "BadRequest"),
        ("$expand=members", "BadRequest"),
        ("$expand=manager(", "BadRequest"),
        ("$expand=manager,manager", "BadRequest"),
        ("$expand=manager($top=1)", "Request_UnsupportedQuery"),
        ("$expand=manager($expand=manager)", "Request_UnsupportedQuery"),
    ] {
        assert_eq!(world.get(&format!("/v1.0/users?{query}")).await.is(400).code(), code, "{query}");
    }
    let advanced = world.get_eventual("/v1.0/users?$expand=manager&$count=true").await.is(400);
    assert_eq!(advanced.code(), "Request_UnsupportedQuery");
    let token = world.token(&["User.ReadBasic.All"]);
    for path in ["/v1.0/users?$expand=memberOf", "/v1.0/users?$expand=manager"] {
        world.ask(&token, axum::http::Method::GET, path, None).await.is(403);
    }
}
