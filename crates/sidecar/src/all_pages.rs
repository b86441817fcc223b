//! Every item of a collection, one a line, while its pages are read.

use std::time::SystemTime;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use unattended_webapi::{Client, Page};

use crate::call::failed;
use crate::refusal::Refusal;
use crate::sidecar::AnswerBody;

/// The preference (RFC 7240) that asks for it.
pub(crate) const ALL_PAGES: &str = "unattended.all-pages";

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Takes the preference out of the headers that are passed on; true if it was there.
pub(crate) fn take_preference(headers: &mut Vec<(&'static str, String)>) -> bool {
    let Some(at) = headers.iter().position(|(name, _)| *name == "prefer") else { return false };
    let is_ours = |preference: &&str| preference.trim().eq_ignore_ascii_case(ALL_PAGES);
    let (ours, others): (Vec<&str>, Vec<&str>) = headers[at].1.split(',').partition(is_ours);
    let (asked, others) = (!ours.is_empty(), others.join(",").trim().to_owned());
    if others.is_empty() {
        headers.remove(at);
    } else {
        headers[at].1 = others;
    }
    asked
}

/// Answers with NDJSON. A failure of the first page is an answer of its own; one of a later page breaks the body off
/// before its end, so that no client takes a part for the whole.
pub(crate) async fn read(
    client: &Client,
    path: &str,
    headers: &[(&'static str, String)],
    now: impl Fn() -> SystemTime,
) -> Result<Response<AnswerBody>, Refusal> {
    let mut pages = client.pages(path);
    for (name, value) in headers {
        pages = pages.header(name, value);
    }
    let first = pages.next().await.map_err(|error| failed(&error, now()))?;
    let rest = pages.inspect(|page| {
        if let Err(error) = page {
            tracing::warn!(%error, "a list is broken off");
        }
    });
    let lines =
        stream::iter(first.map(Ok)).chain(rest).map(|page| page.map(|page| Frame::data(lines_of(&page))));
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static(ALL_PAGES));
    Ok(response)
}

/// Each item as the API wrote it. A line break in JSON text can only be white space, and would end the line.
fn lines_of(page: &Page) -> Bytes {
    let mut lines = BytesMut::new();
    for item in &page.items {
        lines.extend(item.get().bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        lines.put_u8(b'\n');
    }
    lines.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_preference_is_taken_and_others_are_passed_on() {
        let take = |value: &str| {
            let mut headers = vec![("accept", "*/*".to_owned()), ("prefer", value.to_owned())];
            let asked = take_preference(&mut headers);
            (asked, headers.into_iter().find(|(name, _)| *name == "prefer").map(|(_, value)| value))
        };
        assert_eq!(take("unattended.all-pages"), (true, None));
        assert_eq!(
            take("Unattended.All-Pages, odata.maxpagesize=5"),
            (true, Some("odata.maxpagesize=5".to_owned()))
        );
        assert_eq!(take("return=minimal"), (false, Some("return=minimal".to_owned())));
    }
}
