//! A large collection, part by part at the same time.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Request;
use serde_json::{Value, json};
use unattended_core::{ManualClock, SeededEntropy};
use unattended_webapi::fault::{EVERYTHING, Fault, FaultyHttp};
use unattended_webapi::{Client, Error, ParallelEvent, ParallelRead, RetryPolicy};

use crate::support::{Api, BASE, Reply, Tokens, bench, json, reply, status, throttled};

/// A directory that filters as far as a reading in parallel needs it.
#[derive(Clone, Default)]
struct Directory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Id and name.
    users: BTreeMap<String, String>,
    /// What happens, each before the request of this number.
    plan: Vec<(usize, Happening)>,
    requests: usize,
    changed: Vec<String>,
    /// Whether it tells how many objects a filter finds.
    counts: bool,
    ignores_filters: bool,
}

enum Happening {
    Joins(&'static str, &'static str),
    Leaves(&'static str),
    Renamed(&'static str, &'static str),
}

impl Directory {
    fn of(users: impl IntoIterator<Item = (String, String)>) -> Self {
        let state = State { users: users.into_iter().collect(), counts: true, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// So many users of which the names begin in many ways.
    fn varied(users: usize) -> Self {
        let heads = ["a", "ab", "abc", "b", "b.x", "김", "이", "Z", "9", "_", "it's"];
        Self::of((0..users).map(|n| (format!("id-{n}"), format!("{}{n}", heads[n % heads.len()]))))
    }

    fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().users.keys().cloned().collect()
    }

    fn api(&self) -> Api {
        let directory = self.clone();
        Api::by(move |request| directory.0.lock().unwrap().answer(request))
    }
}

impl State {
    fn answer(&mut self, request: &Request<bytes::Bytes>) -> Reply {
        self.requests += 1;
        self.happen();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let filter = query.get("$filter").filter(|_| !self.ignores_filters).map(|text| Filter::of(text));
        let holds = |id: &str, name: &str| filter.as_ref().is_none_or(|filter| filter.holds(id, name));
        let found: Vec<(&String, &String)> = self.users.iter().filter(|(id, name)| holds(id, name)).collect();
        match request.uri().path() {
            "/v1.0/users/$count" => reply(200, &[], found.len().to_string()),
            "/v1.0/users/delta" if query.contains_key("n") => {
                let changes = self.changed.iter().map(|id| match self.users.get(id) {
                    Some(_) => json!({ "id": id }),
                    None => json!({ "id": id, "@removed": { "reason": "changed" } }),
                });
                json(
                    &json!({"value": changes.collect::<Vec<_>>(), "@odata.deltaLink": format!("{BASE}/users/delta?n=1")}),
                )
            }
            "/v1.0/users/delta" => {
                json(&json!({"value": [], "@odata.deltaLink": format!("{BASE}/users/delta?n=0")}))
            }
            _ => {
                assert!(!query.contains_key("$orderby"));
                let after = query.get("$skiptoken").cloned().unwrap_or_default();
                let size = query.get("$top").map_or(100, |top| top.parse().unwrap());
                let rest: Vec<_> = found.iter().filter(|(id, _)| **id > after).collect();
                let users: Vec<Value> = rest
                    .iter()
                    .take(size)
                    .map(|(id, name)| json!({ "id": id, "userPrincipalName": name }))
                    .collect();
                let mut page = json!({ "value": users });
                if self.counts && after.is_empty() {
                    page["@odata.count"] = json!(found.len());
                }
                if let Some((last, _)) = rest.get(size.wrapping_sub(1)).filter(|_| rest.len() > size) {
                    let filter = query
                        .get("$filter")
                        .map(|it| format!("&$filter={}", encoded(it)))
                        .unwrap_or_default();
                    page["@odata.nextLink"] =
                        json!(format!("{BASE}/users?$top={size}{filter}&$skiptoken={last}"));
                }
                json(&page)
            }
        }
    }

