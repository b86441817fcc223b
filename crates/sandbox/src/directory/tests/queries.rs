use std::collections::HashSet;

use super::*;

fn path_of(next_link: &Value) -> String {
    next_link.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
}

// directory 3: paging by an absolute link with an opaque token
#[tokio::test]
async fn pages_cover_every_user_once_while_others_are_made() {
    let world = World::with_users(250);
    let mut seen = HashSet::new();
    let mut path = "/v1.0/users?$select=id,displayName&$top=99".to_owned();
    let mut pages = 0;
    loop {
        let page = world.get(&path).await.is(200);
        assert_eq!(page.body["@odata.context"], format!("{BASE}/v1.0/$metadata#users(id,displayName)"));
        assert!(page.body.get("@odata.count").is_none());
        for id in page.column("id") {
            assert!(seen.insert(id.to_owned()), "{id} twice");
        }
        pages += 1;
        world.new_user(&format!("late{pages}")).await.is(201);
        let next = &page.body["@odata.nextLink"];
        if next.is_null() {
            break;
        }
        assert!(
            next.as_str()
                .unwrap()
                .starts_with(&format!("{BASE}/v1.0/users?$select=id,displayName&$top=99&$skiptoken="))
        );
        path = path_of(next);
    }
    assert_eq!((pages, seen.len()), (3, 252), "two were made before the last page was read");
}

#[tokio::test]
async fn a_page_has_100_users_unless_asked_and_999_at_most() {
    let world = World::with_users(101);
    assert_eq!(world.get("/v1.0/users").await.is(200).body["value"].as_array().unwrap().len(), 100);
    assert_eq!(world.get("/v1.0/users?$top=999").await.is(200).body["value"].as_array().unwrap().len(), 101);
    for top in ["0", "1000", "-1", "ten"] {
        world.get(&format!("/v1.0/users?$top={top}")).await.is(400);
    }
    // A page that ends with the last user has no link.
    let last = world.get("/v1.0/users?$top=101").await.is(200);
    assert!(last.body.get("@odata.nextLink").is_none());
}

// directory 3, 13.3: a link expires
#[tokio::test]
async fn the_link_to_a_next_page_is_good_for_a_time() {
    let world = World::with_users(30);
    world.control.set([("page-life", "1h")]).unwrap();
    let page = world.get("/v1.0/users?$top=10").await.is(200);
    let next = path_of(&page.body["@odata.nextLink"]);
    world.clock.advance(std::time::Duration::from_secs(3_599));
    world.get(&next).await.is(200);
    world.clock.advance(std::time::Duration::from_secs(1));
    let refused = world.ask(&world.token(&ALL), Method::GET, &next, None).await.is(400);
    assert_eq!(refused.code(), "Directory_ExpiredPageToken");
}

#[tokio::test]
async fn a_page_token_is_good_for_its_query_only() {
    let world = World::with_users(30);
    let page = world.get("/v1.0/users?$top=10").await.is(200);
    let token = path_of(&page.body["@odata.nextLink"]).split("skiptoken=").nth(1).unwrap().to_owned();
    world.get(&format!("/v1.0/users?$top=5&$select=id&$skiptoken={token}")).await.is(200);
    for path in [
        format!("/v1.0/users?$filter=accountEnabled%20eq%20true&$skiptoken={token}"),
        format!("/v1.0/users?$orderby=displayName&$skiptoken={token}"),
        format!("/v1.0/applications?$skiptoken={token}"),
        "/v1.0/users?$skiptoken=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "/v1.0/users?$skiptoken=".to_owned(),
        format!("/v1.0/users?$skiptoken={}x", &token[..token.len() - 1]),
    ] {
        assert_eq!(world.get(&path).await.is(400).code(), "Directory_ExpiredPageToken", "{path}");
    }
}

