use crate::{report, with, without};

#[test]
fn a_base_url_is_a_url() {
    let text =
        with(r#"base-url = "https://graph.microsoft.com/v1.0""#, r#"base-url = "graph.microsoft.com/v1.0""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` is not a URL
     --> unattended.toml:9:12
      |
    9 | base-url = "graph.microsoft.com/v1.0"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: a URL begins with its scheme and host
      = help: write `base-url = "https://graph.microsoft.com/v1.0"`
    "#);
}

#[test]
fn a_base_url_is_https() {
    let text = with(
        r#"base-url = "https://graph.microsoft.com/v1.0""#,
        r#"base-url = "http://graph.microsoft.com/v1.0""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` is not https
     --> unattended.toml:9:12
      |
    9 | base-url = "http://graph.microsoft.com/v1.0"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over anything else a token can be read and used by everyone on the way
      = help: write `base-url = "https://graph.microsoft.com/v1.0"`
    "#);
}

#[test]
fn a_base_url_holds_no_password() {
    let text = with(
        r#"base-url = "https://graph.microsoft.com/v1.0""#,
        r#"base-url = "https://me:hunter2@graph.microsoft.com/v1.0""#,
    );
    insta::assert_snapshot!(report(&text), @r"
    error: `base-url` contains a user name or a password
     --> unattended.toml:9:12
      |
    9 | base-url = *********************************************
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: the daemon proves itself with its credential; what stands in a URL ends up in logs
      = help: remove everything before the `@`
    ");
}

#[test]
fn a_base_url_ends_before_its_query() {
    let text = with(
        r#"base-url = "https://graph.microsoft.com/v1.0""#,
        r#"base-url = "https://graph.microsoft.com/v1.0?a=b""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` has a query or a fragment
     --> unattended.toml:9:12
      |
    9 | base-url = "https://graph.microsoft.com/v1.0?a=b"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: paths are appended to it
      = help: end it before the `?`
    "#);
}

#[test]
fn an_api_needs_its_url_and_scope() {
    let text = without(
        r#"base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default"
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` is missing in [apis.graph]
     --> unattended.toml:8:7
      |
    8 | [apis.graph]
      |       ^^^^^
      |
      = note: every path of a job or a call is relative to it
      = help: add `base-url = "https://graph.microsoft.com/v1.0"`

    error: `scope` is missing in [apis.graph]
     --> unattended.toml:8:7
      |
    8 | [apis.graph]
      |       ^^^^^
      |
      = note: it says which resource the token is for
      = help: add `scope = "https://graph.microsoft.com/.default"`
    "#);
}

#[test]
fn a_delegated_scope_is_turned_into_the_static_one() {
    let text = with(
        r#"scope = "https://graph.microsoft.com/.default""#,
        r#"scope = "https://graph.microsoft.com/User.Read.All""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `scope` does not end in /.default
      --> unattended.toml:10:9
       |
    10 | scope = "https://graph.microsoft.com/User.Read.All"
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: an application gets the permissions that an administrator granted beforehand, never single ones on request
       = help: write `scope = "https://graph.microsoft.com/.default"`, and list what the jobs need in `roles`
    "#);
}

#[test]
fn an_empty_scope_is_refused() {
    let text = with(r#"scope = "https://graph.microsoft.com/.default""#, r#"scope = """#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `scope` is not a scope
      --> unattended.toml:10:9
       |
    10 | scope = ""
       |         ^^
       |
       = note: ``: a scope is one or more values of printable ASCII
       = help: use the resource's application ID URI followed by /.default
    "#);
}

#[test]
fn an_api_of_another_cloud_is_refused() {
    let text = with(
        r#"base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default""#,
        r#"base-url = "https://graph.microsoft.us/v1.0"
scope = "https://graph.microsoft.us/.default""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `base-url` is in another cloud than `authority`
     --> unattended.toml:9:12
      |
    9 | base-url = "https://graph.microsoft.us/v1.0"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: it belongs to the cloud `us-government`, the authority https://login.microsoftonline.com to `public`, and a token of one is refused by the other
      = help: write `base-url = "https://graph.microsoft.com/v1.0"`, or `authority = "us-government"` in [application]

    error: `scope` is in another cloud than `authority`
      --> unattended.toml:10:9
       |
    10 | scope = "https://graph.microsoft.us/.default"
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: it belongs to the cloud `us-government`, the authority https://login.microsoftonline.com to `public`, and a token of one is refused by the other
       = help: write `scope = "https://graph.microsoft.com/.default"`, or `authority = "us-government"` in [application]
    "#);
}

#[test]
fn an_api_of_the_public_cloud_is_refused_in_a_sovereign_one() {
    let text = with("tenant =", "authority = \"france\"\ntenant =");
    let report = report(&text);
    assert!(report.contains("it belongs to the cloud `public`, the authority"), "{report}");
    assert!(
        report.contains("= help: write the `base-url` that the API has in the cloud `france`, or"),
        "{report}"
    );
}

#[test]
fn a_url_without_its_scheme_is_completed_if_it_is_one() {
    for (given, meant) in [
        ("graph.microsoft.com/v1.0", "https://graph.microsoft.com/v1.0"),
        ("localhost:8443/graph/v1.0", "https://localhost:8443/graph/v1.0"),
        ("https//graph.microsoft.com", "https://..."),
        ("graph", "https://..."),
        ("me:hunter2@graph.microsoft.com", "https://..."),
    ] {
        let report = report(&with("\"https://graph.microsoft.com/v1.0\"", &format!("\"{given}\"")));
        assert!(report.contains(&format!("= help: write `base-url = \"{meant}\"`")), "{report}");
    }
}

#[test]
fn a_role_is_one_value() {
    let text = with(r#"roles = ["User.ReadWrite.All"]"#, r#"roles = ["User.Read.All Group.Read.All"]"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: a role has no name or a space in it
      --> unattended.toml:11:10
       |
    11 | roles = ["User.Read.All Group.Read.All"]
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: an app role is compared with the `roles` of the token, value by value
       = help: write one value for each role, such as ["User.Read.All", "Group.Read.All"]
    "#);
}

const ROLES: &str = r#"roles = ["User.ReadWrite.All"]"#;

#[test]
fn a_token_is_bound_to_a_certificate_that_somebody_shows() {
    insta::assert_snapshot!(report(&with(ROLES, "token-binding = \"certificate\"")), @r#"
    error: `token-binding` cannot be `certificate` in [apis.graph]
      --> unattended.toml:11:17
       |
    11 | token-binding = "certificate"
       |                 ^^^^^^^^^^^^^
       |
       = note: a token is bound to the certificate of the connection that it is asked for on, and no credential is shown there
       = help: add `mutual-tls = true` to the credential with `certificate`
    "#);
    insta::assert_snapshot!(report(&with(ROLES, "token-binding = \"dpop\"")), @r#"
    error: `token-binding` cannot be `dpop` in [apis.graph]
      --> unattended.toml:11:17
       |
    11 | token-binding = "dpop"
       |                 ^^^^^^
       |
       = note: the Microsoft identity platform binds tokens to certificates, and knows no DPoP
       = help: write `token-binding = "certificate"`, and `mutual-tls = true` in the credential
    "#);
    insta::assert_snapshot!(report(&with(ROLES, "token-binding = \"mtls_pop\"")), @r#"
    error: `token-binding` cannot be `mtls_pop` in [apis.graph]
      --> unattended.toml:11:17
       |
    11 | token-binding = "mtls_pop"
       |                 ^^^^^^^^^^
       |
       = note: a token can be bound to the certificate of the connection (RFC 8705) or to a key (DPoP, RFC 9449)
       = help: write `certificate` or `dpop`, or remove the line
    "#);
}

#[test]
fn what_is_sent_with_every_token_request_is_no_parameter() {
    let text = with(
        ROLES,
        "token-parameters = { client_secret = \"hunter2\", scope = \"x\", token_type = \"pop\", claims = \"{}\", level = 2 }",
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `token-parameters` cannot hold `client_secret`
      --> unattended.toml:11:22
       |
    11 | token-parameters = { client_secret = *********, scope = "x", token_type = *****, claims = "{}", level = 2 }
       |                      ^^^^^^^^^^^^^
       |
       = note: it is for what only some servers know, and this is a part of every token request
       = help: remove it; [application] and its credentials say who asks

    error: `token-parameters` cannot hold `scope`
      --> unattended.toml:11:49
       |
    11 | token-parameters = { client_secret = *********, scope = "x", token_type = *****, claims = "{}", level = 2 }
       |                                                 ^^^^^
       |
       = note: it is for what only some servers know, and this is a part of every token request
       = help: write it as `scope` of the API itself

    error: `token-parameters` cannot hold `token_type`
      --> unattended.toml:11:62
       |
    11 | token-parameters = { client_secret = *********, scope = "x", token_type = *****, claims = "{}", level = 2 }
       |                                                              ^^^^^^^^^^
       |
       = note: it is for what only some servers know, and this is a part of every token request
       = help: write `token-binding` in the API itself

    error: `token-parameters` cannot hold `claims`
      --> unattended.toml:11:82
       |
    11 | token-parameters = { client_secret = *********, scope = "x", token_type = *****, claims = "{}", level = 2 }
       |                                                                                  ^^^^^^
       |
       = note: it is for what only some servers know, and this is a part of every token request
       = help: remove it; claims that a web API asks for are sent by themselves, and `capabilities` in [application] says that the application can handle them

    error: `level` in `token-parameters` is not text
      --> unattended.toml:11:105
       |
    11 | token-parameters = { client_secret = *********, scope = "x", token_type = *****, claims = "{}", level = 2 }
       |                                                                                                         ^
       |
       = note: a token request is a form, and a form holds text
       = help: write the value in quotes
    "#);
}
