//! A collection, page by page.

mod support;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use unattended_core::HttpErrorKind;
use unattended_webapi::{Pages, PagesEnd};

use crate::support::{Api, BASE, Reply, bench, broken, json, reply, status, throttled};

/// A page of these items that links on to `next`, a path below the base or an absolute URL.
fn page(items: &[u32], next: Option<&str>) -> Reply {
    let mut body = json!({ "value": items });
    if let Some(next) = next {
        let absolute = if next.starts_with('/') { format!("{BASE}{next}") } else { next.to_owned() };
        body["@odata.nextLink"] = Value::String(absolute);
    }
    json(&body)
}

/// Every item until the first error, and that error.
async fn drain(pages: &mut Pages) -> (Vec<String>, Option<unattended_webapi::Error>) {
    let mut items = Vec::new();
    loop {
        match pages.next().await {
            Ok(Some(page)) => items.extend(page.items.iter().map(|item| item.get().to_owned())),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
        }
    }
}

// PG-1, PG-4, PG-5, PG-6, W8, W11
#[tokio::test]
async fn pages_are_followed_to_the_end_with_the_same_headers_and_a_token_each() {
    let link = "/users?$skiptoken=m~AQAn%2bO%2B=='x'{a}";
    let first = json!({"@odata.count": 3, "value": [1, 2], "@odata.nextLink": format!("{BASE}{link}")});
    let api = Api::answering([json(&first), page(&[], Some("/users?$skiptoken=3")), page(&[3], None)]);
    let bench = bench(&api);
    let mut pages = bench.client.pages("/users?$count=true").header("ConsistencyLevel", "eventual");
    assert_eq!(pages.end(), None);
    assert_eq!(drain(&mut pages).await.0, ["1", "2", "3"]);
    assert_eq!(pages.end(), Some(&PagesEnd::Complete { pages: 3, items: 3, count: Some(3) }));
    assert!(pages.next().await.unwrap().is_none());

    assert_eq!(api.requests()[1].uri().to_string(), format!("{BASE}{link}"));
    assert_eq!(api.header("consistencylevel"), ["eventual"; 3]);
    assert_eq!((api.sent(), bench.tokens.asked()), (3, 3));
}

/// What somebody wants of an item.
#[derive(Debug, Deserialize, PartialEq)]
struct Named {
    id: u32,
}