#[tokio::test]
async fn filters_find_what_they_say_ignoring_case() {
    let world = World::new();
    for (name, department, enabled) in
        [("ada", "Maths", true), ("adam", "Art", false), ("bob", "Maths", false), ("o'neil", "100%_x", true)]
    {
        let mut new = user(name);
        new["department"] = json!(department);
        new["accountEnabled"] = json!(enabled);
        new["mailNickname"] = json!("n");
        new["businessPhones"] = json!([format!("+1 {name}")]);
        world.post("/v1.0/users", &new).await.is(201);
    }
    for (filter, expected) in [
        ("displayName eq 'ADA'", &["ada"][..]),
        ("startswith(displayName,'Ad')", &["ada", "adam"]),
        ("startsWith(userPrincipalName,'bob@')", &["bob"]),
        ("userPrincipalName eq 'ADA@contoso.onmicrosoft.com'", &["ada"]),
        ("accountEnabled eq false", &["adam", "bob"]),
        ("department eq 'maths' and accountEnabled eq true", &["ada"]),
        ("displayName eq 'ada' or displayName eq 'bob'", &["ada", "bob"]),
        ("(displayName eq 'ada' or displayName eq 'bob') and accountEnabled eq false", &["bob"]),
        ("displayName in ('bob', 'ada', 'nobody')", &["ada", "bob"]),
        ("mail eq null", &["ada", "adam", "bob", "o'neil"]),
        ("displayName eq 'o''neil'", &["o'neil"]),
        ("startswith(department,'100%_')", &["o'neil"]),
        ("startswith(department,'10_')", &[]),
        ("startswith(department,'%')", &[]),
        ("businessPhones/any(p:p eq '+1 bob')", &["bob"]),
        ("businessPhones/any(p:startswith(p,'+1 ada'))", &["ada", "adam"]),
        ("createdDateTime ge 2027-01-15T08:00:00Z", &["ada", "adam", "bob", "o'neil"]),
        ("createdDateTime le 2027-01-15T07:59:59Z", &[]),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let page = world.get(&format!("/v1.0/users?$filter={encoded}")).await.is(200);
        assert_eq!(page.column("displayName"), expected, "{filter}");
    }
    let id = world.get("/v1.0/users/bob@contoso.onmicrosoft.com").await.body["id"].clone();
    let path = format!("/v1.0/users?$filter=id%20eq%20'{}'", id.as_str().unwrap().to_uppercase());
    assert_eq!(world.get(&path).await.is(200).column("displayName"), ["bob"]);
}

// directory 3: the link repeats what the client asked
#[tokio::test]
async fn a_filter_goes_on_over_pages_with_any_text() {
    let world = World::new();
    for index in 0..5 {
        let mut new = user(&format!("u{index}"));
        new["department"] = json!("R&D, 'Łódź' + 100% #1");
        world.post("/v1.0/users", &new).await.is(201);
    }
    let text: String =
        url::form_urlencoded::byte_serialize("department eq 'R&D, ''Łódź'' + 100% #1'".as_bytes()).collect();
    let mut path = format!("/v1.0/users?$filter={text}&$top=2");
    let mut names = Vec::new();
    loop {
        let page = world.get(&path).await.is(200);
        names.extend(page.column("displayName").into_iter().map(str::to_owned));
        let Some(next) = page.body.get("@odata.nextLink") else { break };
        path = path_of(next);
    }
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4"]);
}

#[tokio::test]
async fn what_the_type_does_not_have_cannot_be_asked_for() {
    let world = World::new();
    for (path, words) in [
        (
            "/v1.0/users?$select=shoeSize",
            "Could not find a property named 'shoeSize' on type 'microsoft.graph.user'.",
        ),
        ("/v1.0/users?$select=displayname", "'displayname'"),
        ("/v1.0/users?$filter=shoeSize%20eq%20'44'", "Could not find a property named 'shoeSize'"),
        ("/v1.0/users?$filter=displayName%20eq", "Syntax error"),
        ("/v1.0/users?$orderby=shoeSize", "'shoeSize'"),
        ("/v1.0/users?$top=1&$top=2", "more than once"),
        ("/v1.0/users?$skip=5", "'$skip' is not supported"),
        ("/v1.0/users?$search=%22displayName:a%22", "ConsistencyLevel: eventual"),
        ("/v1.0/users/ada@contoso.onmicrosoft.com/photo", "segment"),
        ("/v1.0/nothing", "Resource not found for the segment 'nothing'."),
        ("/v9/users", "Invalid version: v9"),
    ] {
        let refused = world.get(path).await.is(400);
        assert!(refused.message().contains(words), "{path}: {}", refused.message());
        assert!(!refused.code().is_empty());
    }
    world.get("/v1.0/users?other=1&$format=json").await.is(200);
}

// directory 2 and 6
#[tokio::test]
async fn what_other_services_keep_of_a_user_is_neither_listed_nor_tracked() {
    let world = World::new();
    for path in ["/v1.0/users?$select=id,skills", "/v1.0/users/delta?$select=aboutMe"] {
        let refused = world.get(path).await.is(501);
        assert_eq!(refused.code(), "NotImplemented");
        assert_eq!(refused.message(), "This operation target is not yet supported.");
    }
    world.get("/v1.0/groups?$select=skills").await.is(400);
}

