//! A collection, page by page.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::{Method, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use unattended_core::BoxFuture;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::payload::Payload;
use crate::request::{Headers, Request, RequestClass};

/// The pages of a collection, in the API's own order; one page is held at a time.
///
/// [`next`](Self::next) may be dropped and called again: a page that was under way is not asked for twice. After an
/// error it asks for the same page again. As a [`Stream`] the pages end with the first error; what tells the real end
/// from that is [`end`](Self::end).
#[must_use = "nothing is sent before `next`"]
pub struct Pages {
    client: Client,
    headers: Headers,
    next: Option<Uri>,
    /// A mistake in the first address or in a link, reported where that page would be.
    mistake: Option<Error>,
    /// Hashes of the links that were followed, with the number of the page behind each.
    followed: HashMap<u64, u64>,
    pages: u64,
    items: u64,
    count: Option<u64>,
    end: Option<PagesEnd>,
    under_way: Option<BoxFuture<'static, Result<Page, Error>>>,
    stream_failed: bool,
}

/// One page.
#[non_exhaustive]
pub struct Page {
    /// Each item exactly as the API wrote it: key order, number text and unknown fields included. May be none.
    pub items: Vec<Box<RawValue>>,
    /// The link to the next page, unchanged; [`Client::resume_pages`] takes it.
    pub next_link: Option<String>,
    /// The link to later changes, on the last page of a delta query.
    pub delta_link: Option<String>,
    /// The size of the whole collection, on the first page if `$count=true` was asked for.
    pub count: Option<u64>,
}

/// Links and items hold people's data: their number is enough.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("items", &self.items.len())
            .field("is_last", &self.next_link.is_none())
            .finish_non_exhaustive()
    }
}

impl Page {
    /// The items as values of a type.
    ///
    /// # Errors
    /// An item is not of this shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        let parsed = self.items.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>();
        parsed.map_err(|error| {
            Error::new(Kind::Protocol("an item of the page is not as expected".to_owned())).because(error)
        })
    }
}

/// How reading a collection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PagesEnd {
    /// There was no further page.
    Complete {
        /// Pages read.
        pages: u64,
        /// Items read.
        items: u64,
        /// How many items the API said there are, if it was asked.
        count: Option<u64>,
    },
}

impl Pages {
    pub(crate) fn new(client: Client, first: Result<Uri, Error>) -> Self {
        let (next, mistake) = first.map_or_else(|error| (None, Some(error)), |uri| (Some(uri), None));
        Self {
            client,
            headers: Headers::default(),
            next,
            mistake,
            followed: HashMap::new(),
            pages: 0,
            items: 0,
            count: None,
            end: None,
            under_way: None,
            stream_failed: false,
        }
    }

    /// Sets a header of every page: the API does not remember `ConsistencyLevel`, `Prefer` or `Accept` in its links.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }

    /// The next page; `None` after the last one. Cancel safe.
    ///
    /// # Errors
    /// As any call. Besides: a link to another origin ([`Error::is_foreign_origin`]), a link that was followed before
    /// ([`Error::link_loop`]), and an answer that is not a page. Pages that were handed out stay valid.
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        poll_fn(|context| self.poll_page(context)).await.transpose()
    }

    /// How it ended; `None` while pages are left and after an error.
    #[must_use]
    pub fn end(&self) -> Option<&PagesEnd> {
        self.end.as_ref()
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page, Error>>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        if self.under_way.is_none() {
            match self.request() {
                Ok(request) => self.under_way = Some(Box::pin(fetch(self.client.clone(), request))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let Some(under_way) = &mut self.under_way else { return Poll::Ready(None) };
        let outcome = ready!(under_way.as_mut().poll(context));
        self.under_way = None;
        Poll::Ready(Some(outcome.inspect(|page| self.arrived(page))))
    }

    /// The request for the next page; asking twice for the same one is no loop.
    fn request(&mut self) -> Result<Request, Error> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let Some(uri) = self.next.clone() else {
            return Err(Error::new(Kind::Protocol("the collection cannot be read further".to_owned())));
        };
        let page = self.pages + 1;
        match self.followed.entry(hash_of(&uri)) {
            Entry::Occupied(first) if *first.get() != page => {
                let first_seen = *first.get();
                return Err(Error::new(Kind::LinkLoop { page, first_seen }).about_url(&uri.to_string()));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => {
                place.insert(page);
            }
        }
        let headers = self.headers.to_map()?;
        Ok(Request {
            method: Method::GET,
            uri,
            headers,
            body: Payload::Bytes(Bytes::new()),
            class: RequestClass::Safe,
            cost: 1,
        })
    }

    fn arrived(&mut self, page: &Page) {
        self.pages += 1;
        self.items += page.items.len() as u64;
        self.count = self.count.or(page.count);
        match (&page.next_link, self.next.take()) {
            (Some(link), Some(from)) => match self.client.base().follow(link, &from) {
                Ok(uri) => self.next = Some(uri),
                Err(error) => self.mistake = Some(error),
            },
            _ => {
                self.end =
                    Some(PagesEnd::Complete { pages: self.pages, items: self.items, count: self.count });
            }
        }
    }
}

impl Stream for Pages {
    type Item = Result<Page, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.stream_failed {
            return Poll::Ready(None);
        }
        let page = ready!(self.poll_page(context));
        self.stream_failed = matches!(page, Some(Err(_)));
        Poll::Ready(page)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("pages", &self.pages)
            .field("items", &self.items)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// 64 bits for each of a million links are 16 MB; the links themselves would be a gigabyte.
fn hash_of(uri: &Uri) -> u64 {
    let mut hasher = DefaultHasher::new();
    uri.to_string().hash(&mut hasher);
    hasher.finish()
}

async fn fetch(client: Client, request: Request) -> Result<Page, Error> {
    let response = client.execute(&request).await?;
    let page = response.json::<PageBody>().and_then(|body| {
        let not_a_page = |reason: &str| Error::new(Kind::Protocol(reason.to_owned()));
        match body {
            PageBody { error: Some(_), .. } => {
                Err(not_a_page("the page is an error although its status is success"))
            }
            PageBody { value: None, .. } => {
                Err(not_a_page("the page has no `value`: this is not a collection"))
            }
            PageBody { value: Some(items), next_link, delta_link, count, .. } => {
                Ok(Page { items, next_link, delta_link, count })
            }
        }
    });
    page.map_err(|error| error.about(&request))
}

#[derive(Deserialize)]
struct PageBody {
    value: Option<Vec<Box<RawValue>>>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta_link: Option<String>,
    #[serde(rename = "@odata.count")]
    count: Option<u64>,
    error: Option<serde::de::IgnoredAny>,
}
