//! Pages and batches that are not what they should be.

use bytes::Bytes;
use http::{StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::absolute;
use super::kind::FaultKind;
use crate::journal::FOREIGN_PATH;

/// In the query of a link to a page that was seen already; never reaches the directory.
const AGAIN: &str = "sandbox-again=1";

const NEXT_LINK: &str = "@odata.nextLink";

/// Takes the mark off that a duplicated page's link carries, and says whether it was there.
pub(super) fn strip_again(uri: &mut Uri) -> bool {
    let Some(query) = uri.query().filter(|query| query.split('&').any(|it| it == AGAIN)) else {
        return false;
    };
    let rest: Vec<&str> = query.split('&').filter(|it| *it != AGAIN).collect();
    let target =
        if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(stripped) = Uri::from_parts(parts) {
        *uri = stripped;
    }
    true
}

/// The body of a page or a batch with the fault in it; nothing if the answer is neither, or has no place for the fault.
pub(super) fn changed(
    kind: FaultKind,
    asked: &Uri,
    base: &str,
    status: StatusCode,
    body: &Bytes,
) -> Option<Vec<u8>> {
    if !status.is_success() {
        return None;
    }
    let link: fn(&Uri, &str) -> String = match kind {
        FaultKind::DuplicatePage => |asked, base| {
            let separator = if asked.query().is_some() { '&' } else { '?' };
            format!("{}{separator}{AGAIN}", absolute(base, asked))
        },
        FaultKind::Loop => |asked, base| absolute(base, asked),
        FaultKind::ForeignLink => |asked, base| {
            let foreign = base.replace("//localhost", "//127.0.0.1");
            absolute(&format!("{foreign}{FOREIGN_PATH}"), asked)
        },
        FaultKind::InnerThrottled | FaultKind::InnerFailedDependency => {
            return batch(kind, serde_json::from_slice(body).ok()?);
        }
        _ => return None,
    };
    let mut page: Map<String, Value> = serde_json::from_slice(body).ok()?;
    // Without a next page there is no link to be wrong.
    let place = page.get_mut(NEXT_LINK)?;
    *place = Value::String(link(asked, base));
    serde_json::to_vec(&page).ok()
}

/// The first request of the batch that was answered well loses its answer. Only reads: what was written stays written,
/// and a client that writes again must not be blamed for it.
fn batch(kind: FaultKind, mut batch: Value) -> Option<Vec<u8>> {
    let responses = batch.get_mut("responses")?.as_array_mut()?;
    let victim = responses.iter_mut().find(|it| it["status"] == 200)?;
    let (status, headers, code, message) = match kind {
        FaultKind::InnerThrottled => {
            (429, json!({ "Retry-After": "1" }), "TooManyRequests", "Too many requests, retry later.")
        }
        _ => (424, json!({}), "FailedDependency", "A request that this one depends on has failed."),
    };
    *victim = json!({
        "id": victim["id"],
        "status": status,
        "headers": headers,
        "body": { "error": { "code": code, "message": message } },
    });
    serde_json::to_vec(&batch).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://localhost:8443";

    fn next_link(kind: FaultKind, asked: &str) -> String {
        let body = Bytes::from(json!({ "value": [], NEXT_LINK: "https://localhost:8443/next" }).to_string());
        let page = changed(kind, &asked.parse().unwrap(), BASE, StatusCode::OK, &body).unwrap();
        serde_json::from_slice::<Value>(&page).unwrap()[NEXT_LINK].as_str().unwrap().to_owned()
    }

    // CH-1
    #[test]
    fn links_lead_back_again_and_away() {
        let asked = "/graph/v1.0/users?$top=5";
        assert_eq!(next_link(FaultKind::Loop, asked), format!("{BASE}{asked}"));
        assert_eq!(
            next_link(FaultKind::ForeignLink, asked),
            format!("https://127.0.0.1:8443/foreign-origin{asked}")
        );
        let again = next_link(FaultKind::DuplicatePage, asked);
        assert_ne!(again, format!("{BASE}{asked}"));
        let mut uri: Uri = again.parse().unwrap();
        assert!(strip_again(&mut uri));
        assert_eq!(uri.to_string(), format!("{BASE}{asked}"));
        assert!(!strip_again(&mut uri));
        let mut bare: Uri = next_link(FaultKind::DuplicatePage, "/graph/v1.0/users").parse().unwrap();
        assert!(strip_again(&mut bare));
        assert_eq!(bare.path_and_query().unwrap().as_str(), "/graph/v1.0/users");
    }

    #[test]
    fn a_page_without_a_next_one_stays_as_it_is() {
        let body = Bytes::from(json!({ "value": [] }).to_string());
        assert_eq!(changed(FaultKind::Loop, &Uri::from_static("/a"), BASE, StatusCode::OK, &body), None);
        let array = Bytes::from_static(b"[1]");
        assert_eq!(changed(FaultKind::Loop, &Uri::from_static("/a"), BASE, StatusCode::OK, &array), None);
    }

    // CH-1
    #[test]
    fn one_request_of_a_batch_is_throttled() {
        let batch = json!({ "responses": [
            { "id": "1", "status": 201, "body": {} }, { "id": "2", "status": 200, "body": { "a": 1 } },
        ] });
        let body = Bytes::from(batch.to_string());
        let uri = Uri::from_static("/graph/v1.0/$batch");
        let changed = changed(FaultKind::InnerThrottled, &uri, BASE, StatusCode::OK, &body).unwrap();
        let changed: Value = serde_json::from_slice(&changed).unwrap();
        assert_eq!(changed["responses"][0], batch["responses"][0]);
        let victim = &changed["responses"][1];
        assert_eq!((&victim["id"], &victim["status"]), (&json!("2"), &json!(429)));
        assert_eq!(victim["headers"]["Retry-After"], "1");
    }
}
