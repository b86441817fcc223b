//! The body of a token request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unattended_fuzz::TENANT;

fuzz_target!(|body: &[u8]| TENANT.token_request(&TENANT.filled(body)).is_token_or_error());
