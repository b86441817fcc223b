//! Files that come in slices.

use std::convert::Infallible;

use axum::http::header::CONTENT_RANGE;
use futures_util::stream;
use serde_json::{Value, json};

use super::*;

const UNIT: usize = 320 * 1024;
const DRIVE: &str = "/v1.0/users/ada@contoso.onmicrosoft.com/drive";

async fn world() -> World {
    let world = World::new();
    world.new_user("ada").await.is(201);
    world
}

impl World {
    async fn files(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        self.ask(&self.token(&["Files.ReadWrite.All"]), method, path, body).await
    }

    /// Begins an upload; the path that its slices go to.
    async fn begin(&self, name: &str, on_conflict: &str) -> Reply {
        let body = json!({ "item": { "@microsoft.graph.conflictBehavior": on_conflict } });
        self.files(Method::POST, &format!("{DRIVE}/root:/{name}:/createUploadSession"), Some(&body)).await
    }

    async fn session(&self, name: &str, on_conflict: &str) -> String {
        let begun = self.begin(name, on_conflict).await.is(200);
        assert_eq!(begun.body["nextExpectedRanges"], json!(["0-"]));
        begun.body["uploadUrl"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
    }

    async fn slice(&self, path: &str, range: &str, bytes: &[u8]) -> Reply {
        let request = Request::builder().method(Method::PUT).uri(path).header(CONTENT_RANGE, range);
        self.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
    }

    async fn plain(&self, method: Method, path: &str) -> Reply {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }
}

// UP-1, UP-2
#[tokio::test]
async fn slices_in_order_become_a_file_without_any_token() {
    let world = world().await;
    let bytes: Vec<u8> = (0..UNIT * 2 + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let size = bytes.len();
    let path = world.session("reports/a.bin", "fail").await;
    let first = world.slice(&path, &format!("bytes 0-{}/{size}", UNIT - 1), &bytes[..UNIT]).await.is(202);
    assert_eq!(first.body["nextExpectedRanges"], json!([format!("{UNIT}-{}", size - 1)]));
    let state = world.plain(Method::GET, &path).await.is(200);
    assert_eq!(state.body, first.body);
    let rest = world.slice(&path, &format!("bytes {UNIT}-{}/{size}", size - 1), &bytes[UNIT..]).await.is(201);
    assert_eq!((&rest.body["name"], &rest.body["size"]), (&json!("a.bin"), &json!(size)));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(rest.body["file"]["hashes"]["sha256Hash"], digest);
    world.plain(Method::GET, &path).await.is(404);

    let drive = world.files(Method::GET, DRIVE, None).await.is(200).body["id"].as_str().unwrap().to_owned();
    let id = rest.body["id"].as_str().unwrap();
    for path in ["root:/Reports/A.BIN", "items/root%3A%2Freports%2Fa.bin%3A", &format!("items/{id}")] {
        let found = world.files(Method::GET, &format!("/v1.0/drives/{drive}/{path}"), None).await.is(200);
        assert_eq!(found.body["id"], id, "{path}");
    }
    world.files(Method::DELETE, &format!("/v1.0/drives/{drive}/items/{id}"), None).await.is(204);
    world.files(Method::GET, &format!("{DRIVE}/root:/reports/a.bin"), None).await.is(404);
}

// UP-1, UP-3
#[tokio::test]
async fn a_slice_that_is_not_the_next_one_or_has_a_wrong_size_is_refused_and_changes_nothing() {
    let world = world().await;
    let (path, unit) = (world.session("a.bin", "fail").await, vec![7; UNIT]);
    let size = UNIT * 2;
    for (range, bytes, status) in [
        (format!("bytes 0-{}/{size}", UNIT - 1), &unit[..UNIT - 1], 400),
        (format!("bytes {UNIT}-{}/{size}", size - 1), &unit[..], 416),
        ("0-1/2".to_owned(), &unit[..2], 400),
        ("bytes 0-9223372036854775807/9223372036854775807".to_owned(), &unit[..2], 400),
    ] {
        world.slice(&path, &range, bytes).await.is(status);
    }
    world.slice(&path, &format!("bytes 0-{}/{size}", UNIT - 1), &unit).await.is(202);
    // Again, and with another size.
    let again = world.slice(&path, &format!("bytes 0-{}/{size}", UNIT - 1), &unit).await.is(416);
    assert_eq!(again.code(), "invalidRange");
    world.slice(&path, &format!("bytes {UNIT}-{}/{}", size - 1, size + 1), &unit).await.is(400);
    let state = world.plain(Method::GET, &path).await.is(200);
    assert_eq!(state.body["nextExpectedRanges"], json!([format!("{UNIT}-{}", size - 1)]));
    world.slice(&path, &format!("bytes {UNIT}-{}/{size}", size - 1), &unit).await.is(201);
}

// OneDrive asks for multiples of 320 KiB and takes any length; msgraph-core sends slices that are one byte too long.
#[tokio::test]
async fn a_slice_of_any_length_below_60_mib_is_taken() {
    let world = world().await;
    let path = world.session("a.bin", "fail").await;
    world.slice(&path, "bytes 0-99/300", &[1; 100]).await.is(202);
    world.slice(&path, "bytes 100-199/300", &[1; 100]).await.is(202);
    world.slice(&path, "bytes 200-299/300", &[1; 100]).await.is(201);
    let path = world.session("b.bin", "fail").await;
    let long = 60 * 1024 * 1024;
    let refused = world.slice(&path, &format!("bytes 0-{}/{long}", long - 1), &vec![0; long]).await.is(413);
    assert_eq!(refused.code(), "requestEntityTooLarge");
}

// UP-3
#[tokio::test]
async fn a_slice_that_nobody_waits_for_is_refused_before_it_is_read() {
    let world = world().await;
    let path = world.session("a.bin", "fail").await;
    world.slice(&path, "bytes 0-9/100", &[1; 10]).await.is(202);
    let (address, _) = path.split_once('?').unwrap();
    for (path, range, status) in [
        ("/uploads/none?tempauth=none", "bytes 0-9/100", 404),
        (address, "bytes 10-19/100", 404),
        (&path, "bytes 20-29/100", 416),
        (&path, "bytes 10-19/101", 400),
        (&path, "bytes 10-99999999/100000000", 413),
        (&path, "bytes all", 400),
    ] {
        let body = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        let request = Request::builder().method(Method::PUT).uri(path).header(CONTENT_RANGE, range);
        world.send(request.body(body).unwrap()).await.is(status);
    }
    world.slice(&path, "bytes 10-99/100", &[1; 90]).await.is(201);
}

// UP-3: the client that did not see the answer, and msgraph-core, which always sends the last slice twice
#[tokio::test]
async fn the_last_slice_once_more_is_answered_with_the_file_and_nothing_else_is() {
    let world = world().await;
    for on_conflict in ["fail", "rename"] {
        let path = world.session(&format!("{on_conflict}.bin"), on_conflict).await;
        if on_conflict == "rename" {
            let other = world.session("rename.bin", "replace").await;
            world.slice(&other, "bytes 0-0/1", b"x").await.is(201);
        }
        world.slice(&path, "bytes 0-2/6", b"abc").await.is(202);
        let made = world.slice(&path, "bytes 3-5/6", b"def").await.is(201);
        let again = world.slice(&path, "bytes 3-5/6", b"def").await.is(200);
        assert_eq!(again.body, made.body);
        for (range, bytes) in [
            ("bytes 3-5/6", &b"xyz"[..]),
            ("bytes 0-2/6", b"abc"),
            ("bytes 4-5/6", b"ef"),
            ("bytes 3-5/7", b"def"),
        ] {
            world.slice(&path, range, bytes).await.is(404);
        }
        world.plain(Method::GET, &path).await.is(404);
        world.plain(Method::DELETE, &path).await.is(404);
        let id = made.body["id"].as_str().unwrap();
        world.files(Method::DELETE, &format!("{DRIVE}/items/{id}"), None).await.is(204);
        world.slice(&path, "bytes 3-5/6", b"def").await.is(404);
        // Nothing is on its way there any more.
        world.session(&format!("{on_conflict}.bin"), on_conflict).await;
    }
}

// UP-3
#[tokio::test]
async fn a_session_ends_with_its_time_with_its_deletion_and_for_who_does_not_know_it() {
    let world = world().await;
    let path = world.session("a.bin", "fail").await;
    let (start, _) = path.split_once("tempauth=").unwrap();
    for wrong in [format!("{start}tempauth=x"), start.to_owned()] {
        world.plain(Method::GET, &wrong).await.is(404);
        world.plain(Method::DELETE, &wrong).await.is(404);
    }
    world.plain(Method::POST, &path).await.is(405);
    assert_eq!(world.begin("A.bin", "fail").await.is(409).code(), "nameAlreadyExists", "it is under way");
    world.plain(Method::DELETE, &path).await.is(204);
    world.slice(&path, "bytes 0-0/1", b"a").await.is(404);

    let path = world.session("a.bin", "fail").await;
    world.clock.advance(Duration::from_secs(23 * 3600));
    world.slice(&path, &format!("bytes 0-{}/{}", UNIT - 1, UNIT * 2), &vec![0; UNIT]).await.is(202);
    world.clock.advance(Duration::from_secs(23 * 3600));
    world.plain(Method::GET, &path).await.is(200);
    world.clock.advance(Duration::from_secs(3600));
    world.plain(Method::GET, &path).await.is(404);
    world.session("a.bin", "fail").await;
    let kept: i64 = world
        .store
        .read(|connection| -> Result<_, crate::store::StoreError> {
            Ok(connection.query_row("SELECT count(*) FROM upload_slices", [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(kept, 0, "what nobody asks for any more is gone");
}

#[tokio::test]
async fn a_name_that_is_taken_at_the_end_is_what_the_client_said() {
    let world = world().await;
    let slow = world.session("a.b.txt", "replace").await;
    let first = world.session("a.b.txt", "replace").await;
    let made = world.slice(&first, "bytes 0-0/1", b"a").await.is(201);
    let replaced = world.slice(&slow, "bytes 0-1/2", b"bc").await.is(200);
    assert_eq!((&replaced.body["id"], &replaced.body["size"]), (&made.body["id"], &json!(2)));
    assert_ne!(replaced.body["eTag"], made.body["eTag"]);
    let renamed = world.session("A.b.txt", "rename").await;
    let renamed = world.slice(&renamed, "bytes 0-0/1", b"d").await.is(201);
    assert_eq!(renamed.body["name"], "a.b 1.txt");
    assert_eq!(world.begin("a.b.txt", "fail").await.is(409).code(), "nameAlreadyExists");

    let fails = world.session("c.txt", "fail").await;
    let other = world.session("c.txt", "replace").await;
    world.slice(&other, "bytes 0-0/1", b"d").await.is(201);
    assert_eq!(world.slice(&fails, "bytes 0-0/1", b"e").await.is(409).code(), "nameAlreadyExists");
    world.plain(Method::GET, &fails).await.is(200);
}

#[tokio::test]
async fn what_is_no_drive_no_name_or_no_permission_is_refused() {
    let world = world().await;
    let create = "createUploadSession";
    for (path, status) in [
        (format!("{DRIVE}/root:/a:b*c:/{create}"), 400),
        (format!("{DRIVE}/root:/../c:/{create}"), 400),
        (format!("{DRIVE}/root:/a%00:/{create}"), 400),
        (format!("{DRIVE}/root:/a%0Ab:/{create}"), 400),
        (format!("{DRIVE}/root:/a::/{create}"), 400),
        (format!("{DRIVE}/items/nowhere/{create}"), 404),
        (format!("/v1.0/drives/b!nowhere/root:/a:/{create}"), 404),
        (format!("/v1.0/drives/{}/root:/a:/{create}", world.administrator), 404),
        ("/v1.0/users/nobody@contoso.onmicrosoft.com/drive/root:/a:/createUploadSession".to_owned(), 404),
    ] {
        let status_now = world.files(Method::POST, &path, None).await.status;
        assert_eq!(status_now, status, "{path}");
    }
    assert_eq!(world.begin("a", "maybe").await.is(400).code(), "invalidRequest");
    let reader = world.token(&["Files.Read.All"]);
    let path = format!("{DRIVE}/root:/a:/{create}");
    world.ask(&reader, Method::POST, &path, None).await.is(403);
    world.ask(&reader, Method::GET, DRIVE, None).await.is(200);
}
