//! One session: an address that takes slices and says what it still wants.

use http::{Method, StatusCode};
use serde::Deserialize;
use unattended_core::Secret;

use super::{MOST, UploadSource, UploadState};
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::response::Response;

/// The address of the session, and nothing else: it gets no token, since it is one.
pub(super) struct Session(Client);

/// A new session.
pub(super) struct Begun {
    pub(super) state: UploadState,
    pub(super) from: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    upload_url: Option<String>,
    expiration_date_time: Option<String>,
    next_expected_ranges: Option<Vec<String>>,
}

/// Reads what the API says of a session that it has just made.
pub(super) fn begun(response: &Response, key: &str, source: &dyn UploadSource) -> Result<Begun, Error> {
    let status: Status = response.json()?;
    let from = lowest(status.next_expected_ranges.as_deref())?.unwrap_or(0);
    let url = status.upload_url.ok_or_else(|| protocol("the upload session has no address"))?;
    Ok(Begun { state: UploadState::new(key, Secret::from(url), status.expiration_date_time, source), from })
}

impl Session {
    pub(super) fn open(client: &Client, state: &UploadState) -> Result<Self, Error> {
        client.at_secret_address(state.url.expose_text().unwrap_or_default()).map(Self)
    }

    /// The first byte that the session still wants.
    pub(super) async fn position(&self) -> Result<u64, Error> {
        wanted(&self.0.get("").send().await?)?
            .ok_or_else(|| protocol("the upload session does not say which bytes it wants"))
    }

    /// Sends slice after slice from a byte on, until the item is finished or a slice fails.
    pub(super) async fn send(
        &self,
        source: &dyn UploadSource,
        slice: u64,
        from: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Response, Error> {
        let (total, mut at, mut setbacks) = (source.size(), from, 0);
        loop {
            if at >= total {
                return Err(protocol("the upload session has every byte, and does not end"));
            }
            progress(at);
            let length = slice.min(total - at);
            let next = match self.put(source, at, length).await {
                Ok(response) if response.status() == StatusCode::ACCEPTED => {
                    wanted(&response)?.unwrap_or(at + length)
                }
                Ok(response) => {
                    progress(total);
                    return Ok(response);
                }
                // It has these bytes, or others: an answer was lost, or somebody else is at it.
                Err(error) if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => {
                    setbacks += 1;
                    if setbacks > MOST {
                        return Err(error);
                    }
                    self.position().await?
                }
                Err(error) => return Err(error),
            };
            if next <= at {
                setbacks += 1;
                if setbacks > MOST {
                    return Err(protocol("the upload session wants the same bytes again and again"));
                }
            }
            at = next;
        }
    }

    async fn put(&self, source: &dyn UploadSource, at: u64, length: u64) -> Result<Response, Error> {
        let unreadable = || Error::new(Kind::InvalidRequest("the file cannot be read".to_owned()));
        let bytes = source.read(at, length).await.map_err(|error| unreadable().because(error))?;
        if bytes.len() as u64 != length {
            return Err(unreadable().because("it is shorter than it was"));
        }
        let range = format!("bytes {at}-{}/{}", at + length - 1, source.size());
        let request = self.0.put("").body(bytes, "application/octet-stream");
        request.header("content-range", &range).send().await
    }

    /// Tells the API that nothing more comes. That this fails harms nobody: a session expires.
    pub(super) async fn give_up(&self) {
        if let Err(error) = self.0.request(Method::DELETE, "").send().await {
            tracing::debug!(%error, "the upload session could not be given up");
        }
    }
}

/// The first byte that is wanted, if the answer says so.
fn wanted(response: &Response) -> Result<Option<u64>, Error> {
    if response.body().is_empty() {
        return Ok(None);
    }
    lowest(response.json::<Status>()?.next_expected_ranges.as_deref())
}

/// The lowest byte of ranges such as `26-` and `12345-55232`; nothing if there are none.
fn lowest(ranges: Option<&[String]>) -> Result<Option<u64>, Error> {
    let first = |range: &String| range.split('-').next().and_then(|first| first.trim().parse::<u64>().ok());
    let starts: Option<Vec<u64>> = ranges.unwrap_or_default().iter().map(first).collect();
    let starts = starts.ok_or_else(|| protocol("the upload session names ranges that are none"))?;
    Ok(starts.into_iter().min())
}

fn protocol(reason: &str) -> Error {
    Error::new(Kind::Protocol(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // UP-3
    #[test]
    fn the_lowest_range_is_where_to_go_on() {
        let lowest =
            |ranges: &[&str]| lowest(Some(&ranges.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()));
        assert_eq!(lowest(&["77829-99375", "12345-55232"]).unwrap(), Some(12_345));
        assert_eq!((lowest(&["26-"]).unwrap(), lowest(&[]).unwrap()), (Some(26), None));
        for wrong in ["", "-5", "x-", "-"] {
            assert!(lowest(&[wrong]).is_err(), "{wrong}");
        }
    }
}
