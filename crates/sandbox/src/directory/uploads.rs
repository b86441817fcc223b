//! `/uploads`: where the slices of an upload go. The address itself is the permission: there is no token.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_RANGE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::Directory;
use super::drives::{shown, taken};
use super::exchange::{Answer, Body};
use super::fault::Fault;
use super::http::{MOUNT, seconds};
use crate::form;
use crate::intake::Untaken;
use crate::store::drives::{self, DriveItem, OnConflict, UploadSession};
use crate::store::timestamp;

/// How long a session waits for the next slice, in seconds.
pub(super) const LIFE: i64 = 24 * 3600;

/// The path below the directory's, with the id of a session.
pub(super) const ROUTE: &str = "/uploads/{id}";

/// A slice is shorter.
const MAX_SLICE_BYTES: u64 = 60 * 1024 * 1024;

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
    let (head, body) = request.into_parts();
    let asked = Arc::new(Asked { id, head, now: seconds(directory.clock.now()) });
    let result = match asked.head.method {
        Method::PUT => receive(&directory, &asked, body).await,
        _ => on_store(&directory, &asked, Directory::answer_session).await,
    };
    let answer = result.unwrap_or_else(|fault| {
        let (date, id) = (timestamp(asked.now), directory.entropy.uuid());
        let body = fault.body(date.trim_end_matches('Z'), &id, &id);
        Answer { status: fault.status, headers: fault.headers, body: Body::Json(body) }
    });
    super::http::render(answer, [])
}

/// A slice is read once it is known that its session waits for it: who has no session has nothing read.
async fn receive(
    directory: &Arc<Directory>,
    asked: &Arc<Asked>,
    body: axum::body::Body,
) -> Result<Answer, Fault> {
    let length = body.size_hint().exact();
    let range = on_store(directory, asked, move |directory, asked| {
        let (session, range) = directory.store.read(|connection| asked.slice(connection))?;
        range.fits(&session, length.unwrap_or_else(|| range.length()))?;
        Ok(range)
    });
    let range = match range.await {
        Ok(range) => range,
        Err(fault) => {
            directory.intake.discard(body);
            return Err(fault);
        }
    };
    let most = usize::try_from(range.length()).unwrap_or(usize::MAX);
    let taken = directory.intake.take(body, most).await.map_err(|error| match error {
        Untaken::Late => {
            Fault::new(StatusCode::REQUEST_TIMEOUT, "requestTimeout", "The slice took too long.")
        }
        Untaken::NoRoom => {
            let message = "Too many slices are under way.";
            let mut fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message);
            fault.headers.push((RETRY_AFTER, 1.into()));
            fault
        }
        Untaken::Broken | Untaken::TooLong => wrong_length(),
    })?;
    on_store(directory, asked, move |directory, asked| {
        directory.store.write(|transaction| directory.take(transaction, asked, &taken.bytes))
    })
    .await
}

/// Does what may wait for the disk where it may.
async fn on_store<T: Send + 'static>(
    directory: &Arc<Directory>,
    asked: &Arc<Asked>,
    work: impl FnOnce(&Directory, &Asked) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (directory, asked) = (Arc::clone(directory), Arc::clone(asked));
    tokio::task::spawn_blocking(move || work(&directory, &asked)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an upload was not answered");
        let message = "An error occurred while processing the request.";
        Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "generalException", message))
    })
}

/// A request to the address of a session, without its body.
struct Asked {
    id: String,
    head: Parts,
    /// Unix seconds.
    now: i64,
}

impl Asked {
    /// The session, for who knows its secret.
    fn session(&self, connection: &Connection) -> Result<UploadSession, Fault> {
        let query = self.head.uri.query().unwrap_or_default();
        let secret = form::fields(query.as_bytes()).find(|(name, _)| name == SECRET);
        let secret = secret.map(|(_, secret)| secret.into_owned()).unwrap_or_default();
        drives::session(connection, &self.id, &secret, self.now)?.ok_or_else(no_session)
    }