// directory 2 and 3: advanced operators
#[tokio::test]
async fn advanced_queries_need_the_header_and_the_count() {
    let world = World::new();
    for name in ["ada", "bob", "eve"] {
        world.new_user(name).await.is(201);
    }
    for (filter, operator, expected) in [
        ("displayName%20ne%20'bob'", "ne", &["ada", "eve"][..]),
        ("not(displayName%20eq%20'bob')", "not", &["ada", "eve"]),
        ("endsWith(displayName,'E')", "endsWith", &["eve"]),
        ("mail%20ne%20null", "ne", &[]),
        ("mail%20ne%20'a@b.c'", "ne", &["ada", "bob", "eve"]),
    ] {
        let path = format!("/v1.0/users?$filter={filter}");
        for refused in [
            world.get(&path).await,
            world.get(&format!("{path}&$count=true")).await,
            world.get_eventual(&path).await,
        ] {
            let refused = refused.is(400);
            assert_eq!(refused.code(), "Request_UnsupportedQuery");
            assert_eq!(
                refused.message(),
                format!(
                    "Operator '{operator}' is not supported because the required parameters might be missing. Try adding \
                     $count=true query parameter and ConsistencyLevel:eventual header. Refer to \
                     https://aka.ms/graph-docs/advanced-queries for more information"
                )
            );
        }
        let found = world.get_eventual(&format!("{path}&$count=true")).await.is(200);
        assert_eq!(found.column("displayName"), expected, "{filter}");
        assert_eq!(found.body["@odata.count"], expected.len());
    }
}

#[tokio::test]
async fn users_are_counted_for_who_takes_an_eventual_answer() {
    let world = World::with_users(120);
    let refused = world.get("/v1.0/users/$count").await.is(400);
    assert_eq!(
        (refused.code(), refused.message()),
        ("Request_BadRequest", "$count is not currently supported.")
    );
    let count = world.get_eventual("/v1.0/users/$count").await.is(200);
    assert_eq!((&count.body, &count.headers["content-type"]), (&json!(120), &"text/plain".parse().unwrap()));
    let none = world.get_eventual("/v1.0/users/$count?$filter=displayName%20eq%20'nobody'").await.is(200);
    assert_eq!(none.body, 0);
    assert!(world.get("/v1.0/users?$count=true").await.is(200).body.get("@odata.count").is_none());
    assert_eq!(world.get_eventual("/v1.0/users?$count=true&$top=5").await.is(200).body["@odata.count"], 120);
}

// AQ-1
#[tokio::test]
async fn the_first_page_alone_tells_the_count() {
    let world = World::with_users(30);
    let users = world.get("/v1.0/users?$top=3&$select=id").await.is(200);
    let group = world.new_group("g", &users.column("id")).await;
    for path in ["/v1.0/users".to_owned(), format!("/v1.0/groups/{group}/members")] {
        let first = world.get_eventual(&format!("{path}?$count=true&$top=2")).await.is(200);
        assert!(first.body["@odata.count"].is_number(), "{path}");
        let second = world.get_eventual(&path_of(&first.body["@odata.nextLink"])).await.is(200);
        assert!(second.body.get("@odata.count").is_none(), "{path}");
    }
}

// How the parallel read of a collection asks for what its other parts leave.
#[tokio::test]
async fn users_that_begin_otherwise_come_once_each_over_pages() {
    let world = World::new();
    let names = ["ada", "Adam", "bob", "김민수", "eve", "김영희", "_x", "이철수", "Zoe", "[a]", "김"];
    for (number, name) in names.iter().enumerate() {
        let mut new = user(&format!("u{number}"));
        new["displayName"] = json!(name);
        new["department"] = json!(if number % 2 == 0 { "even" } else { "odd" });
        world.post("/v1.0/users", &new).await.is(201);
    }
    for (filter, expected) in [
        (
            "not(startswith(displayName,'A')) and not(startswith(displayName,'b'))",
            "[a] _x eve Zoe 김 김민수 김영희 이철수",
        ),
        ("not(startswith(displayName,'a') or startswith(displayName,'김'))", "[a] _x bob eve Zoe 이철수"),
        ("startswith(displayName,'김') and not(startswith(displayName,'김민'))", "김 김영희"),
        ("(department eq 'even') and not(startswith(displayName,'a'))", "_x bob eve Zoe 김"),
        ("startswith(displayName,'')", "[a] _x ada Adam bob eve Zoe 김 김민수 김영희 이철수"),
        ("startswith(displayName,'a') and startswith(displayName,'b')", ""),
        (
            "startswith(displayName,'ad') or startswith(displayName,'ADA') or displayName eq 'bob'",
            "ada Adam bob",
        ),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        for (order, top) in
            [("", 1), ("", 2), ("", 99), ("&$orderby=displayName", 2), ("&$orderby=displayName desc", 2)]
        {
            let mut path =
                format!("/v1.0/users?$filter={encoded}&$count=true&$top={top}{}", order.replace(' ', "%20"));
            let (mut found, mut count) = (Vec::new(), None);
            loop {
                let page = world.get_eventual(&path).await.is(200);
                found.extend(page.column("displayName").into_iter().map(str::to_owned));
                count = count.or_else(|| page.body["@odata.count"].as_u64());
                let Some(next) = page.body.get("@odata.nextLink") else { break };
                path = path_of(next);
            }
            if order.ends_with("desc") {
                found.reverse();
            }
            assert_eq!(found.join(" "), expected, "{filter} {order} {top}");
            assert_eq!(count, Some(found.len() as u64), "{filter}");
        }
    }
}

