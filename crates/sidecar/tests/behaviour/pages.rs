//! Every item of a collection as one line.

use http::{Method, Response};

use crate::world::{US, World, request};

fn list(target: &str) -> http::request::Builder {
    request(Method::GET, target).header("prefer", "unattended.all-pages, odata.maxpagesize=2")
}

#[tokio::test]
async fn every_page_is_followed_and_each_item_is_a_line() {
    let world = World::new();
    world
        .network
        .answers(
            Response::builder(),
            "{\"value\":[{\"id\":1.0},\n{\"id\":\n2}],\"@odata.nextLink\":\"https://graph.example/v1.0/users?$skiptoken=x\"}",
        )
        .answers(Response::builder(), r#"{"value":[{"id":3}]}"#);
    let answer = world.ask(US, list("/graph/users?$select=id"), "").await;
    assert_eq!((answer.status, answer.broken_off), (200, false));
    assert_eq!(answer.text, "{\"id\":1.0}\n{\"id\":2}\n{\"id\":3}\n");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("preference-applied"), Some("unattended.all-pages"));
    let asked = world.network.asked();
    assert_eq!(asked[0].uri(), "https://graph.example/v1.0/users?$select=id");
    assert_eq!(asked[1].uri(), "https://graph.example/v1.0/users?$skiptoken=x");
    assert!(asked.iter().all(|request| request.headers()["prefer"] == "odata.maxpagesize=2"));
}

#[tokio::test]
async fn a_failure_of_the_first_page_is_an_answer_and_of_a_later_one_breaks_the_list_off() {
    let world = World::new();
    world.network.answers(Response::builder().status(403), r#"{"error":{"code":"Denied","message":"no"}}"#);
    assert_eq!(world.ask(US, list("/graph/users"), "").await.error(), (403, "Denied".to_owned()));

    world.network.answers(
        Response::builder(),
        r#"{"value":[{"id":1}],"@odata.nextLink":"https://evil.example/v1.0/users?$skiptoken=x"}"#,
    );
    let answer = world.ask(US, list("/graph/users"), "").await;
    assert_eq!((answer.status, answer.text.as_str(), answer.broken_off), (200, "{\"id\":1}\n", true));
    assert!(world.network.asked().iter().all(|request| request.uri().host() == Some("graph.example")));
}

#[tokio::test]
async fn only_a_get_has_pages() {
    let world = World::new();
    let request = request(Method::POST, "/graph/users").header("prefer", "unattended.all-pages");
    assert_eq!(world.ask(US, request, "{}").await.error(), (400, "not_a_list".to_owned()));
    assert!(world.network.asked().is_empty());
}

#[tokio::test]
async fn what_is_no_collection_is_no_list() {
    let world = World::new();
    world.network.answers(Response::builder(), r#"{"id":"1"}"#);
    assert_eq!(
        world.ask(US, list("/graph/users/1"), "").await.error(),
        (502, "unexpected_answer".to_owned())
    );
}
