//! Pages as they were read last, good until the next write: clients that poll, and all that begin alike, ask for the same
//! ones.
//!
//! What is remembered does not depend on the time. The link to the next page does, and is written for each answer.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use serde_json::Value;

use super::collection::Collection;
use super::exchange::Call;
use super::fault::Fault;
use super::odata::{SkipTokens, is_eventual};
use crate::store::{Cached, Position, Store};

/// How many bytes of pages are remembered: a hundred usual ones.
const CAPACITY: usize = 4 * 1024 * 1024;

/// More than a remembered page takes beside its texts.
const OVERHEAD: usize = 512;

/// The pages that are remembered.
pub(crate) struct Pages(Cached<PageName, Arc<Page>>);

/// Everything that decides what is on a page, while nothing is written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct PageName {
    /// The tenant, the version, the path and the query as the client wrote it.
    request: String,
    is_eventual: bool,
    /// Whether the caller sees every property.
    is_whole: bool,
    with_etags: bool,
}

/// One page of a collection.
#[derive(Debug)]
pub(super) struct Page {
    /// What its tokens are bound to.
    pub(super) scope: String,
    /// The token that it was asked for with.
    pub(super) token: Option<String>,
    /// The members before the link to the next page, in JSON.
    pub(super) head: String,
    /// What that link is without its token, and where the next page begins; nothing after the last page.
    pub(super) next: Option<(String, Position)>,
    /// The objects in JSON, with commas between them.
    pub(super) items: Box<[u8]>,
}

impl Page {
    /// What is answered now.
    pub(super) fn answer(&self, tokens: &SkipTokens) -> Bytes {
        let mut body = Vec::with_capacity(self.items.len() + self.head.len() + 1024);
        body.push(b'{');
        body.extend_from_slice(self.head.as_bytes());
        if let Some((link, position)) = &self.next {
            let link = Value::from(format!("{link}{}", tokens.seal(&self.scope, position)));
            body.extend_from_slice(format!(",\"@odata.nextLink\":{link}").as_bytes());
        }
        body.extend_from_slice(b",\"value\":[");
        body.extend_from_slice(&self.items);
        body.extend_from_slice(b"]}");
        body.into()
    }

    fn weight(&self) -> usize {
        let link = self.next.as_ref().map_or(0, |(link, _)| link.len());
        let token = self.token.as_ref().map_or(0, String::len);
        self.scope.len() + token + self.head.len() + link + self.items.len() + OVERHEAD
    }
}

impl PageName {
    pub(super) fn of(collection: &Collection, call: &Call<'_>) -> Self {
        let (tenant, version, query) = (&call.tenant.id, call.request.version, &call.request.query);
        Self {
            request: [tenant, "/", version, "/", &collection.path, "?", query].concat(),
            is_eventual: is_eventual(&call.request.headers),
            is_whole: collection.visible.is_none(),
            with_etags: call.directory.control.settings().etags,
        }
    }
}

impl Pages {
    /// The page of that name, if it is remembered.
    ///
    /// # Errors
    /// The time of the token is over that the page was asked for with.
    pub(super) fn get(
        &self,
        store: &Store,
        name: &PageName,
        tokens: &SkipTokens,
    ) -> Result<Option<Arc<Page>>, Fault> {
        let page = self.0.get(store, name);
        if let Some((page, token)) = page.as_ref().and_then(|page| Some((page, page.token.as_ref()?))) {
            tokens.open(&page.scope, token)?;
        }
        Ok(page)
    }

    /// Remembers a page that was read from a [generation](Store::generation).
    pub(super) fn put(&self, generation: u64, name: PageName, page: Arc<Page>) {
        self.0.put(generation, name, page);
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self(Cached::weighing(CAPACITY, |name, page| name.request.len() + page.weight()))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}
