//! The shape of the house: which crate may stand on which, and how much the identity crate may carry.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The tiers, lowest first; within a tier a crate may stand on those before it.
const TIERS: [(&str, &[&str]); 4] = [
    ("base", &["unattended-core", "unattended-files", "unattended-transport"]),
    ("library", &["unattended-identity", "unattended-webapi", "unattended-protect"]),
    (
        "service",
        &[
            "unattended-registration",
            "unattended-jobs",
            "unattended-token-stores",
            "unattended-sidecar",
            "unattended-console",
            "unattended-sandbox",
        ],
    ),
    ("program", &["unattended-daemon", "unattended"]),
];

/// The only arrows within a tier.
const LEVEL_ARROWS: [(&str, &str); 2] =
    [("unattended-transport", "unattended-core"), ("unattended", "unattended-daemon")];

/// Crates that must not reach others, not even by way of a third.
const STRANGERS: [(&str, &[&str]); 6] = [
    // The console shows what it is told, and does nothing.
    ("unattended-console", &["unattended-identity", "unattended-webapi", "unattended-jobs"]),
    // The sidecar lends calls, and knows neither how a token is made nor how a job runs.
    ("unattended-sidecar", &["unattended-identity", "unattended-jobs", "unattended-transport"]),
    // The sandbox is a second opinion on what the clients do.
    (
        "unattended-sandbox",
        &["unattended-identity", "unattended-webapi", "unattended-registration", "unattended-jobs"],
    ),
    ("unattended-identity", &["unattended-transport"]),
    ("unattended-webapi", &["unattended-transport"]),
    ("unattended-jobs", &["unattended-identity", "unattended-transport"]),
];

/// Crates under `unattended-identity`, itself and build dependencies included, on Linux x86-64.
/// Three of them are for reading the time of the last tick ([`rustix`](https://docs.rs/rustix)), one opens files and
/// nothing else that a path may lead to.
const IDENTITY_CEILING: usize = 61;

#[test]
fn every_crate_has_a_tier() {
    let house: BTreeSet<String> = arrows().into_keys().filter(|name| name != "xtask").collect();
    let known: BTreeSet<String> =
        TIERS.iter().flat_map(|(_, crates)| crates.iter()).map(ToString::to_string).collect();
    assert_eq!(house, known);
}

#[test]
fn arrows_point_down_only() {
    for (from, targets) in arrows() {
        let Some(own) = tier(&from) else { continue };
        for to in targets {
            let level = LEVEL_ARROWS.contains(&(from.as_str(), to.as_str()));
            let down = tier(&to).is_some_and(|other| other < own);
            assert!(level || down, "{from} ({}) must not depend on {to}", TIERS[own].0);
        }
    }
}

#[test]
fn what_must_stay_strange_is_not_reached_by_way_of_a_third() {
    let arrows = arrows();
    for (from, forbidden) in STRANGERS {
        let mut reached = BTreeSet::new();
        let mut next = vec![from.to_owned()];
        while let Some(name) = next.pop() {
            next.extend(arrows[&name].iter().filter(|name| reached.insert((*name).clone())).cloned());
        }
        for stranger in forbidden {
            assert!(!reached.contains(*stranger), "{from} reaches {stranger}");
        }
    }
}

#[test]
fn the_identity_crate_stays_lean() {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package=unattended-identity",
        "--edges=normal,build",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
    ]);
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(
        crates.len() <= IDENTITY_CEILING,
        "{} crates, {IDENTITY_CEILING} are allowed:\n{}",
        crates.len(),
        crates.into_iter().collect::<Vec<_>>().join("\n")
    );
}

/// The height of a crate's tier; none for a crate that has no place in the house.
fn tier(name: &str) -> Option<usize> {
    TIERS.iter().position(|(_, crates)| crates.contains(&name))
}

/// Each crate of the workspace, and the others that its code or its build stands on.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version=1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("cargo metadata prints JSON");
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let targets = list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev")
                .map(name)
                .collect();
            (name(package), targets)
        })
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started, for it started this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
