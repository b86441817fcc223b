//! Every error of the catalogue can be met.

use std::collections::BTreeSet;

use super::errors::assert_shape;
use super::provocations::Provocations;
use super::world::{Answer, GRAPH, NOW, World};
use crate::authority::error::{CATALOGUE, Entry, ON_REQUEST};

// authority 14, AC-13
#[tokio::test]
async fn every_error_comes_on_request_in_its_own_shape() {
    let world = World::served().await;
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

/// The only error of a rule that no request makes: nothing that a client sends makes the database fail.
const NOT_BY_REQUEST: u32 = 50_000;

// authority 14, AC-13: each code of the catalogue by a real request, with the text of the table
#[tokio::test]
async fn every_error_of_a_rule_is_what_breaking_the_rule_meets() {
    let provocations = Provocations::new().await;
    for entry in CATALOGUE.iter().copied().filter(|entry| entry.code != NOT_BY_REQUEST) {
        let answer = provocations.provoke(entry).await;
        is_met(entry, &answer.unwrap_or_else(|| panic!("nothing provokes {}", entry.code)));
        provocations.is_explained(entry).await;
    }
    let failed: Vec<_> = CATALOGUE.iter().filter(|entry| entry.code == NOT_BY_REQUEST).collect();
    is_met(failed[0], &provocations.break_the_store().await);
    assert_eq!(failed.len(), 1);
    let by_rule: BTreeSet<u32> = CATALOGUE.iter().map(|entry| entry.code).collect();
    assert!(ON_REQUEST.iter().all(|entry| !by_rule.contains(&entry.code)), "one table has each code");
}

/// Fails the test unless the answer is this error, its text included.
#[track_caller]
fn is_met(entry: &Entry, answer: &Answer) {
    let met = (answer.code(), answer.status.as_u16(), answer.body["error"].as_str());
    assert_eq!(met, (u64::from(entry.code), entry.status, Some(entry.error)), "{answer:?}");
    assert_shape(answer);
    follows(entry, answer.body["error_description"].as_str().unwrap());
}

/// Fails the test unless the message is the entry's text with its arguments filled in.
#[track_caller]
pub(super) fn follows(entry: &Entry, message: &str) {
    let mut rest = message;
    for fixed in entry.template.split('{').map(|part| part.split_once('}').map_or(part, |(_, text)| text)) {
        let at = rest.find(fixed).unwrap_or_else(|| panic!("`{fixed}` is not in `{message}`"));
        rest = &rest[at + fixed.len()..];
    }
}

// authority 14.5: a policy that blocks says in the claims which one it was
#[tokio::test]
async fn a_block_by_conditional_access_carries_claims() {
    let world = World::new();
    let app = world.app("blocked");
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    world.set("token-error", "53003");
    let answer = world.token(&app, &secret, GRAPH).await;
    let claims: serde_json::Value = serde_json::from_str(answer.body["claims"].as_str().unwrap()).unwrap();
    let policies = &claims["access_token"]["capolids"];
    assert_eq!(policies["essential"], true);
    assert!(uuid::Uuid::try_parse(policies["values"][0].as_str().unwrap()).is_ok());
}
