//! Large files, in slices that are repeated alone when a connection breaks.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, ETAG, RANGE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::response::Response;

const DEFAULT_SLICE: u64 = 10 << 20;
/// Redirects in a row that are followed.
const MOST_REDIRECTS: u32 = 5;
/// How often an address that the API gave out may stop working without a byte in between.
const MOST_EXPIRED: u32 = 3;

/// A file that is read slice by slice.
///
/// The API may answer with the content itself or, as the drives of Microsoft Graph do, redirect to an address that lets in
/// whoever knows it. That one gets no token, and is never shown. When it stops working on the way, the API is asked for
/// another.
#[must_use = "nothing is read before `next`"]
pub struct Download {
    client: Client,
    path: String,
    slice: u64,
    place: Place,
    at: u64,
    size: Option<u64>,
    tag: Option<HeaderValue>,
    is_complete: bool,
}

/// Where the file is.
enum Place {
    /// At a path of the API, or an address of its origin.
    Api(String),
    /// At an address of another origin, which the API gave out.
    Elsewhere(Client),
}

impl Download {
    pub(crate) fn new(client: Client, path: &str) -> Self {
        Self {
            client,
            path: path.to_owned(),
            slice: DEFAULT_SLICE,
            place: Place::Api(path.to_owned()),
            at: 0,
            size: None,
            tag: None,
            is_complete: false,
        }
    }

    /// How many bytes are asked for at once; 10 MiB by default. So much is in memory.
    pub fn slice(self, bytes: u64) -> Self {
        Self { slice: bytes.max(1), ..self }
    }

    /// The size of the whole file in bytes, once an answer has told it.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes have come.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next bytes, in order; `None` after the last. Cancel safe: the same bytes are asked for again.
    ///
    /// # Errors
    /// As any call. Besides: the file is not the same as before any more, a redirect that is not followed (more than five,
    /// from `https` to `http`, or one that would have to take the token elsewhere), an answer with other bytes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut expired = 0;
        while !self.is_complete {
            let range = format!("bytes={}-{}", self.at, self.at.saturating_add(self.slice - 1));
            match self.ask(&range).await {
                Ok(response) => {
                    let bytes = self.take(&response).map_err(|error| self.about(error))?;
                    self.at += bytes.len() as u64;
                    self.is_complete |= self.size.is_some_and(|size| self.at >= size);
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                // It is empty, or it did not say where it ends.
                Err(error)
                    if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) && self.size.is_none() =>
                {
                    (self.is_complete, self.size) = (true, Some(self.at));
                }
                Err(error)
                    if matches!(self.place, Place::Elsewhere(_))
                        && is_expired(&error)
                        && expired < MOST_EXPIRED =>
                {
                    expired += 1;
                    self.place = Place::Api(self.path.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Asks where the API has sent us, and follows where it sends us now.
    async fn ask(&mut self, range: &str) -> Result<Response, Error> {
        for _ in 0..=MOST_REDIRECTS {
            let (client, path) = match &self.place {
                Place::Api(path) => (&self.client, path.as_str()),
                Place::Elsewhere(address) => (address, ""),
            };
            let request = client.get(path).header(RANGE.as_str(), range).header(ACCEPT.as_str(), "*/*");
            // A range of what is compressed would be no range of the file.
            match request.header(ACCEPT_ENCODING.as_str(), "identity").send().await {
                Err(error) if error.status().is_some_and(|status| status.is_redirection()) => {
                    self.place = self.follow(&error).map_err(|refused| self.about(refused))?;
                }
                outcome => return outcome,
            }
        }
        Err(self.about(protocol("the API redirects again and again")))
    }

    /// Where a redirect leads (RFC 9110 section 15.4).
    fn follow(&self, redirect: &Error) -> Result<Place, Error> {
        let base = match &self.place {
            Place::Api(path) => self.client.base().resolve(path)?.to_string(),
            Place::Elsewhere(address) => address.base_url().to_owned(),
        };
        let from = Url::parse(&base).map_err(|_| protocol("the address is not a URL"))?;
        let to = redirect
            .location()
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| protocol("the API redirects, and does not say where to"))?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(protocol("the API redirects to an address without encryption"));
        }
        let is_strict = matches!(
            redirect.status(),
            Some(StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
        );
        if is_strict && from.origin() != to.origin() {
            return Err(protocol(
                "the API redirects to another origin with 307 or 308, which is not followed",
            ));
        }
        if matches!(self.place, Place::Api(_)) && from.origin() == to.origin() {
            return Ok(Place::Api(to.into()));
        }
        self.client.at_secret_address(to.as_str()).map(Place::Elsewhere)
    }

    /// The bytes of an answer, if they are those that come next.
    fn take(&mut self, response: &Response) -> Result<Bytes, Error> {
        let tag = response.headers().get(ETAG);
        match &self.tag {
            Some(known) if tag.is_some_and(|tag| tag != known) => {
                return Err(protocol("the file has changed since its first bytes were read"));
            }
            Some(_) => {}
            None => self.tag = tag.cloned(),
        }
        let body = response.body();
        if response.status() != StatusCode::PARTIAL_CONTENT {
            // The server knows no ranges: this is all of it.
            self.size = Some(body.len() as u64);
            let from = usize::try_from(self.at).unwrap_or(usize::MAX);
            return match from <= body.len() {
                true => Ok(body.slice(from..)),
                false => Err(protocol("the file has become shorter since its first bytes were read")),
            };
        }
        let range =
            response.headers().get(CONTENT_RANGE).and_then(|range| Range::parse(range.to_str().ok()?));
        let range = range.ok_or_else(|| protocol("the answer does not say which bytes it has"))?;
        if range.first != self.at || range.length != body.len() as u64 || body.is_empty() {
            return Err(protocol("the answer has other bytes than those that were asked for"));
        }
        if let (Some(known), Some(size)) = (self.size, range.size)
            && known != size
        {
            return Err(protocol("the file has changed since its first bytes were read"));
        }
        self.size = self.size.or(range.size);
        // Of a file without a size, less than what was asked for is the end.
        self.is_complete = self.size.is_none() && range.length < self.slice;
        Ok(body.clone())
    }

    fn about(&self, error: Error) -> Error {
        error.about_subject(&Method::GET, &self.path)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("at", &self.at).field("size", &self.size).finish_non_exhaustive()
    }
}

/// `bytes 0-9/100`, `bytes 0-9/*`
struct Range {
    first: u64,
    length: u64,
    size: Option<u64>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (bytes, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let size = match size.trim() {
            "*" => None,
            size => Some(size.parse().ok().filter(|size| last < *size)?),
        };
        Some(Self { first, length: last.checked_sub(first)?.checked_add(1)?, size })
    }
}

/// Whether an address that the API gave out does not let in any more.
fn is_expired(error: &Error) -> bool {
    matches!(
        error.status(),
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE)
    )
}

fn protocol(reason: &str) -> Error {
    Error::new(Kind::Protocol(reason.to_owned()))
}
