//! What is not in order, and the page that says so.

use http::StatusCode;
use serde_json::{Value, json};

use super::{GRAPH, RETURN, USER_READ_ALL, client_id, encoded, v1, v2, world};

// authority 13, AC-11: an address that does not match is an error page, never a redirect
#[tokio::test]
async fn a_request_that_is_not_in_order_is_a_page_and_never_a_redirect() {
    let (sandbox, directory, mut browser) = world().await;
    let tenant = sandbox.ready().tenant_id.as_str();
    let application = directory.register(json!({})).await;
    let homeless = directory.register(json!({ "web": { "redirectUris": [] } })).await;
    let app = client_id(&application);
    let unknown = "99999999-9999-4999-8999-999999999999";
    let below = format!("{RETURN}/tenant/7");
    let graph_only = encoded("https://graph.microsoft.com/User.Read.All");
    for (link, code) in [
        (v1(tenant, app, "https://evil.example/"), 50011),
        (v1(tenant, app, &format!("{RETURN}.evil.example")), 50011),
        (v2(tenant, app, &below), 50011),
        (v2(tenant, app, &format!("{RETURN}/")), 50011),
        (v1(tenant, app, ""), 900_971),
        (format!("/{tenant}/adminconsent?client_id={app}"), 900_971),
        (v1(tenant, client_id(&homeless), RETURN), 900_971),
        (v1(tenant, unknown, RETURN), 700_016),
        (v1(tenant, "nonsense", RETURN), 700_016),
        (format!("/{tenant}/adminconsent?redirect_uri={}", encoded(RETURN)), 900_144),
        (format!("{}&client_id={unknown}", v1(tenant, app, RETURN)), 9_002_313),
        (format!("{}&redirect_uri=https://evil.example/", v1(tenant, app, RETURN)), 9_002_313),
        (format!("/{tenant}/v2.0/adminconsent?client_id={app}&redirect_uri={}", encoded(RETURN)), 900_144),
        (
            format!(
                "/{tenant}/v2.0/adminconsent?client_id={app}&scope={graph_only}&redirect_uri={}",
                encoded(RETURN)
            ),
            70011,
        ),
        (v1("fabrikam.onmicrosoft.com", app, RETURN), 90002),
        (v1("no_tenant!", app, RETURN), 900_023),
        (v1("common", app, RETURN), 50194),
        (v2("common", app, RETURN), 50059),
        (v1("consumers", app, RETURN), 9_002_332),
        (format!("{}&state={}", v1(tenant, app, RETURN), "x".repeat(4097)), 90100),
    ] {
        browser.get(&link).await.is_error(code);
    }
    for link in [v1(tenant, app, &below), format!("{}&state={}", v2(tenant, app, RETURN), "%20".repeat(4096))]
    {
        assert_eq!(browser.get(&link).await.status, StatusCode::OK);
    }
    let page = browser.get("//evil.example/adminconsent?client_id=x").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    sandbox.shutdown().await;
}

// authority 13: 650052 and its neighbours come when the tenant is known
#[tokio::test]
async fn permissions_that_cannot_be_granted_are_explained() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let nowhere = "77777777-7777-4777-8777-777777777777";
    let lists = |resource: &str, role: &str| {
        json!({ "requiredResourceAccess":
            [{ "resourceAppId": resource, "resourceAccess": [{ "id": role, "type": "Role" }] }] })
    };
    let lacking = directory.register(lists(nowhere, USER_READ_ALL)).await;
    let mistaken = directory.register(lists(GRAPH, nowhere)).await;
    let listing_nothing = directory.register(json!({ "requiredResourceAccess": [] })).await;

    let link = v1(&ready.tenant_id, client_id(&lacking), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    page.is_error(650_052);
    browser.get(&v1(&ready.tenant_id, client_id(&mistaken), RETURN)).await.is_error(650_053);
    browser.get(&v2(&ready.tenant_id, client_id(&listing_nothing), RETURN)).await.is_error(650_056);
    assert!(directory.principal(client_id(&lacking)).await.is_none());

    let link = v1(&ready.tenant_id, client_id(&listing_nothing), RETURN);
    let page = browser.get(&link).await;
    assert!(page.html.contains("no application permission"), "{}", page.html);
    browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(directory.principal(client_id(&listing_nothing)).await.unwrap().1, 0);
    sandbox.shutdown().await;
}

// authority 13: 90094
#[tokio::test]
async fn an_administrator_who_may_grant_nothing_cannot_consent() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;

    let (administrator, _) = directory.principal(&ready.administrator.client_id).await.unwrap();
    let id = administrator["id"].as_str().unwrap();
    let held = directory.get(&format!("servicePrincipals/{id}/appRoleAssignments")).await;
    let is_grant = |it: &&Value| it["appRoleId"] == "06b708a9-e830-4db3-a914-8e69da51d44f";
    let grant = held["value"].as_array().unwrap().iter().find(is_grant).unwrap()["id"].as_str().unwrap();
    directory.delete(&format!("servicePrincipals/{id}/appRoleAssignments/{grant}")).await;

    browser.submit(&page, "accept", &[]).await.is_error(90094);
    browser.get(&link).await.is_error(90094);
    assert!(directory.principal(client_id(&application)).await.is_none());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn other_methods_and_large_forms_are_refused() {
    let (sandbox, directory, mut browser) = world().await;
    let application = directory.register(json!({})).await;
    let link = v1(&sandbox.ready().tenant_id, client_id(&application), RETURN)
        .replace("adminconsent", "AdminConsent");
    let url = format!("{}{link}", browser.base);
    let page = browser.send(browser.client.put(&url), url.clone()).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    let large = "x".repeat(20_000);
    let page = browser.send(browser.client.post(&url).body(large), url.clone()).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(browser.get(&link).await.status, StatusCode::OK);
    sandbox.shutdown().await;
}
