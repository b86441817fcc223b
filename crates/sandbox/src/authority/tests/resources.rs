//! What tokens are for, and what they say.

use serde_json::{Value, json};

use super::world::{App, GRAPH, NOW, TENANT, World};

const ROLE: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const DISABLED_ROLE: &str = "aaaaaaaa-0000-0000-0000-000000000002";
const USER_ROLE: &str = "aaaaaaaa-0000-0000-0000-000000000003";
const UNASSIGNED_ROLE: &str = "aaaaaaaa-0000-0000-0000-000000000004";
const DEFAULT_ACCESS: &str = "00000000-0000-0000-0000-000000000000";

fn orders_principal(app: &App) -> Value {
    let role = |id: &str, value: &str, is_enabled: bool, member: &str| {
        json!({ "id": id, "value": value, "displayName": value, "isEnabled": is_enabled,
            "allowedMemberTypes": [member] })
    };
    json!({
        "displayName": "Orders",
        "servicePrincipalNames": [app.client_id, "api://orders", "https://orders.contoso.com/"],
        "appRoles": [
            role(ROLE, "Orders.Read.All", true, "Application"),
            role(DISABLED_ROLE, "Orders.Purge.All", false, "Application"),
            role(USER_ROLE, "Orders.Approve", true, "User"),
            role(UNASSIGNED_ROLE, "Orders.Write.All", true, "Application"),
        ],
    })
}

/// A client with a secret, and an API.
fn world(version: Option<u8>) -> (World, App, String, App) {
    let world = World::new();
    let client = world.app("nightly export");
    let (_, secret) = world.secret(&client, NOW, NOW + 86_400);
    let api = world.application("Orders", json!({}));
    world.principal(&api, version, orders_principal(&api));
    (world, client, secret, api)
}

// AC-6
#[tokio::test]
async fn roles_are_the_enabled_application_roles_that_were_assigned() {
    let (world, client, secret, api) = world(Some(2));
    let answer = world.token(&client, &secret, "api://orders/.default").await;
    assert_eq!(answer.claims().get("roles"), None);
    for role in [ROLE, DISABLED_ROLE, USER_ROLE, DEFAULT_ACCESS] {
        world.assign(&client, &api, role);
    }
    let answer = world.token(&client, &secret, "api://orders/.default").await;
    assert_eq!(answer.claims()["roles"], json!(["Orders.Read.All"]));
}

// AC-6
#[tokio::test]
async fn an_api_may_require_an_assignment_of_which_default_access_is_one() {
    let (world, client, secret, api) = world(Some(2));
    let mut principal = orders_principal(&api);
    principal["appRoleAssignmentRequired"] = true.into();
    world.principal(&api, Some(2), principal);
    let refused = world.token(&client, &secret, "api://orders/.default").await;
    assert_eq!(refused.code(), 501_051);
    let text = refused.body["error_description"].as_str().unwrap();
    assert!(
        text.contains(&format!("'{}'(nightly export)", client.client_id)) && text.contains("(Orders)"),
        "{text}"
    );
    world.assign(&client, &api, DEFAULT_ACCESS);
    assert_eq!(world.token(&client, &secret, "api://orders/.default").await.code(), 0);
}

// AC-5
#[tokio::test]
async fn the_resource_decides_about_the_version_whatever_the_endpoint() {
    for (version, ver) in [(None, "1.0"), (Some(1), "1.0"), (Some(2), "2.0")] {
        let (world, client, secret, api) = world(version);
        let v2 = world.token(&client, &secret, "api://orders/.default").await;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.client_id.as_str()),
            ("client_secret", &secret),
            ("resource", "api://orders"),
        ];
        let v1 = world.post(&format!("/{TENANT}/oauth2/token"), &form).await;
        for answer in [v1, v2] {
            let claims = answer.claims();
            assert_eq!(claims["ver"], ver);
            let (audience, issuer, app, absent) = match ver {
                "1.0" => ("api://orders", format!("https://localhost:8443/{TENANT}/"), "appid", "azp"),
                _ => {
                    (api.client_id.as_str(), format!("https://localhost:8443/{TENANT}/v2.0"), "azp", "appid")
                }
            };
            assert_eq!(claims["aud"], audience);
            assert_eq!(claims["iss"], issuer);
            assert_eq!((&claims[app], claims.get(absent)), (&json!(client.client_id), None));
            assert_eq!(answer.part(0).get("x5t").is_some(), ver == "1.0");
        }
    }
}

// AC-5
#[tokio::test]
async fn the_audience_of_a_version_1_token_is_the_resource_as_it_was_requested() {
    let (world, client, secret, api) = world(None);
    for (scope, audience) in [
        ("https://orders.contoso.com//.default".to_owned(), "https://orders.contoso.com/".to_owned()),
        ("https://orders.contoso.com/.default".into(), "https://orders.contoso.com".into()),
        (format!("{}/.default", api.client_id), api.client_id.clone()),
    ] {
        let answer = world.token(&client, &secret, &scope).await;
        assert_eq!(answer.claims()["aud"], audience, "{scope}");
    }
}

