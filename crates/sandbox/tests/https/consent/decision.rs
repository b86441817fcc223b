//! What comes of accepting and of cancelling.

use http::StatusCode;
use serde_json::{Value, json};

use super::{GRAPH, RETURN, USER_READ_ALL, client_id, v1, v2, world};

// authority 13, AC-11: success, by both endpoints; idempotence
#[tokio::test]
async fn an_accepted_application_is_in_the_tenant_with_its_roles_and_stays_so() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let app = client_id(&application);
    assert!(directory.principal(app).await.is_none());

    let state = "&state=a%20b+c%2Fd%3D%C3%A9~";
    let link = v1(&ready.tenant_domain, app, RETURN) + state;
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    for text in
        ["Permissions requested", "Reports", "User.Read.All", "Group.Read.All", "Microsoft Graph", "Contoso"]
    {
        assert!(page.html.contains(text), "{text}: {}", page.html);
    }
    assert!(!page.html.contains("granted already"));
    let accepted = browser.submit(&page, "accept", &[]).await;
    assert_eq!(accepted.status, StatusCode::FOUND);
    assert_eq!(
        accepted.location(),
        format!("{RETURN}?tenant={}&state=a%20b+c%2Fd%3D%C3%A9~&admin_consent=True#", ready.tenant_id)
    );
    let (first, roles) = directory.principal(app).await.unwrap();
    assert_eq!((roles, &first["displayName"]), (2, &json!("Reports")));

    let page = browser.get(&(v2("Organizations", app, RETURN) + "&state=x")).await;
    page.is_error(50194);
    let page = browser.get(&(v2(&ready.tenant_id, app, RETURN) + "&state=x")).await;
    assert_eq!(page.html.matches("granted already").count(), 2, "{}", page.html);
    let accepted = browser.submit(&page, "accept", &[]).await;
    let (place, parameters) = accepted.answer();
    assert_eq!(place, RETURN);
    let scope = "https://graph.microsoft.com/User.Read.All https://graph.microsoft.com/Group.Read.All";
    let expected =
        [("admin_consent", "True"), ("tenant", &ready.tenant_id), ("scope", scope), ("state", "x")];
    assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(directory.principal(app).await.unwrap(), (first, 2));
    sandbox.shutdown().await;
}

// authority 13, AC-11: refusal
#[tokio::test]
async fn who_cancels_changes_nothing_and_the_application_is_told() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let app = client_id(&application);

    let page =
        browser.sign_in(&v1(&ready.tenant_id, app, RETURN), &ready.tenant_id, &ready.administrator).await;
    let declined = browser.submit(&page, "cancel", &[]).await;
    assert_eq!(
        declined.location(),
        format!("{RETURN}?error=permission_denied&error_description=The+admin+canceled+the+request#")
    );

    let page = browser.get(&(v2(&ready.tenant_id, app, RETURN) + "&state=a+b")).await;
    let declined = browser.submit(&page, "cancel", &[]).await;
    assert!(declined.location().contains("?admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+The+resource+owner+or+authorization+server+denied+the+request.%0D%0ATrace+ID"));
    assert!(declined.location().ends_with("&state=a+b#"));
    let (_, parameters) = declined.answer();
    let lines: Vec<&str> =
        parameters[2].1.split("\r\n").map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["AADSTS65004", "Trace ID", "Correlation ID", "Timestamp"]);
    assert!(directory.principal(app).await.is_none());
    sandbox.shutdown().await;
}

// authority 13: v1 may carry extra path segments, a state of 4 KB comes back whole
#[tokio::test]
async fn the_v1_endpoint_returns_below_a_registered_address_with_all_of_the_state() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let below = format!("{RETURN}/tenant/7");
    let state = "%C3%A9".repeat(2048);
    let link = format!("{}&state={state}", v1(&ready.tenant_id, client_id(&application), &below));
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let accepted = browser.submit(&page, "accept", &[]).await;
    let tenant = &ready.tenant_id;
    assert_eq!(accepted.location(), format!("{below}?tenant={tenant}&state={state}&admin_consent=True#"));
    sandbox.shutdown().await;
}

// AC-11: multi-tenant onboarding
#[tokio::test]
async fn an_application_of_one_tenant_is_onboarded_in_another() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let customer = sandbox.add_tenant("fabrikam").await.unwrap();
    let application = directory.register(json!({ "signInAudience": "AzureADMultipleOrgs" })).await;
    let own = directory.register(json!({})).await;
    let secret = directory
        .post(&format!("applications/{}/addPassword", application["id"].as_str().unwrap()), json!({}))
        .await;
    let app = client_id(&application);

    browser.get(&v1(&customer.tenant_id, client_id(&own), RETURN)).await.is_error(700_016);
    let link = v1("common", app, RETURN);
    let page = browser.get(&link).await;
    for name in ["Contoso", "fabrikam.onmicrosoft.com"] {
        assert!(page.html.contains(name), "{}", page.html);
    }
    let page = browser.sign_in(&link, &customer.tenant_id, &customer.administrator).await;
    let (_, parameters) = browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(parameters[0], ("tenant".to_owned(), customer.tenant_id.clone()));

    let token = directory
        .client
        .post(format!("{}/{}/oauth2/v2.0/token", ready.authority, customer.tenant_id))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", app),
            ("client_secret", secret["secretText"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
        ])
        .send()
        .await
        .unwrap();
    let token: Value = token.json().await.unwrap();
    let claims = crate::claims(token["access_token"].as_str().unwrap_or_else(|| panic!("{token}")));
    let mut roles: Vec<&str> = claims["roles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    roles.sort_unstable();
    assert_eq!(
        (roles, &claims["tid"]),
        (vec!["Group.Read.All", "User.Read.All"], &json!(customer.tenant_id))
    );
    assert!(directory.principal(app).await.is_none(), "consent in one tenant is none in another");

    // Signed in to one tenant is not signed in to the other.
    let page = browser.get(&v1(&ready.tenant_id, app, RETURN)).await;
    assert!(page.html.contains("<h1>Sign in</h1>"));
    sandbox.shutdown().await;
}

// authority 13: delegated permissions are not for applications that act as themselves
#[tokio::test]
async fn delegated_permissions_are_told_and_not_granted() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let listed = json!({ "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
        { "id": USER_READ_ALL, "type": "Role" }, { "id": USER_READ_ALL, "type": "Role" },
        { "id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope" },
    ] }] });
    let application = directory.register(listed).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    assert!(page.html.contains("one delegated permission"), "{}", page.html);
    browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(directory.principal(client_id(&application)).await.unwrap().1, 1);
    sandbox.shutdown().await;
}
