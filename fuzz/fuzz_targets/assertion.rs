//! A client assertion: none of these is a good one, as the application has no certificate and no other issuer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unattended_fuzz::TENANT;

fuzz_target!(|assertion: &[u8]| {
    let assertion: String =
        url::form_urlencoded::byte_serialize(&TENANT.filled(assertion)).collect::<Vec<_>>().concat();
    let form = format!(
        "client_id=CLIENT&grant_type=client_credentials&scope=.default&client_assertion={assertion}\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    );
    let answer = TENANT.token_request(&TENANT.filled(form.as_bytes()));
    answer.is_token_or_error();
    assert!(!answer.status.is_success(), "{answer:?}");
});
