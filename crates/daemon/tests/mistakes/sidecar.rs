use unattended_daemon::{Config, MapEnvironment};

use crate::{GOOD, report, with_more};

fn with_sidecar(allow: &str) -> String {
    with_more(&format!("[sidecar]\nallow = [{allow}]"))
}

#[test]
fn who_may_call_what_is_read() {
    let text = with_sidecar(
        r#"
    { user = "root", apis = ["graph"], routes = ["GET /users*", "PATCH /users/*"] },
    { uid = 0x3E9, apis = ["graph"], lend-tokens = true },
"#,
    );
    let read = |text: &str| {
        Config::parse("unattended.toml".as_ref(), text, &MapEnvironment::default()).unwrap().sidecar
    };
    let allow = read(&text).allow.unwrap();
    assert_eq!((allow[0].uid, allow[1].uid), (0, 1001));
    assert_eq!(allow[0].routes.as_ref().unwrap()[1].to_string(), "PATCH /users/*");
    assert_eq!((allow[0].lend_tokens, allow[1].lend_tokens), (false, true));
    assert!(allow[1].routes.is_none() && allow[1].apis.as_ref().unwrap().contains("graph"));
    assert!(read(GOOD).allow.is_none());
    assert!(read(&with_sidecar("")).allow.unwrap().is_empty());
}

#[test]
fn an_unknown_user_api_and_key_are_reported_with_the_nearest() {
    let text = with_sidecar(r#"{ user = "rooot", apis = ["grpah"], lend-token = true }"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: there is no user `rooot`
      --> unattended.toml:17:19
       |
    17 | allow = [{ user = "rooot", apis = ["grpah"], lend-token = **** }]
       |                   ^^^^^^^
       |
       = note: /etc/passwd has no such line
       = help: write `user = "root"`

    error: there is no API `grpah`
      --> unattended.toml:17:36
       |
    17 | allow = [{ user = "rooot", apis = ["grpah"], lend-token = **** }]
       |                                    ^^^^^^^
       |
       = note: the file has `graph`
       = help: write "graph"

    error: unknown key `lend-token` in `allow` of [sidecar]
      --> unattended.toml:17:46
       |
    17 | allow = [{ user = "rooot", apis = ["grpah"], lend-token = **** }]
       |                                              ^^^^^^^^^^
       |
       = note: `allow` of [sidecar] knows `uid`, `user`, `apis`, `routes` and `lend-tokens`
       = help: write `lend-tokens` instead of `lend-token`
    "#);
}

#[test]
fn a_user_is_named_once_and_as_a_number() {
    let text = with_sidecar(
        r#"{ apis = ["graph"] }, { uid = 1, user = "root", apis = [] }, { uid = -1, apis = [] }"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `user` is missing in `allow` of [sidecar]
      --> unattended.toml:17:10
       |
    17 | allow = [{ apis = ["graph"] }, { uid = 1, user = "root", apis = [] }, { uid = -1, apis = [] }]
       |          ^^^^^^^^^^^^^^^^^^^^
       |
       = note: the operating system tells which user calls, and this says which one may
       = help: add `user = "app"` or `uid = 1001`

    error: `user` stands beside `uid`
      --> unattended.toml:17:43
       |
    17 | allow = [{ apis = ["graph"] }, { uid = 1, user = "root", apis = [] }, { uid = -1, apis = [] }]
       |                                           ^^^^
       |
       = note: both say who may call, and they could disagree
       = help: keep one of the two

    error: `uid` in `allow` of [sidecar] has the wrong type
      --> unattended.toml:17:79
       |
    17 | allow = [{ apis = ["graph"] }, { uid = 1, user = "root", apis = [] }, { uid = -1, apis = [] }]
       |                                                                               ^^
       |
       = note: it is an integer
       = help: write a whole number from 0 to 4294967295
    "#);
}

#[test]
fn a_route_is_a_method_and_a_path() {
    let text = with_sidecar(r#"{ uid = 1, apis = ["graph"], routes = ["/users", "GET /users?$top=1"] }"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: a route of [sidecar] can allow nothing
      --> unattended.toml:17:49
       |
    17 | allow = [{ uid = 1, apis = ["graph"], routes = ["/users", "GET /users?$top=1"] }]
       |                                                 ^^^^^^^^
       |
       = note: `/users`: it is not a method, a space and a path
       = help: write it as "GET /users*"

    error: a route of [sidecar] can allow nothing
      --> unattended.toml:17:59
       |
    17 | allow = [{ uid = 1, apis = ["graph"], routes = ["/users", "GET /users?$top=1"] }]
       |                                                           ^^^^^^^^^^^^^^^^^^^
       |
       = note: `GET /users?$top=1`: routes are about paths, and this has a query
       = help: end it before the `?`
    "#);
}

#[test]
fn a_lent_token_knows_no_routes() {
    let text = with_sidecar(r#"{ uid = 1, apis = ["graph"], routes = ["GET /users"], lend-tokens = true }"#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `lend-tokens` stands beside `routes`
      --> unattended.toml:17:64
       |
    17 | allow = [{ uid = 1, apis = ["graph"], routes = ["GET /users"], lend-tokens = true }]
       |                                                                ^^^^^^^^^^^
       |
       = note: a token opens every route of its API, whatever `routes` says
       = help: remove `lend-tokens`, or remove `routes`
    "#);
}

#[test]
fn what_may_be_called_is_said() {
    insta::assert_snapshot!(report(&with_sidecar("{ uid = 1 }")), @r#"
    error: `apis` is missing in `allow` of [sidecar]
      --> unattended.toml:17:10
       |
    17 | allow = [{ uid = 1 }]
       |          ^^^^^^^^^^^
       |
       = note: a user may call what is listed and nothing else
       = help: add `apis = ["graph"]`
    "#);
}