    fn happen(&mut self) {
        let (due, later) =
            std::mem::take(&mut self.plan).into_iter().partition(|(at, _)| *at <= self.requests);
        self.plan = later;
        for (_, happening) in Vec::from_iter::<Vec<(usize, Happening)>>(due) {
            let id = match happening {
                Happening::Joins(id, name) | Happening::Renamed(id, name) => {
                    self.users.insert(id.to_owned(), name.to_owned());
                    id
                }
                Happening::Leaves(id) => {
                    self.users.remove(id);
                    id
                }
            };
            self.changed.push(id.to_owned());
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `startswith(..)`, `not(startswith(..))` and `id in (..)`, joined by `and`.
struct Filter(Vec<(bool, Option<Vec<String>>, String)>);

impl Filter {
    fn of(text: &str) -> Self {
        let term = |term: &str| {
            let (is_negated, term) = match term.strip_prefix("not(") {
                Some(inner) => (true, inner),
                None => (false, term),
            };
            let text = term.split_once('\'').unwrap().1.rsplit_once('\'').unwrap().0.replace("''", "'");
            let ids = term.starts_with("id in").then(|| text.split("','").map(str::to_owned).collect());
            (is_negated, ids, text.to_lowercase())
        };
        Self(text.split(" and ").map(term).collect())
    }

    fn holds(&self, id: &str, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().all(|(is_negated, ids, text)| {
            let is_met =
                ids.as_ref().map_or_else(|| name.starts_with(text), |ids| ids.iter().any(|one| one == id));
            is_met != *is_negated
        })
    }
}

/// What somebody has who applies every event, and how often an object came as new.
async fn applied(read: &mut ParallelRead) -> Result<BTreeMap<String, String>, Error> {
    let mut kept = BTreeMap::new();
    while let Some(event) = read.next().await? {
        match event {
            ParallelEvent::Items(items) => {
                for item in items {
                    let (id, name) = pair(item.get());
                    assert!(kept.insert(id.clone(), name).is_none(), "{id} came twice");
                }
            }
            ParallelEvent::Changed(items) => kept.extend(items.iter().map(|item| pair(item.get()))),
            ParallelEvent::Removed(ids) => {
                ids.iter().for_each(|id| assert!(kept.remove(id).is_some(), "{id}"))
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(kept)
}

fn pair(item: &str) -> (String, String) {
    let item: Value = serde_json::from_str(item).unwrap();
    (item["id"].as_str().unwrap().to_owned(), item["userPrincipalName"].as_str().unwrap().to_owned())
}

// PF-1, PF-2, PF-4
#[tokio::test]
async fn every_object_comes_once_however_the_names_begin() {
    for (users, counts, width) in
        [(0, true, 64), (30, true, 64), (1_200, true, 64), (1_200, false, 16), (300, true, 1)]
    {
        let directory = Directory::varied(users);
        directory.0.lock().unwrap().counts = counts;
        let api = directory.api();
        let mut read = bench(&api).client.parallel_read("/users?$top=10").width(width);
        let kept = applied(&mut read).await.unwrap();
        assert!(kept.keys().eq(directory.ids().iter()), "{users} {counts}");
        let end = read.end().unwrap().clone();
        assert_eq!((end.items, end.count, end.difference()), (users as u64, Some(users as u64), 0));
        assert!(end.is_converged && end.changed == 0 && end.removed == 0, "{end:?}");
        assert!(users < 1_200 || (end.parts > 40 && end.repeated > 0), "{end:?}");
        assert!(users > 30 || end.pages <= 3, "a small collection is not divided: {end:?}");
        assert!(read.next().await.unwrap().is_none());
        let advanced = api.requests().into_iter().filter(|it| it.uri().path() == "/v1.0/users");
        assert!(advanced.into_iter().all(|it| it.headers()["consistencylevel"] == "eventual"));
    }
}

// PF-1
#[tokio::test]
async fn names_that_begin_alike_take_few_requests() {
    let names = ["adele", "alex", "megan", "nestor", "patti"];
    let users = (0..1_200).map(|n| (format!("id-{n:04}"), format!("{}.{n:04}", names[n / 240])));
    let directory = Directory::of(users);
    let mut read = bench(&directory.api()).client.parallel_read("/users?$top=10");
    let kept = applied(&mut read).await.unwrap();
    assert!(kept.keys().eq(directory.ids().iter()));
    // Of 120 pages; one for each first character; and what finding out costs where five names begin.
    assert!(read.end().unwrap().pages <= 120 + 37 + 5 * 40, "{:?}", read.end());
}

// PF-3
#[tokio::test]
async fn what_happens_meanwhile_is_told_at_the_end() {
    use Happening::{Joins, Leaves, Renamed};
    for at in [2, 3, 40, 70] {
        let directory = Directory::varied(600);
        directory.0.lock().unwrap().plan = vec![
            (at, Joins("new", "anew")),
            (at, Leaves("id-7")),
            (at + 3, Renamed("id-11", "Zoe")),
            (at + 5, Renamed("id-12", "zed")),
            (at + 6, Leaves("id-12")),
        ];
        let mut read = bench(&directory.api()).client.parallel_read("/users?$top=10");
        let kept = applied(&mut read).await.unwrap();
        assert_eq!(kept, directory.0.lock().unwrap().users, "at {at}");
        let end = read.end().unwrap();
        assert!(end.is_converged && end.difference() == 0 && end.items == 599, "{end:?}");
    }
}

// PF-3
#[tokio::test]
async fn an_object_that_leaves_the_filter_meanwhile_is_removed() {
    let directory = Directory::varied(500);
    directory.0.lock().unwrap().plan =
        vec![(60, Happening::Renamed("id-0", "b0")), (60, Happening::Renamed("id-3", "ab"))];
    let mut read = bench(&directory.api())
        .client
        .parallel_read("/users?$filter=startswith(userPrincipalName,'a')&$top=1");
    let kept = applied(&mut read).await.unwrap();
    let expected = directory.0.lock().unwrap().users.clone();
    assert!(kept.into_iter().eq(expected.into_iter().filter(|(_, name)| name.starts_with('a'))));
    assert!(read.end().unwrap().is_converged);
}

// PF-1
#[tokio::test]
async fn a_difference_to_what_the_api_counts_is_told() {
    let directory = Directory::varied(50);
    let inner = directory.api();
    let api = Api::by(move |request| match request.uri().path() {
        "/v1.0/users/$count" => reply(200, &[], "\u{feff}52"),
        _ => {
            let answer = unattended_core::HttpClient::send(&inner, request.clone());
            futures_util::FutureExt::now_or_never(answer).unwrap()
        }
    });
    let mut read = bench(&api).client.parallel_read("/users");
    applied(&mut read).await.unwrap();
    let end = read.end().unwrap();
    assert_eq!((end.items, end.count, end.difference()), (50, Some(52), 2));
    // It is asked again before it is said to differ.
    assert_eq!(api.requests().iter().filter(|it| it.uri().path().ends_with("$count")).count(), 2);
}

// PF-1, PG-7, PG-8
#[tokio::test]
async fn throttling_errors_and_lost_cursors_lose_nothing() {
    let directory = Directory::varied(800);
    let inner = directory.api();
    let mut number = 0;
    let api = Api::by(move |request| {
        number += 1;
        let is_later = request.uri().query().is_some_and(|query| query.contains("skiptoken"));
        match number % 40 {
            7 => throttled(429, "2"),
            13 => status(503),
            21 if is_later => reply(400, &[], r#"{"error":{"code":"Directory_ExpiredPageToken"}}"#),
            33 => status(403),
            _ => {
                let answer = unattended_core::HttpClient::send(&inner, request.clone());
                futures_util::FutureExt::now_or_never(answer).unwrap()
            }
        }
    });
    let mut read = bench(&api).client.parallel_read("/users?$top=10").width(16);
    let (mut kept, mut refused) = (BTreeMap::new(), 0);
    loop {
        match read.next().await {
            Ok(Some(ParallelEvent::Items(items))) => {
                for item in items {
                    let (id, name) = pair(item.get());
                    assert!(kept.insert(id, name).is_none());
                }
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => break,
            Err(error) => {
                assert!(error.needs_administrator(), "{error}");
                assert!(read.end().is_none());
                refused += 1;
            }
        }
    }
    let end = read.end().unwrap();
    assert!(refused > 0 && end.restarted > 0 && end.difference() == 0, "{refused} {end:?}");
    assert_eq!(kept, directory.0.lock().unwrap().users);
}

// CH-2, PF-1, PF-2
#[tokio::test]
async fn whatever_the_network_does_every_object_comes_once() {
    // A link that leads astray ends the reading; that is tested where there is but one.
    let bearable = |fault: &Fault| !matches!(fault, Fault::LinkBack | Fault::ForeignLink);
    let bearable: Vec<Fault> = EVERYTHING.into_iter().filter(bearable).collect();
    let mut restarted = 0;
    for seed in 0..20 {
        let (directory, clock) = (Directory::varied(60), ManualClock::self_advancing_at(1_800_000_000));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let network = FaultyHttp::new(Arc::new(directory.api()), Arc::new(clock.clone()), entropy, 0.2);
        let client = Client::builder(BASE)
            .http(Arc::new(network.only(bearable.clone())))
            .token_source(Arc::new(Tokens::default()))
            .clock(Arc::new(clock))
            .entropy(Arc::new(SeededEntropy::new(seed + 1_000)))
            .retry(RetryPolicy::job())
            .build()
            .unwrap();
        let mut read = client.parallel_read("/users?$top=1").width(8);
        let (mut kept, mut errors) = (BTreeMap::new(), 0);
        loop {
            match read.next().await {
                Ok(Some(ParallelEvent::Items(items))) => {
                    for (id, name) in items.iter().map(|item| pair(item.get())) {
                        assert!(kept.insert(id.clone(), name).is_none(), "seed {seed}: {id} came twice");
                    }
                }
                Ok(Some(other)) => panic!("seed {seed}: {other:?}"),
                Ok(None) => break,
                Err(error) => {
                    errors += 1;
                    assert!(errors < 100, "seed {seed}: {error}");
                }
            }
        }
        let end = read.end().unwrap();
        assert_eq!(kept, directory.0.lock().unwrap().users, "seed {seed}: {end:?}");
        assert_eq!(end.difference(), 0, "seed {seed}: {end:?}");
        restarted += end.restarted;
    }
    assert!(restarted > 0);
}

// PF-2
#[tokio::test]
async fn an_api_that_does_not_filter_is_not_read_for_ever() {
    let directory = Directory::varied(4_000);
    directory.0.lock().unwrap().ignores_filters = true;
    let mut read = bench(&directory.api()).client.parallel_read("/users?$top=100");
    let error = applied(&mut read).await.unwrap_err();
    assert!(error.to_string().contains("does not filter"), "{error}");
    assert!(read.next().await.is_err() && read.end().is_none());
}

// PF-4
#[tokio::test]
async fn what_has_no_parts_is_refused_before_anything_is_sent() {
    let api = Api::answering([]);
    let client = bench(&api).client;
    for path in ["/users?$search=%22displayName:a%22", "/groups/1/members", "/users?$orderby=id"] {
        let error = client.parallel_read(path).next().await.unwrap_err();
        assert!(error.is_not_divisible() && !error.is_transient(), "{path}: {error}");
    }
    assert_eq!(api.sent(), 0);
}
