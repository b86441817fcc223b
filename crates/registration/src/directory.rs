//! The calls that a registration makes (Microsoft Graph v1.0: application, servicePrincipal, appRoleAssignment).

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use unattended_core::Clock;
use unattended_webapi::{Client, Error, RequestBuilder, Response};

/// A directory, and patience with its replicas.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) app_id: String,
    #[serde(default)]
    pub(crate) required_resource_access: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePrincipal {
    pub(crate) id: String,
    pub(crate) app_id: String,
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    pub(crate) app_roles: Vec<AppRole>,
    #[serde(default)]
    pub(crate) oauth2_permission_scopes: Vec<DelegatedPermission>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppRole {
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) is_enabled: bool,
    #[serde(default)]
    pub(crate) allowed_member_types: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DelegatedPermission {
    pub(crate) value: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assignment {
    pub(crate) resource_id: String,
    pub(crate) app_role_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Password {
    pub(crate) key_id: String,
    pub(crate) secret_text: String,
    pub(crate) end_date_time: Option<String>,
}

impl Directory {
    pub(crate) async fn applications_named(&self, name: &str) -> Result<Vec<Application>, Error> {
        let filter = encode(&format!("displayName eq {}", literal(name)));
        self.all(&format!(
            "/applications?$filter={filter}&$select=id,appId,displayName,requiredResourceAccess"
        ))
        .await
    }

    pub(crate) async fn create_application(&self, body: &Value) -> Result<Application, Error> {
        self.client.post("/applications").json(body).send().await?.json()
    }

    pub(crate) async fn update_application(&self, id: &str, body: &Value, is_new: bool) -> Result<(), Error> {
        // Setting the same values twice is the same as once.
        let path = format!("/applications/{id}");
        self.patiently(is_new, || self.client.patch(&path).json(body).idempotent()).await.map(drop)
    }

    /// Whole entries: what is not sent back with an update is removed by it.
    pub(crate) async fn key_credentials(
        &self,
        id: &str,
        is_new: bool,
    ) -> Result<Vec<Map<String, Value>>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Keys {
            #[serde(default)]
            key_credentials: Vec<Map<String, Value>>,
        }
        let path = format!("/applications/{id}?$select=id,keyCredentials");
        let keys: Keys = self.patiently(is_new, || self.client.get(&path)).await?.json()?;
        Ok(keys.key_credentials)
    }

    pub(crate) async fn add_password(&self, id: &str, name: &str, is_new: bool) -> Result<Password, Error> {
        let path = format!("/applications/{id}/addPassword");
        let body = json!({ "passwordCredential": { "displayName": name } });
        self.patiently(is_new, || self.client.post(&path).json(&body)).await?.json()
    }

    pub(crate) async fn service_principals_of(&self, app_id: &str) -> Result<Vec<ServicePrincipal>, Error> {
        self.service_principals(&format!("appId eq {}", literal(app_id))).await
    }

    /// By one of the names under which the authority knows it: its application ID URI.
    pub(crate) async fn service_principals_named(&self, uri: &str) -> Result<Vec<ServicePrincipal>, Error> {
        self.service_principals(&format!("servicePrincipalNames/any(n:n eq {})", literal(uri))).await
    }

    async fn service_principals(&self, filter: &str) -> Result<Vec<ServicePrincipal>, Error> {
        let select = "id,appId,displayName,appRoles,oauth2PermissionScopes";
        self.all(&format!("/servicePrincipals?$filter={}&$select={select}", encode(filter))).await
    }

    pub(crate) async fn create_service_principal(
        &self,
        app_id: &str,
        is_new: bool,
    ) -> Result<ServicePrincipal, Error> {
        let body = json!({ "appId": app_id });
        self.patiently(is_new, || self.client.post("/servicePrincipals").json(&body)).await?.json()
    }

    pub(crate) async fn assignments_of(
        &self,
        principal: &str,
        is_new: bool,
    ) -> Result<Vec<Assignment>, Error> {
        if is_new {
            return Ok(Vec::new());
        }
        self.all(&format!("/servicePrincipals/{principal}/appRoleAssignments")).await
    }

    pub(crate) async fn assign(
        &self,
        principal: &str,
        resource: &str,
        role: &str,
        is_new: bool,
    ) -> Result<(), Error> {
        let path = format!("/servicePrincipals/{resource}/appRoleAssignedTo");
        let body = json!({ "principalId": principal, "resourceId": resource, "appRoleId": role });
        // A second assignment of the same role is refused by the directory, so nothing is done twice.
        self.patiently(is_new, || self.client.post(&path).json(&body).idempotent()).await.map(drop)
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let mut pages = self.client.pages(path);
        let mut items = Vec::new();
        while let Some(page) = pages.next().await? {
            items.extend(page.parse()?);
        }
        Ok(items)
    }

    /// Sends a request about an object that may be so new that not every replica of the directory knows it yet.
    async fn patiently(&self, is_new: bool, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let mut waits = [1, 2, 4, 8, 15, 30].into_iter().map(Duration::from_secs).filter(|_| is_new);
        loop {
            match request().send().await {
                Err(error) if is_not_there_yet(&error) => match waits.next() {
                    Some(wait) => {
                        tracing::debug!(
                            wait_s = wait.as_secs(),
                            "the directory does not know the new object yet"
                        );
                        self.clock.sleep(wait).await;
                    }
                    None => return Err(error),
                },
                outcome => return outcome,
            }
        }
    }
}

fn is_not_there_yet(error: &Error) -> bool {
    error.is_not_found()
        || matches!(error.code(), Some("NoBackingApplicationObject" | "Request_ResourceNotFound"))
}

/// A text literal of OData 4.01 (part 2, section 5.1.1.14.1): quotes inside are doubled.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Percent-encoding of everything but the unreserved characters (RFC 3986 section 2.3).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
