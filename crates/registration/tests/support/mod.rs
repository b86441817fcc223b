//! A directory of one's own, small enough to read: applications, service principals and assignments in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use unattended_core::{
    Authorization, BoxFuture, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody, SeededEntropy,
    TokenDemand, TokenSource, TokenSourceError,
};
use unattended_registration::Registrar;
use unattended_webapi::Client;

pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
pub(crate) const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
pub(crate) const USER_READWRITE_ALL: &str = "741f803b-c850-494e-b5df-cde7c675a1ca";

/// What happens instead of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The directory refuses with this status and code, and does nothing.
    Refuse(u16, &'static str),
    /// The directory does it, and the answer is lost.
    LoseAnswer,
}

#[derive(Clone, Default)]
pub(crate) struct Directory(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) applications: Vec<Value>,
    pub(crate) principals: Vec<Value>,
    pub(crate) assignments: Vec<Value>,
    /// Method, path and body of every write.
    pub(crate) writes: Vec<(Method, String, Value)>,
    /// For the next requests of a method to a path that ends so.
    pub(crate) faults: VecDeque<(Method, &'static str, Fault)>,
}

impl Directory {
    /// With Microsoft Graph and an API of one's own in it.
    pub(crate) fn new() -> Self {
        let role = |id: &str, value: &str, enabled: bool, kind: &str| json!({"id": id, "value": value, "isEnabled": enabled, "allowedMemberTypes": [kind]});
        let graph = json!({
            "id": "graph-principal", "appId": GRAPH, "displayName": "Microsoft Graph",
            "servicePrincipalNames": [GRAPH, "https://graph.microsoft.com"],
            "appRoles": [
                role(USER_READ_ALL, "User.Read.All", true, "Application"),
                role(USER_READWRITE_ALL, "User.ReadWrite.All", true, "Application"),
                role("62a82d76-70ea-41e2-9197-370581804d09", "Group.ReadWrite.All", true, "Application"),
                role("aaaaaaaa-0000-0000-0000-000000000001", "Old.Read", false, "Application"),
            ],
            "oauth2PermissionScopes": [{"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "value": "User.Read"}],
        });
        let orders = json!({
            "id": "orders-principal", "appId": "11111111-2222-3333-4444-555555555555", "displayName": null,
            "servicePrincipalNames": ["api://it's-orders"],
            "appRoles": [role("aaaaaaaa-0000-0000-0000-000000000002", "Orders.Read", true, "Application")],
        });
        let this = Self::default();
        this.state().principals.extend([graph, orders]);
        this
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fail(&self, method: Method, path_end: &'static str, fault: Fault) {
        self.state().faults.push_back((method, path_end, fault));
    }

    /// How often was written since the last time this was asked.
    pub(crate) fn take_writes(&self) -> usize {
        std::mem::take(&mut self.state().writes).len()
    }

    pub(crate) fn registrar(&self) -> Registrar {
        let clock = Arc::new(ManualClock::self_advancing_at(1_800_000_000));
        let client = Client::builder("https://graph.example/v1.0")
            .http(Arc::new(self.clone()))
            .token_source(Arc::new(Token))
            .clock(clock.clone())
            .entropy(Arc::new(SeededEntropy::new(1)))
            .build()
            .unwrap();
        Registrar::new(client).with_clock(clock)
    }
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &Value) -> (u16, Value) {
        let segments: Vec<&str> = path.trim_start_matches("/v1.0/").split('/').collect();
        let filter =
            query.split('&').find_map(|pair| pair.strip_prefix("$filter=")).map(decode).unwrap_or_default();
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["applications"]) => {
                let name = quoted(&filter, "displayName eq ");
                collection(self.applications.iter().filter(|it| it["displayName"] == name.as_str()))
            }
            ("POST", ["applications"]) => {
                let number = self.applications.len() + 1;
                let mut application = body.clone();
                application["id"] = json!(format!("object-{number}"));
                application["appId"] = json!(format!("00000000-0000-0000-0000-{number:012}"));
                self.applications.push(application.clone());
                (201, application)
            }
            ("GET", ["applications", id]) => match self.applications.iter().find(|it| it["id"] == *id) {
                Some(it) => (200, it.clone()),
                None => not_found(),
            },
            ("PATCH", ["applications", id]) => {
                let Some(application) = self.applications.iter_mut().find(|it| it["id"] == *id) else {
                    return not_found();
                };
                for (name, value) in body.as_object().unwrap() {
                    application[name] = value.clone();
                }
                for (index, key) in
                    application["keyCredentials"].as_array_mut().into_iter().flatten().enumerate()
                {
                    key.as_object_mut().unwrap().entry("keyId").or_insert(json!(format!("key-{index}")));
                }
                (204, Value::Null)
            }
            ("POST", ["applications", _, "addPassword"]) => {
                let name = &body["passwordCredential"]["displayName"];
                let end = "2028-01-15T08:00:00Z";
                (
                    200,
                    json!({"keyId": "k-1", "displayName": name, "secretText": "hunter2~secret", "endDateTime": end}),
                )
            }
            ("GET", ["servicePrincipals"]) if filter.starts_with("appId") => {
                let app_id = quoted(&filter, "appId eq ");
                collection(self.principals.iter().filter(|it| it["appId"] == app_id.as_str()))
            }
            ("GET", ["servicePrincipals"]) => {
                let name = quoted(filter.trim_end_matches(')'), "servicePrincipalNames/any(n:n eq ");
                let has = |it: &&Value| {
                    it["servicePrincipalNames"].as_array().is_some_and(|names| names.contains(&json!(name)))
                };
                collection(self.principals.iter().filter(has))
            }
            ("POST", ["servicePrincipals"]) => {
                let principal =
                    json!({"id": format!("principal-{}", self.principals.len()), "appId": body["appId"]});
                self.principals.push(principal.clone());
                (201, principal)
            }
            ("GET", ["servicePrincipals", id, "appRoleAssignments"]) => {
                collection(self.assignments.iter().filter(|it| it["principalId"] == *id))
            }
            ("POST", ["servicePrincipals", id, "appRoleAssignedTo"]) => {
                assert_eq!(body["resourceId"], *id);
                if self.assignments.contains(body) {
                    return (
                        400,
                        json!({"error": {"code": "Request_BadRequest", "message": "Permission being assigned already exists on the object"}}),
                    );
                }
                self.assignments.push(body.clone());
                (201, body.clone())
            }
            _ => panic!("the directory has no {method} {path}"),
        }
    }
}

