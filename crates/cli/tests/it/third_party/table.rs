//! The page of the documentation that says which programs were tried.

use std::fs;
use std::path::Path;

use serde_json::Value;

#[test]
fn the_page_of_clients_tells_the_pinned_versions_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read =
        |name: &str| fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let page = read("docs/reference/clients.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.contains("| 20"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();

    let pinned = pinned(&read);
    for row in &rows {
        let [client, version, _, _, tests] = row[..] else { panic!("{row:?}") };
        if let Some(name) = client.strip_prefix('`').and_then(|client| client.split('`').next()) {
            let found = pinned.iter().find(|(pin, _)| pin == name);
            assert_eq!(found.map(|(_, version)| version.as_str()), Some(version), "{name}");
        }
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            let (module, name) = test.rsplit_once("::").unwrap();
            let folder = format!("crates/cli/tests/it/third_party/{}", module.replace("::", "/"));
            let exists = if root.join(format!("{folder}/{name}.rs")).exists() {
                true
            } else {
                read(&format!("{folder}.rs")).contains(&format!("fn {name}("))
            };
            assert!(exists, "{test}");
        }
    }
    assert!(rows.len() > 8, "{rows:?}");
}

/// The packages that are installed by name, with their versions.
fn pinned(read: &dyn Fn(&str) -> String) -> Vec<(String, String)> {
    let python = read("tests/third-party/python/requirements.txt");
    let mut pinned: Vec<(String, String)> = python
        .lines()
        .filter_map(|line| line.split_once("=="))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect();
    let node: Value = serde_json::from_str(&read("tests/third-party/node/package.json")).unwrap();
    let version = |(name, version): (&String, &Value)| (name.clone(), version.as_str().unwrap().to_owned());
    pinned.extend(node["dependencies"].as_object().unwrap().iter().map(version));
    let rust: toml::Table = read("tests/third-party/rust/Cargo.lock").parse().unwrap();
    for package in rust["package"].as_array().unwrap() {
        let text = |member: &str| package[member].as_str().unwrap().to_owned();
        pinned.push((text("name"), text("version")));
    }
    pinned
}
