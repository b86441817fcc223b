//! Large files in slices, through everything that can happen between two of them.

mod support;

use std::error::Error as StdError;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;
use unattended_core::{BoxFuture, HttpErrorKind, ManualClock, Secret};
use unattended_webapi::{Error, Response, RetryPolicy, UploadSource, UploadState, UploadStore};

use crate::support::{Api, Bench, Reply, Tokens, bench_with, broken, reply, status};

const UNIT: u64 = 320 << 10;
const PATH: &str = "/drives/d/root:/a.bin:/createUploadSession";
const CANARY: &str = "tempauth-canary";

/// A drive with one file and one session, as strict as the real one.
#[derive(Default)]
struct Drive {
    sessions: u32,
    received: Option<Vec<u8>>,
    file: Option<Vec<u8>>,
    given_up: u32,
    /// Answers to the next slices in place of what would be said; `true` if the bytes arrive nevertheless.
    faults: Vec<(bool, u16)>,
    is_in_the_way: bool,
}

impl Drive {
    fn answer(&mut self, request: &Request<Bytes>) -> Reply {
        let uri = request.uri().to_string();
        if uri.ends_with("createUploadSession") {
            assert!(request.headers().contains_key("authorization"));
            self.sessions += 1;
            self.received = Some(Vec::new());
            let url = format!("https://sharepoint.example/up/{CANARY}-{}?tempauth={CANARY}", self.sessions);
            let body = json!({
                "uploadUrl": url, "expirationDateTime": "2027-01-15T09:00:00Z", "nextExpectedRanges": ["0-"]
            });
            return reply(200, &[], body.to_string());
        }
        assert!(uri.starts_with("https://sharepoint.example/up/"), "{uri}");
        if request.headers().contains_key("authorization") {
            return status(401);
        }
        if self.received.is_none() || !uri.contains(&format!("{CANARY}-{}?", self.sessions)) {
            return status(404);
        }
        match *request.method() {
            Method::GET => self.told(200),
            Method::DELETE => {
                self.given_up += 1;
                self.received = None;
                status(204)
            }
            _ => {
                let fault = if self.faults.is_empty() { None } else { Some(self.faults.remove(0)) };
                match fault {
                    Some((false, 0)) => broken(HttpErrorKind::Interrupted),
                    Some((false, code)) => status(code),
                    Some((true, code)) => {
                        _ = self.take(request);
                        status(code)
                    }
                    None => self.take(request),
                }
            }
        }
    }

    fn told(&self, code: u16) -> Reply {
        let at = self.received.as_ref().map_or(0, Vec::len);
        reply(code, &[], json!({ "nextExpectedRanges": [format!("{at}-")] }).to_string())
    }

    fn take(&mut self, request: &Request<Bytes>) -> Reply {
        let range = request.headers()["content-range"].to_str().unwrap().to_owned();
        let (bytes, total) = range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
        let (first, last) = bytes.split_once('-').unwrap();
        let [first, last, total] = [first, last, total].map(|number| number.parse::<u64>().unwrap());
        let (length, received) = (last - first + 1, self.received.as_mut().unwrap());
        assert_eq!(request.body().len() as u64, length);
        assert!(length < 60 << 20 && (length.is_multiple_of(UNIT) || last + 1 == total), "{range}");
        if first != received.len() as u64 {
            return status(416);
        }
        received.extend_from_slice(request.body());
        if last + 1 < total {
            return self.told(202);
        }
        if self.is_in_the_way {
            return reply(409, &[], r#"{"error":{"code":"nameAlreadyExists","message":"taken"}}"#);
        }
        self.file = self.received.take();
        reply(201, &[], r#"{"id":"item-1"}"#)
    }
}

struct File(Vec<u8>);

impl UploadSource for File {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn fingerprint(&self) -> String {
        format!("{:?}", self.0.first())
    }

    fn read(
        &self,
        offset: u64,
        length: u64,
    ) -> BoxFuture<'_, Result<Bytes, Box<dyn StdError + Send + Sync>>> {
        let range = usize::try_from(offset).unwrap()..usize::try_from(offset + length).unwrap();
        Box::pin(async move { Ok(Bytes::copy_from_slice(&self.0[range])) })
    }
}

#[derive(Default)]
struct Kept(Mutex<Option<Secret>>);

impl UploadStore for Kept {
    fn load(&self) -> BoxFuture<'_, Result<Option<UploadState>, Box<dyn StdError + Send + Sync>>> {
        Box::pin(async {
            let kept = self.0.lock().unwrap().clone();
            Ok(kept.map(|secret| UploadState::from_secret(&secret)).transpose()?)
        })
    }

