//! Pages as they were read last, good until the next write: clients that poll, and all that begin alike, ask for the same
//! ones. What is asked for a second time is remembered; who reads all pages once displaces none.
//!
//! What is remembered does not depend on the time. The link to the next page does, and is written for each answer.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;

use super::collection::Collection;
use super::exchange::Call;
use super::fault::Fault;
use super::odata::{SkipTokens, is_eventual};
use super::written::Written;
use crate::store::{Cached, Position, Store};

/// How many bytes of pages are remembered: a hundred usual ones.
const CAPACITY: usize = 4 * 1024 * 1024;

/// More than a name and its page take beside their texts.
const OVERHEAD: usize = 512;

/// The pages that are remembered.
pub(crate) struct Pages(Cached<PageName, Option<Arc<Page>>>);

/// What is known of a page.
pub(super) enum Known {
    Nothing,
    /// That it was asked for.
    Asked,
    Page(Arc<Page>),
}

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
    pub(super) head: Vec<u8>,
    /// What that link is without its token, and where the next page begins; nothing after the last page.
    pub(super) next: Option<(String, Position)>,
    /// The objects in JSON, with commas between them, and what ends them and the page.
    pub(super) items: Bytes,
}

impl Page {
    /// What is answered now.
    pub(super) fn answer(&self, tokens: &SkipTokens) -> Written {
        let mut head = Vec::with_capacity(self.head.len() + 1024);
        head.push(b'{');
        head.extend_from_slice(&self.head);
        if let Some((link, position)) = &self.next {
            head.extend_from_slice(b",\"@odata.nextLink\":");
            push_text(&mut head, &[link, &*tokens.seal(&self.scope, position)].concat());
        }
        head.extend_from_slice(b",\"value\":[");
        Written::new(head.into(), self.items.clone())
    }

    fn weight(&self) -> usize {
        let link = self.next.as_ref().map_or(0, |(link, _)| link.len());
        let token = self.token.as_ref().map_or(0, String::len);
        self.scope.len() + token + self.head.len() + link + self.items.len()
    }
}

/// Adds a text in JSON.
pub(super) fn push_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a text can be written to memory");
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
    /// What is known of the page of that name.
    ///
    /// # Errors
    /// The time of the token is over that the page was asked for with.
    pub(super) fn get(&self, store: &Store, name: &PageName, tokens: &SkipTokens) -> Result<Known, Fault> {
        let page = match self.0.get(store, name) {
            None => return Ok(Known::Nothing),
            Some(None) => return Ok(Known::Asked),
            Some(Some(page)) => page,
        };
        if let Some(token) = &page.token {
            tokens.open(&page.scope, token)?;
        }
        Ok(Known::Page(page))
    }

    /// Remembers a page that was read from a [generation](Store::generation), or that it was asked for.
    pub(super) fn put(&self, generation: u64, name: PageName, page: Option<Arc<Page>>) {
        self.0.put(generation, name, page);
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self(Cached::weighing(CAPACITY, |name, page| {
            name.request.len() + OVERHEAD + page.as_ref().map_or(0, |page| page.weight())
        }))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(request: impl Into<String>) -> PageName {
        PageName { request: request.into(), is_eventual: false, is_whole: true, with_etags: false }
    }

    #[test]
    fn a_thousand_pages_that_were_asked_for_once_displace_none_that_was_asked_for_again() {
        let (store, pages, tokens) =
            (Store::in_memory().unwrap(), Pages::default(), SkipTokens::new(b"a key", 0, 60));
        let page = Page {
            scope: String::new(),
            token: None,
            head: Vec::new(),
            next: None,
            items: vec![b' '; CAPACITY / 2].into(),
        };
        let known = |request: &str| pages.get(&store, &name(request), &tokens).unwrap();
        assert!(matches!(known("again"), Known::Nothing));
        pages.put(store.generation(), name("again"), None);
        assert!(matches!(known("again"), Known::Asked));
        pages.put(store.generation(), name("again"), Some(Arc::new(page)));
        for number in 0..1_000 {
            pages.put(store.generation(), name(format!("once-{number}")), None);
        }
        assert!(matches!(known("again"), Known::Page(_)));
        assert!(matches!(known("once-0"), Known::Asked));
        store.forget();
        assert!(matches!(known("again"), Known::Nothing));
    }
}
