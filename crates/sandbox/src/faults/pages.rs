//! Pages and batches that are not what they should be.

use std::collections::HashSet;

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
    if !uri.query().is_some_and(|query| query.split('&').any(|it| it == AGAIN)) {
        return false;
    }
    *uri = without(uri, |parameter| parameter == AGAIN);
    true
}

/// An address without some of the parameters of its query.
fn without(uri: &Uri, is_left_out: impl Fn(&str) -> bool) -> Uri {
    let query = uri.query().unwrap_or_default();
    let rest: Vec<&str> = query.split('&').filter(|it| !is_left_out(it)).collect();
    let target =
        if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = target.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// The body of a page or a batch with the fault in it; nothing if the answer is neither, or has no place for the fault.
/// `batch` is the body of the request if that was one.
pub(super) fn changed(
    kind: FaultKind,
    asked: &Uri,
    base: &str,
    status: StatusCode,
    body: &Bytes,
    batch: &Bytes,
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
        FaultKind::LoopToFirst => |asked, base| {
            let is_place = |it: &str| it.split('=').next().is_some_and(|name| name.ends_with("skiptoken"));
            absolute(base, &without(asked, is_place))
        },
        FaultKind::ForeignLink => |asked, base| {
            let foreign = base.replace("//localhost", "//127.0.0.1");
            absolute(&format!("{foreign}{FOREIGN_PATH}"), asked)
        },
        FaultKind::InnerThrottled | FaultKind::InnerFailedDependency => {
            return with_victim(kind, serde_json::from_slice(body).ok()?, &victims(batch));
        }
        _ => return None,
    };
    let mut page: Map<String, Value> = serde_json::from_slice(body).ok()?;
    // Without a next page there is no link to be wrong.
    let place = page.get_mut(NEXT_LINK)?;
    *place = Value::String(link(asked, base));
    serde_json::to_vec(&page).ok()
}

/// The requests of a batch that may lose their answers, by their ids in small letters. Only reads: what was written stays
/// written, and a client that writes again must not be blamed for it. And only those on which no other depends: that
/// one would not have been answered.
fn victims(batch: &Bytes) -> HashSet<String> {
    let id = |value: &Value| value.as_str().map(str::to_ascii_lowercase);
    let batch: Value = serde_json::from_slice(batch).unwrap_or_default();
    let requests = batch["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let needed: HashSet<String> =
        requests.iter().filter_map(|it| it["dependsOn"].as_array()).flatten().filter_map(id).collect();
    let is_read = |request: &&Value| {
        request["method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("GET"))
    };
    let reads = requests.iter().filter(is_read).filter_map(|request| id(&request["id"]));
    reads.filter(|id| !needed.contains(id)).collect()
}

/// The answer to a batch in which the first of the victims that was answered well loses its answer.
fn with_victim(kind: FaultKind, mut batch: Value, victims: &HashSet<String>) -> Option<Vec<u8>> {
    let responses = batch.get_mut("responses")?.as_array_mut()?;
    let is_victim = |id: &Value| id.as_str().is_some_and(|id| victims.contains(&id.to_ascii_lowercase()));
    let victim = responses.iter_mut().find(|it| it["status"] == 200 && is_victim(&it["id"]))?;
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
    const NO_BATCH: Bytes = Bytes::new();

    fn next_link(kind: FaultKind, asked: &str) -> String {
        let body = Bytes::from(json!({ "value": [], NEXT_LINK: "https://localhost:8443/next" }).to_string());
        let page = changed(kind, &asked.parse().unwrap(), BASE, StatusCode::OK, &body, &NO_BATCH).unwrap();
        serde_json::from_slice::<Value>(&page).unwrap()[NEXT_LINK].as_str().unwrap().to_owned()
    }

    // CH-1
    #[test]
    fn links_lead_back_again_and_away() {
        let asked = "/graph/v1.0/users?$top=5";
        assert_eq!(next_link(FaultKind::Loop, asked), format!("{BASE}{asked}"));
        let second = "/graph/v1.0/users?$top=5&$skiptoken=x";
        assert_eq!(next_link(FaultKind::LoopToFirst, second), format!("{BASE}{asked}"));
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
        let uri = Uri::from_static("/a");
        assert_eq!(changed(FaultKind::Loop, &uri, BASE, StatusCode::OK, &body, &NO_BATCH), None);
        let array = Bytes::from_static(b"[1]");
        assert_eq!(changed(FaultKind::Loop, &uri, BASE, StatusCode::OK, &array, &NO_BATCH), None);
    }
}