/// The text of a page that links on to `next`.
fn text(items: &str, next: Option<&str>) -> Reply {
    let next = next.map(|next| format!(r#","@odata.nextLink":"{BASE}{next}""#)).unwrap_or_default();
    reply(200, &[], format!(r#"{{"value":[{items}]{next}}}"#))
}

// PG-4
#[tokio::test]
async fn items_come_one_by_one_as_what_the_caller_wants_of_them() {
    let api = Api::answering([
        text(r#"{"id":1,"name":"a","deep":[{"id":9}]},{"id":2}"#, Some("/b")),
        text("", Some("/c")),
        broken(HttpErrorKind::Interrupted),
        text(r#"{"name":null,"id":3}"#, None),
    ]);
    let bench = bench(&api);
    let mut items = bench.client.items::<Named>("/a");
    let mut came = Vec::new();
    while let Some(item) = items.next().await.unwrap() {
        assert_eq!(items.end().is_some(), item.id == 3, "not before the last item");
        came.push(item.id);
    }
    assert_eq!(came, [1, 2, 3]);
    assert_eq!(items.end(), Some(&PagesEnd::Complete { pages: 3, items: 3, count: None }));

    let api = Api::answering([text(r#"{"id": 1e0}"#, Some("/b")), text("7", None)]);
    let raw: Vec<_> = crate::support::bench(&api).client.pages("/a").items().collect().await;
    let raw: Vec<_> = raw.iter().map(|item| item.as_ref().unwrap().get()).collect();
    assert_eq!(raw, [r#"{"id": 1e0}"#, "7"]);
}

// PG-4
#[tokio::test]
async fn a_page_with_an_item_of_another_shape_is_an_error_and_no_item_before_it_comes_twice() {
    let api = Api::answering([
        text(r#"{"id":1}"#, Some("/b")),
        text(r#"{"id":2},{"id":"x"}"#, None),
        text(r#"{"id":2},{"id":3}"#, None),
    ]);
    let bench = bench(&api);
    let mut items = bench.client.pages_of::<Named>("/a").without_reading_ahead().items();
    assert_eq!(items.next().await.unwrap(), Some(Named { id: 1 }));
    let error = items.next().await.unwrap_err();
    assert!(error.to_string().contains("/b") && !error.is_transient(), "{error}");
    assert_eq!(items.end(), None);
    assert_eq!(items.next().await.unwrap(), Some(Named { id: 2 }));
    assert_eq!(items.next().await.unwrap(), Some(Named { id: 3 }));
    assert_eq!(items.next().await.unwrap(), None);
}

// PG-2, W17
#[tokio::test]
async fn a_link_to_another_origin_ends_it_before_a_byte_is_sent() {
    for foreign in [
        "https://evil.example/v1.0/users",
        "https://graph.example:444/",
        "http://graph.example/",
        "//evil.example/",
    ] {
        let api = Api::answering([
            page(&[1], Some("/b")),
            json(&json!({"value": [2], "@odata.nextLink": foreign})),
        ]);
        let mut pages = bench(&api).client.pages("/a");
        let (items, error) = drain(&mut pages).await;
        assert!(items == ["1", "2"] && error.unwrap().is_foreign_origin(), "{foreign}");
        assert!(pages.next().await.is_err() && pages.end().is_none() && api.sent() == 2);
    }
}

// PG-3, W11
#[tokio::test]
async fn links_that_go_round_in_a_circle_are_noticed() {
    let api = Api::by(|request| match request.uri().path() {
        "/v1.0/a" => page(&[1], Some("/b")),
        _ => page(&[2], Some("/a")),
    });
    let mut pages = bench(&api).client.pages("/a");
    let (items, error) = drain(&mut pages).await;
    assert_eq!((items, error.unwrap().link_loop()), (vec!["1".to_owned(), "2".to_owned()], Some((3, 1))));
    assert!(pages.end().is_none() && api.sent() == 2);
}

// PG-4, W7
#[tokio::test]
async fn what_is_not_a_page_is_an_error_and_never_an_end() {
    for body in [
        r#"{"id":"1"}"#,
        r#"{"value":null}"#,
        r#"{"value":[],"error":{"code":"x"}}"#,
        "[]",
        "",
        "{\"value\":[1,",
    ] {
        let api = Api::answering([page(&[1], Some("/b")), reply(200, &[], body)]);
        let mut pages = bench(&api).client.pages("/a");
        let (items, error) = drain(&mut pages).await;
        assert!(items == ["1"] && !error.unwrap().is_transient() && pages.end().is_none(), "{body}");
    }
    let api = Api::answering([page(&[1], Some("/b")), status(404)]);
    let mut pages = bench(&api).client.pages("/a");
    assert!(drain(&mut pages).await.1.unwrap().is_not_found() && pages.end().is_none());
}

// PG-7, W7
#[tokio::test]
async fn a_page_is_retried_like_any_call_and_asked_for_again_after_an_error() {
    let mut replies = vec![page(&[1], Some("/b")), throttled(429, "3"), broken(HttpErrorKind::Interrupted)];
    replies.push(page(&[2], Some("/c")));
    replies.extend((0..6).map(|_| status(500)));
    replies.push(page(&[3], None));
    let bench = bench(&Api::answering(replies));
    let mut pages = bench.client.pages("/a");
    let (items, error) = drain(&mut pages).await;
    assert_eq!((items.len(), error.unwrap().attempts()), (2, 6));
    // So many faults have opened the circuit.
    assert!(drain(&mut pages).await.1.unwrap().is_circuit_open());
    bench.clock.advance(std::time::Duration::from_secs(15));
    assert_eq!(drain(&mut pages).await.0, ["3"]);
    assert!(matches!(pages.end(), Some(PagesEnd::Complete { pages: 3, items: 3, .. })));
}

// ST-1
#[tokio::test]
async fn an_item_is_handed_over_as_it_was_written() {
    let item = r#"{ "z":1.50, "a": 12345678901234567890123, "é":"é", "unknown":[ ] }"#;
    let api = Api::answering([reply(200, &[], format!(r#"{{"value":[{item}]}}"#))]);
    assert_eq!(drain(&mut bench(&api).client.pages("/a")).await.0, [item]);
}

// PG-8
#[tokio::test]
async fn reading_goes_on_at_a_link_of_an_earlier_page() {
    let api = Api::answering([page(&[1], Some("/b?$skiptoken=x")), page(&[2], None)]);
    let client = bench(&api).client;
    let link = client.pages("/a").next().await.unwrap().unwrap().next_link.unwrap();
    assert_eq!(drain(&mut client.resume_pages(&link)).await.0, ["2"]);
    assert_eq!(api.requests()[1].uri().to_string(), link);
}

#[tokio::test]
async fn a_dropped_wait_loses_no_page_and_asks_for_none_twice() {
    let api = Api::answering([throttled(429, "5"), page(&[1], None)]);
    let bench = support::bench_with(
        &api,
        support::Tokens::default(),
        unattended_core::ManualClock::at(0),
        |builder| builder,
    );
    let mut pages = bench.client.pages("/a");
    assert!(futures_util::FutureExt::now_or_never(pages.next()).is_none());
    bench.clock.advance(std::time::Duration::from_secs(7));
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 1);
    assert_eq!(api.sent(), 2);
}

#[tokio::test]
async fn as_a_stream_it_ends_with_the_first_error_and_says_that_it_is_not_complete() {
    let api = Api::answering([page(&[1], Some("/b")), status(403)]);
    let mut pages = bench(&api).client.pages("/a");
    let ends: Vec<bool> = pages.by_ref().map(|page| page.is_ok()).collect().await;
    assert_eq!((ends, pages.end()), (vec![true, false], None));
}

#[tokio::test]
async fn the_last_page_of_a_delta_carries_its_link() {
    let body = json!({"value": [], "@odata.deltaLink": format!("{BASE}/users/delta?$deltatoken=1")});
    let api = Api::answering([json(&body)]);
    let page = bench(&api).client.pages("/users/delta").next().await.unwrap().unwrap();
    assert!(page.delta_link.unwrap().ends_with("deltatoken=1") && page.next_link.is_none());
}

/// Page after page of one item each; `$skip=n` is the place.
fn endless() -> Api {
    Api::by(|request| {
        let number =
            request.uri().query().and_then(|it| it.split_once("n=")?.1.parse().ok()).unwrap_or(0_u32);
        page(&[number], Some(&format!("/things?n={}", number + 1)))
    })
}

// PG-10
#[tokio::test]
async fn the_next_page_is_read_while_this_one_is_dealt_with() {
    let api = endless();
    let client = bench(&api).client;
    let mut pages = client.pages("/things");
    for number in 1..=5 {
        pages.next().await.unwrap().unwrap();
        // One more, and never two, however long the reader takes.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(api.sent(), number + 1);
    }
    let mut pages = client.pages("/things").without_reading_ahead();
    for number in 1..=5 {
        pages.next().await.unwrap().unwrap();
        tokio::task::yield_now().await;
        assert_eq!(api.sent(), 6 + number);
    }
}

// PG-10
#[tokio::test]
async fn a_reader_that_goes_away_takes_the_page_ahead_with_it() {
    let api = endless();
    let mut pages = bench(&api).client.pages("/things");
    pages.next().await.unwrap().unwrap();
    drop(pages);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.sent(), 1);
}

// PG-10
#[tokio::test]
async fn a_limit_ends_the_reading_and_says_where_it_goes_on() {
    let api = endless();
    let bench = bench(&api);
    type Limit = fn(Pages) -> Pages;
    let limits: [(Limit, u64); 4] = [
        (|pages| pages.at_most_pages(3), 3),
        (|pages| pages.at_most_items(2), 2),
        (|pages| pages.at_most_bytes(200), 3),
        (|pages| pages.for_at_most(std::time::Duration::ZERO), 1),
    ];
    for (limited, expected) in limits {
        let mut pages = limited(bench.client.pages("/things"));
        let (items, error) = drain(&mut pages).await;
        assert!(error.is_none() && items.len() as u64 == expected, "{items:?} {error:?}");
        let Some(PagesEnd::Limited { pages: read, items, next_link }) = pages.end() else {
            panic!("{pages:?}")
        };
        assert_eq!((*read, *items), (expected, expected));
        let next = bench.client.resume_pages(next_link).next().await.unwrap().unwrap();
        assert_eq!(next.items[0].get(), expected.to_string());
    }
}

// PG-9
#[tokio::test]
async fn the_largest_pages_are_asked_for_and_a_refusal_is_borne() {
    let queries = |api: &Api| -> Vec<String> {
        api.requests().iter().map(|it| it.uri().query().unwrap_or_default().to_owned()).collect()
    };
    let api = Api::answering([page(&[1], Some("/users?$skiptoken=x")), page(&[2], None)]);
    drain(&mut bench(&api).client.pages("/users?$select=id").in_largest_pages()).await;
    assert_eq!(queries(&api), ["$select=id&$top=999", "$skiptoken=x"]);

    // Not what the caller asked for, so it is no error of the caller's.
    let api = Api::answering([status(400), page(&[1], None)]);
    assert_eq!(drain(&mut bench(&api).client.pages("/users").in_largest_pages()).await.0, ["1"]);
    assert_eq!(queries(&api), ["$top=999", ""]);
    let api = Api::answering([status(400), status(400)]);
    let error = drain(&mut bench(&api).client.pages("/users").in_largest_pages()).await.1.unwrap();
    assert!(error.largest_page().is_none() && api.sent() == 2, "{error}");

    // What the caller asked for, so it is.
    for (path, largest) in [
        ("/users?$top=1000", Some(999)),
        ("/users?$select=signInActivity&$top=500", Some(120)),
        ("/users?$top=10", None),
    ] {
        let api = Api::answering([status(400)]);
        let error = drain(&mut bench(&api).client.pages(path)).await.1.unwrap();
        assert_eq!((error.largest_page(), api.sent()), (largest, 1), "{error}");
        assert!(
            largest.is_none_or(|largest| error.to_string().contains(&format!("at most {largest} items")))
        );
    }
}

// PF-2
#[tokio::test]
async fn a_page_that_comes_twice_is_left_out_and_counted_if_that_is_asked_for() {
    let users = |ids: &[&str], next: Option<&str>| {
        let value: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        let mut body = json!({ "value": value });
        if let Some(next) = next {
            body["@odata.nextLink"] = json!(format!("{BASE}{next}"));
        }
        json(&body)
    };
    let api = Api::answering([
        users(&["a", "b"], Some("/t?2")),
        users(&["b", "a"], Some("/t?3")),
        users(&["c"], None),
    ]);
    let mut pages = bench(&api).client.pages("/t").unique();
    assert_eq!(drain(&mut pages).await.0.len(), 3);
    assert_eq!(pages.repeated(), 2);
    assert_eq!(pages.end(), Some(&PagesEnd::Complete { pages: 3, items: 3, count: None }));
}
