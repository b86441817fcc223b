use crate::{report, with, with_more};

#[test]
fn an_unknown_key_is_named_with_the_one_that_was_meant() {
    let text = with(r#"tenant = "contoso.onmicrosoft.com""#, r#"tennant = "contoso.onmicrosoft.com""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: unknown key `tennant` in [application]
     --> unattended.toml:3:1
      |
    3 | tennant = "contoso.onmicrosoft.com"
      | ^^^^^^^
      |
      = note: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
      = help: write `tenant` instead of `tennant`
    "#);
}

#[test]
fn a_key_of_another_tool_is_translated() {
    let text = with(
        r#"client-id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = "contoso.onmicrosoft.com""#,
        r#"ClientId = "5a0e2f3c-1111-4222-8333-444455556666"
TenantId = "contoso.onmicrosoft.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: unknown key `ClientId` in [application]
     --> unattended.toml:2:1
      |
    2 | ClientId = "5a0e2f3c-1111-4222-8333-444455556666"
      | ^^^^^^^^
      |
      = note: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
      = help: write `client-id` instead of `ClientId`

    error: unknown key `TenantId` in [application]
     --> unattended.toml:3:1
      |
    3 | TenantId = "contoso.onmicrosoft.com"
      | ^^^^^^^^
      |
      = note: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
      = help: write `tenant` instead of `TenantId`
    "#);
}

#[test]
fn an_unknown_table_is_named() {
    let text = with_more(
        r#"[api.graph]
base-url = "https://graph.microsoft.com""#,
    );
    insta::assert_snapshot!(report(&text), @r"
    error: unknown key `api` in the file
      --> unattended.toml:16:2
       |
    16 | [api.graph]
       |  ^^^
       |
       = note: the file knows `application`, `apis`, `jobs` and `sidecar`
       = help: write `apis` instead of `api`
    ");
}

#[test]
fn a_secret_under_an_unknown_key_is_not_shown() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
client-secret = "hunter2~Q""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: unknown key `client-secret` in [application]
     --> unattended.toml:4:1
      |
    4 | client-secret = ***********
      | ^^^^^^^^^^^^^
      |
      = note: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
      = help: credentials have tables of their own: [[application.credentials]] with `certificate = "file:app.pem"` or `secret = "file:client-secret"`
    "#);
}

#[test]
fn a_value_has_its_type() {
    let text = r#"[application]
client-id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = 7
allow-insecure-loopback = "yes"

[[application.credentials]]
certificate = "file:app.pem"

[apis.graph]
base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default"
roles = "User.ReadWrite.All"

[jobs.people]
schedule = "0 2 * * *"
provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }
"#
    .to_owned();
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` in [application] has the wrong type
     --> unattended.toml:3:10
      |
    3 | tenant = 7
      |          ^
      |
      = note: it is an integer
      = help: write a string in quotes

    error: `allow-insecure-loopback` in [application] has the wrong type
     --> unattended.toml:4:27
      |
    4 | allow-insecure-loopback = "yes"
      |                           ^^^^^
      |
      = note: it is a string
      = help: write true or false

    error: `roles` in [apis.graph] has the wrong type
      --> unattended.toml:12:9
       |
    12 | roles = "User.ReadWrite.All"
       |         ^^^^^^^^^^^^^^^^^^^^
       |
       = note: it is a string
       = help: write a list of strings such as ["a", "b"]
    "#);
}

#[test]
fn a_name_can_stand_on_a_command_line() {
    let text = with("[jobs.people]", r#"[jobs."all people"]"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `all people` is not a name for [jobs.NAME]
      --> unattended.toml:13:7
       |
    13 | [jobs."all people"]
       |       ^^^^^^^^^^^^
       |
       = note: names stand on the command line and in file names, such as `--role graph:User.Read.All`
       = help: use letters, digits, `-`, `_` and `.`
    "#);
}

#[test]
fn a_named_table_is_a_table() {
    let text = r#"apis = { graph = "https://graph.microsoft.com" }
[application]
client-id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = "contoso.onmicrosoft.com"

[[application.credentials]]
certificate = "file:app.pem"


[jobs.people]
schedule = "0 2 * * *"
provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }
"#
    .to_owned();
    insta::assert_snapshot!(report(&text), @r#"
    error: `graph` in [apis] is not a table
     --> unattended.toml:1:10
      |
    1 | apis = { graph = "https://graph.microsoft.com" }
      |          ^^^^^
      |
      = note: [apis] holds one table for each name
      = help: write [apis.graph] and its keys below it
    "#);
}

#[test]
fn an_empty_file_is_told_what_to_hold() {
    let text = String::new();
    insta::assert_snapshot!(report(&text), @r"
    error: there is no [application] table
    --> unattended.toml
     = note: it says which application the daemon is, and with which credential it proves it
     = help: add [application] with `client-id`, `tenant` and [[application.credentials]], or run `unattended register`
    ");
}

#[test]
fn what_stands_outside_of_its_table_is_led_back_to_it() {
    let text = crate::without("[application]\n");
    let report = report(&text);
    assert!(report.contains("= help: put `client-id` below the line [application]"), "{report}");
    let text = with("[[application.credentials]]", "[[credentials]]");
    let report = crate::report(&text);
    assert!(report.contains("= help: write [[application.credentials]] instead of"), "{report}");
    let text = with("[apis.graph]", "[apis]");
    let report = crate::report(&text);
    assert!(report.contains("error: [apis] has `base-url`, and no name"), "{report}");
    assert!(
        report.contains("= help: write [apis.NAME] in the place of [apis], such as [apis.graph]"),
        "{report}"
    );
    assert!(!report.contains("[apis.scope]"), "one mistake is told once: {report}");
    let text = with("[jobs.people]", "[jobs]");
    let report = crate::report(&text);
    assert!(
        report.contains("= help: write [jobs.NAME] in the place of [jobs], such as [jobs.people]"),
        "{report}"
    );
}

#[test]
fn text_without_quotes_and_a_path_of_windows_are_told_how_to_be_written() {
    for value in ["5a0e2f3c-1111-4222-8333-444455556666", "file:app.pem", "true-north", "2026-13-99"] {
        let report = report(&with("\"contoso.onmicrosoft.com\"", value));
        assert!(report.contains("= help: put text between double quotes"), "{value}: {report}");
    }
    let report = report(&with("\"file:app.pem\"", r#""file:C:\certs\app.pem""#));
    assert!(report.contains("write each backslash twice, or put the text between single quotes"), "{report}");
}

#[test]
fn a_syntax_error_is_shown_where_it_is() {
    let text = with(r#"client-id = "5a0e2f3c-1111-4222-8333-444455556666""#, "client-id = 5a0e2f3c-1111");
    insta::assert_snapshot!(report(&text), @r#"
    error: a value is neither text in quotes nor a number, and not true or false
     --> unattended.toml:2:14
      |
    2 | client-id = 5a0e2f3c-1111
      |              ^^^^^^^^^^^^
      |
      = note: the file is not TOML
      = help: put text between double quotes, and close them on the same line
    "#);
}

#[test]
fn a_syntax_error_beside_a_secret_does_not_show_it() {
    let text = with(r#"certificate = "file:app.pem""#, "secret = hunter2~Q");
    insta::assert_snapshot!(report(&text), @r"
    error: string values must be quoted, expected literal string
     --> unattended.toml:6:10
      |
    6 | secret =**********
      |          ^^^^^^^^^
      |
      = note: the file is not TOML
      = help: put text between double quotes, and close them on the same line
    ");
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    let text = with(
        r#"tenant = "contoso.onmicrosoft.com""#,
        r#"tenant = "contoso.onmicrosoft.com"
tenant = "fabrikam.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `tenant` stands twice
     --> unattended.toml:4:1
      |
    4 | tenant = "fabrikam.com"
      | ^^^^^^
      |
      = note: the file is not TOML
      = help: keep one of the two
    "#);
}

#[test]
fn all_mistakes_are_in_one_report() {
    let text = r#"[application]
client_id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = "organizations"

[[application.credentials]]
secret = "hunter2~Q"

[apis.grph]
base-url = "http://graph.microsoft.com"
scope = "User.Read.All"

[jobs.export]
shedule = "0 2 * * *"
export = { api = "graph", read = "users" }
"#
    .to_owned();
    insta::assert_snapshot!(report(&text), @r#"
    error: unknown key `client_id` in [application]
     --> unattended.toml:2:1
      |
    2 | client_id = "5a0e2f3c-1111-4222-8333-444455556666"
      | ^^^^^^^^^
      |
      = note: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
      = help: write `client-id` instead of `client_id`

    error: `tenant` is not a tenant
     --> unattended.toml:3:10
      |
    3 | tenant = "organizations"
      |          ^^^^^^^^^^^^^^^
      |
      = note: `organizations`: an application acts in one tenant, never in `common`, `organizations` or `consumers`
      = help: name the tenant by its GUID or by a domain such as contoso.onmicrosoft.com

    error: `secret` holds a value and not a reference
     --> unattended.toml:6:10
      |
    6 | secret = ***********
      |          ^^^^^^^^^^^
      |
      = note: configurations are copied, compared and committed, and what stands in them is no secret for long
      = help: move the value to a file that only the daemon can read (`install -m 600 /dev/null client-secret`, then edit it) and write `secret = "file:client-secret"`; `env:NAME` and `systemd:NAME` work too

    error: `base-url` is not https
     --> unattended.toml:9:12
      |
    9 | base-url = "http://graph.microsoft.com"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: over anything else a token can be read and used by everyone on the way
      = help: write `base-url = "https://graph.microsoft.com"`

    error: `scope` does not end in /.default
      --> unattended.toml:10:9
       |
    10 | scope = "User.Read.All"
       |         ^^^^^^^^^^^^^^^
       |
       = note: an application gets the permissions that an administrator granted beforehand, never single ones on request
       = help: write `scope = "https://graph.microsoft.com/.default"`, and list what the jobs need in `roles`

    error: unknown key `shedule` in [jobs.export]
      --> unattended.toml:13:1
       |
    13 | shedule = "0 2 * * *"
       | ^^^^^^^
       |
       = note: [jobs.export] knows `schedule`, `time-zone`, `throttle-priority`, `provision` and `export`
       = help: write `schedule` instead of `shedule`

    error: `to` is missing in `export` of [jobs.export]
      --> unattended.toml:14:1
       |
    14 | export = { api = "graph", read = "users" }
       | ^^^^^^
       |
       = note: what is read is written there
       = help: add `to = "users.ndjson"`

    error: there is no API `graph`
      --> unattended.toml:14:18
       |
    14 | export = { api = "graph", read = "users" }
       |                  ^^^^^^^
       |
       = note: the file has `grph`
       = help: write `api = "grph"`

    error: `read` is not a path
      --> unattended.toml:14:34
       |
    14 | export = { api = "graph", read = "users" }
       |                                  ^^^^^^^
       |
       = note: a path begins with one slash and is appended to the API's `base-url`
       = help: write `read = "/users"`
    "#);
}
