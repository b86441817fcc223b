//! Managed identities, as programs on the machine use them.

use std::fs;

use serde_json::{Value, json};
use unattended_sandbox::Ready;

use crate::consent::GRAPH;
use crate::directory::Directory;
use crate::{builder, claims, client, start};

/// The resource that identities read the directory with.
const DIRECTORY: &str = "https://graph.microsoft.com";

/// The API that controls a sandbox.
struct Control<'a>(&'a Ready);

impl Control<'_> {
    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let token = fs::read_to_string(self.0.ca_file.with_file_name("control.token")).unwrap();
        client(self.0).request(method, format!("{}/sandbox{path}", self.0.authority)).bearer_auth(token)
    }

    async fn add(&self, wish: Value) -> Value {
        let answer = self.request(reqwest::Method::POST, "/identities").json(&wish).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    async fn list(&self) -> Value {
        self.request(reqwest::Method::GET, "/identities").send().await.unwrap().json().await.unwrap()
    }
}

/// Gives an identity a permission of the directory.
async fn permit(ready: &Ready, identity: &Value, role: &str) {
    let directory = Directory::of(ready).await;
    let graph = directory.get(&format!("servicePrincipals(appId='{GRAPH}')")).await;
    let role = graph["appRoles"].as_array().unwrap().iter().find(|it| it["value"] == role).unwrap();
    let id = identity["objectId"].as_str().unwrap();
    let grant = json!({ "principalId": id, "resourceId": graph["id"], "appRoleId": role["id"] });
    directory.post(&format!("servicePrincipals/{id}/appRoleAssignments"), grant).await;
}

