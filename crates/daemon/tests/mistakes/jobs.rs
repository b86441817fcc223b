use crate::{report, with, with_more, without};

#[test]
fn a_scope_is_for_one_resource() {
    let text = with(
        r#"scope = "https://graph.microsoft.com/.default""#,
        r#"scope = "https://graph.microsoft.com/.default api://x/.default""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `scope` names more than one value
      --> unattended.toml:10:9
       |
    10 | scope = "https://graph.microsoft.com/.default api://x/.default"
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: a token of the Microsoft identity platform is for one resource, with everything granted there
       = help: write one `{application ID URI}/.default`; another resource is another [apis.NAME]
    "#);
}

#[test]
fn a_resource_is_not_sent_to_the_identity_platform() {
    let text = with(
        r#"scope = "https://graph.microsoft.com/.default""#,
        r#"scope = "https://graph.microsoft.com/.default"
resource = "https://graph.microsoft.com""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `resource` is not for the Microsoft identity platform, in [apis.graph]
      --> unattended.toml:11:1
       |
    11 | resource = "https://graph.microsoft.com"
       | ^^^^^^^^
       |
       = note: its v2.0 endpoint refuses the parameter (AADSTS901002): the resource is part of the scope
       = help: remove it and write `scope = "https://graph.microsoft.com/.default"`
    "#);
}

#[test]
fn a_job_names_an_api_that_exists() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "grpah", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: there is no API `grpah`
      --> unattended.toml:15:21
       |
    15 | provision = { api = "grpah", resource = "/users", source = "people.csv", match = "userPrincipalName" }
       |                     ^^^^^^^
       |
       = note: the file has `graph`
       = help: write `api = "graph"`
    "#);
}

#[test]
fn a_job_without_any_api_is_told_to_add_one() {
    let text = without(
        r#"[apis.graph]
base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default"
roles = ["User.ReadWrite.All"]
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: there is no API `graph`
      --> unattended.toml:11:21
       |
    11 | provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }
       |                     ^^^^^^^
       |
       = note: the file has no [apis.NAME] table
       = help: add [apis.graph] with `base-url` and `scope`, or use another API
    "#);
}

#[test]
fn a_job_does_something() {
    let text = without(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: [jobs.people] does nothing
      --> unattended.toml:13:7
       |
    13 | [jobs.people]
       |       ^^^^^^
       |
       = note: a job either provisions or exports
       = help: add `export = { api = "graph", read = "/users", to = "users.ndjson" }` or `provision = { ... }`
    "#);
}

#[test]
fn a_job_does_one_thing() {
    let text = with_more(r#"export = { api = "graph", read = "/users", to = "users.ndjson" }"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: [jobs.people] both provisions and exports
      --> unattended.toml:16:1
       |
    16 | export = { api = "graph", read = "/users", to = "users.ndjson" }
       | ^^^^^^
       |
       = note: a job does one thing, so that its checkpoint and its report mean one thing
       = help: make it two jobs
    "#);
}

#[test]
fn a_schedule_has_five_fields() {
    let text = with(r#"schedule = "0 2 * * *""#, r#"schedule = "every night""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `schedule` names no time, in [jobs.people]
      --> unattended.toml:14:13
       |
    14 | schedule = "every night"
       |             ^^^^^
       |
       = note: `every night` is not a schedule: it has 2 fields and not 5
       = help: write minute, hour, day of month, month and day of week, such as `30 2 * * MON-FRI`, or `@daily`
    "#);
}

#[test]
fn a_schedule_has_possible_values() {
    let text = with(r#"schedule = "0 2 * * *""#, r#"schedule = "0 25 * * *""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `schedule` names no time, in [jobs.people]
      --> unattended.toml:14:15
       |
    14 | schedule = "0 25 * * *"
       |               ^^
       |
       = note: `0 25 * * *` is not a schedule: hour (at character 3): 25 is not between 0 and 23
       = help: write minute, hour, day of month, month and day of week, such as `30 2 * * MON-FRI`, or `@daily`
    "#);
}

#[test]
fn a_time_zone_exists() {
    let text = with(
        r#"schedule = "0 2 * * *""#,
        r#"schedule = "0 2 * * *"
time-zone = "Europe/Atlantis""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `time-zone` is not a time zone
      --> unattended.toml:15:13
       |
    15 | time-zone = "Europe/Atlantis"
       |             ^^^^^^^^^^^^^^^^^
       |
       = note: the IANA time zone database of this machine does not have it
       = help: write a name such as "Europe/Berlin" or "UTC"
    "#);
}

#[test]
fn a_time_zone_belongs_to_a_schedule() {
    let text = with(r#"schedule = "0 2 * * *""#, r#"time-zone = "Europe/Berlin""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `time-zone` stands without `schedule` in [jobs.people]
      --> unattended.toml:14:1
       |
    14 | time-zone = "Europe/Berlin"
       | ^^^^^^^^^
       |
       = note: a job without a schedule runs by name only, at once
       = help: add `schedule = "0 2 * * *"`, or remove `time-zone`
    "#);
}

// RL-5
#[test]
fn a_priority_is_low_or_normal() {
    let text = with(r#"schedule = "0 2 * * *""#, r#"throttle-priority = "high""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `throttle-priority` is neither low nor normal, in [jobs.people]
      --> unattended.toml:14:21
       |
    14 | throttle-priority = "high"
       |                     ^^^^^^
       |
       = note: an API that has to refuse requests refuses those of low priority first
       = help: write `throttle-priority = "low"` for work that can wait, or remove it
    "#);
}

#[test]
fn a_provision_job_has_all_its_parts() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `resource` is missing in `provision` of [jobs.people]
      --> unattended.toml:15:1
       |
    15 | provision = { api = "graph" }
       | ^^^^^^^^^
       |
       = note: it is the path below the API's `base-url`
       = help: add `resource = "/users"`

    error: `source` is missing in `provision` of [jobs.people]
      --> unattended.toml:15:1
       |
    15 | provision = { api = "graph" }
       | ^^^^^^^^^
       |
       = note: the file says what the directory is to hold
       = help: add `source = "people.csv"`

    error: `match` is missing in `provision` of [jobs.people]
      --> unattended.toml:15:1
       |
    15 | provision = { api = "graph" }
       | ^^^^^^^^^
       |
       = note: the attribute tells which entity of the directory a row is
       = help: add `match = "userPrincipalName"`
    "#);
}

#[test]
fn a_source_is_csv_or_ndjson() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph", resource = "/users", source = "people.xlsx", match = "userPrincipalName" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `source` is neither .csv nor .ndjson
      --> unattended.toml:15:60
       |
    15 | provision = { api = "graph", resource = "/users", source = "people.xlsx", match = "userPrincipalName" }
       |                                                            ^^^^^^^^^^^^^
       |
       = note: the extension says how the file is read
       = help: save it as CSV with a header line, or as one JSON object per line, and name it so
    "#);
}

#[test]
fn a_path_is_below_the_base_url() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph", resource = "https://graph.microsoft.com/v1.0/users", source = "people.csv", match = "userPrincipalName" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `resource` is not a path
      --> unattended.toml:15:41
       |
    15 | provision = { api = "graph", resource = "https://graph.microsoft.com/v1.0/users", source = "people.csv", match = "userPrincipalName" }
       |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: a path begins with one slash and is appended to the API's `base-url`
       = help: write only what follows the `base-url`, such as `resource = "/users"`
    "#);
}

#[test]
fn a_path_begins_with_a_slash() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph", resource = "users", source = "people.csv", match = "userPrincipalName" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `resource` is not a path
      --> unattended.toml:15:41
       |
    15 | provision = { api = "graph", resource = "users", source = "people.csv", match = "userPrincipalName" }
       |                                         ^^^^^^^
       |
       = note: a path begins with one slash and is appended to the API's `base-url`
       = help: write `resource = "/users"`
    "#);
}

#[test]
fn a_match_is_one_attribute() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "mail, id" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `match` is not the name of an attribute
      --> unattended.toml:15:82
       |
    15 | provision = { api = "graph", resource = "/users", source = "people.csv", match = "mail, id" }
       |                                                                                  ^^^^^^^^^^
       |
       = note: rows and entities are compared by one attribute that both have
       = help: write one name, such as `match = "userPrincipalName"`
    "#);
}

#[test]
fn a_job_does_not_overwrite_its_source() {
    let text = with(
        r#"provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }"#,
        r#"provision = { api = "graph", resource = "/users", source = "people.ndjson", rejects = "people.ndjson", match = "userPrincipalName" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: [jobs.people] writes the file that it reads
      --> unattended.toml:13:7
       |
    13 | [jobs.people]
       |       ^^^^^^
       |
       = note: `source` and `rejects` are both people.ndjson
       = help: write `rejects = "people-rejects.ndjson"`
    "#);
}

#[test]
fn two_jobs_do_not_write_one_file() {
    let text = with_more(
        r#"[jobs.one]
export = { api = "graph", read = "/users", to = "users.ndjson" }

[jobs.two]
export = { api = "graph", read = "/groups", to = "users.ndjson" }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: [jobs.two] writes the same file as [jobs.one]
      --> unattended.toml:19:7
       |
    19 | [jobs.two]
       |       ^^^
       |
       = note: both write users.ndjson, and each would replace what the other wrote
       = help: give it a file of its own: `to = "two.ndjson"`
    "#);
}