// authority 11
#[tokio::test]
async fn a_graph_token_is_app_only_and_dated_back() {
    let (world, client, secret, _) = world(None);
    let answer = world.token(&client, &secret, GRAPH).await;
    let claims = answer.claims();
    assert_eq!(claims["idtyp"], "app");
    assert_eq!(claims["aud"], "00000003-0000-0000-c000-000000000000");
    assert_eq!(
        (&claims["iat"], &claims["nbf"], &claims["exp"]),
        (&json!(NOW - 300), &json!(NOW - 300), &json!(NOW + 3600))
    );
    assert_eq!((&claims["sub"], &claims["tid"]), (&claims["oid"], &json!(TENANT)));
    let uti = claims["uti"].as_str().unwrap();
    assert!(uti.len() == 22 && uti.ends_with("AA"), "{uti}");
    assert!(claims["rh"].as_str().unwrap().starts_with("1.AXkA"));
    for absent in ["scp", "wids", "appid", "amr", "name"] {
        assert_eq!(claims.get(absent), None);
    }
}

// authority 11: an API that asks for the optional claim
#[tokio::test]
async fn another_api_gets_idtyp_if_it_asks() {
    let (world, client, secret, api) = world(Some(2));
    assert_eq!(world.token(&client, &secret, "api://orders/.default").await.claims().get("idtyp"), None);
    drop(api);
    let optional = json!({ "optionalClaims": { "accessToken": [{ "name": "idtyp" }] } });
    let api = world.application("Stock", optional);
    world.principal(&api, Some(2), json!({ "servicePrincipalNames": [api.client_id, "api://stock"] }));
    let answer = world.token(&client, &secret, "api://stock/.default").await;
    assert_eq!(answer.claims()["idtyp"], "app");
}

// authority 9, 11: optional claims change what a token says
#[tokio::test]
async fn an_api_may_ask_to_be_named_by_its_id_and_for_the_region() {
    let (world, client, secret, _) = world(None);
    let asks = |properties: Value| {
        json!({ "optionalClaims": { "accessToken": [
            { "name": "aud", "additionalProperties": properties }, { "name": "tenant_region_scope" },
        ] } })
    };
    for (name, properties, by_id) in
        [("stock", json!(["use_guid"]), true), ("parts", json!([]), false), ("tools", Value::Null, false)]
    {
        let api = world.application(name, asks(properties));
        let uri = format!("api://{name}");
        world.principal(&api, None, json!({ "servicePrincipalNames": [api.client_id, uri] }));
        let claims = world.token(&client, &secret, &format!("{uri}/.default")).await.claims();
        assert_eq!(claims["aud"], if by_id { api.client_id.as_str() } else { uri.as_str() });
        assert_eq!((&claims["ver"], &claims["tenant_region_scope"]), (&json!("1.0"), &json!("EU")));
    }
    let plain = world.token(&client, &secret, "api://orders/.default").await.claims();
    assert_eq!(plain.get("tenant_region_scope"), None);
}

// AC-7
#[tokio::test]
async fn a_resource_that_is_missing_or_disabled_is_refused() {
    let (world, client, secret, api) = world(Some(2));
    let missing = world.token(&client, &secret, "api://nothing/.default").await;
    assert_eq!((missing.code(), missing.body["error"].as_str()), (500_011, Some("invalid_resource")));
    let text = missing.body["error_description"].as_str().unwrap();
    assert!(text.contains("named api://nothing was not found in the tenant named Contoso"), "{text}");

    let mut principal = orders_principal(&api);
    principal["accountEnabled"] = false.into();
    world.principal(&api, Some(2), principal);
    assert_eq!(world.token(&client, &secret, "api://orders/.default").await.code(), 500_014);
}

// authority 9
#[tokio::test]
async fn an_application_asks_for_itself_by_its_id_only() {
    let (world, client, secret, _) = world(None);
    let names = json!({ "servicePrincipalNames": [client.client_id, "api://me"] });
    world.principal(&client, Some(2), names);
    assert_eq!(world.token(&client, &secret, "api://me/.default").await.code(), 90_009);
    let itself = format!("{}/.default", client.client_id.to_uppercase());
    assert_eq!(world.token(&client, &secret, &itself).await.claims()["aud"], client.client_id);
}

// AC-14
#[tokio::test]
async fn the_version_1_endpoint_answers_in_strings() {
    let (world, client, secret, _) = world(None);
    for (name, value) in [("resource", "https://graph.microsoft.com"), ("scope", GRAPH)] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.client_id.as_str()),
            ("client_secret", &secret),
            (name, value),
        ];
        let answer = world.post(&format!("/{TENANT}/oauth2/token"), &form).await;
        let mut body = answer.body.clone();
        assert!(body.as_object_mut().unwrap().remove("access_token").is_some(), "{answer:?}");
        assert_eq!(
            body,
            json!({
                "token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599",
                "expires_on": (NOW + 3600).to_string(), "not_before": (NOW - 300).to_string(),
                "resource": "https://graph.microsoft.com",
            })
        );
    }
}
