//! What the settings of the sandbox change.

use serde_json::json;

use super::world::{GRAPH, NOW, World};

#[tokio::test]
async fn a_grant_shows_in_tokens_after_its_delay_and_what_the_tenant_began_with_at_once() {
    const ROLE: &str = "22222222-2222-2222-2222-222222222222";
    const OLD: &str = "33333333-3333-3333-3333-333333333333";
    let world = World::new();
    let (client, api) = (world.app("daemon"), world.application("api", json!({})));
    let role = |id: &str, value: &str| json!({ "id": id, "value": value, "isEnabled": true, "allowedMemberTypes": ["Application"] });
    let roles = json!([role(ROLE, "Orders.Write"), role(OLD, "Orders.Read")]);
    world.principal(&api, None, json!({ "displayName": "api", "appRoles": roles }));
    let (_, secret) = world.secret(&client, NOW - 1, NOW + 1000);
    world.assign(&client, &api, OLD);
    world.control.set([("consent-delay", "30s")]).unwrap();
    world.pass(1);
    world.assign(&client, &api, ROLE);
    let scope = format!("{}/.default", api.client_id);
    world.pass(29);
    assert_eq!(world.token(&client, &secret, &scope).await.claims()["roles"], json!(["Orders.Read"]));
    world.pass(1);
    let roles = world.token(&client, &secret, &scope).await.claims()["roles"].clone();
    assert_eq!(roles, json!(["Orders.Read", "Orders.Write"]));
}

// directory 1, 13.10: registration takes effect after a delay
#[tokio::test]
async fn an_application_that_was_just_registered_is_unknown_for_a_while() {
    let world = World::new();
    world.control.set([("replication-delay", "30s")]).unwrap();
    world.pass(60);
    let made = json!({ "createdDateTime": crate::store::timestamp(world.now()) });
    let app = world.application("new", made);
    let (_, secret) = world.secret(&app, world.now(), world.now() + 1000);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 700_016);
    world.pass(30);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 7_000_229);
    let made = json!({ "createdDateTime": crate::store::timestamp(world.now()) });
    world.principal(&app, None, made);
    world.pass(29);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 7_000_229);
    world.pass(1);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
}
