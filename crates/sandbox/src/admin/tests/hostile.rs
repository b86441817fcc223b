//! What nobody should send, to everything that the description of the API names.

use super::*;

const BODIES: [&[u8]; 10] = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"{}",
    b"\xFF\xFE",
    b"\"\\ud800\"",
    br#"{"name":null,"name":"","path":1,"status":-1,"count":1e999}"#,
    br#"{"name":"\u0000'; DROP TABLE tenants; --","kind":"../../x","rule":"<script>","tenant":"%00"}"#,
    br#"{"by":"+99999999999999999999d","to":"9999999-99-99T99:99:99Z","kind":"throttled","path":"","count":0}"#,
];

const NAMES: [&str; 7] = ["..%2F..%2Fca", "%00", "%FF", "%27%3B--", "a%0D%0Ab", "%F0%9F%A6%80", "."];

impl World {
    /// Sends it with the token; a refusal has the shape of all of them.
    async fn throw(&self, method: &Method, path: &str, body: Vec<u8>) -> StatusCode {
        let request = Request::builder()
            .method(method)
            .uri(format!("/sandbox{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(body));
        let response = self.send(request.unwrap()).await;
        let status = response.status();
        assert!(!status.is_server_error(), "{method} {path}: {status}");
        if status.is_client_error() && status != StatusCode::PAYLOAD_TOO_LARGE {
            let text = text(response).await.unwrap();
            let refusal: Value = serde_json::from_str(&text).unwrap_or_default();
            let code = refusal["error"]["code"].as_str();
            assert!(code.is_some(), "{method} {path}: {status} {text}");
        }
        status
    }
}

/// Method, path, and the statuses that it is said to answer with.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let described: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
    let operation = |(path, item): (&String, &Value)| {
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let operations = item.as_object().unwrap().iter().filter_map(|(name, operation)| {
            let method = name.to_uppercase().parse::<Method>().ok().filter(|it| known.contains(it))?;
            let statuses = operation["responses"].as_object()?.keys().cloned().collect();
            Some((method, path.clone(), statuses))
        });
        operations.collect::<Vec<_>>()
    };
    described["paths"].as_object().unwrap().iter().flat_map(operation).collect()
}

#[tokio::test]
async fn no_body_and_no_name_breaks_any_operation() {
    let world = World::new();
    let operations = operations();
    assert!(operations.len() > 30, "{}", operations.len());
    let deep = [b"[".repeat(100_000), br#"{"a":"#.repeat(100_000), vec![b'"'; 3 << 20]];
    for (method, path, described) in &operations {
        let check = |status: StatusCode| {
            let is_described = described.iter().any(|it| it == status.as_str());
            assert!(is_described || status == StatusCode::PAYLOAD_TOO_LARGE, "{method} {path}: {status}");
        };
        let named = |name: &str| {
            let parts = path.split('/').map(|part| if part.starts_with('{') { name } else { part });
            parts.collect::<Vec<_>>().join("/")
        };
        for name in NAMES {
            check(world.throw(method, &named(name), b"{}".to_vec()).await);
        }
        // A followed journal has no end.
        for query in ["?after=-1", "?limit=99999999999999999999&after=x", "?%FF=%00&&=", "?tenant=%27"] {
            check(world.throw(method, &format!("{}{query}", named("a")), Vec::new()).await);
        }
        let bodies = BODIES.iter().map(|body| body.to_vec()).chain(deep.clone());
        for body in bodies {
            check(world.throw(method, &named("a"), body).await);
        }
    }
    // It is none the worse for it.
    assert_eq!(world.throw(&Method::POST, "/reset", Vec::new()).await, 204);
    assert_eq!(world.get("/graph/v1.0/users").await.status(), 200);
}

#[tokio::test]
async fn a_setting_takes_what_it_can_mean_or_stays() {
    let world = World::new();
    let settings = world.ask(Method::GET, "/settings", Value::Null).await.1;
    let long = "9".repeat(100_000);
    let values = [
        "",
        " ",
        "-1",
        "NaN",
        "inf",
        "1e999",
        "+99999999999999999999d",
        "-99999999999999999999d",
        "1h..1m",
        "18446744073709551615s..18446744073709551615s",
        "1h 1h",
        "\0",
        "\u{1F980}",
        "on off",
        "all,all,",
        "../..",
        "4294967296",
        &long,
    ];
    let names: Vec<&String> = settings.as_object().unwrap().keys().collect();
    assert!(names.len() > 20);
    for name in names {
        for value in values {
            let before = world.ask(Method::GET, "/settings", Value::Null).await.1;
            let status =
                world.throw(&Method::PATCH, "/settings", json!({ name: value }).to_string().into()).await;
            let after = world.ask(Method::GET, "/settings", Value::Null).await.1;
            assert!(status == 200 || (status == 400 && after == before), "{name}={value}: {status}");
        }
        // What it shows is something that it takes.
        let shown = world.ask(Method::GET, "/settings", Value::Null).await.1;
        assert_eq!(world.ask(Method::PATCH, "/settings", shown.clone()).await, (StatusCode::OK, shown));
        world.set(json!({ name: settings[name] })).await;
    }
    assert_eq!(world.get("/graph/v1.0/users").await.status(), 200);
}
