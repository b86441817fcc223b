//! A collection, page by page.

mod ahead;
mod items;
mod limits;
mod page;
mod size;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::ahead::UnderWay;
use self::limits::Limits;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::gate::Access;
use crate::payload::Payload;
use crate::request::{Headers, Request, RequestClass};
use crate::seen::Seen;

pub use self::items::Items;
pub use self::page::Page;
pub(crate) use self::size::largest as largest_page;

/// The pages of a collection, in the API's own order, with the items [as they are](Client::pages) or as
/// [values of a type](Client::pages_of).
///
/// While a page is dealt with, a task of its own reads the next one, if there is a tokio runtime; so at most three
/// pages are in memory, however many there are.
///
/// [`next`](Self::next) may be dropped and called again: a page that was under way is not asked for twice. After an
/// error it asks for the same page again. As a [`Stream`] the pages end with the first error; what tells the real end
/// from that is [`end`](Self::end).
#[must_use = "nothing is sent before `next`"]
pub struct Pages<T = Box<RawValue>> {
    client: Client,
    headers: Headers,
    next: Option<Uri>,
    /// The first address as it was given, while a size of the pages that nobody asked for may be refused.
    unsized_first: Option<Uri>,
    /// A mistake in the first address or in a link, reported where that page would be.
    mistake: Option<Error>,
    /// Hashes of the links that were followed, with the number of the page behind each.
    followed: HashMap<u64, u64>,
    pages: u64,
    items: u64,
    count: Option<u64>,
    end: Option<PagesEnd>,
    under_way: Option<UnderWay<T>>,
    reads_ahead: bool,
    limits: Limits,
    /// The objects that have come, if they are to come once.
    seen: Option<(Seen, KeepNew<T>)>,
    repeated: u64,
    stream_failed: bool,
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
    /// There is more, and a limit of the reader's was reached.
    Limited {
        /// Pages read.
        pages: u64,
        /// Items read.
        items: u64,
        /// Where it goes on; [`Client::resume_pages`] takes it.
        next_link: String,
    },
}

/// Takes out of a page what has come before; how many items that were.
type KeepNew<T> = fn(&mut Seen, &mut Vec<T>) -> u64;

