//! `/uploads`: where the slices of an upload go. The address itself is the permission: there is no token.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_RANGE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::Directory;
use super::drives::{shown, taken};
use super::exchange::{Answer, Body};
use super::fault::Fault;
use super::http::MOUNT;
use crate::form;
use crate::store::drives::{self, DriveItem, OnConflict, UploadSession};
use crate::store::timestamp;

/// How long a session waits for the next slice, in seconds.
pub(super) const LIFE: i64 = 24 * 3600;

/// The path below the directory's, with the id of a session.
pub(super) const ROUTE: &str = "/uploads/{id}";

/// A slice is shorter.
pub(crate) const MAX_SLICE_BYTES: usize = 60 * 1024 * 1024;

/// Every slice but the last is a multiple of this.
const UNIT: usize = 320 * 1024;

/// The parameter with the session's secret, as SharePoint calls it.
const SECRET: &str = "tempauth";

/// Whether slices go to a path of the sandbox.
pub(crate) fn is_slice(path: &str) -> bool {
    path.strip_prefix(MOUNT).is_some_and(|path| path.starts_with("/uploads/"))
}

/// Where the slices of a session go.
pub(super) fn url(directory: &Directory, session: &str, secret: &str) -> String {
    format!("{}/uploads/{session}?{SECRET}={secret}", directory.base_url)
}

/// What a session still waits for: up to the last byte, once the size of the file is known.
pub(super) fn state(session: &UploadSession) -> Value {
    let last = session.size.map_or(String::new(), |size| (size - 1).to_string());
    json!({
        "expirationDateTime": timestamp(session.expires_at),
        "nextExpectedRanges": [format!("{}-{last}", session.received)],
    })
}

pub(super) async fn serve(
    State(directory): State<Arc<Directory>>,
    Path(id): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_SLICE_BYTES).await.ok();
    // SQLite blocks, and so does the disk below it.
    let answering = Arc::clone(&directory);
    let answer = tokio::task::spawn_blocking(move || {
        let query = parts.uri.query().unwrap_or_default();
        answering.upload(&parts.method, &id, query, &parts.headers, body)
    });
    let answer = answer.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an upload was not answered");
        Answer { status: StatusCode::INTERNAL_SERVER_ERROR, headers: Vec::new(), body: Body::Empty }
    });
    super::http::render(answer, [], directory.clock.now())
}

impl Directory {
    fn upload(
        &self,
        method: &Method,
        id: &str,
        query: &str,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Answer {
        let now = super::http::seconds(self.clock.now());
        let secret = form::fields(query.as_bytes()).find(|(name, _)| name == SECRET);
        let secret = secret.map(|(_, secret)| secret.into_owned()).unwrap_or_default();
        let find =
            |connection: &Connection| drives::session(connection, id, &secret, now)?.ok_or_else(no_session);
        let result = match *method {
            Method::GET => self.store.read(find).map(|session| Answer::ok(state(&session))),
            Method::DELETE => self.store.write(|transaction| {
                drives::end(transaction, &find(transaction)?.id)?;
                Ok(Answer::no_content())
            }),
            Method::PUT => self.store.write(|transaction| {
                let session = find(transaction)?;
                let body = body.ok_or_else(|| too_large("A slice has less than 60 MiB."))?;
                self.take(transaction, session, headers, &body, now)
            }),
            _ => Err(Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalidRequest",
                "Slices are put; the session is asked for with GET and given up with DELETE.",
            )),
        };
        result.unwrap_or_else(|fault: Fault| {
            let (date, id) = (timestamp(now), self.entropy.uuid());
            let body = fault.body(date.trim_end_matches('Z'), &id, &id);
            Answer { status: fault.status, headers: fault.headers, body: Body::Json(body) }
        })
    }

