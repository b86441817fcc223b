//! Credentials that an application has in one tenant alone: those of its service principal there.

use serde_json::{Value, json};
use unattended_sandbox::{Ready, TenantAccess};

use crate::directory::Directory;
use crate::start;

async fn token(http: &reqwest::Client, ready: &Ready, tenant: &str, app: &Value, secret: &str) -> Value {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", app["appId"].as_str().unwrap()),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let url = format!("{}/{tenant}/oauth2/v2.0/token", ready.authority);
    http.post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

// directory 4.3: the same actions on service principals
#[tokio::test]
async fn a_secret_of_a_service_principal_is_good_in_its_tenant() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let fabrikam: TenantAccess = sandbox.add_tenant("fabrikam").await.unwrap();
    let home = Directory::of(ready).await;
    let customer = Directory::of_tenant(ready, &fabrikam).await;
    let app = json!({ "displayName": "reports", "signInAudience": "AzureADMultipleOrgs" });
    let app = home.post("applications", app).await;
    let mut principals = Vec::new();
    for directory in [&home, &customer] {
        principals.push(directory.post("servicePrincipals", json!({ "appId": app["appId"] })).await);
    }
    let principal = format!("servicePrincipals/{}", principals[1]["id"].as_str().unwrap());
    let made = customer.post(&format!("{principal}/addPassword"), json!({})).await;
    let secret = made["secretText"].as_str().unwrap();
    let shown = customer.get(&principal).await;
    assert_eq!(shown["passwordCredentials"][0]["keyId"], made["keyId"]);
    assert_eq!(shown["passwordCredentials"][0]["secretText"], Value::Null);

    let ask = async |tenant: &str| token(&home.client, ready, tenant, &app, secret).await;
    let there = ask(&fabrikam.tenant_id).await;
    assert_eq!(crate::claims(there["access_token"].as_str().unwrap())["azpacr"], "1", "{there}");
    assert_eq!(ask(&ready.tenant_id).await["error_codes"], json!([7_000_215]));

    customer.delete(&principal).await;
    let restore = format!("directory/deletedItems/{}/restore", principals[1]["id"].as_str().unwrap());
    customer.post(&restore, json!({})).await;
    assert!(ask(&fabrikam.tenant_id).await["access_token"].is_string());
    customer
        .post_for_nothing(&format!("{principal}/removePassword"), json!({ "keyId": made["keyId"] }))
        .await;
    assert_eq!(ask(&fabrikam.tenant_id).await["error_codes"], json!([7_000_215]));
    sandbox.shutdown().await;
}