impl HttpClient for Directory {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let mut state = self.state();
            let (method, path) = (request.method(), request.uri().path());
            let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
            let due = |(on, end, _): &(Method, &str, Fault)| on == method && path.ends_with(end);
            let fault = state
                .faults
                .iter()
                .position(due)
                .and_then(|at| state.faults.remove(at))
                .map(|(.., fault)| fault);
            if method != Method::GET {
                state.writes.push((method.clone(), path.to_owned(), body.clone()));
            }
            let (status, answer) = match fault {
                Some(Fault::Refuse(status, code)) => {
                    (status, json!({"error": {"code": code, "message": "no"}}))
                }
                Some(Fault::LoseAnswer) => {
                    state.answer(method, path, request.uri().query().unwrap_or(""), &body);
                    return Err(HttpError::new(HttpErrorKind::Interrupted, "lost"));
                }
                None => state.answer(method, path, request.uri().query().unwrap_or(""), &body),
            };
            let text = if answer.is_null() { String::new() } else { answer.to_string() };
            Ok(Response::builder().status(status).body(ResponseBody::full(text)).unwrap())
        })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

#[derive(Debug)]
struct Token;

impl TokenSource for Token {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("token").unwrap()) })
    }
}

fn collection<'a>(items: impl Iterator<Item = &'a Value>) -> (u16, Value) {
    (200, json!({ "value": items.collect::<Vec<_>>() }))
}

fn not_found() -> (u16, Value) {
    (404, json!({"error": {"code": "Request_ResourceNotFound", "message": "no"}}))
}

fn quoted(filter: &str, before: &str) -> String {
    let text = filter.strip_prefix(before).unwrap_or_else(|| panic!("{filter}"));
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap().replace("''", "'")
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
