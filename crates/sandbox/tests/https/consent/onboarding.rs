//! Customers come and go: an application of many tenants, which each of them judges for itself.

use serde_json::{Value, json};
use unattended_sandbox::{Ready, TenantAccess};

use super::{GRAPH, GROUP_READ_ALL, RETURN, USER_READ_ALL, client_id, v1, world};
use crate::directory::Directory;

/// The application as its owner runs it, in a tenant of a customer.
struct Daemon<'a> {
    http: &'a reqwest::Client,
    ready: &'a Ready,
    client_id: &'a str,
    secret: &'a str,
}

impl Daemon<'_> {
    /// The answer to a token request in a tenant.
    async fn token(&self, tenant: &str) -> Value {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id),
            ("client_secret", self.secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.ready.authority);
        self.http.post(url).form(&form).send().await.unwrap().json().await.unwrap()
    }

    /// The roles that a tenant gave it, and which tenant's directory it reads with them.
    async fn reads(&self, tenant: &str) -> (Vec<String>, String) {
        let answer = self.token(tenant).await;
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let mut roles: Vec<String> =
            serde_json::from_value(crate::claims(token)["roles"].clone()).unwrap_or_default();
        roles.sort_unstable();
        let organization = format!("{}/organization", self.ready.graph);
        let read = self.http.get(organization).bearer_auth(token).send().await.unwrap();
        assert_eq!(read.status(), 200);
        let read: Value = read.json().await.unwrap();
        (roles, read["value"][0]["id"].as_str().unwrap().to_owned())
    }
}

// S7, AC-7, AC-11
#[tokio::test]
async fn each_customer_is_onboarded_refuses_and_leaves_without_the_others_noticing() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let [fabrikam, adatum] =
        [sandbox.add_tenant("fabrikam").await.unwrap(), sandbox.add_tenant("adatum").await.unwrap()];
    let application = directory.register(json!({ "signInAudience": "AzureADMultipleOrgs" })).await;
    let object = format!("applications/{}", application["id"].as_str().unwrap());
    let secret = directory.post(&format!("{object}/addPassword"), json!({})).await;
    let app = client_id(&application);
    let daemon = Daemon {
        http: &directory.client,
        ready,
        client_id: app,
        secret: secret["secretText"].as_str().unwrap(),
    };

    for customer in [&fabrikam, &adatum] {
        assert_eq!(daemon.token(&customer.tenant_id).await["error_codes"], json!([700_016]));
    }
    let link = |customer: &TenantAccess| v1(&customer.tenant_id, app, RETURN) + "&state=42";
    let page = browser.sign_in(&link(&fabrikam), &fabrikam.tenant_id, &fabrikam.administrator).await;
    let (place, parameters) = browser.submit(&page, "accept", &[]).await.answer();
    let told = |name: &str| parameters.iter().find(|(known, _)| known == name).unwrap().1.as_str();
    assert_eq!((place.as_str(), told("tenant"), told("state")), (RETURN, &*fabrikam.tenant_id, "42"));
    let both = || vec!["Group.Read.All".to_owned(), "User.Read.All".to_owned()];
    assert_eq!(daemon.reads(&fabrikam.tenant_id).await, (both(), fabrikam.tenant_id.clone()));

    let page = browser.sign_in(&link(&adatum), &adatum.tenant_id, &adatum.administrator).await;
    let (_, parameters) = browser.submit(&page, "cancel", &[]).await.answer();
    assert_eq!(parameters[0], ("error".to_owned(), "permission_denied".to_owned()));
    assert_eq!(daemon.token(&adatum.tenant_id).await["error_codes"], json!([700_016]));
    let page = browser.get(&link(&adatum)).await;
    browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(daemon.reads(&adatum.tenant_id).await, (both(), adatum.tenant_id.clone()));

    // A permission more: whoever consents again has it in the next token, and nobody else.
    let group_write = "62a82d76-70ea-41e2-9197-370581804d09";
    let role = |id: &str| json!({ "id": id, "type": "Role" });
    let access = [USER_READ_ALL, GROUP_READ_ALL, group_write].map(role);
    let more = json!([{ "resourceAppId": GRAPH, "resourceAccess": access }]);
    directory.patch(&object, json!({ "requiredResourceAccess": more })).await;
    let page = browser.get(&link(&adatum)).await;
    browser.submit(&page, "accept", &[]).await.answer();
    let roles = daemon.reads(&adatum.tenant_id).await.0;
    assert_eq!(roles, ["Group.Read.All", "Group.ReadWrite.All", "User.Read.All"]);
    assert_eq!(daemon.reads(&fabrikam.tenant_id).await.0, both());

    // One customer leaves.
    let leaving = Directory::of_tenant(ready, &fabrikam).await;
    leaving.delete(&format!("servicePrincipals(appId='{app}')")).await;
    assert_eq!(daemon.token(&fabrikam.tenant_id).await["error_codes"], json!([700_016]));
    assert_eq!(daemon.reads(&adatum.tenant_id).await.0.len(), 3);
    sandbox.shutdown().await;
}
