//! Where an API lives, and which addresses belong to it.

use std::fmt;

use bytes::Bytes;
use http::Uri;
use unattended_core::redact_url;
use url::{Host, Url};

use crate::error::{Error, Kind};

/// The base URL of an API: an origin (scheme, host, effective port) and a path below which its resources live.
#[derive(Clone)]
pub(crate) struct Base {
    /// Without a trailing slash.
    text: String,
    url: Url,
    /// Host and port as the URL has them.
    authority: String,
    insecure_loopback: bool,
    /// Whether nothing but the origin may be shown.
    is_secret: bool,
}

impl Base {
    /// Reads a base URL.
    ///
    /// `http` is for loopback addresses alone, and only when `insecure_loopback` says so: a bearer token on a plain
    /// connection belongs to whoever reads along (RFC 6750 section 5.3).
    pub(crate) fn parse(text: &str, insecure_loopback: bool) -> Result<Self, Error> {
        let refused = |reason: &str| {
            Error::new(Kind::Configuration(format!("the base URL `{}`: {reason}", redact_url(text))))
        };
        let url = Url::parse(text).map_err(|_| refused("is not an absolute URL"))?;
        if has_userinfo(&url, text) {
            return Err(refused("holds a user name or password"));
        }
        encrypted(&url, insecure_loopback).map_err(refused)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("has a query or a fragment"));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { text, authority: url.authority().to_owned(), url, insecure_loopback, is_secret: false })
    }

    /// An address that the API gave out and whose path and query let in whoever knows them. It may be of any origin,
    /// since no token goes there.
    pub(crate) fn secret(&self, address: &str) -> Result<Self, Error> {
        let refused =
            |reason: &str| Error::new(Kind::Protocol(format!("the address that the API gave out {reason}")));
        let url = Url::parse(address).map_err(|_| refused("is not an absolute URL"))?;
        if has_userinfo(&url, address) {
            return Err(refused("holds a user name or password"));
        }
        encrypted(&url, self.insecure_loopback).map_err(refused)?;
        let (text, authority) = (address.to_owned(), url.authority().to_owned());
        Ok(Self { text, url, authority, is_secret: true, ..*self })
    }

    /// The path and query of an address below the base.
    pub(crate) fn below<'u>(&self, uri: &'u Uri) -> &'u str {
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        path.strip_prefix(self.url.path().trim_end_matches('/')).unwrap_or(path)
    }

    /// The path and query of an address below the base; nothing if it is only of the same origin.
    pub(crate) fn strictly_below<'u>(&self, uri: &'u Uri) -> Option<&'u str> {
        let base = self.url.path().trim_end_matches('/');
        let below = uri.path_and_query()?.as_str().strip_prefix(base)?;
        below.starts_with('/').then_some(below)
    }

    /// An address of this API as it may be shown.
    pub(crate) fn shown(&self, uri: &Uri) -> String {
        if self.is_secret { format!("{}/[redacted]", self.origin()) } else { redact_url(&uri.to_string()) }
    }

    /// The address of a path below the base, or of an absolute URL of the same origin.
    pub(crate) fn resolve(&self, path: &str) -> Result<Uri, Error> {
        if path.contains('#') {
            let reason = "a `#` would cut the path off; write it as %23".to_owned();
            return Err(Error::new(Kind::InvalidRequest(reason)).about_url(path));
        }
        if path.contains("://") && Url::parse(path).is_ok() {
            return self.admit(path).map(|(uri, _)| uri);
        }
        let separator = if path.is_empty() || path.starts_with(['/', '?']) { "" } else { "/" };
        let text = Bytes::from([self.text.as_str(), separator, path].concat());
        // What is below the base is of its origin. Most paths are valid as they are.
        match Uri::from_maybe_shared(text.clone()) {
            Ok(uri) if self.owns(&uri) => Ok(uri),
            _ => self.admit(&String::from_utf8_lossy(&text)).map(|(uri, _)| uri),
        }
    }

    /// The address of a link that the API gave while answering `from`: byte for byte, for it is the API's and opaque. A
    /// relative one is resolved as RFC 3986 section 5 says.
    pub(crate) fn follow(&self, link: &str, from: &Uri) -> Result<Uri, Error> {
        let unusable =
            |reason: &str| Error::new(Kind::Protocol(format!("the link to the next page {reason}")));
        let origin = || format!("{}://{}", self.url.scheme(), from.authority().map_or("", |it| it.as_str()));
        let absolute = match link {
            _ if Url::parse(link).is_ok() => link.to_owned(),
            _ if link.starts_with('?') => format!("{}{}{link}", origin(), from.path()),
            _ if link.starts_with('/') && !link.starts_with("//") => origin() + link,
            _ => {
                let joined = Url::parse(&from.to_string()).and_then(|from| from.join(link));
                joined.map_err(|_| unusable("is not a URL").about_url(link))?.into()
            }
        };
        match self.admit(&absolute)? {
            (uri, Spelling::Kept) => Ok(uri),
            // Mended it would be another link than the one that was given.
            (_, Spelling::Mended) => {
                Err(unusable("holds a character that no request can carry").about_url(link))
            }
        }
    }

    /// An absolute URL of this origin, byte for byte where the bytes are a valid URI.
    fn admit(&self, text: &str) -> Result<(Uri, Spelling), Error> {
        let foreign = |kind: Kind| {
            let error = Error::new(kind);
            if self.is_secret { error } else { error.about_url(text) }
        };
        let url = Url::parse(text)
            .map_err(|_| foreign(Kind::InvalidRequest("the address is not a URL".to_owned())))?;
        if has_userinfo(&url, text) || url.origin() != self.url.origin() {
            return Err(foreign(Kind::ForeignOrigin));
        }
        // Two parsers must agree on the authority before the text itself is used; otherwise what the first one
        // understood is sent, in its own spelling.
        Ok(match text.parse::<Uri>() {
            Ok(uri) if self.owns(&uri) => (uri, Spelling::Kept),
            _ => {
                let uri = url.as_str().parse();
                let not_a_uri = || Kind::InvalidRequest("the address is not a URI".to_owned());
                (uri.map_err(|_| foreign(not_a_uri()))?, Spelling::Mended)
            }
        })
    }

    /// Whether a request for `uri` may carry the token of this API: it goes to where this `uri` leads.
    pub(crate) fn owns(&self, uri: &Uri) -> bool {
        let authority = uri.authority().map(|authority| authority.as_str());
        // Nearly always: the same text, in which there is no user name.
        if authority == Some(&self.authority) && uri.scheme_str() == Some(self.url.scheme()) {
            return true;
        }
        let port = uri.port_u16().or_else(|| match uri.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        });
        uri.scheme_str() == Some(self.url.scheme())
            && uri.host().zip(self.url.host_str()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
            && port == self.url.port_or_known_default()
            && authority.is_some_and(|authority| !authority.contains('@'))
    }

    /// Scheme, host and effective port as text.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The path that resources live below, without a trailing slash.
    pub(crate) fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The base as text, without a trailing slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_secret { "[redacted]" } else { &self.text })
    }
}