    fn save(&self, state: &UploadState) -> BoxFuture<'_, Result<(), Box<dyn StdError + Send + Sync>>> {
        *self.0.lock().unwrap() = Some(state.to_secret());
        Box::pin(async { Ok(()) })
    }

    fn forget(&self) -> BoxFuture<'_, Result<(), Box<dyn StdError + Send + Sync>>> {
        *self.0.lock().unwrap() = None;
        Box::pin(async { Ok(()) })
    }
}

/// Five slices of 640 KiB and a rest, no byte like its neighbours.
fn file() -> File {
    File((0..10 * UNIT + 12_345).map(|at| (at % 251) as u8 ^ (at >> 13) as u8).collect())
}

fn drive(drive: Drive) -> (Bench, Api, Arc<Mutex<Drive>>) {
    let drive = Arc::new(Mutex::new(drive));
    let shared = Arc::clone(&drive);
    let api = Api::by(move |request| shared.lock().unwrap().answer(request));
    let clock = ManualClock::self_advancing_at(1_800_000_000);
    (bench_with(&api, Tokens::default(), clock, |it| it), api, drive)
}

async fn upload(bench: &Bench, file: &File, store: &Kept) -> Result<Response, Error> {
    bench.client.upload(PATH).slice(2 * UNIT).run(file, store, &mut |_| ()).await
}

fn ranges(api: &Api) -> Vec<u64> {
    let first = |range: &String| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok();
    api.header("content-range").iter().filter_map(first).map(|at: u64| at / UNIT).collect()
}

// UP-1, UP-2
#[tokio::test]
async fn slices_go_in_order_to_an_address_that_gets_no_token() {
    let (bench, api, drive) = drive(Drive::default());
    let (mut told, store) = (Vec::new(), Kept::default());
    let upload = bench.client.upload(PATH).slice(2 * UNIT);
    let response = upload.run(&file(), &store, &mut |bytes| told.push(bytes / UNIT)).await.unwrap();
    assert_eq!(response.json::<serde_json::Value>().unwrap()["id"], "item-1");
    assert!(drive.lock().unwrap().file.as_ref() == Some(&file().0));
    assert_eq!((ranges(&api), told), (vec![0, 2, 4, 6, 8, 10], vec![0, 2, 4, 6, 8, 10, 10]));
    assert!(store.0.lock().unwrap().is_none());
    let authorized = api.header("authorization").iter().filter(|it| !it.is_empty()).count();
    assert_eq!(authorized, 1, "the session itself, and nothing of its slices");
    assert_eq!(bench.client.upload(PATH).run(&file(), &store, &mut |_| ()).await.unwrap().status(), 201);
    assert_eq!(api.header("content-length").len(), 9, "10 MiB is the default: one slice");
}

// UP-1
#[tokio::test]
async fn slices_of_another_size_and_empty_files_are_refused() {
    let (bench, api, _) = drive(Drive::default());
    for slice in [0, 1, UNIT + 1, 60 << 20, 60 * UNIT * 1_000] {
        let refused =
            bench.client.upload(PATH).slice(slice).run(&file(), &Kept::default(), &mut |_| ()).await;
        assert!(refused.unwrap_err().to_string().contains("320 KiB"), "{slice}");
    }
    assert!(upload(&bench, &File(Vec::new()), &Kept::default()).await.is_err());
    assert_eq!(api.sent(), 0);
}

// UP-1, UP-3, W13
#[tokio::test]
async fn the_first_slice_that_fails_ends_it_and_the_next_run_goes_on_where_the_api_says() {
    let faults = vec![(true, 202), (false, 400)];
    let (bench, api, drive) = drive(Drive { faults, ..Drive::default() });
    let store = Kept::default();
    let failed = upload(&bench, &file(), &store).await.unwrap_err();
    assert_eq!((failed.status().unwrap().as_u16(), ranges(&api)), (400, vec![0, 2]));
    upload(&bench, &file(), &store).await.unwrap();
    assert_eq!(ranges(&api), [0, 2, 2, 4, 6, 8, 10]);
    let drive = drive.lock().unwrap();
    assert!(drive.file.as_ref() == Some(&file().0) && drive.sessions == 1);
}

