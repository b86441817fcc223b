//! Large files in slices, from where the API says that they are.

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use unattended_core::HttpErrorKind;
use unattended_webapi::{Download, Error};

use crate::support::{Api, Reply, bench, broken, reply, status};

const PATH: &str = "/drives/d/items/1/content";
const CANARY: &str = "tempauth-canary";

/// A drive whose file is at another host, under an address that works for so many requests.
#[derive(Debug)]
struct Drive {
    file: Vec<u8>,
    version: u32,
    works_for: u32,
    addresses: u32,
    redirect: (u16, &'static str),
    faults: Vec<Option<Fault>>,
}

/// What is said in place of the bytes.
type Fault = fn() -> Reply;

impl Drive {
    fn with(file: &[u8]) -> Self {
        let redirect = (302, "https://sharepoint.example/dl");
        Self { file: file.to_vec(), version: 1, works_for: 99, addresses: 0, redirect, faults: Vec::new() }
    }

    fn answer(&mut self, request: &Request<Bytes>) -> Reply {
        let uri = request.uri().to_string();
        if uri.starts_with("https://graph.example/v1.0/") {
            assert!(request.headers().contains_key("authorization"));
            self.addresses += 1;
            let (code, to) = self.redirect;
            let location = format!("{to}?tempauth={CANARY}-{}", self.addresses);
            return reply(code, &[("location", &location)], "");
        }
        assert!(!request.headers().contains_key("authorization"), "{uri}");
        assert_eq!(request.headers()["accept-encoding"], "identity");
        if let Some(Some(fault)) = (!self.faults.is_empty()).then(|| self.faults.remove(0)) {
            return fault();
        }
        if self.works_for == 0 {
            self.works_for = 99;
            return status(401);
        }
        self.works_for -= 1;
        let range = request.headers()["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        if first >= self.file.len() {
            return status(416);
        }
        let last = last.min(self.file.len() - 1);
        let told = format!("bytes {first}-{last}/{}", self.file.len());
        let tag = format!("\"{}\"", self.version);
        reply(206, &[("content-range", &told), ("etag", &tag)], self.file[first..=last].to_vec())
    }
}

fn serving(drive: Drive) -> (Api, Arc<Mutex<Drive>>) {
    let drive = Arc::new(Mutex::new(drive));
    let shared = Arc::clone(&drive);
    (Api::by(move |request| shared.lock().unwrap().answer(request)), drive)
}

async fn read(download: &mut Download) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    while let Some(bytes) = download.next().await? {
        file.extend_from_slice(&bytes);
    }
    Ok(file)
}

fn content() -> Vec<u8> {
    (0..1_000_u32).flat_map(u32::to_le_bytes).collect()
}

// RD-1, RD-2
#[tokio::test]
async fn a_file_is_read_where_the_api_sends_us_and_the_token_stays_at_home() {
    let (api, drive) = serving(Drive::with(&content()));
    let mut download = bench(&api).client.download(PATH).slice(1_500);
    assert_eq!(read(&mut download).await.unwrap(), content());
    assert_eq!((download.size(), download.position(), api.sent()), (Some(4_000), 4_000, 4));
    assert_eq!((download.next().await.unwrap(), drive.lock().unwrap().addresses), (None, 1));
    assert!(!format!("{download:?}").contains(CANARY));
}

// RT-2, RT-8
#[tokio::test]
async fn a_slice_that_breaks_is_repeated_alone_and_an_address_that_expires_is_replaced() {
    let mut drive = Drive::with(&content());
    drive.faults = vec![None, Some(|| broken(HttpErrorKind::Interrupted)), Some(|| status(503))];
    drive.works_for = 2;
    let (api, drive) = serving(drive);
    assert_eq!(read(&mut bench(&api).client.download(PATH).slice(1_000)).await.unwrap(), content());
    assert_eq!(drive.lock().unwrap().addresses, 2);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_an_error_and_not_a_mixture() {
    let (api, drive) = serving(Drive::with(&content()));
    let mut download = bench(&api).client.download(PATH).slice(1_000);
    download.next().await.unwrap();
    drive.lock().unwrap().version = 2;
    let error = download.next().await.unwrap_err().to_string();
    assert!(error.ends_with("the file has changed since its first bytes were read"), "{error}");
    assert!(!error.contains(CANARY), "{error}");
}

#[tokio::test]
async fn an_empty_file_and_a_server_without_ranges_are_read_too() {
    let (api, _) = serving(Drive::with(b""));
    let mut download = bench(&api).client.download(PATH);
    assert_eq!((read(&mut download).await.unwrap(), download.size()), (Vec::new(), Some(0)));

    let whole = Api::by(|_| reply(200, &[], "all of it"));
    assert_eq!(read(&mut bench(&whole).client.download(PATH).slice(3)).await.unwrap(), b"all of it");
    assert_eq!(whole.sent(), 1);

    let other_bytes = Api::by(|_| reply(206, &[("content-range", "bytes 5-9/10")], "56789"));
    let error = read(&mut bench(&other_bytes).client.download(PATH)).await.unwrap_err();
    assert!(error.to_string().contains("other bytes"), "{error}");
}

// RD-1
#[tokio::test]
async fn a_redirect_that_could_harm_is_not_followed() {
    for (redirect, reason) in [
        ((302, "http://sharepoint.example/dl"), "without encryption"),
        ((307, "https://sharepoint.example/dl"), "another origin"),
        ((302, "https://user@sharepoint.example/dl"), "user name"),
    ] {
        let (api, _) = serving(Drive { redirect, ..Drive::with(&content()) });
        let error = bench(&api).client.download(PATH).next().await.unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains(CANARY), "{error}");
        assert_eq!(api.sent(), 1);
    }

    let circle = Api::by(|_| reply(302, &[("location", "https://sharepoint.example/again")], ""));
    let error = bench(&circle).client.download(PATH).next().await.unwrap_err().to_string();
    assert!(error.contains("again and again") && circle.sent() == 6, "{error}");
    let nowhere = Api::by(|_| reply(302, &[], ""));
    let error = bench(&nowhere).client.download(PATH).next().await.unwrap_err().to_string();
    assert!(error.contains("does not say where to"), "{error}");
}

// RD-1
#[tokio::test]
async fn a_redirect_within_the_api_keeps_the_token() {
    let api = Api::by(|request| {
        assert!(request.headers().contains_key("authorization"));
        match request.uri().path() {
            "/v1.0/drives/d/items/1/content" => reply(307, &[("location", "../2/content?v=1")], ""),
            "/v1.0/drives/d/items/2/content" => reply(200, &[], "all of it"),
            other => panic!("{other}"),
        }
    });
    assert_eq!(read(&mut bench(&api).client.download(PATH)).await.unwrap(), b"all of it");
    assert_eq!(api.sent(), 2);
}

#[tokio::test]
async fn a_file_without_a_size_ends_where_nothing_follows() {
    let api = Api::by(|request| match request.headers()["range"].to_str().unwrap() {
        "bytes=0-3" => reply(206, &[("content-range", "bytes 0-3/*")], "0123"),
        "bytes=4-7" => reply(206, &[("content-range", "bytes 4-7/*")], "4567"),
        _ => status(416),
    });
    assert_eq!(read(&mut bench(&api).client.download(PATH).slice(4)).await.unwrap(), b"01234567");
}
