//! One page.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::request::Request;

/// One page, with the items as values of `T`.
#[non_exhaustive]
pub struct Page<T = Box<RawValue>> {
    /// Raw, as they are unless something else was asked for, each item is exactly as the API wrote it: key order, number
    /// text and unknown fields included. May be none.
    pub items: Vec<T>,
    /// The link to the next page, unchanged; [`Client::resume_pages`] takes it.
    pub next_link: Option<String>,
    /// The link to later changes, on the last page of a delta query.
    pub delta_link: Option<String>,
    /// The size of the whole collection, on the first page if `$count=true` was asked for.
    pub count: Option<u64>,
    /// How long the page was, in bytes after decompression.
    pub bytes: u64,
}

/// Links and items hold people's data: their number is enough.
impl<T> fmt::Debug for Page<T> {
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

/// Asks for a page and reads it.
pub(super) async fn fetch<T: DeserializeOwned>(client: Client, request: Request) -> Result<Page<T>, Error> {
    let response = client.execute(&request).await?;
    let bytes = response.body().len() as u64;
    let page = response.json::<Body<T>>().and_then(|body| {
        let not_a_page = |reason: &str| Error::new(Kind::Protocol(reason.to_owned()));
        match body {
            Body { error: Some(_), .. } => {
                Err(not_a_page("the page is an error although its status is success"))
            }
            Body { value: None, .. } => Err(not_a_page("the page has no `value`: this is not a collection")),
            Body { value: Some(items), next_link, delta_link, count, .. } => {
                Ok(Page { items, next_link, delta_link, count, bytes })
            }
        }
    });
    page.map_err(|error| error.about(&request))
}

#[derive(Deserialize)]
struct Body<T> {
    value: Option<Vec<T>>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta_link: Option<String>,
    #[serde(rename = "@odata.count")]
    count: Option<u64>,
    error: Option<serde::de::IgnoredAny>,
}