#[tokio::test]
async fn users_come_in_the_order_that_was_asked_for() {
    let world = World::new();
    for (name, shown) in
        [("a1", "delta"), ("a2", "Alpha"), ("a3", "charlie"), ("a4", "alpha"), ("a5", "Bravo")]
    {
        let mut new = user(name);
        new["displayName"] = json!(shown);
        world.post("/v1.0/users", &new).await.is(201);
    }
    for (order, expected) in [
        ("displayName", ["a2", "a4", "a5", "a3", "a1"]),
        ("displayName%20desc", ["a1", "a3", "a5", "a4", "a2"]),
        ("userPrincipalName%20desc", ["a5", "a4", "a3", "a2", "a1"]),
    ] {
        let mut path = format!("/v1.0/users?$orderby={order}&$top=2&$select=userPrincipalName");
        let mut names = Vec::new();
        loop {
            let page = world.get(&path).await.is(200);
            names.extend(page.column("userPrincipalName").into_iter().map(|name| name[..2].to_owned()));
            let Some(next) = page.body.get("@odata.nextLink") else { break };
            path = path_of(next);
        }
        assert_eq!(names, expected, "{order}");
    }
    let path = "/v1.0/users?$orderby=displayName&$filter=accountEnabled%20eq%20true";
    assert_eq!(world.get(path).await.is(400).code(), "Request_UnsupportedQuery");
    world.get_eventual(&format!("{path}&$count=true")).await.is(200);
}

// directory 3: other properties, and other types, are sorted by in advanced queries
#[tokio::test]
async fn an_advanced_query_is_sorted_by_any_property_with_one_value() {
    let world = World::new();
    for (name, city, is_enabled) in [
        ("a1", Some("Oslo"), true),
        ("a2", None, false),
        ("a3", Some("aachen"), true),
        ("a4", Some("Oslo"), false),
    ] {
        let mut new = user(name);
        new["accountEnabled"] = json!(is_enabled);
        if let Some(city) = city {
            new["city"] = json!(city);
        }
        world.post("/v1.0/users", &new).await.is(201);
    }
    for (order, expected) in [
        ("city", ["a2", "a3", "a1", "a4"]),
        ("city%20desc", ["a4", "a1", "a3", "a2"]),
        ("accountEnabled", ["a2", "a4", "a1", "a3"]),
        ("createdDateTime%20desc", ["a4", "a3", "a2", "a1"]),
    ] {
        let mut path = format!("/v1.0/users?$orderby={order}&$top=1&$select=userPrincipalName");
        assert_eq!(world.get(&path).await.is(400).message(), "Sorting not supported for current query.");
        path.push_str("&$count=true");
        let mut names = Vec::new();
        loop {
            let page = world.get_eventual(&path).await.is(200);
            names.extend(page.column("userPrincipalName").into_iter().map(|name| name[..2].to_owned()));
            let Some(next) = page.body.get("@odata.nextLink") else { break };
            path = path_of(next);
        }
        assert_eq!(names, expected, "{order}");
    }
    for set in ["applications", "servicePrincipals"] {
        world.get(&format!("/v1.0/{set}?$orderby=displayName")).await.is(400);
        let path = format!("/v1.0/{set}?$orderby=displayName%20desc&$count=true");
        let sorted = world.get_eventual(&path).await.is(200);
        let names = sorted.column("displayName");
        assert!(names.is_sorted_by(|a, b| a >= b), "{names:?}");
    }
    world.get("/v1.0/groups?$orderby=displayName").await.is(200);
    world.get_eventual("/v1.0/users?$orderby=businessPhones&$count=true").await.is(400);
    world.get_eventual("/v1.0/users?$orderby=city,surname&$count=true").await.is(400);
}

