//! Where the browser goes afterwards: registered addresses and nothing else.

use serde_json::{Map, Value};
use url::Url;

/// How an address has to agree with a registered one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Agreement {
    /// The v2.0 endpoint: letter for letter.
    Exact,
    /// The v1 endpoint: further path segments may follow.
    Beginning,
}

/// An address of the application that the browser may be sent to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ReturnAddress(Url);

/// The addresses that an application registered, on any platform.
pub(super) fn registered(application: &Map<String, Value>) -> Vec<&str> {
    let platforms = ["web", "spa", "publicClient"].into_iter().filter_map(|name| application.get(name));
    let addresses = platforms.filter_map(|platform| platform.get("redirectUris")?.as_array()).flatten();
    addresses.filter_map(Value::as_str).collect()
}

impl ReturnAddress {
    /// Takes an address that agrees with a registered one.
    pub(super) fn among(registered: &[&str], wanted: &str, agreement: Agreement) -> Option<Self> {
        let url = parse(wanted)?;
        let agrees = |known: &&str| match agreement {
            Agreement::Exact => *known == wanted,
            Agreement::Beginning => parse(known).is_some_and(|known| continues(&known, &url)),
        };
        registered.iter().any(agrees).then_some(Self(url))
    }

    /// Scheme, host and port: what a content security policy allows a form to lead to.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The address with parameters, which are percent-encoded already, behind its own. The empty fragment keeps the
    /// browser from carrying over one of an earlier address.
    pub(super) fn with(&self, parameters: &[(&str, String)]) -> String {
        let mut address = self.0.as_str().to_owned();
        for (name, value) in parameters {
            let is_first = !address.contains('?');
            let needs_no_separator = address.ends_with(['?', '&']);
            address.push_str(if is_first {
                "?"
            } else if needs_no_separator {
                ""
            } else {
                "&"
            });
            address.push_str(&format!("{name}={value}"));
        }
        address.push('#');
        address
    }
}

/// An absolute address that every reader reads alike.
fn parse(address: &str) -> Option<Url> {
    // Browsers and libraries take these for something else, or for nothing.
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let url = Url::parse(address).ok().filter(|_| is_plain)?;
    let is_safe = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    is_safe.then_some(url)
}

/// Whether an address is the known one with nothing but further path segments. Dots are resolved by parsing; what a
/// server might decode to a slash later is refused.
fn continues(known: &Url, wanted: &Url) -> bool {
    let is_same_place = known.origin() == wanted.origin() && known.query() == wanted.query();
    let more = wanted.path().strip_prefix(known.path().trim_end_matches('/'));
    let is_below = more.is_some_and(|more| {
        let hidden = more.to_ascii_lowercase();
        (more.is_empty() || more.starts_with('/')) && !hidden.contains("%2f") && !hidden.contains("%5c")
    });
    is_same_place && (known.path() == wanted.path() || is_below)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const KNOWN: [&str; 2] = ["https://app.example/connect", "http://localhost:3000/a?x=1"];

    fn allows(wanted: &str, agreement: Agreement) -> bool {
        ReturnAddress::among(&KNOWN, wanted, agreement).is_some()
    }

    // authority 13: v2 must match exactly
    #[test]
    fn the_v2_endpoint_takes_registered_addresses_letter_for_letter() {
        for address in KNOWN {
            assert!(allows(address, Agreement::Exact) && allows(address, Agreement::Beginning));
        }
        for other in [
            "https://app.example/connect/",
            "https://app.example/connect/done",
            "https://APP.example/connect",
            "https://app.example:443/connect",
            "https://app.example/connect?a=b",
        ] {
            assert!(!allows(other, Agreement::Exact), "{other}");
        }
    }

    // authority 13: v1 may carry extra path segments
    #[test]
    fn the_v1_endpoint_takes_further_path_segments_and_nothing_else() {
        for below in [
            "https://app.example/connect/done",
            "https://app.example/connect/a/b/",
            "https://APP.example:443/connect",
            "https://app.example/connect/x/../done",
            "http://localhost:3000/a/b?x=1",
        ] {
            assert!(allows(below, Agreement::Beginning), "{below}");
        }
        for other in [
            "https://app.example/",
            "https://app.example/connected",
            "https://app.example/connect/../evil",
            "https://app.example/connect/%2e%2e/evil",
            "https://app.example/connect/..%2fevil",
            "https://app.example/connect/..%5Cevil",
            "https://app.example/connect?to=https://evil.example",
            "https://app.example/connect#x",
            "https://app.example.evil.example/connect",
            "https://app.example@evil.example/connect",
            "https://evil@app.example/connect",
            "https://app.example:8443/connect",
            "http://app.example/connect",
            "//app.example/connect",
            "https:/\\evil.example/connect",
            "https://app.example\\.evil.example/connect",
            "https://app.example/con\tnect",
            " https://app.example/connect",
            "http://localhost:3000/a",
            "javascript:alert(1)",
            "data:text/html,hello",
            "",
        ] {
            assert!(!allows(other, Agreement::Beginning), "{other}");
        }
    }

    #[test]
    fn what_no_browser_should_be_sent_to_is_no_address_even_if_registered() {
        for bad in ["javascript:alert(1)", "app://x/y", "https://u:p@app.example/", "https://a.example/#x"] {
            for agreement in [Agreement::Exact, Agreement::Beginning] {
                assert_eq!(ReturnAddress::among(&[bad], bad, agreement), None, "{bad}");
            }
        }
    }

    #[test]
    fn addresses_of_every_platform_are_registered() {
        let application = json!({
            "web": { "redirectUris": ["https://a/", 1] }, "spa": { "redirectUris": ["https://b/"] },
            "publicClient": { "redirectUris": null },
        });
        assert_eq!(registered(application.as_object().unwrap()), ["https://a/", "https://b/"]);
    }

    // authority 13: an empty fragment is appended
    #[test]
    fn parameters_go_behind_those_of_the_address() {
        let answer = |address: &str| {
            let address = ReturnAddress::among(&[address], address, Agreement::Exact).unwrap();
            address.with(&[("a", "1".into()), ("b", "%2F".into())])
        };
        assert_eq!(answer("https://app.example/c"), "https://app.example/c?a=1&b=%2F#");
        assert_eq!(answer("https://app.example/c?x=1"), "https://app.example/c?x=1&a=1&b=%2F#");
        assert_eq!(answer("https://app.example/c?"), "https://app.example/c?a=1&b=%2F#");
    }

    proptest! {
        #[test]
        fn nobody_is_ever_sent_to_another_origin(wanted in "(https://app\\.example)?[/\\\\@:.%?#a-z0-9]{0,40}") {
            if let Some(address) = ReturnAddress::among(&KNOWN, &wanted, Agreement::Beginning) {
                prop_assert!(address.with(&[]).starts_with("https://app.example/connect"));
            }
        }
    }
}
