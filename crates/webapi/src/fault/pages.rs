//! Pages that lead astray.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::kind::Fault;

const NEXT_LINK: &str = "@odata.nextLink";
/// What marks a link that the API never gave.
const MARK: &str = "fault-of-the-test=";

/// What has come of each collection.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    collections: HashMap<String, Collection>,
    /// Addresses that pages have led to.
    links: HashSet<String>,
    marks: u32,
}

#[derive(Debug)]
struct Collection {
    first: String,
    latest: Box<RawValue>,
}

impl Remembered {
    /// The address that is really meant by one that this layer has made.
    pub(super) fn meant(uri: &http::Uri) -> Option<http::Uri> {
        let text = uri.to_string();
        let (meant, _) = text.split_once(MARK)?;
        meant.trim_end_matches(['?', '&']).parse().ok()
    }

    /// Whether a page has led to this address.
    pub(super) fn gave(&self, uri: &http::Uri) -> bool {
        self.links.contains(&uri.to_string())
    }

    /// The page before this one, with a link to this one.
    pub(super) fn repeated(&mut self, uri: &http::Uri) -> Option<Bytes> {
        if !self.gave(uri) {
            return None;
        }
        let collection = self.collections.get(uri.path())?;
        self.marks += 1;
        let separator = if uri.query().is_some() { '&' } else { '?' };
        let link = format!("{uri}{separator}{MARK}{}", self.marks);
        let body = serde_json::json!({ "value": &*collection.latest, NEXT_LINK: link });
        Some(body.to_string().into())
    }

    /// Takes note of a page, and bends its link as the fault says. What is no page is left as it is.
    pub(super) fn page(&mut self, uri: &http::Uri, body: Bytes, fault: Option<Fault>) -> Bytes {
        let Ok(mut page) = serde_json::from_slice::<HashMap<String, Box<RawValue>>>(&body) else {
            return body;
        };
        let Some(value) = page.get("value") else { return body };
        let collection = self
            .collections
            .entry(uri.path().to_owned())
            .or_insert_with(|| Collection { first: uri.to_string(), latest: value.clone() });
        collection.latest.clone_from(value);
        let Some(next) = page.get(NEXT_LINK).and_then(|link| serde_json::from_str::<String>(link.get()).ok())
        else {
            return body;
        };
        let bent = match fault {
            Some(Fault::LinkBack) => collection.first.clone(),
            Some(Fault::ForeignLink) => "https://foreign.invalid/v1.0/users?$skiptoken=1".to_owned(),
            _ => {
                self.links.insert(next);
                return body;
            }
        };
        let bent = serde_json::value::to_raw_value(&bent).ok();
        page.extend(bent.map(|link| (NEXT_LINK.to_owned(), link)));
        serde_json::to_vec(&page).map_or(body, Bytes::from)
    }
}