    /// Takes a slice, if it is the next one, and makes the file of the last.
    fn take(
        &self,
        connection: &Connection,
        mut session: UploadSession,
        headers: &HeaderMap,
        bytes: &[u8],
        now: i64,
    ) -> Result<Answer, Fault> {
        let range = headers.get(CONTENT_RANGE).and_then(|range| Range::parse(range.to_str().ok()?));
        let Range { first, last, size } = range.ok_or_else(|| {
            invalid("The Content-Range header is missing or malformed: 'bytes FIRST-LAST/SIZE' is expected.")
        })?;
        if i64::try_from(bytes.len()) != Ok(last - first + 1) {
            return Err(invalid("The length of the body is not that of the Content-Range header."));
        }
        if session.size.is_some_and(|known| known != size) {
            return Err(invalid("The size of the file is not that of the slices before."));
        }
        let is_last = last + 1 == size;
        if !is_last && !bytes.len().is_multiple_of(UNIT) {
            return Err(invalid("Every slice but the last is a multiple of 320 KiB (327,680 bytes)."));
        }
        if first != session.received {
            let message = format!("The next byte that is expected is {}.", session.received);
            return Err(Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, "invalidRange", message));
        }
        (session.size, session.received, session.expires_at) = (Some(size), last + 1, now + LIFE);
        drives::add_slice(connection, &session, bytes)?;
        if !is_last {
            let status = StatusCode::ACCEPTED;
            return Ok(Answer { status, headers: Vec::new(), body: Body::Json(state(&session)) });
        }
        let (item, is_new) = self.finish(connection, &session, now)?;
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(Answer { status, headers: Vec::new(), body: Body::Json(shown(&item)) })
    }

    /// The file of a session that is complete, and whether it is a new one.
    fn finish(
        &self,
        connection: &Connection,
        session: &UploadSession,
        now: i64,
    ) -> Result<(DriveItem, bool), Fault> {
        let older = drives::item(connection, &session.drive_id, &session.path)?;
        let path = match (&older, session.on_conflict) {
            (Some(_), OnConflict::Fail) => return Err(taken()),
            (Some(_), OnConflict::Rename) => free_path(connection, session)?,
            _ => session.path.clone(),
        };
        let replaced = older.filter(|_| session.on_conflict == OnConflict::Replace);
        let is_new = replaced.is_none();
        let item = DriveItem {
            id: replaced.as_ref().map_or_else(|| self.entropy.uuid(), |older| older.id.clone()),
            drive_id: session.drive_id.clone(),
            path,
            size: session.received,
            sha256: drives::sha256_of(connection, &session.id)?,
            version: replaced.as_ref().map_or(1, |older| older.version + 1),
            created_at: replaced.map_or(now, |older| older.created_at),
            modified_at: now,
        };
        drives::put_item(connection, &item)?;
        drives::end(connection, &session.id)?;
        Ok((item, is_new))
    }
}

/// `report 1.csv`, or the first of its like that nobody has.
fn free_path(connection: &Connection, session: &UploadSession) -> Result<String, Fault> {
    let name_at = session.path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = session.path[name_at..].rfind('.').filter(|dot| *dot > 0).map(|dot| name_at + dot);
    let (stem, extension) = session.path.split_at(dot.unwrap_or(session.path.len()));
    for number in 1..MAX_RENAMED {
        let path = format!("{stem} {number}{extension}");
        if drives::item(connection, &session.drive_id, &path)?.is_none() {
            return Ok(path);
        }
    }
    Err(taken())
}

/// How many files of one name there may be.
const MAX_RENAMED: u32 = 1_000;

/// `bytes 0-26/128`
struct Range {
    first: i64,
    last: i64,
    size: i64,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (bytes, size) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str| Some(text).filter(is_number)?.parse::<i64>().ok();
        let range = Self { first: number(first)?, last: number(last)?, size: number(size)? };
        (range.first <= range.last && range.last < range.size).then_some(range)
    }
}

fn no_session() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "itemNotFound", "The upload session was not found.")
}

fn invalid(message: &str) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
}

fn too_large(message: &str) -> Fault {
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "requestEntityTooLarge", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_lies_in_its_file_whatever_is_sent(text in "(bytes )?[0-9]{0,20}-?[0-9]{0,20}/?[0-9]{0,20}") {
            if let Some(Range { first, last, size }) = Range::parse(&text) {
                prop_assert!(0 <= first && first <= last && last < size);
            }
        }
    }

    #[test]
    fn the_form_of_a_range_is_that_of_http() {
        let Range { first, last, size } = Range::parse("bytes 0-26/128").unwrap();
        assert_eq!((first, last, size), (0, 26, 128));
        for wrong in [
            "bytes 0-128/128",
            "bytes 5-4/9",
            "bytes */9",
            "0-1/2",
            "bytes 0-1/*",
            "bytes -1-1/2",
            "bytes +0-+1/+2",
            "bytes 0 - 1/2",
        ] {
            assert!(Range::parse(wrong).is_none(), "{wrong}");
        }
    }
}
