//! Who is turned away before anything is looked at.
//!
//! The console listens on loopback, but every page that a browser on this machine shows can send requests there, and a
//! foreign name can be made to point there (DNS rebinding). So a request has to name this console as its host, must
//! not come from another site, and must not have passed a proxy.

use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    CrossSite,
    ForeignHost,
    Forwarded,
    Method,
    NoSession,
    NotFound,
    Prefetch,
    WrongKey,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::CrossSite | Self::Forwarded | Self::Prefetch => StatusCode::FORBIDDEN,
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoSession | Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NoSession | Self::WrongKey => "Log in first",
            Self::NotFound => "There is no such page",
            _ => "Refused",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::CrossSite => "Another site sent this request. Open the address yourself.",
            Self::ForeignHost => "The request names another host than this console.",
            Self::Forwarded => "The request came through a proxy. The console is for this machine alone.",
            Self::Method => "The console only shows things: GET and HEAD.",
            Self::NoSession => "Open the login URL that `unattended console` printed on its terminal.",
            Self::NotFound => "Perhaps a job has got another name.",
            Self::Prefetch => "The login URL is not opened ahead of time.",
            Self::WrongKey => {
                "This login URL is not, or no longer, valid: each one works once. Start `unattended console` anew."
            }
        }
    }
}

/// Lets a request pass that a person on this machine can have sent to the console at `address`.
pub(crate) fn check(request: &Parts, address: SocketAddr) -> Result<(), Refusal> {
    let host = host(request, address).ok_or(Refusal::ForeignHost)?;
    if request.headers.keys().any(|name| is_of_a_proxy(name.as_str())) {
        return Err(Refusal::Forwarded);
    }
    if !is_same_site(&request.headers, host) {
        return Err(Refusal::CrossSite);
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Refusal::Method);
    }
    Ok(())
}

/// Whether a browser loads a page that nobody has asked for yet.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name))
        .any(|value| value.as_bytes().starts_with(b"prefetch"))
}

/// The host that the request names, if that is this console, and if it names no other one elsewhere.
fn host(request: &Parts, address: SocketAddr) -> Option<&str> {
    let mut hosts = request.headers.get_all(header::HOST).into_iter();
    let (host, None) = (hosts.next()?.to_str().ok()?, hosts.next()) else { return None };
    let absolute = request.uri.authority().map(http::uri::Authority::as_str);
    let is_ours = |name: &str| {
        let port = address.port();
        let literal = address.to_string();
        name == literal
            || name == format!("localhost:{port}")
            // Browsers leave the default port out.
            || port == 80 && (literal.strip_suffix(":80") == Some(name) || name == "localhost")
    };
    (is_ours(host) && absolute.is_none_or(is_ours)).then_some(host)
}

fn is_of_a_proxy(header: &str) -> bool {
    matches!(
        header,
        "forwarded" | "via" | "x-real-ip" | "x-original-url" | "x-original-host" | "x-rewrite-url"
    ) || header.starts_with("x-forwarded")
}

/// Browsers say where a request comes from. Another port of this machine is another site too: it may be anybody's.
fn is_same_site(headers: &HeaderMap, host: &str) -> bool {
    let origin = format!("http://{host}");
    let is_same = |value: &[u8]| value == b"same-origin" || value == b"none";
    headers.get_all(header::ORIGIN).into_iter().all(|value| value.as_bytes() == origin.as_bytes())
        && headers.get_all("sec-fetch-site").into_iter().all(|value| is_same(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn checked(address: &str, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0, address.parse().unwrap())
    }

    fn get(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let host = [("host", "127.0.0.1:8642")];
        checked("127.0.0.1:8642", "GET", "/", &[&host[..], headers].concat())
    }

    #[test]
    fn what_a_person_on_this_machine_opens_passes() {
        assert_eq!(get(&[]), Ok(()));
        assert_eq!(get(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]), Ok(()));
        assert_eq!(get(&[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8642")]), Ok(()));
        assert_eq!(checked("[::1]:8642", "HEAD", "/", &[("host", "[::1]:8642")]), Ok(()));
        assert_eq!(checked("127.0.0.1:80", "GET", "/", &[("host", "localhost")]), Ok(()));
    }

    #[test]
    fn a_foreign_name_that_was_made_to_point_here_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8642",
            "127.0.0.1",
            "127.0.0.1:8643",
            "127.0.0.1:8642.evil.example",
            "localhost.:8642",
            "localhost",
            "127.0.0.2:8642",
            "",
        ] {
            assert_eq!(
                checked("127.0.0.1:8642", "GET", "/", &[("host", host)]),
                Err(Refusal::ForeignHost),
                "{host}"
            );
        }
        assert_eq!(checked("127.0.0.1:8642", "GET", "/", &[]), Err(Refusal::ForeignHost));
        let twice = [("host", "127.0.0.1:8642"), ("host", "evil.example")];
        assert_eq!(checked("127.0.0.1:8642", "GET", "/", &twice), Err(Refusal::ForeignHost));
        let absolute = checked("127.0.0.1:8642", "GET", "http://evil.example/", &twice[..1]);
        assert_eq!(absolute, Err(Refusal::ForeignHost));
    }

    #[test]
    fn what_another_site_sends_is_refused() {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8643"),
            ("origin", "https://127.0.0.1:8642"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
        ] {
            assert_eq!(get(&[header]), Err(Refusal::CrossSite), "{header:?}");
        }
    }

    #[test]
    fn what_came_through_a_proxy_is_refused() {
        for name in
            ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]
        {
            assert_eq!(get(&[(name, "127.0.0.1")]), Err(Refusal::Forwarded), "{name}");
        }
    }

    #[test]
    fn nothing_can_be_changed() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
            let host = [("host", "127.0.0.1:8642")];
            assert_eq!(checked("127.0.0.1:8642", method, "/", &host), Err(Refusal::Method), "{method}");
        }
    }
}