/// Whether an address is sent as it was given.
enum Spelling {
    Kept,
    Mended,
}

/// An empty user name (`https://@host`), or one before a backslash that some parsers read as a slash, is none to a URL
/// parser, but it is one to a reader.
fn has_userinfo(url: &Url, text: &str) -> bool {
    let authority =
        text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    !url.username().is_empty() || url.password().is_some() || authority.contains('@')
}

/// `http` is for loopback addresses alone, and only when asked for.
fn encrypted(url: &Url, insecure_loopback: bool) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if insecure_loopback && is_loopback(url) => Ok(()),
        "http" if is_loopback(url) => {
            Err("would send a secret unencrypted; allow that for loopback or use https")
        }
        "http" => Err("would send a secret unencrypted; use https"),
        _ => Err("is not https"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Base {
        Base::parse("https://graph.example/v1.0/", false).unwrap()
    }

    #[test]
    fn a_path_is_below_the_base_however_it_begins() {
        for (path, expected) in [
            ("/users?$top=5", "https://graph.example/v1.0/users?$top=5"),
            ("users", "https://graph.example/v1.0/users"),
            ("//evil.example/x", "https://graph.example/v1.0//evil.example/x"),
            ("@evil.example", "https://graph.example/v1.0/@evil.example"),
            ("", "https://graph.example/v1.0"),
            ("?$top=1", "https://graph.example/v1.0?$top=1"),
            (
                "/users?$filter=displayName eq 'a'",
                "https://graph.example/v1.0/users?$filter=displayName%20eq%20%27a%27",
            ),
            ("https://graph.example/beta/me", "https://graph.example/beta/me"),
        ] {
            assert_eq!(graph().resolve(path).unwrap().to_string(), expected, "{path}");
        }
        assert!(graph().resolve("/users/a#EXT#@b").unwrap_err().to_string().contains("%23"));
    }

    // RD-2, W16
    #[test]
    fn only_the_same_scheme_host_and_port_is_the_same_origin() {
        let base = graph();
        for same in ["https://graph.example/v1.0/x", "https://GRAPH.example:443/y", "HTTPS://graph.EXAMPLE/z"]
        {
            assert!(base.resolve(same).is_ok(), "{same}");
        }
        for foreign in [
            "https://evil.example/v1.0/users",
            "https://graph.example:8443/v1.0/users",
            "http://graph.example/v1.0/users",
            "https://graph.example./v1.0/users",
            "https://graph.example@evil.example/",
            "https://graph.example:443@evil.example/",
            "https://graph.example:x@evil.example/",
            "https://user:pass@graph.example/",
            "https://@graph.example/",
            "https://graph.example\\@evil.example/",
            "https://grаph.example/", // a Cyrillic letter
            "https://evil.example\\.graph.example/",
            "ftp://graph.example/",
        ] {
            let error = base.resolve(foreign).unwrap_err();
            assert!(error.is_foreign_origin(), "{foreign}: {error}");
        }
    }

    // PG-1
    #[test]
    fn an_absolute_link_keeps_its_bytes_and_a_relative_one_is_resolved() {
        let from: Uri = "https://graph.example/v1.0/users?$top=2".parse().unwrap();
        let opaque = "https://graph.example/v1.0/users?$skiptoken=m~AQAn%2bO%2B=='x'{a}/../b";
        assert_eq!(graph().follow(opaque, &from).unwrap().to_string(), opaque);
        for (relative, expected) in [
            ("?$skiptoken='2'{}", "https://graph.example/v1.0/users?$skiptoken='2'{}"),
            ("/v1.0/users/../'x'?a='2'", "https://graph.example/v1.0/users/../'x'?a='2'"),
            ("groups?$top=3", "https://graph.example/v1.0/groups?$top=3"),
        ] {
            assert_eq!(graph().follow(relative, &from).unwrap().to_string(), expected, "{relative}");
        }
        for broken in ["https://graph.example/v1.0/users?$skiptoken=a b", "?$skiptoken=\"a\"", "/v1.0/<a>"] {
            let error = graph().follow(broken, &from).unwrap_err();
            assert!(error.to_string().contains("no request can carry"), "{error}");
        }
        assert!(graph().follow("//evil.example/x", &from).unwrap_err().is_foreign_origin());
    }

    // RD-3
    #[test]
    fn plain_http_is_for_loopback_and_only_when_asked() {
        for loopback in ["http://127.0.0.1:8080/v1.0", "http://localhost:1", "http://[::1]:1/a"] {
            assert!(Base::parse(loopback, false).is_err(), "{loopback}");
            assert!(Base::parse(loopback, true).is_ok(), "{loopback}");
        }
        for never in [
            "http://graph.example",
            "http://localhost.evil.example",
            "ftp://h",
            "graph.example",
            "https://u@h/",
        ] {
            assert!(Base::parse(never, true).is_err(), "{never}");
        }
    }
}
