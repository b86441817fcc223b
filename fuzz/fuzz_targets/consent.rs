//! The parameters of a link to the pages of consent: the browser never goes to a stranger.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unattended_fuzz::TENANT;

fuzz_target!(|query: &[u8]| {
    let query: String = TENANT
        .filled(query)
        .iter()
        .map(|byte| match byte {
            b'!' | b'$'..=b'~' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let tenant = &TENANT.ready().tenant_id;
    for path in [format!("/{tenant}/adminconsent"), "/organizations/v2.0/adminconsent".to_owned()] {
        let Some(answer) = TENANT.open(&format!("{path}?{query}")) else { continue };
        assert_eq!(answer.location, None, "nobody has decided yet: {answer:?}");
        let page = String::from_utf8_lossy(&answer.body);
        for markup in ["<script>alert", "<img src=x", "<b>"] {
            assert!(!page.contains(markup), "{markup} came back as it was");
        }
    }
});
