//! The directory API in the hands of a tenant's administrator.

use serde_json::{Value, json};
use unattended_sandbox::Ready;

use super::{GRAPH, GROUP_READ_ALL, RETURN, USER_READ_ALL};
use crate::administrator_token;

/// A tenant's directory API, used by its administrator.
pub(super) struct Directory {
    pub(super) client: reqwest::Client,
    pub(super) base: String,
    pub(super) token: String,
}

impl Directory {
    pub(super) async fn of(ready: &Ready) -> Self {
        let answer = administrator_token(ready).await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { client: crate::client(ready), base: ready.graph.clone(), token }
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    pub(super) async fn patch(&self, path: &str, body: Value) {
        let request = self.client.patch(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    pub(super) async fn delete(&self, path: &str) {
        let request = self.client.delete(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        assert!(request.send().await.unwrap().status().is_success());
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Registers an application that lists permissions and has an address.
    pub(super) async fn register(&self, more: Value) -> Value {
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
    pub(super) async fn principal(&self, client_id: &str) -> Option<(Value, usize)> {
        let principal = self.get(&format!("servicePrincipals(appId='{client_id}')")).await;
        let id = principal["id"].as_str()?;
        let assignments = self.get(&format!("servicePrincipals/{id}/appRoleAssignments")).await;
        let count = assignments["value"].as_array().unwrap().len();
        Some((principal, count))
    }
}
