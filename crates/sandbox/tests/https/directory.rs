//! The directory API in the hands of a tenant's administrator.

use serde_json::{Value, json};
use unattended_sandbox::{Ready, TenantAccess};

use crate::administrator_token;
use crate::consent::{GRAPH, GROUP_READ_ALL, RETURN, USER_READ_ALL};

/// A tenant's directory API, used by its administrator.
pub(crate) struct Directory {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

impl Directory {
    pub(crate) async fn of(ready: &Ready) -> Self {
        let answer = administrator_token(ready).await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { client: crate::client(ready), base: ready.graph.clone(), token }
    }

    /// That of a tenant which was added.
    pub(crate) async fn of_tenant(ready: &Ready, tenant: &TenantAccess) -> Self {
        let mut ready = ready.clone();
        ready.tenant_id.clone_from(&tenant.tenant_id);
        ready.administrator = tenant.administrator.clone();
        Self::of(&ready).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    /// A request that is answered with nothing.
    pub(crate) async fn post_for_nothing(&self, path: &str, body: Value) {
        let request = self.client.post(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) {
        let request = self.client.patch(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    pub(crate) async fn delete(&self, path: &str) {
        let request = self.client.delete(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        assert!(request.send().await.unwrap().status().is_success());
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Registers an application that lists permissions and has an address.
    pub(crate) async fn register(&self, more: Value) -> Value {
        let mut application = json!({
            "displayName": "Reports",
            "web": { "redirectUris": [RETURN] },
            "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
                { "id": USER_READ_ALL, "type": "Role" },
                { "id": GROUP_READ_ALL, "type": "Role" },
            ] }],
        });
        for (name, value) in more.as_object().unwrap() {
            application[name] = value.clone();
        }
        self.post("applications", application).await
    }

    /// What stands for an application in the tenant, with how many roles it holds.
    pub(crate) async fn principal(&self, client_id: &str) -> Option<(Value, usize)> {
        let principal = self.get(&format!("servicePrincipals(appId='{client_id}')")).await;
        let id = principal["id"].as_str()?;
        let assignments = self.get(&format!("servicePrincipals/{id}/appRoleAssignments")).await;
        let count = assignments["value"].as_array().unwrap().len();
        Some((principal, count))
    }

    /// Registers an application that holds one permission of the directory; the directory in its hands.
    pub(crate) async fn daemon(&self, ready: &Ready, name: &str, role: &str) -> Self {
        let application = self.post("applications", json!({ "displayName": name })).await;
        let id = application["id"].as_str().unwrap();
        let secret = self.post(&format!("applications/{id}/addPassword"), json!({})).await;
        let principal = self.post("servicePrincipals", json!({ "appId": application["appId"] })).await;
        let graph = self.get(&format!("servicePrincipals(appId='{GRAPH}')")).await;
        let roles = graph["appRoles"].as_array().unwrap();
        let role = &roles.iter().find(|it| it["value"] == role).unwrap()["id"];
        let grant = json!({ "principalId": principal["id"], "resourceId": graph["id"], "appRoleId": role });
        let id = principal["id"].as_str().unwrap();
        self.post(&format!("servicePrincipals/{id}/appRoleAssignments"), grant).await;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", application["appId"].as_str().unwrap()),
            ("client_secret", secret["secretText"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
        let answer: Value = self.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self { client: self.client.clone(), base: self.base.clone(), token }
    }
}
