use base64::prelude::{BASE64_STANDARD, Engine as _};
use unattended_core::Secret;

use super::*;
use crate::store::Holder;

fn certificate() -> Vec<u8> {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2028, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    parameters.self_signed(&key).unwrap().der().to_vec()
}

async fn application(world: &World) -> (String, String) {
    let made = world.post("/v1.0/applications", &json!({ "displayName": "daemon" })).await.is(201);
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("appId"))
}

// directory 4.1
#[tokio::test]
async fn an_application_is_registered_found_changed_and_removed() {
    let world = World::new();
    let made = world.post("/v1.0/applications", &json!({ "displayName": "daemon" })).await.is(201);
    assert_eq!(made.body["signInAudience"], "AzureADMyOrg");
    assert_eq!((&made.body["passwordCredentials"], &made.body["keyCredentials"]), (&json!([]), &json!([])));
    let (id, app_id) = (made.body["id"].as_str().unwrap(), made.body["appId"].as_str().unwrap());
    let found = world.get(&format!("/v1.0/applications(appId='{app_id}')")).await.is(200);
    assert_eq!(found.body["id"], id);
    for filter in ["displayName%20eq%20'Daemon'".to_owned(), format!("appId%20eq%20'{app_id}'")] {
        let list = world.get(&format!("/v1.0/applications?$filter={filter}&$select=id")).await.is(200);
        assert_eq!(list.body["value"], json!([{ "id": id }]));
    }
    let api = json!({ "requestedAccessTokenVersion": 2 });
    let change = json!({ "displayName": "renamed", "api": api });
    world.patch(&format!("/v1.0/applications/{id}"), &change).await.is(204);
    let read = world.get(&format!("/v1.0/applications/{id}")).await.is(200);
    assert_eq!(read.body["displayName"], "renamed");
    assert_eq!(read.body["api"]["requestedAccessTokenVersion"], 2);
    assert_eq!(read.body["api"]["knownClientApplications"], json!([]), "other members of api stay");
    world.post("/v1.0/applications", &json!({})).await.is(400);

    world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    world.delete(&format!("/v1.0/applications(appId='{app_id}')")).await.is(204);
    world.get(&format!("/v1.0/applications/{id}")).await.is(404);
    world.get(&format!("/v1.0/servicePrincipals(appId='{app_id}')")).await.is(404);
}

// directory 4.2
#[tokio::test]
async fn a_secret_is_shown_once_and_works_until_it_is_removed() {
    let world = World::new();
    let (id, _) = application(&world).await;
    let path = format!("/v1.0/applications/{id}");
    let wish =
        json!({ "passwordCredential": { "displayName": "first", "endDateTime": "2027-06-01T00:00:00Z" } });
    let added = world.post(&format!("{path}/addPassword"), &wish).await.is(200);
    let secret = added.body["secretText"].as_str().unwrap();
    assert_eq!(added.body["hint"], secret[..3]);
    assert_eq!(added.body["endDateTime"], "2027-06-01T00:00:00Z");
    let kept = world.store.password_credentials(Holder::Application(&id)).unwrap();
    assert!(kept.len() == 1 && kept[0].matches(&Secret::from(secret)));
    let read = world.get(&path).await.is(200);
    assert_eq!(read.body["passwordCredentials"][0]["displayName"], "first");
    assert_eq!(read.body["passwordCredentials"][0]["secretText"], Value::Null);
    assert!(!read.body.to_string().contains(secret));

    let second = world.all(Method::POST, &format!("{path}/addPassword"), None).await.is(200);
    assert_eq!(second.body["endDateTime"], "2029-01-14T08:00:00Z", "two years");
    let key_id = added.body["keyId"].clone();
    world.post(&format!("{path}/removePassword"), &json!({ "keyId": key_id })).await.is(204);
    world.post(&format!("{path}/removePassword"), &json!({ "keyId": key_id })).await.is(400);
    assert_eq!(world.store.password_credentials(Holder::Application(&id)).unwrap().len(), 1);
    let backwards = json!({ "passwordCredential": { "endDateTime": "2020-01-01T00:00:00Z" } });
    world.post(&format!("{path}/addPassword"), &backwards).await.is(400);
}

