//! Memberships through groups in groups, and what it takes to write them.

use axum::http::Method;
use serde_json::{Value, json};

use super::World;

impl World {
    pub(super) async fn new_group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<String> = members.iter().map(|id| reference(id)).collect();
        let group = json!({
            "displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true,
            "groupTypes": [], "members@odata.bind": members,
        });
        self.post("/v1.0/groups", &group).await.is(201).body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn new_user_id(&self, name: &str) -> String {
        self.new_user(name).await.is(201).body["id"].as_str().unwrap().to_owned()
    }
}

fn reference(id: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")
}

fn sorted(reply: &super::Reply, property: &str) -> Vec<String> {
    let mut found: Vec<String> = reply.column(property).into_iter().map(str::to_owned).collect();
    found.sort_unstable();
    found
}

/// `outer` holds `inner`, which holds `ann` and, in a circle, `outer` again.
async fn nested() -> (World, [String; 3]) {
    let world = World::new();
    let ann = world.new_user_id("ann").await;
    let inner = world.new_group("inner", &[&ann]).await;
    let outer = world.new_group("outer", &[&inner]).await;
    let circle = json!({ "@odata.id": reference(&outer) });
    world.post(&format!("/v1.0/groups/{inner}/members/$ref"), &circle).await.is(204);
    (world, [ann, inner, outer])
}

// directory 5, 8
#[tokio::test]
async fn memberships_go_through_groups_in_groups_and_round_a_circle_once() {
    let (world, [ann, inner, outer]) = nested().await;
    let members = world.get(&format!("/v1.0/groups/{outer}/transitiveMembers")).await.is(200);
    assert_eq!(members.headers["x-ms-resource-unit"], "5");
    assert_eq!(sorted(&members, "displayName"), ["ann", "inner"]);
    let users = world.get(&format!("/v1.0/groups/{outer}/transitiveMembers/microsoft.graph.user")).await;
    assert_eq!(users.is(200).column("id"), [ann.as_str()]);
    let number = world.get_eventual(&format!("/v1.0/groups/{outer}/transitiveMembers/$count")).await;
    assert_eq!(number.is(200).body, 2);
    for user in [ann.as_str(), "ann@contoso.onmicrosoft.com"] {
        let groups = world.get(&format!("/v1.0/users/{user}/transitiveMemberOf")).await.is(200);
        assert_eq!(sorted(&groups, "displayName"), ["inner", "outer"]);
    }
    let first = world.get(&format!("/v1.0/users/{ann}/transitiveMemberOf?$top=1&$select=id")).await.is(200);
    let next = first.body["@odata.nextLink"].as_str().unwrap().split("/graph").nth(1).unwrap();
    let second = world.get(next).await.is(200);
    let mut both = [first.column("id"), second.column("id")].concat();
    both.sort_unstable();
    let mut expected = [inner.as_str(), outer.as_str()];
    expected.sort_unstable();
    assert_eq!(both, expected);
    assert!(second.body.get("@odata.nextLink").is_none());
}

// directory 8
#[tokio::test]
async fn an_object_is_asked_which_groups_it_is_in() {
    let (world, [ann, inner, outer]) = nested().await;
    let mut expected = [json!(inner), json!(outer)];
    expected.sort_by_key(ToString::to_string);
    for path in [
        format!("/v1.0/users/{ann}/getMemberGroups"),
        "/v1.0/users/ann@contoso.onmicrosoft.com/microsoft.graph.getMemberObjects".to_owned(),
        format!("/v1.0/directoryObjects/{ann}/getMemberGroups"),
    ] {
        let groups = world.post(&path, &json!({ "securityEnabledOnly": true })).await.is(200);
        assert_eq!(groups.body["value"], json!(expected), "{path}");
        assert_eq!(groups.headers["x-ms-resource-unit"], "2");
    }
    let other = world.new_group("other", &[]).await;
    let check = format!("/v1.0/users/{ann}/checkMemberGroups");
    let checked = world.post(&check, &json!({ "groupIds": [outer, other] })).await.is(200);
    assert_eq!(checked.body["value"], json!([outer]));
    assert_eq!(checked.headers["x-ms-resource-unit"], "4");
    let check_objects = format!("/v1.0/groups/{inner}/checkMemberObjects");
    let checked = world.post(&check_objects, &json!({ "ids": [outer] })).await.is(200);
    assert_eq!(checked.body["value"], json!([outer]));
    let many: Vec<&str> = std::iter::repeat_n(outer.as_str(), 21).collect();
    for wrong in
        [json!({}), json!({ "groupIds": [] }), json!({ "groupIds": many }), json!({ "groupIds": [1] })]
    {
        world.post(&check, &wrong).await.is(400);
    }
    let nobody = format!("/v1.0/users/{}/getMemberGroups", "0".repeat(8));
    world.post(&nobody, &json!({ "securityEnabledOnly": false })).await.is(404);
    let token = world.token(&["Application.Read.All"]);
    world.ask(&token, Method::POST, &check, Some(&json!({ "groupIds": [outer] }))).await.is(403);
}

// directory 9.3
#[tokio::test]
async fn who_writes_memberships_needs_the_permission_for_the_member_too() {
    let world = World::new();
    let (user, group) = (world.new_user_id("ann").await, world.new_group("inner", &[]).await);
    let principal = world.administrator.clone();
    let target = world.new_group("outer", &[]).await;
    let add = format!("/v1.0/groups/{target}/members/$ref");
    for (member, second) in [
        (&user, "User.ReadWrite.All"),
        (&group, "Group.ReadWrite.All"),
        (&principal, "Application.ReadWrite.All"),
    ] {
        let body = json!({ "@odata.id": reference(member) });
        let remove = format!("/v1.0/groups/{target}/members/{member}/$ref");
        let alone = world.token(&["GroupMember.ReadWrite.All"]);
        let both = world.token(&["GroupMember.ReadWrite.All", second]);
        world.ask(&alone, Method::POST, &add, Some(&body)).await.is(403);
        world.ask(&both, Method::POST, &add, Some(&body)).await.is(204);
        world.ask(&alone, Method::DELETE, &remove, None).await.is(403);
        world.ask(&both, Method::DELETE, &remove, None).await.is(204);
    }
    let whole = world.token(&["Group.ReadWrite.All"]);
    let body: Value = json!({ "@odata.id": reference(&user) });
    world.ask(&whole, Method::POST, &add, Some(&body)).await.is(204);
}
