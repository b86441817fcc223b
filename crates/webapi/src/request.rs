//! A request before it is sent.

use std::fmt;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use serde::Serialize;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::gate::Access;
use crate::payload::Payload;
use crate::response::Response;

/// What repeating a request can do (RFC 9110 section 9.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RequestClass {
    /// Reads only: `GET`, `HEAD`, `OPTIONS`.
    Safe,
    /// Twice is the same as once: `PUT`, `DELETE`, `PATCH` with `If-Match`, or declared so by the caller.
    Idempotent,
    /// Twice may be one too many: `POST`, a bare `PATCH`.
    Unsafe,
}

impl RequestClass {
    /// The class of a request; `declared` is the caller's word that it is idempotent.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap, declared: bool) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Safe,
            Method::PUT | Method::DELETE => Self::Idempotent,
            Method::PATCH if headers.contains_key(header::IF_MATCH) => Self::Idempotent,
            _ if declared => Self::Idempotent,
            _ => Self::Unsafe,
        }
    }
}

/// A finished request: everything but its token and its `client-request-id`.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
    pub(crate) class: RequestClass,
    pub(crate) access: Access,
    /// How many requests of a quota it takes: a batch as many as it holds.
    pub(crate) cost: u32,
}

/// A request in the making; nothing is sent before [`send`](Self::send).
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    client: Client,
    method: Method,
    uri: Result<Uri, Error>,
    headers: Headers,
    body: Result<Payload, Error>,
    idempotent: bool,
}

impl RequestBuilder {
    pub(crate) fn new(client: Client, method: Method, uri: Result<Uri, Error>) -> Self {
        Self {
            client,
            method,
            uri,
            headers: Headers::default(),
            body: Ok(Payload::Bytes(Bytes::new())),
            idempotent: false,
        }
    }

    /// Sets a header. `Authorization` and `Host` are not the caller's to set; [`send`](Self::send) refuses them.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }

    pub(crate) fn header_default(mut self, header: (HeaderName, HeaderValue)) -> Self {
        self.headers.set_default(header);
        self
    }

    /// Is carried out only if the resource still has this entity tag, given byte for byte as it was read (RFC 9110
    /// section 13.1.1). `*` is refused: it would overwrite whatever is there. If that is meant, set the header.
    pub fn if_match(mut self, etag: &str) -> Self {
        let tag = etag.strip_prefix("W/").unwrap_or(etag);
        if tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"') {
            self.headers.set("if-match", etag);
        } else {
            self.headers.refuse(format!("`{}` is not an entity tag", etag.escape_debug()));
        }
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        self.headers.set("content-type", "application/json");
        self.body = serde_json::to_vec(value).map(|json| Payload::Bytes(json.into())).map_err(|error| {
            Error::new(Kind::InvalidRequest("the body cannot be written as JSON".to_owned())).because(error)
        });
        self
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Bytes>, content_type: &str) -> Self {
        self.headers.set("content-type", content_type);
        self.body = Ok(Payload::Bytes(body.into()));
        self
    }

    /// Sends a stream, of `length` bytes if that is known. A stream is read once, so there is one attempt only: what
    /// would be repeated otherwise ends with [`Error::is_not_replayable`].
    pub fn stream<E>(
        mut self,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        length: Option<u64>,
        content_type: &str,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.headers.set("content-type", content_type);
        self.body = Ok(Payload::once(body, length));
        self
    }

    /// Sends the stream that `make` gives, a new one for every attempt: for example of a file that is opened again.
    pub fn stream_from<E, S>(
        mut self,
        make: impl Fn() -> S + Send + Sync + 'static,
        length: Option<u64>,
        content_type: &str,
    ) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.headers.set("content-type", content_type);
        self.body = Ok(Payload::made(make, length));
        self
    }

    /// Declares that doing this twice is the same as doing it once, so that it may be repeated after an answer that
    /// leaves open whether it was done.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sends it, with retries, and reads the whole answer. Dropping the future abandons the operation; whether the API
    /// acted is then unknown.
    ///
    /// # Errors
    /// Everything but a 2xx answer; see the predicates of [`Error`].
    pub async fn send(self) -> Result<Response, Error> {
        let headers = self.headers.to_map()?;
        let request = Request {
            class: RequestClass::of(&self.method, &headers, self.idempotent),
            access: Access::of(&self.method),
            method: self.method,
            uri: self.uri?,
            headers,
            body: self.body?,
            cost: 1,
        };
        match &self.client.inner().together {
            Some(reads) => reads.send(&self.client, &request).await,
            None => self.client.execute(&request).await,
        }
    }
}

/// The body can hold a password, the query a person's data: neither is shown.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.uri.as_ref().map_or_else(ToString::to_string, |uri| self.client.base().shown(uri));
        f.debug_struct("RequestBuilder")
            .field("method", &self.method)
            .field("url", &url)
            .finish_non_exhaustive()
    }
}

/// Headers as the caller gives them; the first mistake is kept and reported when the request is sent.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    map: HeaderMap,
    mistake: Option<String>,
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self { map, mistake: None }
    }
}

impl Headers {
    /// Sets a header that the caller has not set.
    pub(crate) fn set_default(&mut self, (name, value): (HeaderName, HeaderValue)) {
        self.map.entry(name).or_insert(value);
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        match parsed {
            Some((name, _))
                if [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::HOST].contains(&name) =>
            {
                self.mistake.get_or_insert_with(|| format!("the header `{name}` is set by the client alone"));
            }
            Some((name, value)) => {
                self.map.insert(name, value);
            }
            None => {
                self.mistake
                    .get_or_insert_with(|| format!("`{}` is not a valid header", name.escape_debug()));
            }
        }
    }

    fn refuse(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }

    pub(crate) fn to_map(&self) -> Result<HeaderMap, Error> {
        match &self.mistake {
            None => Ok(self.map.clone()),
            Some(mistake) => Err(Error::new(Kind::InvalidRequest(mistake.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RT-1
    #[test]
    fn the_class_follows_from_the_method_and_what_the_caller_declares() {
        let none = HeaderMap::new();
        let guarded: HeaderMap =
            [(header::IF_MATCH, HeaderValue::from_static("\"1\""))].into_iter().collect();
        for (method, headers, declared, expected) in [
            (Method::GET, &none, false, RequestClass::Safe),
            (Method::HEAD, &none, false, RequestClass::Safe),
            (Method::OPTIONS, &none, false, RequestClass::Safe),
            (Method::PUT, &none, false, RequestClass::Idempotent),
            (Method::DELETE, &none, false, RequestClass::Idempotent),
            (Method::PATCH, &guarded, false, RequestClass::Idempotent),
            (Method::PATCH, &none, false, RequestClass::Unsafe),
            (Method::PATCH, &none, true, RequestClass::Idempotent),
            (Method::POST, &guarded, false, RequestClass::Unsafe),
            (Method::POST, &none, true, RequestClass::Idempotent),
        ] {
            assert_eq!(RequestClass::of(&method, headers, declared), expected, "{method} {declared}");
        }
    }
}
