//! Registering an application in a directory.

mod support;

use std::time::{Duration, SystemTime};

use http::Method;
use serde_json::{Value, json};
use unattended_core::Secret;
use unattended_registration::{
    ChangeKind, NewCredential, Permission, RegisteredCredential, Registration, RegistrationRequest,
    SelfSigned, Step, make_self_signed,
};

use crate::support::{Directory, Fault, GRAPH, USER_READ_ALL, USER_READWRITE_ALL};

fn request(credential: NewCredential, permissions: &[&str]) -> RegistrationRequest {
    RegistrationRequest {
        display_name: "people-sync".to_owned(),
        permissions: permissions.iter().map(|text| Permission::parse(text).unwrap()).collect(),
        credential,
        grant_admin_consent: true,
    }
}

fn made() -> SelfSigned {
    make_self_signed("people-sync", SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 365).unwrap()
}

fn kinds(registration: &Registration) -> Vec<(Step, ChangeKind)> {
    registration.changes.iter().map(|change| (change.step, change.kind)).collect()
}

#[tokio::test]
async fn an_application_that_did_not_exist_a_moment_ago_is_complete() {
    let directory = Directory::new();
    let certificate = made();
    let wanted = request(
        NewCredential::ExistingCertificate(certificate.pem.clone()),
        &["graph:User.ReadWrite.All", "graph:User.Read.All", "graph:User.Read.All"],
    );
    let registration = directory.registrar().register(&wanted).await.unwrap();

    use ChangeKind::Created;
    let all = [Step::Application, Step::Permissions, Step::ServicePrincipal, Step::Credential, Step::Consent];
    assert_eq!(kinds(&registration), all.map(|step| (step, Created)));
    assert_eq!(registration.client_id.as_str(), "00000000-0000-0000-0000-000000000001");
    let state = directory.state();
    let application = &state.applications[0];
    let access = json!([{"resourceAppId": GRAPH, "resourceAccess": [
        {"id": USER_READWRITE_ALL, "type": "Role"}, {"id": USER_READ_ALL, "type": "Role"},
    ]}]);
    assert_eq!(
        (&application["requiredResourceAccess"], &application["signInAudience"]),
        (&access, &json!("AzureADMyOrg"))
    );
    let key = &application["keyCredentials"][0];
    assert_eq!((&key["type"], &key["usage"]), (&json!("AsymmetricX509Cert"), &json!("Verify")));
    assert_eq!(
        (&key["startDateTime"], &key["endDateTime"]),
        (&json!("2027-01-15T08:00:00Z"), &json!("2028-01-15T08:00:00Z"))
    );
    assert_eq!(state.assignments.len(), 2);
    assert!(
        state.assignments.iter().all(|it| it["principalId"] == registration.service_principal_id.as_str())
    );
    let sent = format!("{:?}", state.writes);
    assert!(!sent.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn the_second_time_nothing_is_written() {
    let directory = Directory::new();
    let SelfSigned { pem, certificate, .. } = made();
    let wanted = request(NewCredential::ExistingCertificate(pem), &["graph:User.Read.All"]);
    let first = directory.registrar().register(&wanted).await.unwrap();
    assert!(first.changed() && directory.take_writes() > 0);
    let second = directory.registrar().register(&wanted).await.unwrap();
    assert!(!second.changed(), "{:?}", second.changes);
    assert_eq!((directory.take_writes(), second.client_id), (0, first.client_id));

    // Some directories show thumbprints instead of certificates, in one spelling or another.
    let thumbprint = certificate.thumbprint_sha1();
    let in_base64 = directory.state().applications[0]["keyCredentials"][0]["customKeyIdentifier"].clone();
    for (identifier, changes) in [
        (json!(thumbprint), false),
        (json!(thumbprint.to_lowercase()), false),
        (in_base64, false),
        (json!("A0"), true),
    ] {
        let key = json!({"keyId": "k", "customKeyIdentifier": identifier});
        directory.state().applications[0]["keyCredentials"] = json!([key]);
        assert_eq!(directory.registrar().register(&wanted).await.unwrap().changed(), changes, "{identifier}");
    }
}

#[tokio::test]
async fn what_others_have_added_stays() {
    let directory = Directory::new();
    directory.state().applications.push(json!({
        "id": "object-1", "appId": "00000000-0000-0000-0000-000000000001", "displayName": "people-sync",
        "requiredResourceAccess": [
            {"resourceAppId": GRAPH, "resourceAccess": [{"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope"}]},
            {"resourceAppId": "other", "resourceAccess": []},
        ],
        "keyCredentials": [{"keyId": "old", "key": "AAAA", "type": "AsymmetricX509Cert", "customKeyIdentifier": "x"}],
    }));
    let wanted = request(NewCredential::NewCertificate { days: 30 }, &["graph:User.Read.All"]);
    let registration = directory.registrar().register(&wanted).await.unwrap();

    use ChangeKind::{Created, Unchanged, Updated};
    let seen: Vec<ChangeKind> = registration.changes.iter().map(|change| change.kind).collect();
    assert_eq!(seen, [Unchanged, Updated, Created, Created, Created]);
    let application = directory.state().applications[0].clone();
    let access = application["requiredResourceAccess"].as_array().unwrap();
    assert_eq!((access.len(), access[0]["resourceAccess"].as_array().unwrap().len()), (2, 2));
    let keys = application["keyCredentials"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["keyId"], &keys[0]["key"]), (2, &json!("old"), &json!("AAAA")));
    let RegisteredCredential::Certificate { new_pem: Some(pem), certificate } = &registration.credential
    else {
        panic!("{registration:?}");
    };
    let text = pem.expose_text().unwrap();
    assert!(text.contains("PRIVATE KEY") && certificate.subject() == "CN=people-sync");
    assert!(!format!("{registration:?}").contains(&text[40..80]));
}

#[tokio::test]
async fn a_secret_is_handed_over_and_shown_to_nobody() {
    let directory = Directory::new();
    let credential = NewCredential::NewSecret { display_name: "unattended".to_owned() };
    let registration = directory.registrar().register(&request(credential, &[])).await.unwrap();
    let RegisteredCredential::Secret { value, key_id, .. } = &registration.credential else { panic!() };
    assert_eq!((value, key_id.as_str()), (&Secret::from("hunter2~secret"), "k-1"));
    let shown = format!("{registration:?} {}", serde_json::to_string(&registration.changes).unwrap());
    assert!(!shown.contains("hunter2") && shown.contains("client secret `unattended` created"), "{shown}");
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_told_before_anything_is_written() {
    let directory = Directory::new();
    for (permission, reason, remedy) in [
        (
            "graph:User.ReadWrite.Al",
            "Microsoft Graph has no role `User.ReadWrite.Al`",
            "did you mean User.ReadWrite.All",
        ),
        ("graph:User.Read", "is a delegated permission", "User.Read.All"),
        ("graph:Old.Read", "is disabled", "did you mean"),
        ("api://nobody:Read", "the API `api://nobody` has no service principal", "application ID URI"),
    ] {
        let error =
            directory.registrar().register(&request(NewCredential::Keep, &[permission])).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.remedy().unwrap().contains(remedy), "{:?}", error.remedy());
    }
    assert_eq!(directory.take_writes(), 0);
}

#[tokio::test]
async fn an_api_is_found_by_its_uri_and_by_its_application_id() {
    let directory = Directory::new();
    for resource in [
        "api://it's-orders",
        "11111111-2222-3333-4444-555555555555",
        "api://11111111-2222-3333-4444-555555555555",
    ] {
        let permission = format!("{resource}:Orders.Read");
        directory.registrar().register(&request(NewCredential::Keep, &[&permission])).await.unwrap();
    }
    assert_eq!(directory.state().assignments.len(), 1);
}

#[tokio::test]
async fn a_name_with_a_quote_finds_its_own_application_and_two_of_a_name_are_refused() {
    let directory = Directory::new();
    let named = |name: &str| RegistrationRequest {
        display_name: name.to_owned(),
        ..request(NewCredential::Keep, &[])
    };
    for _ in 0..2 {
        directory.registrar().register(&named("O'Brien & Söhne #1")).await.unwrap();
    }
    assert_eq!(directory.state().applications.len(), 1);

    let twin = directory.state().applications[0].clone();
    directory.state().applications.push(twin);
    let error = directory.registrar().register(&named("O'Brien & Söhne #1")).await.unwrap_err();
    assert!(error.to_string().starts_with("2 applications are named"), "{error}");
    assert!(error.to_string().contains("00000000-0000-0000-0000-000000000001"), "{error}");
    assert!(directory.registrar().register(&named(" ")).await.is_err());
}

// RT-3
#[tokio::test]
async fn a_lost_answer_makes_nothing_twice() {
    let directory = Directory::new();
    for end in ["/applications", "/servicePrincipals", "/appRoleAssignedTo"] {
        directory.fail(Method::POST, end, Fault::LoseAnswer);
    }
    let wanted = request(NewCredential::Keep, &["graph:User.Read.All"]);
    let registration = directory.registrar().register(&wanted).await.unwrap();
    assert!(registration.changed());
    let state = directory.state();
    assert_eq!((state.applications.len(), state.principals.len(), state.assignments.len()), (1, 3, 1));
}

#[tokio::test]
async fn a_new_object_that_not_every_replica_knows_is_waited_for() {
    let directory = Directory::new();
    directory.fail(Method::POST, "/servicePrincipals", Fault::Refuse(400, "NoBackingApplicationObject"));
    directory.fail(Method::GET, "/object-1", Fault::Refuse(404, "Request_ResourceNotFound"));
    directory.fail(Method::PATCH, "/object-1", Fault::Refuse(404, "Request_ResourceNotFound"));
    directory.fail(Method::POST, "/appRoleAssignedTo", Fault::Refuse(404, "Request_ResourceNotFound"));
    let wanted = request(NewCredential::ExistingCertificate(made().pem), &["graph:User.Read.All"]);
    directory.registrar().register(&wanted).await.unwrap();
    assert!(directory.state().faults.is_empty());
    assert_eq!(directory.state().assignments.len(), 1);
}

#[tokio::test]
async fn without_the_permission_to_grant_the_error_says_who_can() {
    let directory = Directory::new();
    directory.fail(Method::POST, "/appRoleAssignedTo", Fault::Refuse(403, "Authorization_RequestDenied"));
    let wanted = request(NewCredential::Keep, &["graph:User.Read.All"]);
    let error = directory.registrar().register(&wanted).await.unwrap_err();
    assert!(error.needs_administrator() && !error.is_transient());
    assert_eq!(error.to_string(), "graph:User.Read.All could not be granted");
    assert!(error.remedy().unwrap().contains("AppRoleAssignment.ReadWrite.All"));

    let without = RegistrationRequest { grant_admin_consent: false, ..wanted };
    let registration = directory.registrar().register(&without).await.unwrap();
    assert!(registration.changes.iter().all(|change| change.step != Step::Consent));
    assert_eq!(directory.state().assignments, Vec::<Value>::new());
}
