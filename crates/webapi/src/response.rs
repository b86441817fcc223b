//! An answer.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::Answer;
use crate::error::{Error, Kind};

/// A successful answer, its body read to the end.
#[derive(Debug)]
pub struct Response {
    answer: Answer,
    attempts: u32,
    already_gone: bool,
}

impl Response {
    pub(crate) fn new(answer: Answer, attempts: u32, already_gone: bool) -> Self {
        Self { answer, attempts, already_gone }
    }

    /// A 2xx status; `404` only when the resource was [already gone](Self::already_gone).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.answer.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.answer.headers
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.answer.body
    }

    /// The entity tag of the resource, byte for byte: of the header, or of `@odata.etag` in the body.
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Tagged {
            #[serde(rename = "@odata.etag")]
            etag: Option<String>,
        }
        match self.answer.headers.get(http::header::ETAG) {
            Some(tag) => tag.to_str().ok().map(str::to_owned),
            None => serde_json::from_slice::<Tagged>(&self.answer.body).ok()?.etag,
        }
    }

    /// How many attempts it took, the first included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether this is a `DELETE` whose repetition found nothing left to delete: the earlier attempt, whose answer
    /// did not arrive, or somebody else has done it.
    #[must_use]
    pub fn already_gone(&self) -> bool {
        self.already_gone
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // To look at the text once is cheaper than to look at each string in it.
        let parsed = match str::from_utf8(&self.answer.body) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(&self.answer.body),
        };
        parsed.map_err(|error| {
            Error::new(Kind::Protocol("the answer is not the JSON that was expected".to_owned()))
                .answered(&self.answer)
                .because(error)
        })
    }
}
