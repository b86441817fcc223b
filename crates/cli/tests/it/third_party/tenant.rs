//! A tenant with people in it, and a daemon registered there that a program which is not ours will be.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::documents;
use super::node::Outside;
use super::things::{administrator, create};
use crate::support::{Sandbox, Workplace};

/// The application id of Microsoft Graph in every tenant.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// How many people are in the tenant.
pub(super) const PEOPLE: u32 = 120;

pub(super) struct Tenant {
    pub(super) sandbox: Sandbox,
    pub(super) place: Workplace,
    settings: Value,
}

impl Tenant {
    /// Registers a daemon that proves itself with a new `secret` or a new `certificate`.
    pub(super) fn with(credential: &str) -> Self {
        let mut tenant = Self::of(Sandbox::with_users(PEOPLE), credential);
        let file = tenant.place.credential_file();
        tenant.set(&format!("{credential}_file"), json!(file));
        tenant
    }

    /// Registers a daemon that trusts certificates of one name by one authority, and none that anybody registered.
    pub(super) fn with_subject_name() -> Self {
        const NAME: &str = "daemon.contoso.com";
        let mut tenant = Self::of(Sandbox::with_users(PEOPLE), "secret");
        let (ca, certificate) = (tenant.place.path("ca.pem"), tenant.place.path("issued.pem"));
        issue(NAME, &ca, &certificate);
        let ready_file = tenant.sandbox.ready_file();
        let client_id = tenant.place.client_id();
        let trust = ["sandbox", "trust", "add", &client_id, "--subject-name", NAME];
        let more = ["--ca", ca.to_str().unwrap(), "--sandbox", ready_file.to_str().unwrap()];
        tenant.place.run(&[&trust[..], &more].concat()).expect(0);
        tenant.set("certificate_file", json!(certificate));
        tenant.set("by_subject_name", true.into());
        tenant
    }

    /// Registers a daemon that tokens of an outside issuer stand for.
    pub(super) fn federated(outside: &Outside) -> Self {
        let mut tenant = Self::of(Sandbox::trusting(PEOPLE, &outside.ca_file()), "secret");
        let path =
            format!("/applications(appId='{}')/federatedIdentityCredentials", tenant.place.client_id());
        let credential = json!({ "name": "outside", "issuer": outside.issuer(),
            "subject": outside.subject(), "audiences": [outside.audience()] });
        create(&administrator(&tenant.sandbox), &path, &credential);
        let file = tenant.place.path("assertion");
        fs::write(&file, outside.token()).unwrap();
        tenant.set("assertion_file", json!(file));
        tenant
    }

    fn of(sandbox: Sandbox, credential: &str) -> Self {
        let place = Workplace::new();
        let proof = format!("--{credential}");
        let options = [
            "--role",
            "graph:GroupMember.Read.All",
            "--role",
            "graph:Files.ReadWrite.All",
            "--role",
            "graph:Application.ReadWrite.All",
            "--role",
            "graph:AppRoleAssignment.ReadWrite.All",
            "--role",
            "graph:Group.ReadWrite.All",
            "--role",
            "graph:Directory.Read.All",
            &proof,
            "new",
            "--grant-admin-consent",
        ];
        place.register(&sandbox, &options).expect(0);
        let settings = json!({
            "authority": sandbox.ready("authority"),
            "tenant": sandbox.ready("tenant_id"),
            "domain": sandbox.ready("tenant_domain"),
            "graph": sandbox.ready("graph"),
            "graph_resource": sandbox.ready("graph_resource"),
            "client_id": place.client_id(),
        });
        Self { sandbox, place, settings }
    }

