//! Updates of what was read, and of nothing else (RFC 9110 section 13.1.1).

use std::fmt;

use serde_json::Value;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::response::Response;

/// How often an update is merged and sent, at most: who loses three times in a row has a rival, not bad luck.
const MOST: usize = 3;

/// A resource as it was read.
#[derive(Clone)]
#[non_exhaustive]
pub struct Current {
    /// Its entity tag, byte for byte as the API wrote it; weak ones (`W/"..."`) too.
    pub etag: Option<String>,
    /// The resource.
    pub value: Value,
}

/// What an update came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Updated {
    /// It was written.
    Written(Response),
    /// There was nothing to change.
    Unchanged(Current),
}

impl Client {
    /// Reads a resource with its entity tag.
    ///
    /// # Errors
    /// As any call, and an answer that is not JSON.
    pub async fn current(&self, path: &str) -> Result<Current, Error> {
        let response = self.get(path).send().await?;
        Ok(Current { etag: response.etag(), value: response.json()? })
    }

    /// Changes a resource as `merge` says, if nobody else has changed it meanwhile: it is read, `merge` is given what
    /// was read and answers with the properties to write (`None` if there is nothing to do), and they are sent with
    /// `If-Match`. If somebody was faster, the same again, three times at most.
    ///
    /// An answer can get lost, and the repetition then meets its own change. Such a refusal is merged again only to see
    /// whether anything is left to do: what is sent is never sent on top of itself.
    ///
    /// Dropping the future abandons the operation; whether the API acted is then unknown.
    ///
    /// # Errors
    /// As any call. [`Error::current`] has what is there now if somebody else was faster each time. A resource without
    /// an entity tag cannot be updated so.
    pub async fn update(
        &self,
        path: &str,
        mut merge: impl FnMut(&Value) -> Option<Value>,
    ) -> Result<Updated, Error> {
        let mut current = self.current(path).await?;
        let mut latest = None;
        for _ in 0..MOST {
            let Some(change) = merge(&current.value) else { return Ok(Updated::Unchanged(current)) };
            if let Some(error) = latest.take_if(|error: &mut Error| error.is_ambiguous()) {
                return Err(error.found(current));
            }
            let Some(etag) = &current.etag else {
                let reason = "the API gives this resource no ETag, so nobody can tell whether it was changed";
                return Err(Error::new(Kind::Protocol(reason.to_owned())).about_url(path));
            };
            match self.patch(path).if_match(etag).json(&change).send().await {
                Ok(response) => return Ok(Updated::Written(response)),
                Err(error) if error.is_precondition_failed() => {
                    match self.current(path).await {
                        Ok(now) => current = now,
                        // That it was refused is the news; what is there now is not known.
                        Err(_) => return Err(error),
                    }
                    latest = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match latest {
            Some(error) => Err(error.found(current)),
            None => Ok(Updated::Unchanged(current)),
        }
    }
}

/// What is in it can be personal.
impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("etag", &self.etag).finish_non_exhaustive()
    }
}