impl Pages {
    /// Leaves out every object whose `id` has come before, and [counts](Self::repeated) it: an API may give a page
    /// twice, or move an object to a later page while the collection is read. Takes about 20 bytes for each object.
    pub fn unique(mut self) -> Self {
        self.seen = Some((Seen::default(), Seen::keep_new));
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Pages<T> {
    pub(crate) fn new(client: Client, first: Result<Uri, Error>) -> Self {
        let (next, mistake) = first.map_or_else(|error| (None, Some(error)), |uri| (Some(uri), None));
        Self {
            client,
            headers: Headers::default(),
            next,
            unsized_first: None,
            mistake,
            followed: HashMap::new(),
            pages: 0,
            items: 0,
            count: None,
            end: None,
            under_way: None,
            reads_ahead: true,
            limits: Limits::default(),
            seen: None,
            repeated: 0,
            stream_failed: false,
        }
    }

    /// Sets a header of every page: the API does not remember `ConsistencyLevel`, `Prefer` or `Accept` in its links.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }

    pub(crate) fn header_default(mut self, header: (HeaderName, HeaderValue)) -> Self {
        self.headers.set_default(header);
        self
    }

    /// Asks for the largest pages, if this is a collection of the directory (users, groups, ...) and its path does not
    /// say `$top` itself: 999 users, or 120 with `signInActivity`, in place of 100. An API that does not take the size
    /// is asked again without it.
    pub fn in_largest_pages(mut self) -> Self {
        let largest = self.next.as_ref().and_then(|uri| size::with_largest(uri, self.client.base()));
        if largest.is_some() {
            self.unsized_first = std::mem::replace(&mut self.next, largest);
        }
        self
    }

    /// Asks for a page only when it is wanted, so that at most two are in memory.
    pub fn without_reading_ahead(mut self) -> Self {
        self.reads_ahead = false;
        self
    }

    /// The items, one after the other.
    pub fn items(self) -> Items<T> {
        Items::new(self)
    }

    /// Stops after so many pages; the end is then [`PagesEnd::Limited`], as for the other limits. A page is handed
    /// over as a whole.
    pub fn at_most_pages(mut self, pages: u64) -> Self {
        self.limits.pages = Some(pages);
        self
    }

    /// Stops after the page with which so many items have come.
    pub fn at_most_items(mut self, items: u64) -> Self {
        self.limits.items = Some(items);
        self
    }

    /// Stops after the page with which so many bytes have come.
    pub fn at_most_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = Some(bytes);
        self
    }

    /// Stops after the first page that comes later than this after the first request.
    pub fn for_at_most(mut self, time: Duration) -> Self {
        self.limits.time = Some(time);
        self
    }

    /// The next page; `None` after the last one. Cancel safe.
    ///
    /// # Errors
    /// As any call. Besides: a link to another origin ([`Error::is_foreign_origin`]), a link that was followed before
    /// ([`Error::link_loop`]), and an answer that is not a page. Pages that were handed out stay valid.
    pub async fn next(&mut self) -> Result<Option<Page<T>>, Error> {
        poll_fn(|context| self.poll_page(context)).await.transpose()
    }

    /// How it ended; `None` while pages are left and after an error.
    #[must_use]
    pub fn end(&self) -> Option<&PagesEnd> {
        self.end.as_ref()
    }

    /// How many items were left out because they had come before; zero unless [`unique`](Pages::unique).
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page<T>, Error>>> {
        loop {
            if self.end.is_some() {
                return Poll::Ready(None);
            }
            if self.under_way.is_none() {
                match self.request() {
                    Ok(request) => self.under_way = Some(UnderWay::here(self.client.clone(), request)),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            let Some(under_way) = &mut self.under_way else { return Poll::Ready(None) };
            let outcome = ready!(under_way.poll(context));
            self.under_way = None;
            match outcome {
                None => {}
                Some(Ok(mut page)) => {
                    self.arrived(&mut page);
                    self.read_ahead();
                    return Poll::Ready(Some(Ok(page)));
                }
                Some(Err(error)) if self.drops_size(&error) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(self.explained(error)))),
            }
        }
    }

    /// A size that nobody asked for and that the API does not take is not sent again.
    fn drops_size(&mut self, error: &Error) -> bool {
        if error.status() != Some(StatusCode::BAD_REQUEST) || self.pages > 0 {
            return false;
        }
        let first = self.unsized_first.take();
        let drops = first.is_some();
        self.next = first.or_else(|| self.next.take());
        drops
    }

    fn explained(&self, error: Error) -> Error {
        let largest = self.next.as_ref().and_then(|uri| size::exceeded(uri, self.client.base()));
        match (error.status(), largest) {
            (Some(StatusCode::BAD_REQUEST), Some(largest)) => error.for_largest_page(largest),
            _ => error,
        }
    }

    fn read_ahead(&mut self) {
        if !self.reads_ahead || self.end.is_some() || self.mistake.is_some() {
            return;
        }
        match self.request() {
            Ok(request) => self.under_way = UnderWay::ahead(self.client.clone(), request),
            Err(error) => self.mistake = Some(error),
        }
    }

    /// The request for the next page; asking twice for the same one is no loop.
    fn request(&mut self) -> Result<Request, Error> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        self.limits.begin(&*self.client.inner().clock);
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
            access: Access::Read,
            cost: 1,
        })
    }

    fn arrived(&mut self, page: &mut Page<T>) {
        if let Some((seen, keep_new)) = &mut self.seen {
            self.repeated += keep_new(seen, &mut page.items);
        }
        self.pages += 1;
        self.items += page.items.len() as u64;
        self.client.inner().origin.counters.page(page.items.len());
        self.count = self.count.or(page.count);
        let is_enough = self.limits.reached(self.pages, self.items, page.bytes, &*self.client.inner().clock);
        match (&page.next_link, self.next.take()) {
            (Some(link), _) if is_enough => {
                let next_link = link.clone();
                self.end = Some(PagesEnd::Limited { pages: self.pages, items: self.items, next_link });
            }
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

impl<T: DeserializeOwned + Send + 'static> Stream for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.stream_failed {
            return Poll::Ready(None);
        }
        let page = ready!(self.poll_page(context));
        self.stream_failed = matches!(page, Some(Err(_)));
        Poll::Ready(page)
    }
}

impl<T> fmt::Debug for Pages<T> {
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