    /// The session, and which of its bytes come.
    fn slice(&self, connection: &Connection) -> Result<(UploadSession, Range), Fault> {
        let session = self.session(connection)?;
        let range = self.head.headers.get(CONTENT_RANGE).and_then(|range| Range::parse(range.to_str().ok()?));
        let range = range.ok_or_else(|| {
            invalid("The Content-Range header is missing or malformed: 'bytes FIRST-LAST/SIZE' is expected.")
        })?;
        Ok((session, range))
    }
}

impl Directory {
    /// Says what a session waits for, or gives it up.
    fn answer_session(&self, asked: &Asked) -> Result<Answer, Fault> {
        let pending = |connection: &Connection| match asked.session(connection)? {
            session if session.is_complete() => Err(no_session()),
            session => Ok(session),
        };
        match asked.head.method {
            Method::GET => self.store.read(pending).map(|session| Answer::ok(state(&session))),
            Method::DELETE => self.store.write(|transaction| {
                drives::end(transaction, &pending(transaction)?.id)?;
                Ok(Answer::no_content())
            }),
            _ => Err(Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalidRequest",
                "Slices are put; the session is asked for with GET and given up with DELETE.",
            )),
        }
    }

    /// Takes a slice, if it is the next one, and makes the file of the last.
    fn take(&self, connection: &Connection, asked: &Asked, bytes: &[u8]) -> Result<Answer, Fault> {
        let (mut session, range) = asked.slice(connection)?;
        range.fits(&session, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        if session.is_complete() {
            return again(connection, &session, range, bytes);
        }
        (session.size, session.received) = (Some(range.size), range.last + 1);
        session.expires_at = asked.now + LIFE;
        drives::add_slice(connection, &session, bytes)?;
        if !session.is_complete() {
            let status = StatusCode::ACCEPTED;
            return Ok(Answer { status, headers: Vec::new(), body: Body::Json(state(&session)) });
        }
        let (item, is_new) = self.finish(connection, &session, asked.now)?;
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
        drives::complete(connection, &session.id, &item.path)?;
        Ok((item, is_new))
    }
}

/// The answer to the last slice once more, as clients send it that did not see the first or repeat it always: the file.
fn again(
    connection: &Connection,
    session: &UploadSession,
    range: Range,
    bytes: &[u8],
) -> Result<Answer, Fault> {
    if !drives::is_last_slice(connection, &session.id, range.first, bytes)? {
        return Err(no_session());
    }
    let item = drives::item(connection, &session.drive_id, &session.path)?.ok_or_else(no_session)?;
    Ok(Answer::ok(shown(&item)))
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
#[derive(Clone, Copy, Debug)]
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

    /// In bytes.
    fn length(self) -> u64 {
        (self.last - self.first).unsigned_abs() + 1
    }

    /// Whether so many bytes are what the session waits for. A session that is complete takes its last ones again.
    fn fits(self, session: &UploadSession, length: u64) -> Result<(), Fault> {
        if length != self.length() {
            return Err(wrong_length());
        }
        if length >= MAX_SLICE_BYTES {
            return Err(Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "requestEntityTooLarge",
                "A slice has less than 60 MiB.",
            ));
        }
        if session.is_complete() {
            let is_last = session.size == Some(self.size) && session.received == self.last + 1;
            return if is_last { Ok(()) } else { Err(no_session()) };
        }
        if session.size.is_some_and(|known| known != self.size) {
            return Err(invalid("The size of the file is not that of the slices before."));
        }
        if self.first != session.received {
            let message = format!("The next byte that is expected is {}.", session.received);
            return Err(Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, "invalidRange", message));
        }
        Ok(())
    }
}

fn no_session() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "itemNotFound", "The upload session was not found.")
}

fn invalid(message: &str) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
}

fn wrong_length() -> Fault {
    invalid("The length of the body is not that of the Content-Range header.")
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