// directory 1
#[tokio::test]
async fn every_answer_has_the_headers_of_the_service() {
    let world = World::with_users(1);
    let token = world.token(&ALL);
    let id = "0f0e0d0c-0000-4000-8000-000000000001";
    let headers = [("client-request-id", id)];
    let reply = world.ask_with(&token, Method::GET, "/v1.0/users", None, &headers).await.is(200);
    assert_eq!(
        reply.headers["content-type"],
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    );
    assert_eq!(reply.headers["odata-version"], "4.0");
    assert_eq!(reply.headers["cache-control"], "no-cache");
    assert_eq!(reply.headers["client-request-id"], id);
    assert_ne!(reply.headers["request-id"], id);
    assert!(reply.headers.contains_key("x-ms-ags-diagnostic"));
    for (query, units) in [("", "2"), ("?$select=id", "1"), ("?$top=5", "1"), ("?$top=5&$select=id", "1")] {
        let reply = world.get(&format!("/v1.0/users{query}")).await.is(200);
        assert_eq!(reply.headers["x-ms-resource-unit"], units, "{query}");
        assert_eq!(reply.headers["client-request-id"], reply.headers["request-id"]);
    }
    let wrong = world.ask_with(&token, Method::GET, "/v1.0/users/x", None, &headers).await.is(404);
    let inner = &wrong.body["error"]["innerError"];
    assert_eq!(inner["date"], "2027-01-15T08:00:00");
    assert_eq!(inner["client-request-id"], id);
    assert_eq!(inner["request-id"], wrong.headers["request-id"].to_str().unwrap());
}

#[tokio::test]
async fn path_segments_compare_ignoring_case_and_methods_do_not_mix() {
    let world = World::with_users(1);
    world.get("/V1.0/USERS").await.is(200);
    let refused = world.all(Method::PUT, "/v1.0/users", Some(&json!({}))).await.is(405);
    assert_eq!(refused.code(), "Request_BadRequest");
    assert_eq!(refused.message(), "Specified HTTP method is not allowed for the request target.");
}

#[tokio::test]
async fn the_organization_knows_its_domains() {
    let world = World::new();
    let list = world.get("/v1.0/organization").await.is(200);
    assert_eq!(list.body["value"][0]["id"], TENANT);
    assert_eq!(list.body["value"][0]["verifiedDomains"][0]["name"], "contoso.onmicrosoft.com");
    world.get(&format!("/v1.0/organization/{TENANT}")).await.is(200);
    world.get("/v1.0/organization/6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0").await.is(404);
}

// directory 3: `$count` in a filter
#[tokio::test]
async fn objects_are_found_by_how_many_owners_and_values_they_have() {
    let world = World::new();
    let mut ids = Vec::new();
    for name in ["none", "one", "two"] {
        let made = world.post("/v1.0/applications", &json!({ "displayName": name })).await.is(201);
        ids.push(made.body["id"].as_str().unwrap().to_owned());
    }
    let ada = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    let bob = world.new_user("bob").await.is(201).body["id"].as_str().unwrap().to_owned();
    for (application, owner) in [(&ids[1], &ada), (&ids[2], &ada), (&ids[2], &bob)] {
        let owner = json!({ "@odata.id": format!("{BASE}/v1.0/directoryObjects/{owner}") });
        world.post(&format!("/v1.0/applications/{application}/owners/$ref"), &owner).await.is(204);
    }
    world.patch(&format!("/v1.0/users/{ada}"), &json!({ "otherMails": ["a@example.com"] })).await.is(204);
    let seeded = world.get("/v1.0/applications").await.is(200).column("displayName").len() - 3;
    for (path, filter, expected) in [
        ("applications", "owners/$count%20eq%200%20or%20owners/$count%20eq%201", 2 + seeded),
        ("applications", "owners/$count%20eq%201", 1),
        ("applications", "owners/$count%20ne%200", 2),
        ("servicePrincipals", "owners/$count%20ne%200", 0),
        ("users", "otherMails/$count%20ne%200", 1),
        ("users", "not(otherMails/$count%20eq%200)%20and%20assignedLicenses/$count%20eq%200", 1),
        ("users", "assignedLicenses/$count%20ne%200", 0),
    ] {
        let query = format!("/v1.0/{path}?$filter={filter}&$count=true");
        let found = world.get_eventual(&query).await.is(200);
        assert_eq!(found.body["@odata.count"], expected, "{filter}");
        let refused = world.get(&query).await.is(400);
        assert_eq!(refused.code(), "Request_UnsupportedQuery", "{filter}");
    }
    let licenses = world.get(&format!("/v1.0/users/{ada}?$select=assignedLicenses")).await.is(200);
    assert_eq!(licenses.body["assignedLicenses"], json!([]));
}