/// Asks the instance metadata service.
async fn imds(ready: &Ready, query: &str) -> (u16, Value) {
    let url = format!("{}/metadata/identity/oauth2/token?api-version=2018-02-01&{query}", ready.authority);
    answer(client(ready).get(url).header("metadata", "true")).await
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// How many users a token reads, page after page.
async fn users(ready: &Ready, token: &str) -> usize {
    let (mut count, mut next) = (0, Some(format!("{}/users?$select=id", ready.graph)));
    while let Some(url) = next {
        let (status, page) = answer(client(ready).get(url).bearer_auth(token)).await;
        assert_eq!(status, 200, "{page}");
        count += page["value"].as_array().unwrap().len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    count
}

// runtime S5: the emulators of every host give tokens, with which the same number of users is read
#[tokio::test]
async fn each_host_gives_the_identity_of_the_machine_a_token_that_reads_every_user() {
    let sandbox = builder().users(250).start().await.unwrap();
    let ready = sandbox.ready();
    let control = Control(ready);
    let identity = control.add(json!({ "name": "vm-1" })).await;
    assert_eq!(identity["kind"], "system-assigned");
    permit(ready, &identity, "User.Read.All").await;
    let hosts = control.list().await["hosts"].clone();
    let text = |pointer: &str| hosts.pointer(pointer).unwrap().as_str().unwrap().to_owned();

    let resource = format!("resource={DIRECTORY}");
    let of_vm = imds(ready, &resource).await;
    let url = format!("{}?api-version=2019-08-01&{resource}", text("/app-service/endpoint"));
    let app_service = client(ready).get(url).header("x-identity-header", text("/app-service/header"));
    let of_app_service = answer(app_service).await;

    // The Arc agent names a file, and takes who can read it.
    let url = format!("{}?api-version=2020-06-01&{resource}", text("/arc/endpoint"));
    let arc = || client(ready).get(&url).header("metadata", "true");
    let challenge = arc().send().await.unwrap();
    assert_eq!(challenge.status(), 401);
    let realm = challenge.headers()["www-authenticate"].to_str().unwrap();
    let file = std::path::PathBuf::from(realm.strip_prefix("Basic realm=").unwrap());
    assert_eq!(file.parent().unwrap().to_str().unwrap(), text("/arc/tokensDirectory"));
    let proof = fs::read_to_string(&file).unwrap();
    let of_arc = answer(arc().header("authorization", format!("Basic {proof}"))).await;
    assert_eq!(arc().header("authorization", "Basic x").send().await.unwrap().status(), 401);

    for (status, body) in [of_vm, of_app_service, of_arc] {
        assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
        let token = body["access_token"].as_str().unwrap();
        let (oid, life) = (&claims(token)["oid"], body["expires_in"].as_str().unwrap());
        assert_eq!((oid, life, &body["client_id"]), (&identity["objectId"], "86399", &identity["clientId"]));
        assert!(body["expires_on"].as_str().unwrap().parse::<u64>().is_ok());
        assert_eq!((&claims(token)["idtyp"], &body["resource"]), (&json!("app"), &json!(DIRECTORY)));
        assert_eq!(users(ready, token).await, 250);
    }
    sandbox.shutdown().await;
}

// runtime S5: UserAssignedClientId
#[tokio::test]
async fn an_assigned_identity_is_chosen_by_any_of_its_names_and_never_by_mistake() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let control = Control(ready);
    let resource = format!("resource={DIRECTORY}");
    let (status, body) = imds(ready, &resource).await;
    assert_eq!((status, &body["error_description"]), (400, &json!("Identity not found")));
    let identity = control.add(json!({ "name": "reports", "userAssigned": true })).await;
    // Nobody gets an assigned identity unasked.
    assert_eq!(imds(ready, &resource).await.0, 400);
    for (name, value) in [
        ("client_id", "clientId"),
        ("object_id", "objectId"),
        ("msi_res_id", "resourceId"),
        ("mi_res_id", "resourceId"),
    ] {
        let value = identity[value].as_str().unwrap();
        for value in [value.to_owned(), value.to_uppercase()] {
            let (status, body) = imds(ready, &format!("{resource}&{name}={value}")).await;
            assert_eq!((status, &body["client_id"]), (200, &identity["clientId"]), "{name} {body}");
        }
    }
    assert_eq!(
        imds(ready, &format!("{resource}&client_id=99999999-9999-4999-8999-999999999999")).await.0,
        400
    );
    let two =
        format!("client_id={}&object_id={}", identity["clientId"], identity["objectId"]).replace('"', "");
    assert_eq!(imds(ready, &format!("{resource}&{two}")).await.0, 400);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn who_does_not_ask_as_a_program_of_the_machine_gets_nothing() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let control = Control(ready);
    control.add(json!({ "name": "vm-1" })).await;
    let base = format!("{}/metadata/identity/oauth2/token", ready.authority);
    let good = format!("{base}?api-version=2018-02-01&resource={DIRECTORY}");
    let http = client(ready);
    for request in [
        http.get(&good),
        http.get(&good).header("metadata", "false"),
        http.get(&good).header("metadata", "true").header("x-forwarded-for", "10.0.0.1"),
        http.get(format!("{base}?api-version=2018-02-01")).header("metadata", "true"),
        http.get(format!("{base}?resource={DIRECTORY}")).header("metadata", "true"),
        http.get(format!("{base}?api-version=2017-01-01&resource={DIRECTORY}")).header("metadata", "true"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!(status, 400, "{body}");
        assert!(body["error"].is_string() && body["error_description"].is_string());
    }
    let posted = answer(http.post(&good).header("metadata", "true")).await;
    assert_eq!(posted.0, 405);
    let (status, body) = imds(ready, "resource=api://nowhere").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_resource")));
    assert!(body["error_description"].as_str().unwrap().starts_with("AADSTS500011: "), "{body}");
    let app_service = format!("{}/managed-identity/app-service", ready.authority);
    let app_service = format!("{app_service}?api-version=2019-08-01&resource={DIRECTORY}");
    for request in [http.get(&app_service), http.get(&app_service).header("x-identity-header", "guess")] {
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["statusCode"]), (401, &json!(401)));
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_machine_has_one_identity_of_its_own_which_can_be_disabled_and_taken_away() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let control = Control(ready);
    let identity = control.add(json!({ "name": "vm-1" })).await;
    let add = async |wish: Value| {
        control.request(reqwest::Method::POST, "/identities").json(&wish).send().await.unwrap().status()
    };
    assert_eq!(add(json!({ "name": "vm-2" })).await, 409);
    assert_eq!(add(json!({ "name": "VM-1", "userAssigned": true })).await, 409);
    assert_eq!(add(json!({ "name": "a b" })).await, 400);
    assert_eq!(add(json!({ "name": "x", "tenant": "fabrikam.onmicrosoft.com" })).await, 404);
    assert_eq!(control.list().await["identities"], json!([identity]));

    let directory = Directory::of(ready).await;
    let path = format!("servicePrincipals/{}", identity["objectId"].as_str().unwrap());
    let principal = directory.get(&path).await;
    assert_eq!(principal["servicePrincipalType"], "ManagedIdentity");
    assert_eq!(principal["alternativeNames"], json!(["isExplicit=False", identity["resourceId"]]));
    directory.patch(&path, json!({ "accountEnabled": false })).await;
    let resource = format!("resource={DIRECTORY}");
    let (status, body) = imds(ready, &resource).await;
    assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")), "{body}");

    let path = format!("/identities/{}", identity["clientId"].as_str().unwrap());
    let remove = async || control.request(reqwest::Method::DELETE, &path).send().await.unwrap().status();
    assert_eq!((remove().await, remove().await), (204.try_into().unwrap(), 404.try_into().unwrap()));
    assert_eq!(imds(ready, &resource).await.1["error_description"], "Identity not found");
    sandbox.shutdown().await;
}

// authority 7.4: managed identity as a federated credential; runtime S8: both legs
#[tokio::test]
async fn an_identity_vouches_for_an_application() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let identity = Control(ready).add(json!({ "name": "reports", "userAssigned": true })).await;
    let directory = Directory::of(ready).await;
    let application = directory.register(json!({})).await;
    directory.post("servicePrincipals", json!({ "appId": application["appId"] })).await;
    let credentials =
        format!("applications/{}/federatedIdentityCredentials", application["id"].as_str().unwrap());
    let trusted = json!({
        "name": "machine", "issuer": format!("{}/{}/v2.0", ready.authority, ready.tenant_id),
        "subject": identity["objectId"], "audiences": ["api://AzureADTokenExchange"],
    });
    directory.post(&credentials, trusted).await;
    let named = format!("client_id={}", identity["clientId"].as_str().unwrap());
    let (status, proof) = imds(ready, &format!("resource=api://AzureADTokenExchange&{named}")).await;
    assert_eq!(status, 200, "{proof}");
    let form = |assertion: &str| {
        [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", application["appId"].as_str().unwrap().to_owned()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion", assertion.to_owned()),
            ("scope", format!("{DIRECTORY}/.default")),
        ]
    };
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    let token = async |assertion: &str| answer(client(ready).post(&url).form(&form(assertion))).await;
    let (status, body) = token(proof["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(claims(body["access_token"].as_str().unwrap())["azp"], application["appId"]);
    // What the identity got for something else vouches for nobody.
    let (_, other) = imds(ready, &format!("resource={DIRECTORY}&{named}")).await;
    let (_, refused) = token(other["access_token"].as_str().unwrap()).await;
    assert_eq!(refused["error_codes"], json!([700_212]));
    sandbox.shutdown().await;
}
