//! The `$filter` of a query: answered, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unattended_fuzz::TENANT;

fuzz_target!(|filter: &[u8]| {
    let filter: String = url::form_urlencoded::byte_serialize(filter).collect();
    let Some(answer) = TENANT.directory("GET", &format!("users?$top=3&$filter={filter}"), b"") else { return };
    let body = answer.json();
    match answer.status.is_success() {
        true => assert!(body["value"].is_array(), "{body}"),
        false => assert!(body["error"]["code"].is_string(), "{body}"),
    }
});