// directory 4.3
#[tokio::test]
async fn certificates_are_replaced_as_a_whole_and_kept_by_their_key_id() {
    let world = World::new();
    let (id, app_id) = application(&world).await;
    let path = format!("/v1.0/applications/{id}");
    let (first, second) = (certificate(), certificate());
    let credential = |der: &[u8]| json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64_STANDARD.encode(der) });
    world.patch(&path, &json!({ "keyCredentials": [credential(&first)] })).await.is(204);
    let read = world.get(&format!("{path}?$select=keyCredentials")).await.is(200);
    let kept = &read.body["keyCredentials"][0];
    assert_eq!(kept["key"], BASE64_STANDARD.encode(&first));
    assert_eq!(kept["endDateTime"], "2028-01-01T00:00:00Z", "the certificate's own end");
    let list = world.get("/v1.0/applications?$filter=displayName%20eq%20'daemon'").await.is(200);
    assert_eq!(list.body["value"][0]["keyCredentials"][0]["key"], Value::Null);

    let again =
        json!({ "keyId": kept["keyId"], "type": "AsymmetricX509Cert", "usage": "Verify", "key": null });
    world.patch(&path, &json!({ "keyCredentials": [again, credential(&second)] })).await.is(204);
    let application = world.store.application_by_app_id(&app_id).unwrap().unwrap();
    let keys = world.store.key_credentials(Holder::Application(application.id())).unwrap();
    let mut certificates: Vec<_> = keys.iter().map(|key| key.certificate.clone()).collect();
    certificates.sort_unstable();
    let mut expected = [first.clone(), second.clone()];
    expected.sort_unstable();
    assert_eq!(certificates, expected);

    for wrong in [
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify" }),
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA" }),
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": "not base64!" }),
        json!({ "type": "Symmetric", "usage": "Verify", "key": BASE64_STANDARD.encode(&first) }),
        json!({ "key": BASE64_STANDARD.encode(&first), "endDateTime": "2029-01-01T00:00:00Z" }),
    ] {
        world.patch(&path, &json!({ "keyCredentials": [wrong] })).await.is(400);
    }
    assert_eq!(
        world.store.key_credentials(Holder::Application(&id)).unwrap().len(),
        2,
        "a refused change changes nothing"
    );
    world.patch(&path, &json!({ "keyCredentials": [] })).await.is(204);
    assert!(world.store.key_credentials(Holder::Application(&id)).unwrap().is_empty());
}

// directory 4.1: identifierUris and roles
#[tokio::test]
async fn identifier_uris_are_the_applications_own_and_select_its_service_principal() {
    let world = World::new();
    let (id, app_id) = application(&world).await;
    let path = format!("/v1.0/applications/{id}");
    world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    for foreign in ["https://fabrikam.example/api", "api://something", "urn:x", "contoso"] {
        let refused = world.patch(&path, &json!({ "identifierUris": [foreign] })).await.is(400);
        assert_eq!(refused.code(), "HostNameNotOnVerifiedDomain");
    }
    let own = [format!("api://{app_id}"), "https://api.contoso.onmicrosoft.com/v1".to_owned()];
    world.patch(&path, &json!({ "identifierUris": own })).await.is(204);
    for name in own {
        assert_eq!(world.store.resource_by_name(TENANT, &name).unwrap().unwrap().app_id(), app_id);
    }
    let path =
        format!("/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(n:n%20eq%20'api://{app_id}')");
    assert_eq!(world.get(&path).await.is(200).column("appId"), [app_id.as_str()]);

    let (other, other_app) = application(&world).await;
    world.post("/v1.0/servicePrincipals", &json!({ "appId": other_app })).await.is(201);
    let taken = json!({ "identifierUris": ["https://api.contoso.onmicrosoft.com/v1"] });
    let refused = world.patch(&format!("/v1.0/applications/{other}"), &taken).await.is(400);
    assert!(refused.message().contains("identifierUris already exists"));
}

#[tokio::test]
async fn a_role_has_to_be_disabled_before_it_goes() {
    let world = World::new();
    let (id, app_id) = application(&world).await;
    let path = format!("/v1.0/applications/{id}");
    let principal = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    let mut role = json!({
        "id": "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0", "value": "Work.Do", "displayName": "Work", "description": "Works",
        "isEnabled": true, "allowedMemberTypes": ["Application"],
    });
    world.patch(&path, &json!({ "appRoles": [role] })).await.is(204);
    let shown = world.get(&format!("/v1.0/servicePrincipals(appId='{app_id}')")).await.is(200);
    assert_eq!(shown.body["appRoles"][0]["value"], "Work.Do");

    let resource = principal.body["id"].as_str().unwrap();
    let grant =
        json!({ "principalId": world.administrator, "resourceId": resource, "appRoleId": role["id"] });
    world.post(&format!("/v1.0/servicePrincipals/{resource}/appRoleAssignedTo"), &grant).await.is(201);
    let roles = || world.store.application_role_values(TENANT, &world.administrator, resource).unwrap();
    assert_eq!(roles(), ["Work.Do"]);

    let refused = world.patch(&path, &json!({ "appRoles": [] })).await.is(400);
    assert_eq!(refused.code(), "CannotDeleteOrUpdateEnabledEntitlement");
    world.patch(&path, &json!({ "appRoles": [role, role] })).await.is(400);
    world.patch(&path, &json!({ "appRoles": [{ "value": "x" }] })).await.is(400);
    role["isEnabled"] = json!(false);
    world.patch(&path, &json!({ "appRoles": [role] })).await.is(204);
    assert!(roles().is_empty(), "a disabled role is in no token");
    world.patch(&path, &json!({ "appRoles": [] })).await.is(204);
}

