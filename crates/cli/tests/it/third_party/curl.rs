//! Mutual TLS by a client that is nobody's SDK.

use std::process::Command;

use serde_json::Value;

use super::documents;
use super::tenant::Tenant;

// authority 7.5
#[test]
fn curl_gets_a_bound_token_with_a_certificate_and_reads_users_with_it_alone() {
    let tenant = Tenant::with("certificate");
    let ready = |member| tenant.sandbox.ready(member);
    let behind_the_door = |url: &str| url.replace("https://localhost", "https://mtlsauth.localhost");
    let certificate = tenant.place.credential_file();
    let ask = |with_certificate: bool, arguments: &[&str]| -> Value {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert", ready("ca_file")])
            .args(arguments);
        if with_certificate {
            curl.arg("--cert").arg(&certificate);
        }
        documents(&curl.output().unwrap()).remove(0)
    };
    let endpoint =
        behind_the_door(&format!("{}/{}/oauth2/v2.0/token", ready("authority"), ready("tenant_id")));
    let client_id = format!("client_id={}", tenant.place.client_id());
    let scope = "scope=https://graph.microsoft.com/.default";
    let form =
        ["-d", "grant_type=client_credentials", "-d", &client_id, "-d", scope, "-d", "token_type=mtls_pop"];
    let token_request = [&[endpoint.as_str()][..], &form].concat();

    let refused = ask(false, &token_request);
    assert_eq!(refused["error_codes"][0], 392_200, "{refused}");
    let answer = ask(true, &token_request);
    assert_eq!(answer["token_type"], "mtls_pop", "{answer}");

    let users = format!("{}/users?$top=5", ready("graph"));
    let authorization = format!("Authorization: mtls_pop {}", answer["access_token"].as_str().unwrap());
    let page = ask(true, &[&behind_the_door(&users), "-H", &authorization]);
    assert_eq!(page["value"].as_array().unwrap().len(), 5, "{page}");
    for (with_certificate, url) in [(false, behind_the_door(&users)), (true, users)] {
        let refused = ask(with_certificate, &[&url, "-H", &authorization]);
        assert_eq!(refused["error"]["code"], "InvalidAuthenticationToken", "{refused}");
    }
}