    /// Gives the machine an identity that may read users.
    pub(super) fn identity(&self, name: &str, options: &[&str]) -> Value {
        let identity = self.control(&[&["identity", "add", name], options].concat());
        let administrator = administrator(&self.sandbox);
        let graph = format!("/servicePrincipals(appId='{GRAPH}')");
        let graph = administrator.run(&["--json", "call", "graph", "GET", &graph]).expect(0).json();
        let roles = graph["appRoles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["value"] == "User.Read.All").unwrap();
        let id = identity["objectId"].as_str().unwrap();
        let grant = json!({ "principalId": id, "resourceId": graph["id"], "appRoleId": role["id"] });
        create(&administrator, &format!("/servicePrincipals/{id}/appRoleAssignments"), &grant);
        identity
    }

    /// What `unattended sandbox` answers.
    pub(super) fn control(&self, arguments: &[&str]) -> Value {
        let ready_file = self.sandbox.ready_file();
        let named = ["--sandbox", ready_file.to_str().unwrap(), "--json"];
        self.place.run(&[&["sandbox"], arguments, &named[..]].concat()).expect(0).json()
    }

    /// Tells the program one of the people, too.
    pub(super) fn with_a_user(mut self) -> Self {
        let users = self.place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0).json();
        self.set("user", users["value"][0]["userPrincipalName"].clone());
        self
    }

    /// Tells the program one thing more.
    pub(super) fn set(&mut self, member: &str, value: Value) {
        self.settings[member] = value;
    }

    /// Runs a program with the settings, trusting the tenant by nothing but environment variables; returns the JSON
    /// documents that it printed.
    #[track_caller]
    pub(super) fn tell(&self, command: &mut Command) -> Vec<Value> {
        let settings = self.place.path("settings.json");
        fs::write(&settings, self.settings.to_string()).unwrap();
        let ca_file = self.sandbox.ready("ca_file");
        command.arg(settings).env("NO_PROXY", "localhost");
        for variable in ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
            command.env(variable, ca_file);
        }
        documents(&command.output().unwrap())
    }
}

/// Writes an authority's certificate, and key and certificate that it issued for a name.
fn issue(name: &str, ca: &Path, file: &Path) {
    let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut params = named("Contoso Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = rsa();
    fs::write(ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let (issuer, key) = (Issuer::new(params, key), rsa());
    let certificate = named(name).signed_by(&key, &issuer).unwrap();
    fs::write(file, key.serialize_pem() + &certificate.pem()).unwrap();
}

/// Fails the test unless there is an answer for each form of a credential: the second token was served from the
/// client's cache, and it read a page of users.
#[track_caller]
pub(super) fn each_form_reads_users(answers: &[Value], forms: &[&str]) {
    assert_eq!(answers.iter().map(|answer| &answer["form"]).collect::<Vec<_>>(), forms);
    for answer in answers {
        assert_eq!(answer["second"], "cache", "{answer}");
        assert_eq!(answer["users"].as_array().unwrap().len(), 5, "{answer}");
    }
}

/// Fails the test unless an SDK of the directory did its work: it created, changed and deleted a user, went through
/// all pages, searched, expanded, saw each request of a batch judged alone, was told why a request was refused, saw in each
/// round of changes just what had changed, and found a user by a property that an application had added.
#[track_caller]
pub(super) fn worked_on_users(found: &Value) {
    assert_eq!(found["created"], json!({ "same": true, "department": "Research" }), "{found}");
    assert_eq!(found["paged"]["users"], PEOPLE, "{found}");
    assert_eq!((&found["batch"]["page"], &found["batch"]["nobody"]), (&200.into(), &404.into()), "{found}");
    assert_eq!(found["refusal"]["status"], 404, "{found}");
    assert_eq!(found["refusal"]["code"], "Request_ResourceNotFound", "{found}");
    let searched = json!({ "found": true, "count": 2, "manager": true, "groups": [] });
    assert_eq!(found["searched"], searched, "{found}");
    let changes = json!({ "first": PEOPLE, "created": [true], "deleted": [true] });
    assert_eq!(found["delta"], changes, "{found}");
    let extended = json!({ "name": true, "listed": ["Integer"], "found": [[true, 7]], "unknown": 400 });
    assert_eq!(found["extended"], extended, "{found}");
}
