use crate::{report, with, without};

#[test]
fn common_is_no_tenant() {
    let text = with(r#"tenant = "contoso.onmicrosoft.com""#, r#"tenant = "common""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` is not a tenant
     --> unattended.toml:3:10
      |
    3 | tenant = "common"
      |          ^^^^^^^^
      |
      = note: `common`: an application acts in one tenant, never in `common`, `organizations` or `consumers`
      = help: name the tenant by its GUID or by a domain such as contoso.onmicrosoft.com
    "#);
}

#[test]
fn a_tenant_is_a_guid_or_a_domain() {
    let text = with(r#"tenant = "contoso.onmicrosoft.com""#, r#"tenant = "contoso""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` is not a tenant
     --> unattended.toml:3:10
      |
    3 | tenant = "contoso"
      |          ^^^^^^^^^
      |
      = note: `contoso`: a tenant is a GUID or a domain name
      = help: use the directory (tenant) ID or a domain such as contoso.onmicrosoft.com
    "#);
}

#[test]
fn a_tenant_is_needed() {
    let text = without(
        r#"tenant = "contoso.onmicrosoft.com"
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` is missing in [application]
     --> unattended.toml:1:2
      |
    1 | [application]
      |  ^^^^^^^^^^^
      |
      = note: an application acts in one tenant, and the authority has to know which
      = help: add `tenant = "contoso.onmicrosoft.com"`
    "#);
}

#[test]
fn a_client_id_is_needed() {
    let text = without(
        r#"client-id = "5a0e2f3c-1111-4222-8333-444455556666"
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `client-id` is missing in [application]
     --> unattended.toml:1:2
      |
    1 | [application]
      |  ^^^^^^^^^^^
      |
      = note: it is the application (client) ID of the registration, and tells the authority who asks
      = help: add `client-id = "00000000-0000-0000-0000-000000000000"`
    "#);
}

#[test]
fn a_client_id_is_a_guid() {
    let text =
        with(r#"client-id = "5a0e2f3c-1111-4222-8333-444455556666""#, r#"client-id = "nightly-report""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `client-id` is not a GUID
     --> unattended.toml:2:13
      |
    2 | client-id = "nightly-report"
      |             ^^^^^^^^^^^^^^^^
      |
      = note: every application of the Microsoft identity platform has a GUID for its client id
      = help: copy the application (client) ID of the registration, not its name
    "#);
}

#[test]
fn an_authority_is_a_host() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
authority = "https://login.microsoftonline.com/contoso.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `authority` has a path
     --> unattended.toml:4:13
      |
    4 | authority = "https://login.microsoftonline.com/contoso.com"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: it is the host of the identity platform alone; tenant and endpoint are appended to it
      = help: write `authority = "https://login.microsoftonline.com"` and name the tenant with `tenant`
    "#);
}

#[test]
fn an_authority_is_https() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
authority = "http://login.microsoftonline.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `authority` is not https
     --> unattended.toml:4:13
      |
    4 | authority = "http://login.microsoftonline.com"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over anything else a token can be read and used by everyone on the way
      = help: write `authority = "https://login.microsoftonline.com"`
    "#);
}

#[test]
fn http_is_never_for_the_authority() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
authority = "http://localhost:8443""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `authority` is not https
     --> unattended.toml:4:13
      |
    4 | authority = "http://localhost:8443"
      |             ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over anything else a token can be read and used by everyone on the way
      = help: write `authority = "https://localhost:8443"`
    "#);
}

#[test]
fn http_on_loopback_has_to_be_asked_for() {
    let text =
        with(r#"base-url = "https://graph.microsoft.com/v1.0""#, r#"base-url = "http://[::1]:8443/v1.0""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` is not https
     --> unattended.toml:9:12
      |
    9 | base-url = "http://[::1]:8443/v1.0"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over http a token can be read by everyone on the way; loopback is accepted only when asked for
      = help: write `https://`, or set `allow-insecure-loopback = true` in [application]
    "#);
}

#[test]
fn http_is_never_for_an_issuer() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"issuer = "http://localhost:3000"
allow-insecure-loopback = true"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `issuer` is not https
     --> unattended.toml:3:10
      |
    3 | issuer = "http://localhost:3000"
      |          ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over anything else a token can be read and used by everyone on the way
      = help: write `issuer = "https://localhost:3000"`
    "#);
}

#[test]
fn an_issuer_stands_alone() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
issuer = "https://idp.example.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` stands beside `issuer`
     --> unattended.toml:3:1
      |
    3 | tenant = "contoso.onmicrosoft.com"
      | ^^^^^^
      |
      = note: `authority`, `tenant` and `region` name the Microsoft identity platform, `issuer` any other server
      = help: remove `tenant` or `issuer`
    "#);
}

#[test]
fn an_unknown_authentication_method_is_refused() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
token-endpoint-auth-method = "private_key_jwt""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `token-endpoint-auth-method` has no such value
     --> unattended.toml:4:30
      |
    4 | token-endpoint-auth-method = "private_key_jwt"
      |                              ^^^^^^^^^^^^^^^^^
      |
      = note: it says how a client secret is sent; a certificate is always sent as `private_key_jwt`
      = help: write `client_secret_post` or `client_secret_basic`, or remove the line
    "#);
}

