//! Large files, in slices and as often as it takes (upload sessions of OneDrive, SharePoint and Outlook).

mod session;
mod source;
mod state;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use self::session::{Begun, Session};
pub use self::source::UploadSource;
pub use self::state::{UploadState, UploadStore};
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::response::Response;

/// What every slice but the last is a multiple of.
const UNIT: u64 = 320 << 10;
/// No slice may reach this.
const TOO_LONG: u64 = 60 << 20;
const DEFAULT_SLICE: u64 = 32 * UNIT;
/// How often a session may be begun, or a slice be sent again because the session wants it.
const MOST: u32 = 3;

/// An upload in the making; nothing is sent before [`run`](Self::run).
#[derive(Debug)]
#[must_use = "nothing is sent before `run`"]
pub struct Upload {
    client: Client,
    path: String,
    description: Result<Value, serde_json::Error>,
    slice: u64,
}

impl Upload {
    pub(crate) fn new(client: Client, path: &str) -> Self {
        let description = Ok(Value::Object(serde_json::Map::new()));
        Self { client, path: path.to_owned(), description, slice: DEFAULT_SLICE }
    }

    /// What the API is told when the session begins, for example
    /// `{"item": {"@microsoft.graph.conflictBehavior": "replace"}}`.
    pub fn describe(self, description: &(impl Serialize + ?Sized)) -> Self {
        Self { description: serde_json::to_value(description), ..self }
    }

    /// How many bytes go in one request: a multiple of 320 KiB below 60 MiB, 10 MiB by default. So much is in memory,
    /// and so much is sent again when a connection breaks.
    pub fn slice(self, bytes: u64) -> Self {
        Self { slice: bytes, ..self }
    }

    /// Sends `source`, or what is missing of it: a session that `store` knows, of the same content, is gone on with
    /// where the API says. What is needed for that is in the store before the first slice is sent. `progress` is told
    /// how many bytes have arrived. The answer is what the API says of the finished item.
    ///
    /// Cancel safe: another call with the same source and store goes on.
    ///
    /// # Errors
    /// As any call. The first slice that fails ends it, and the session stays in the store. If something of the same
    /// name is in the way ([`Error::is_conflict`]), the session is given up. An upload whose last answer was lost
    /// begins anew, since the API has forgotten the session by then; what that means is the `conflictBehavior`'s to say.
    pub async fn run(
        &self,
        source: &dyn UploadSource,
        store: &dyn UploadStore,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Response, Error> {
        self.check(source)?;
        let of_store = |error| Error::new(Kind::UploadState).because(error);
        let key = self.client.state_key(&self.path);
        let mut known = store.load().await.map_err(of_store)?;
        if let Some(other) = known.take_if(|state| !state.is_of(&key, source)) {
            self.give_up(&other).await;
        }
        for _ in 0..MOST {
            let (session, from) = match known.take() {
                Some(state) => {
                    let session = Session::open(&self.client, &state)?;
                    let from = session.position().await;
                    (session, from)
                }
                None => {
                    let Begun { state, from } = self.begin(&key, source).await?;
                    let session = Session::open(&self.client, &state)?;
                    store.save(&state).await.map_err(of_store)?;
                    (session, Ok(from))
                }
            };
            let sent = match from {
                Ok(from) => session.send(source, self.slice, from, progress).await,
                Err(error) => Err(error),
            };
            match sent {
                Err(error) if is_gone(&error) => store.forget().await.map_err(of_store)?,
                Err(error) if error.is_conflict() => {
                    session.give_up().await;
                    store.forget().await.map_err(of_store)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
                Ok(response) => {
                    store.forget().await.map_err(of_store)?;
                    return Ok(response);
                }
            }
        }
        let reason = "the API forgot the upload session several times over";
        Err(Error::new(Kind::Protocol(reason.to_owned())).about_subject(&Method::POST, &self.path))
    }

    fn check(&self, source: &dyn UploadSource) -> Result<(), Error> {
        let refused = |reason: &str| Err(Error::new(Kind::InvalidRequest(reason.to_owned())));
        if self.slice == 0 || !self.slice.is_multiple_of(UNIT) || self.slice >= TOO_LONG {
            return refused("the slices of an upload are a multiple of 320 KiB (327,680 bytes) below 60 MiB");
        }
        if source.size() == 0 {
            return refused("an empty file has no slices; create the item with one request");
        }
        Ok(())
    }

    async fn begin(&self, key: &str, source: &dyn UploadSource) -> Result<Begun, Error> {
        let description = self.description.as_ref().map_err(|error| {
            Error::new(Kind::InvalidRequest("the description cannot be written as JSON".to_owned()))
                .because(error.to_string())
        })?;
        let response = self.client.post(&self.path).json(description).send().await?;
        session::begun(&response, key, source).map_err(|error| error.about_subject(&Method::POST, &self.path))
    }

    /// A session that nobody will go on with occupies the name until it expires. That it cannot be given up is no reason
    /// not to begin another.
    async fn give_up(&self, state: &UploadState) {
        if let Ok(session) = Session::open(&self.client, state) {
            session.give_up().await;
        }
    }
}

/// Whether the API does not know the session, or not any more.
fn is_gone(error: &Error) -> bool {
    matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}
