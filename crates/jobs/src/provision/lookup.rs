//! One object by its key: what settles a write whose answer is not known.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::JobError;
use crate::job::Provision;
use crate::row::Kind;

/// The objects that have this key now. More than one is for the plan to refuse.
pub(super) async fn by_key(
    job: &Provision,
    select: &[&str],
    key: &str,
) -> Result<Vec<Map<String, Value>>, JobError> {
    #[derive(Deserialize)]
    struct Collection {
        value: Vec<Map<String, Value>>,
    }
    let doing = "reading an object again";
    let failed = |error| JobError::of_call(doing, error);
    let (resource, select) = (&job.resource, select.join(","));
    // The address of an object is as new as the object; a filter may still read an older index.
    if Kind::of(resource) == Kind::User && job.match_on == "userPrincipalName" {
        let path = format!("{resource}/{}?$select={select}", percent_encode(key));
        return match job.client.get(&path).send().await {
            Ok(response) => Ok(vec![response.json().map_err(failed)?]),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        };
    }
    let filter = percent_encode(&format!("{} eq '{}'", job.match_on, key.replace('\'', "''")));
    let path = format!("{resource}?$filter={filter}&$select={select}");
    let response = job.client.get(&path).send().await.map_err(failed)?;
    Ok(response.json::<Collection>().map_err(failed)?.value)
}

/// RFC 3986 section 2: everything but the unreserved characters.
pub(super) fn percent_encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_place_in_the_path() {
        assert_eq!(percent_encode("o'neil#1@contoso.com"), "o%27neil%231%40contoso.com");
        assert_eq!(percent_encode("../a?b"), "..%2Fa%3Fb");
    }
}
