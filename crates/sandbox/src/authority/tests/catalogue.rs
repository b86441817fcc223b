//! Every error of the catalogue can be met.

use std::collections::BTreeSet;

use super::errors::assert_shape;
use super::world::{GRAPH, NOW, World};
use crate::authority::error::{CATALOGUE, ON_REQUEST};

// authority 14, AC-13
#[tokio::test]
async fn every_error_comes_on_request_in_its_own_shape() {
    let world = World::new();
    let app = world.app("unlucky");
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    let mut seen = BTreeSet::new();
    for entry in CATALOGUE.iter().copied().chain(ON_REQUEST) {
        world.set("token-error", &entry.code.to_string());
        let answer = world.token(&app, &secret, GRAPH).await;
        assert_eq!(answer.code(), u64::from(entry.code));
        assert_shape(&answer);
        // A code that has several texts is met with the first of them.
        if seen.insert(entry.code) {
            assert_eq!(
                (answer.status.as_u16(), answer.body["error"].as_str()),
                (entry.status, Some(entry.error))
            );
            assert_eq!(answer.body["suberror"].as_str(), entry.suberror);
        }
        assert_eq!(answer.headers.contains_key("retry-after"), entry.status == 429, "{}", entry.code);
    }
    world.set("token-error", "off");
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
}

// clients 7: clients remember failures, so that each test has its own application
#[tokio::test]
async fn an_error_may_be_for_one_application() {
    let world = World::new();
    let (unlucky, lucky) = (world.app("unlucky"), world.app("lucky"));
    let secrets = [&unlucky, &lucky].map(|app| world.secret(app, NOW, NOW + 100).1);
    world.set("token-error", &format!("AADSTS53003 for {}", unlucky.client_id));
    let answer = world.token(&unlucky, &secrets[0], GRAPH).await;
    assert_eq!((answer.code(), answer.body["suberror"].as_str()), (53_003, Some("message_only")));
    assert_eq!(world.token(&lucky, &secrets[1], GRAPH).await.code(), 0);
}

/// The errors that follow from a rule are met by breaking it: each code stands in a test that says so.
#[test]
fn every_error_of_a_rule_is_provoked_by_a_test() {
    const TESTS: &[&str] = &[
        include_str!("errors.rs"),
        include_str!("federation.rs"),
        include_str!("limits.rs"),
        include_str!("mutual_tls.rs"),
        include_str!("proof.rs"),
        include_str!("resources.rs"),
        include_str!("subject_names.rs"),
        include_str!("../discovery.rs"),
        include_str!("../scope.rs"),
        include_str!("../token_request.rs"),
    ];
    let tests: String = TESTS.concat().replace('_', "");
    // Nothing that a client sends makes the database or the cryptographic library fail.
    const NOT_BY_RULE: [u32; 1] = [50_000];
    for entry in CATALOGUE.iter().filter(|entry| !NOT_BY_RULE.contains(&entry.code)) {
        assert!(tests.contains(&entry.code.to_string()), "no test provokes {}", entry.code);
    }
    let by_rule: BTreeSet<u32> = CATALOGUE.iter().map(|entry| entry.code).collect();
    assert!(ON_REQUEST.iter().all(|entry| !by_rule.contains(&entry.code)), "one table has each code");
}
