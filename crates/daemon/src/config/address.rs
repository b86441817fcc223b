//! URLs that a token may be sent to.

use url::{Host, Url};

use super::diagnostic::{Mistake, Mistakes};
use super::reader::Text;

/// Whether a token or a credential may travel unprotected.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlainHttp {
    /// Not even on this machine: what identifies an authorization server is https (RFC 8414 section 2).
    Never,
    /// To loopback addresses, if the configuration asks for it.
    OnLoopback { asked_for: bool },
}

/// Reads an absolute `https` URL without credentials, query and fragment.
pub(super) fn address(key: &str, text: &Text<'_>, plain: PlainHttp, mistakes: &mut Mistakes) -> Option<Url> {
    if text.value.contains('@') {
        mistakes.conceal(text.span.clone());
    }
    let mut refuse = |what: String, why: &str, fix: String| -> Option<Url> {
        mistakes.add(Mistake::at(text.span.clone(), what, why, fix));
        None
    };
    let Ok(url) = Url::parse(text.value) else {
        return refuse(
            format!("`{key}` is not a URL"),
            "a URL begins with its scheme and host",
            with_scheme(key, text.value),
        );
    };
    if !url.username().is_empty() || url.password().is_some() {
        mistakes.add(Mistake::at(
            text.span.clone(),
            format!("`{key}` contains a user name or a password"),
            "the daemon proves itself with its credential; what stands in a URL ends up in logs",
            "remove everything before the `@`",
        ));
        return None;
    }
    let accepted = match (url.scheme(), plain) {
        ("https", _) => true,
        ("http", PlainHttp::OnLoopback { asked_for: true }) if is_loopback(&url) => true,
        ("http", PlainHttp::OnLoopback { asked_for: false }) if is_loopback(&url) => {
            return refuse(
                format!("`{key}` is not https"),
                "over http a token can be read by everyone on the way; loopback is accepted only when asked for",
                "write `https://`, or set `allow-insecure-loopback = true` in [application]".to_owned(),
            );
        }
        _ => false,
    };
    if !accepted || !url.has_host() {
        return refuse(
            format!("`{key}` is not https"),
            "over anything else a token can be read and used by everyone on the way",
            match text.value.split_once("://") {
                Some((_, rest)) => format!("write `{key} = \"https://{rest}\"`"),
                None => with_scheme(key, text.value),
            },
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(
            format!("`{key}` has a query or a fragment"),
            "paths are appended to it",
            format!("end it before the `{}`", if url.query().is_some() { '?' } else { '#' }),
        );
    }
    Some(url)
}

/// What was meant by a URL without its scheme, if that is plain.
fn with_scheme(key: &str, text: &str) -> String {
    let completed = format!("https://{text}");
    let is_host = |url: &Url| url.host_str().is_some_and(|host| host.contains('.') || host == "localhost");
    match Url::parse(&completed).ok().filter(is_host) {
        Some(url) if url.username().is_empty() => format!("write `{key} = \"{completed}\"`"),
        _ => format!("write `{key} = \"https://...\"`"),
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