// directory 4.5
#[tokio::test]
async fn a_service_principal_stands_for_one_application_once() {
    let world = World::new();
    let (_, app_id) = application(&world).await;
    let made = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    assert_eq!(made.body["displayName"], "daemon");
    assert_eq!(made.body["servicePrincipalNames"], json!([app_id]));
    let again = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(409);
    assert!(again.message().contains("is already in use"));
    let unknown = json!({ "appId": "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0" });
    let refused = world.post("/v1.0/servicePrincipals", &unknown).await.is(400);
    assert_eq!(refused.code(), "NoBackingApplicationObject");
    let path = format!("/v1.0/servicePrincipals/{}", made.body["id"].as_str().unwrap());
    let change = json!({ "accountEnabled": false, "appRoleAssignmentRequired": true });
    world.patch(&path, &change).await.is(204);
    let principal = world.store.service_principal_by_app_id(TENANT, &app_id).unwrap().unwrap();
    assert!(!principal.account_enabled() && principal.app_role_assignment_required());
    world.delete(&path).await.is(204);
    world.get(&path).await.is(404);
    let graph = world.get(&format!("/v1.0/servicePrincipals(appId='{GRAPH_APP_ID}')")).await.is(200);
    assert!(graph.body["appRoles"].as_array().unwrap().len() > 40);
}

// directory 4.6
#[tokio::test]
async fn a_permission_is_granted_once_listed_on_both_sides_and_taken_back() {
    let world = World::new();
    let (_, app_id) = application(&world).await;
    let client = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    let client = client.body["id"].as_str().unwrap();
    let graph =
        world.get(&format!("/v1.0/servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id")).await.is(200);
    let graph = graph.body["id"].as_str().unwrap();
    let role = "741f803b-c850-494e-b5df-cde7c675a1ca";
    let grant = json!({ "principalId": client, "resourceId": graph, "appRoleId": role });
    let at_resource = format!("/v1.0/servicePrincipals/{graph}/appRoleAssignedTo");
    let at_client = format!("/v1.0/servicePrincipals(appId='{app_id}')/appRoleAssignments");
    let made = world.post(&at_resource, &grant).await.is(201);
    assert_eq!(made.body["id"].as_str().unwrap().len(), 43);
    assert_eq!(made.body["principalType"], "ServicePrincipal");
    assert_eq!(
        (&made.body["principalDisplayName"], &made.body["resourceDisplayName"]),
        (&json!("daemon"), &json!("Microsoft Graph"))
    );
    assert_eq!(world.store.application_role_values(TENANT, client, graph).unwrap(), ["User.ReadWrite.All"]);
    let twice = world.post(&at_client, &grant).await.is(400);
    assert_eq!(twice.message(), "Permission being assigned already exists on the object");
    assert_eq!(world.get(&at_client).await.is(200).column("appRoleId"), [role]);
    let list = world.get(&format!("{at_resource}?$filter=principalId%20eq%20'{client}'")).await.is(200);
    assert_eq!(list.column("appRoleId"), [role]);
    assert_eq!(world.get(&at_resource).await.is(200).column("id").len(), 4, "three of the administrator");
    let page = world.get(&format!("{at_resource}?$top=3")).await.is(200);
    let next = page.body["@odata.nextLink"].as_str().unwrap().strip_prefix(BASE).unwrap();
    assert_eq!(world.get(next).await.is(200).column("principalId"), [client]);

    for wrong in [
        json!({ "principalId": client, "resourceId": graph, "appRoleId": "00000000-0000-0000-0000-000000000000" }),
        json!({ "principalId": client, "resourceId": client, "appRoleId": role }),
        json!({ "principalId": client, "resourceId": graph }),
        json!({ "principalId": client, "resourceId": graph, "appRoleId": "User.Read.All" }),
    ] {
        world.post(&at_resource, &wrong).await.is(400);
    }
    let stranger = json!({ "principalId": TENANT, "resourceId": graph, "appRoleId": role });
    world.post(&at_resource, &stranger).await.is(404);

    let one = format!("{at_client}/{}", made.body["id"].as_str().unwrap());
    world.get(&one).await.is(200);
    world.delete(&one).await.is(204);
    world.delete(&one).await.is(404);
    assert!(world.store.application_role_values(TENANT, client, graph).unwrap().is_empty());
}

#[tokio::test]
async fn assignments_go_with_their_service_principal() {
    let world = World::new();
    let (id, app_id) = application(&world).await;
    let client = world.post("/v1.0/servicePrincipals", &json!({ "appId": app_id })).await.is(201);
    let graph = world.store.resource_by_name(TENANT, GRAPH_APP_ID).unwrap().unwrap();
    let grant = json!({
        "principalId": client.body["id"], "resourceId": graph.id(), "appRoleId": "df021288-bdef-4463-88db-98f22de89214",
    });
    let at_resource = format!("/v1.0/servicePrincipals/{}/appRoleAssignedTo", graph.id());
    world.post(&at_resource, &grant).await.is(201);
    world.delete(&format!("/v1.0/applications/{id}")).await.is(204);
    assert_eq!(world.get(&at_resource).await.is(200).column("id").len(), 3);
}
