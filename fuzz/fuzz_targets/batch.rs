//! The body of a `$batch`: refused, or each request of it answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unattended_fuzz::TENANT;

fuzz_target!(|body: &[u8]| {
    let Some(answer) = TENANT.directory("POST", "$batch", body) else { return };
    let body = answer.json();
    if !answer.status.is_success() {
        assert!(body["error"]["code"].is_string(), "{body}");
        return;
    }
    for response in body["responses"].as_array().unwrap_or_else(|| panic!("{body}")) {
        let status = response["status"].as_u64().unwrap_or_default();
        assert!((200..500).contains(&status), "{response}");
    }
});
