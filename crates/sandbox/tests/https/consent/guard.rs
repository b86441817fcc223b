//! Who is kept out: guessers, forgers, strangers' markup.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, ORIGIN, RETRY_AFTER, SET_COOKIE};
use serde_json::json;

use super::browser::{Browser, Page};
use super::{GRAPH, RETURN, client_id, v1, world};
use crate::directory::Directory;
use crate::{builder, clock};

#[tokio::test]
async fn a_wrong_password_is_told_and_many_are_stopped() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let directory = Directory::of(ready).await;
    let mut browser = Browser::new(ready);
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let mut page = browser.get(&link).await;
    let wrong = [("account", ready.tenant_id.as_str()), ("password", "wrong")];
    for _ in 0..10 {
        page = browser.submit(&page, "sign-in", &wrong).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.html.contains("The password is wrong") && !page.html.contains(r#"value="wrong""#));
    }
    let secret = std::fs::read_to_string(&ready.administrator.secret_file).unwrap();
    let right = [("account", ready.tenant_id.as_str()), ("password", secret.as_str())];
    page = browser.submit(&page, "sign-in", &right).await;
    assert_eq!(
        (page.status, &page.headers[RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"300".parse().unwrap())
    );
    clock.advance(Duration::from_secs(300));
    let answer = browser.submit(&page, "sign-in", &right).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    clock.advance(Duration::from_secs(3600));
    assert!(browser.get(&link).await.html.contains("<h1>Sign in</h1>"), "a sign-in lasts an hour");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_form_counts_only_from_the_page_that_was_shown() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let is_refused =
        |page: &Page| page.status == StatusCode::FORBIDDEN && page.html.contains("nothing was done");

    for action in ["accept", "cancel", "sign-out", "nonsense", ""] {
        assert!(is_refused(&browser.post(&page.url, action, "forged", &[]).await), "{action}");
    }
    let token = page.token_of("accept");
    let form = [("action", "accept"), ("token", token.as_str())];
    for origin in ["https://evil.example", "null", "https://localhost", "http://localhost:3000"] {
        let request = browser.client.post(&page.url).header(ORIGIN, origin).form(&form);
        assert!(is_refused(&browser.send(request, page.url.clone()).await), "{origin}");
    }
    // Another browser has another token, and is not signed in.
    let mut other = Browser::new(ready);
    let refused = other.post(&page.url, "accept", &token, &[]).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.html.contains("<h1>Sign in</h1>"));

    // The application asks for more once the page is open.
    let more = json!({ "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
        { "id": "741f803b-c850-494e-b5df-cde7c675a1ca", "type": "Role" },
    ] }] });
    directory.patch(&format!("applications/{}", application["id"].as_str().unwrap()), more).await;
    let refused = browser.submit(&page, "accept", &[]).await;
    assert!(is_refused(&refused) && refused.html.contains("User.ReadWrite.All"));
    assert!(directory.principal(client_id(&application)).await.is_none());

    let out = browser.submit(&refused, "sign-out", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(browser.get(&link).await.html.contains("<h1>Sign in</h1>"));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn pages_hold_nothing_foreign_and_can_be_framed_by_nobody() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let evil = r#"<script>alert("x")</script><img src=x onerror='y'>"#;
    let role = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";
    let api = directory
        .register(json!({ "displayName": evil, "requiredResourceAccess": [], "appRoles": [{
            "id": role, "value": "Work<b>", "displayName": evil, "description": evil, "isEnabled": true,
            "allowedMemberTypes": ["Application"],
        }] }))
        .await;
    directory.post("servicePrincipals", json!({ "appId": api["appId"] })).await;
    let listed =
        json!([{ "resourceAppId": api["appId"], "resourceAccess": [{ "id": role, "type": "Role" }] }]);
    let application =
        directory.register(json!({ "displayName": evil, "requiredResourceAccess": listed })).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN) + "&state=%22%3E%3Cscript%3E\"'";

    let sign_in = browser.get(&link).await;
    let ask = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let error =
        browser.get(&v1(&ready.tenant_id, client_id(&application), "https://e/<script>x</script>")).await;
    error.is_error(50011);
    for page in [&sign_in, &ask, &error] {
        assert!(!page.html.contains("<script") && !page.html.contains("<img"), "{}", page.html);
        assert!(page.html.contains("&lt;script&gt;"), "{}", page.html);
        let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        assert!(
            page.headers.get("strict-transport-security").is_none(),
            "it would bind other servers of this machine"
        );
    }
    let cookie = sign_in.headers[SET_COOKIE].to_str().unwrap();
    for attribute in ["__Host-", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let secret = std::fs::read_to_string(&ready.administrator.secret_file).unwrap();
    assert!(!ask.html.contains(&secret));
    sandbox.shutdown().await;
}