#[test]
fn an_authority_may_be_the_name_of_a_cloud() {
    let text = super::GOOD
        .replacen("[[application", "authority = \"china\"\n\n[[application", 1)
        .replace("https://graph.microsoft.com", "https://microsoftgraph.chinacloudapi.cn");
    let config =
        super::Config::parse("unattended.toml".as_ref(), &text, &super::MapEnvironment::default()).unwrap();
    match config.application.authority {
        super::Authority::Microsoft { host, .. } => {
            assert_eq!(host, "https://login.partner.microsoftonline.cn");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_the_application_is_may_be_in_the_environment() {
    let text = super::GOOD.replace("5a0e2f3c-1111-4222-8333-444455556666", "env:AZURE_CLIENT_ID").replace(
        "tenant = \"contoso.onmicrosoft.com\"",
        "tenant = \"env:AZURE_TENANT_ID\"\nauthority = \"env:AZURE_AUTHORITY_HOST\"",
    );
    let parse = |variables: &[(&str, &str)]| {
        let environment = super::MapEnvironment::new(variables.iter().copied());
        super::Config::parse("unattended.toml".as_ref(), &text, &environment)
    };
    let id = ("AZURE_CLIENT_ID", "5a0e2f3c-1111-4222-8333-444455556666");
    let tenant = ("AZURE_TENANT_ID", "contoso.onmicrosoft.com\n");
    let config =
        parse(&[id, tenant, ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")]).unwrap();
    assert_eq!(config.application.client_id.as_str(), id.1);
    match config.application.authority {
        super::Authority::Microsoft { host, tenant, .. } => assert_eq!(
            (host.as_str(), tenant.to_string().as_str()),
            ("https://login.microsoftonline.com", "contoso.onmicrosoft.com")
        ),
        other => panic!("{other:?}"),
    }

    let report = parse(&[id, ("AZURE_TENANT_ID", "hunter2 ~")]).unwrap_err().render(false);
    insta::assert_snapshot!(report, @r#"
    error: `tenant` is in the environment, and is something else there
     --> unattended.toml:3:10
      |
    3 | tenant = "env:AZURE_TENANT_ID"
      |          ^^^^^^^^^^^^^^^^^^^^^
      |
      = note: the variable AZURE_TENANT_ID holds no such value
      = help: let AZURE_TENANT_ID hold the directory (tenant) ID, or a domain, or write that here

    error: `authority` is in the environment, and is not there
     --> unattended.toml:4:13
      |
    4 | authority = "env:AZURE_AUTHORITY_HOST"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: the variable AZURE_AUTHORITY_HOST is not set, or empty
      = help: let AZURE_AUTHORITY_HOST hold the https URL of the authority's host, or the name of a cloud, or write that here
    "#);
    assert!(!report.contains("hunter2"), "{report}");
    for another in ["hunter2.example", "postgres://database/hunter2", "https://h.example/hunter2", "hunter"] {
        let report = parse(&[id, tenant, ("AZURE_AUTHORITY_HOST", another)]).unwrap_err().render(false);
        assert!(report.contains("the variable AZURE_AUTHORITY_HOST holds no such value"), "{report}");
        assert!(!report.contains(another) && !report.contains("hunter"), "{report}");
    }
}

#[test]
fn a_cloud_is_one_that_there_is() {
    for (given, help) in [
        ("usgovernment", "write `authority = \"us-government\"`"),
        ("Public", ""),
        ("mars", "remove it for the public cloud, or write the host of the authority as an https URL"),
    ] {
        let text = in_application(&format!("tenant = \"contoso.onmicrosoft.com\"\nauthority = \"{given}\""));
        if help.is_empty() {
            authority(&text);
            continue;
        }
        let report = super::report(&text);
        assert!(report.contains("error: `authority` names no cloud"), "{report}");
        assert!(report.contains("the clouds are `public`, `us-government`, `china`,"), "{report}");
        assert!(report.contains(&format!("= help: {help}")), "{report}");
    }
}

fn in_application(lines: &str) -> String {
    with("tenant = \"contoso.onmicrosoft.com\"", lines)
}

fn authority(text: &str) -> super::Authority {
    let config = super::Config::parse("unattended.toml".as_ref(), text, &super::MapEnvironment::default());
    config.unwrap_or_else(|error| panic!("{}", error.render(false))).application.authority
}

#[test]
fn a_region_is_one_of_a_cloud_that_has_regions() {
    let text = in_application("tenant = \"contoso.onmicrosoft.com\"\nregion = \"westeurope\"");
    match authority(&text) {
        super::Authority::Microsoft { region, .. } => assert_eq!(region.unwrap().to_string(), "westeurope"),
        other => panic!("{other:?}"),
    }
    let report = report(&text.replace("westeurope", "west.evil.example/"));
    assert!(
        report.contains("`region` is not a region") && report.contains("such as `westeurope`"),
        "{report}"
    );
    let elsewhere = text.replace("region =", "authority = \"https://localhost:8443\"\nregion =");
    let report = super::report(&elsewhere);
    assert!(report.contains("`region` is not for this authority"), "{report}");
}

#[test]
fn an_authority_whose_path_is_adfs_has_no_tenant_and_no_rules_of_the_platform() {
    let text = in_application("authority = \"https://adfs.contoso.com/adfs/\"")
        .replace("5a0e2f3c-1111-4222-8333-444455556666", "nightly-report")
        .replace("https://graph.microsoft.com/.default", "orders.read");
    assert_eq!(
        authority(&text),
        super::Authority::FederationServices("https://adfs.contoso.com/adfs".to_owned())
    );
    for key in ["tenant = \"contoso.com\"", "region = \"westeurope\""] {
        let report = report(&text.replace("authority =", &format!("{key}\nauthority =")));
        assert!(report.contains("stands beside the authority of AD FS"), "{report}");
    }
    let plain = report(&text.replace("https://adfs", "http://adfs"));
    assert!(plain.contains("authority"), "{plain}");
}

#[test]
fn a_capability_is_a_word_that_the_platform_knows() {
    let text = with("tenant =", "capabilities = [\"CP1\"]\ntenant =");
    insta::assert_snapshot!(report(&text), @r#"
    error: a client capability is misspelt
     --> unattended.toml:3:17
      |
    3 | capabilities = ["CP1"]
      |                 ^^^^^
      |
      = note: it is a word of lower-case letters and digits, and the platform ignores what it does not know
      = help: write `capabilities = ["cp1"]`: this program answers claims challenges
    "#);
}
