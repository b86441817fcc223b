//! Whether a request comes from the program that holds the connection, and asks for what it seems to ask for.
//!
//! Peer credentials tell who holds the connection. They are worth nothing once that is a proxy or a browser that speaks
//! for somebody else.

use http::header::{AUTHORIZATION, HOST, HeaderMap, PROXY_AUTHORIZATION};
use http::{HeaderName, StatusCode};

use crate::refusal::Refusal;

/// What a client on this machine calls the other end; the name is looked up nowhere.
const HOSTS: [&str; 2] = ["unattended", "localhost"];

pub(crate) fn vet(headers: &HeaderMap) -> Result<(), Refusal> {
    headers.keys().try_for_each(vet_name)?;
    let mut hosts = headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None)
            if HOSTS.iter().any(|known| host.as_bytes().eq_ignore_ascii_case(known.as_bytes())) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "the request is meant for another host, or for none",
        )
        .hint("use http://unattended/ or http://localhost/ as the beginning of the URL")),
    }
}

fn vet_name(name: &HeaderName) -> Result<(), Refusal> {
    if [AUTHORIZATION, PROXY_AUTHORIZATION].contains(name) {
        return Err(Refusal::bad_request(
            "credentials_not_taken",
            format!("the header `{name}` is set by the sidecar alone"),
        )
        .hint("send none: who calls is known from the connection"));
    }
    match name.as_str() {
        "forwarded" | "via" | "x-real-ip" => Err(forwarded(name)),
        text if text.starts_with("x-forwarded") => Err(forwarded(name)),
        "origin" => Err(of_a_browser(name)),
        text if text.starts_with("sec-fetch-") => Err(of_a_browser(name)),
        "x-http-method" | "x-http-method-override" | "x-method-override" => Err(Refusal::bad_request(
            "method_override",
            format!("the header `{name}` asks for another method than the request"),
        )
        .hint("send the request with the method that is meant")),
        _ => Ok(()),
    }
}

fn forwarded(name: &HeaderName) -> Refusal {
    Refusal::forbidden(
        "forwarded_request",
        format!("the header `{name}` says that the request came through a proxy, so nobody knows who asks"),
    )
    .hint("connect to the socket from the program that calls")
}

fn of_a_browser(name: &HeaderName) -> Refusal {
    Refusal::forbidden(
        "browser_request",
        format!("the header `{name}` says that a page in a browser asks, which no application is"),
    )
    .hint("connect to the socket from the program that calls")
}