// UP-3, RT-2
#[tokio::test]
async fn an_answer_that_was_lost_is_found_out_by_asking_for_the_ranges() {
    for lost in [(true, 504), (false, 0), (false, 503), (true, 500)] {
        let (bench, _, drive) = drive(Drive { faults: vec![(true, 202), lost, lost], ..Drive::default() });
        upload(&bench, &file(), &Kept::default()).await.unwrap();
        let drive = drive.lock().unwrap();
        assert!(drive.file.as_ref() == Some(&file().0) && drive.sessions == 1, "{lost:?}");
    }
}

// UP-3
#[tokio::test]
async fn a_session_that_is_gone_or_of_another_content_is_begun_anew() {
    let (bench, _, drive) = drive(Drive { faults: vec![(true, 202), (false, 400)], ..Drive::default() });
    let store = Kept::default();
    upload(&bench, &file(), &store).await.unwrap_err();
    drive.lock().unwrap().received = None;
    upload(&bench, &file(), &store).await.unwrap();
    assert!(drive.lock().unwrap().file.as_ref() == Some(&file().0));

    drive.lock().unwrap().faults = vec![(true, 202), (false, 404)];
    upload(&bench, &file(), &store).await.unwrap();
    assert_eq!(drive.lock().unwrap().sessions, 4, "gone in the middle");

    drive.lock().unwrap().faults = vec![(true, 202), (false, 400)];
    upload(&bench, &file(), &store).await.unwrap_err();
    let mut changed = file();
    changed.0[0] ^= 1;
    upload(&bench, &changed, &store).await.unwrap();
    let drive = drive.lock().unwrap();
    assert!(drive.file.as_ref() == Some(&changed.0));
    assert_eq!((drive.sessions, drive.given_up), (6, 1), "the old one is given up");
}

// UP-3
#[tokio::test]
async fn something_of_the_same_name_is_a_conflict_and_the_session_is_given_up() {
    let (bench, _, drive) = drive(Drive { is_in_the_way: true, ..Drive::default() });
    let store = Kept::default();
    let error = upload(&bench, &file(), &store).await.unwrap_err();
    assert!(error.is_conflict() && error.code() == Some("nameAlreadyExists"), "{error}");
    assert!(store.0.lock().unwrap().is_none() && drive.lock().unwrap().given_up == 1);
}

// UP-2
#[tokio::test]
async fn the_address_of_a_session_is_shown_to_nobody() {
    let (bench, _, _) = drive(Drive { faults: vec![(false, 400)], ..Drive::default() });
    let store = Kept::default();
    let error = upload(&bench, &file(), &store).await.unwrap_err();
    assert!(error.to_string().starts_with("PUT https://sharepoint.example/[redacted]: "), "{error}");
    let state = store.load().await.unwrap().unwrap();
    assert!(!format!("{error:?} {error} {state:?} {:?}", bench.client).contains(CANARY));
    assert_eq!(state.expires(), Some("2027-01-15T09:00:00Z"));
    let wrong = UploadState::from_secret(&Secret::new(CANARY)).unwrap_err();
    assert!(!format!("{wrong:?} {wrong}").contains(CANARY));
}

// UP-2, RD-3
#[tokio::test]
async fn an_address_that_is_not_encrypted_gets_no_byte() {
    for url in
        [format!("http://sharepoint.example/{CANARY}"), format!("https://a@b/{CANARY}"), CANARY.to_owned()]
    {
        let answer = json!({ "uploadUrl": url, "nextExpectedRanges": ["0-"] }).to_string();
        let api = Api::answering([reply(200, &[], answer)]);
        let clock = ManualClock::self_advancing_at(1_800_000_000);
        let bench = bench_with(&api, Tokens::default(), clock, |it| it.retry(RetryPolicy::never()));
        let error = upload(&bench, &file(), &Kept::default()).await.unwrap_err();
        assert!(api.sent() == 1 && !format!("{error:?} {error}").contains(CANARY), "{error}");
    }
}
