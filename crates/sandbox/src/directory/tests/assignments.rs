//! App role assignments of users and groups.

use serde_json::{Value, json};

use super::*;

const ROLE: &str = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";
const FOR_APPLICATIONS: &str = "7ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";

/// An API with a role for people and one for applications, a user and a group: their ids.
async fn api(world: &World) -> [String; 3] {
    let role = |id: &str, kind: &str| {
        json!({ "id": id, "value": format!("Work.{kind}"), "displayName": "Work", "description": "Works",
            "isEnabled": true, "allowedMemberTypes": [kind] })
    };
    let application = json!({ "displayName": "api", "appRoles": [role(ROLE, "User"), role(FOR_APPLICATIONS, "Application")] });
    let application = world.post("/v1.0/applications", &application).await.is(201);
    let principal = json!({ "appId": application.body["appId"] });
    let principal = world.post("/v1.0/servicePrincipals", &principal).await.is(201);
    let user = world.new_user("ada").await.is(201);
    let group = json!({ "displayName": "Analysts", "mailEnabled": false, "mailNickname": "analysts",
        "securityEnabled": true });
    let group = world.post("/v1.0/groups", &group).await.is(201);
    [principal, user, group].map(|made| made.body["id"].as_str().unwrap().to_owned())
}

fn grant(principal: &str, resource: &str, role: &str) -> Value {
    json!({ "principalId": principal, "resourceId": resource, "appRoleId": role })
}

// directory 4.6
#[tokio::test]
async fn people_groups_and_applications_hold_roles_and_the_resource_lists_all_of_them() {
    let world = World::new();
    let [api, user, group] = api(&world).await;
    let at_api = format!("/v1.0/servicePrincipals/{api}/appRoleAssignedTo");
    let of_user = format!("/v1.0/users/{user}/appRoleAssignments");
    let of_group = format!("/v1.0/groups/{group}/appRoleAssignments");
    let made = world.post(&of_user, &grant(&user, &api, ROLE)).await.is(201);
    assert_eq!(
        (&made.body["principalType"], &made.body["principalDisplayName"]),
        (&json!("User"), &json!("ada"))
    );
    let location = made.headers["location"].to_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    world.get(&location).await.is(200);
    world.post(&of_group, &grant(&group, &api, ROLE)).await.is(201);
    world.post(&at_api, &grant(&world.administrator, &api, FOR_APPLICATIONS)).await.is(201);
    let all = world.get(&at_api).await.is(200);
    assert_eq!(all.column("principalType"), ["User", "Group", "ServicePrincipal"]);

    let twice = world.post(&at_api, &grant(&user, &api, ROLE)).await.is(400);
    assert_eq!(twice.message(), "Permission being assigned already exists on the object");
    for (path, wrong) in [
        // A role for applications is none for people, and the other way round.
        (&of_user, grant(&user, &api, FOR_APPLICATIONS)),
        (&of_group, grant(&group, &api, FOR_APPLICATIONS)),
        (&at_api, grant(&world.administrator, &api, ROLE)),
        // Somebody else than the path says.
        (&of_user, grant(&group, &api, ROLE)),
        // Resources are service principals.
        (&of_user, grant(&user, &group, ROLE)),
    ] {
        let status = world.post(path, &wrong).await.status;
        assert!(status == 400 || status == 404, "{status}: {wrong}");
    }

    // What a group holds is shown of its members, by their group.
    let member = json!({ "@odata.id": format!("{BASE}/v1.0/directoryObjects/{user}") });
    world.post(&format!("/v1.0/groups/{group}/members/$ref"), &member).await.is(204);
    assert_eq!(world.get(&of_user).await.is(200).column("principalId"), [&user, &group]);
    assert_eq!(world.get(&of_group).await.is(200).column("principalId"), [&group]);

    world.delete(&location).await.is(204);
    world.get(&location).await.is(404);
    assert_eq!(world.get(&of_user).await.is(200).column("principalType"), ["Group"]);
}

#[tokio::test]
async fn roles_go_with_their_holder_and_come_back_with_it() {
    let world = World::new();
    let [api, user, group] = api(&world).await;
    let at_api = format!("/v1.0/servicePrincipals/{api}/appRoleAssignedTo");
    for holder in [&user, &group] {
        world.post(&at_api, &grant(holder, &api, ROLE)).await.is(201);
    }
    for path in [format!("/v1.0/users/{user}"), format!("/v1.0/groups/{group}")] {
        world.delete(&path).await.is(204);
    }
    assert!(world.get(&at_api).await.is(200).column("id").is_empty());
    for id in [&group, &user] {
        world.post(&format!("/v1.0/directory/deletedItems/{id}/restore"), &json!({})).await.is(200);
    }
    assert_eq!(world.get(&at_api).await.is(200).column("principalId"), [&group, &user]);
    world.delete(&format!("/v1.0/servicePrincipals/{api}")).await.is(204);
    assert!(
        world.get(&format!("/v1.0/users/{user}/appRoleAssignments")).await.is(200).column("id").is_empty()
    );
}

#[tokio::test]
async fn what_people_hold_is_read_with_a_permission_for_the_directory_or_for_assignments() {
    let world = World::new();
    let [api, user, _] = api(&world).await;
    let path = format!("/v1.0/users/{user}/appRoleAssignments");
    for (role, status) in
        [("Directory.Read.All", 200), ("AppRoleAssignment.ReadWrite.All", 200), ("User.Read.All", 403)]
    {
        world.ask(&world.token(&[role]), Method::GET, &path, None).await.is(status);
    }
    let body = grant(&user, &api, ROLE);
    let token = world.token(&["AppRoleAssignment.ReadWrite.All"]);
    world.ask(&token, Method::POST, &path, Some(&body)).await.is(403);
    let token = world.token(&["AppRoleAssignment.ReadWrite.All", "Directory.Read.All"]);
    world.ask(&token, Method::POST, &path, Some(&body)).await.is(201);
}
