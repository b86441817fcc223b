//! The token request on the wire (RFC 6749 section 4.4.2).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request};
use zeroize::Zeroizing;

use crate::bound::Shown;
use crate::error::{Error, ErrorKind};

/// Bytes for a request with a secret. All of it is wiped afterwards, which is what more of it would cost.
const ROOM: usize = 1_024;

/// A form under construction. A [`Credential`](crate::Credential) adds what proves the client; whatever it adds is
/// wiped when the request is done.
pub struct TokenRequest {
    form: Zeroizing<String>,
    authorization: Option<HeaderValue>,
    shown: Option<Arc<Shown>>,
}

impl TokenRequest {
    /// RFC 6749 section 4.4.2.
    pub(crate) fn client_credentials() -> Self {
        Self::of_grant("client_credentials")
    }

    /// RFC 6749 section 6.
    pub(crate) fn refresh(refresh_token: &str) -> Self {
        let mut request = Self::of_grant("refresh_token");
        request.field("refresh_token", refresh_token);
        request
    }

    fn of_grant(grant_type: &str) -> Self {
        let form = Zeroizing::new(String::with_capacity(ROOM));
        let mut request = Self { form, authorization: None, shown: None };
        request.field("grant_type", grant_type);
        request
    }

    /// Adds one form field.
    pub fn field(&mut self, name: &str, value: &str) {
        self.make_room(3 * (name.len() + value.len()) + 2);
        if !self.form.is_empty() {
            self.form.push('&');
        }
        self.form.extend(byte_serialize(name.as_bytes()));
        self.form.push('=');
        self.form.extend(byte_serialize(value.as_bytes()));
    }

    /// A text that grew by itself would leave copies behind that nobody wipes.
    fn make_room(&mut self, more: usize) {
        if self.form.capacity() - self.form.len() < more {
            let mut roomier = Zeroizing::new(String::with_capacity(self.form.len() + more + ROOM));
            roomier.push_str(&self.form);
            self.form = roomier;
        }
    }

    /// Adds a signed assertion (RFC 7521 section 4.2).
    pub fn client_assertion(&mut self, client_id: &str, assertion: &str) {
        self.field("client_id", client_id);
        self.field("client_assertion_type", crate::assertion::TYPE);
        self.field("client_assertion", assertion);
    }

    /// Adds HTTP Basic client authentication, both parts form-encoded first (RFC 6749 section 2.3.1).
    ///
    /// # Errors
    /// Never for the alphabet of base64; the signature leaves room for other schemes.
    pub fn basic(&mut self, client_id: &str, secret: &str) -> Result<(), Error> {
        let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + secret.len()) + 1));
        pair.extend(byte_serialize(client_id.as_bytes()));
        pair.push(':');
        pair.extend(byte_serialize(secret.as_bytes()));
        let header = Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))));
        let mut value = HeaderValue::from_str(&header)
            .map_err(|cause| Error::credential("the secret cannot be sent in a header").caused_by(cause))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(())
    }

    /// Goes out on the connections that show this certificate.
    pub(crate) fn show(&mut self, shown: Arc<Shown>) {
        self.shown = Some(shown);
    }

    pub(crate) fn shown(&self) -> Option<&Arc<Shown>> {
        self.shown.as_ref()
    }

    pub(crate) fn into_http(
        self,
        endpoint: &str,
        correlation_id: &str,
        proof: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Request<Bytes>, Error> {
        let mut request = Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header("client-request-id", correlation_id)
            .header("return-client-request-id", "true");
        if let Some(authorization) = self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((name, proof)) = proof {
            request = request.header(name, proof);
        }
        request.body(Bytes::from_owner(self.form)).map_err(|cause| {
            Error::new(ErrorKind::Configuration, format!("`{endpoint}` cannot be requested")).caused_by(cause)
        })
    }
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenRequest([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_any_length_is_written_into_room_that_was_made_before() {
        let mut request = TokenRequest::client_credentials();
        for length in [10, 1_000, 5_000, 100] {
            let value = "&".repeat(length);
            request.field("assertion", &value);
            assert!(request.form.ends_with(&format!("&assertion={}", "%26".repeat(length))));
        }
        assert!(request.form.starts_with("grant_type=client_credentials&assertion=%26"));
    }

    #[test]
    fn basic_authentication_encodes_both_parts_as_a_form_first() {
        let mut request = TokenRequest::client_credentials();
        request.basic("aaa/;&", "bbb/;&").unwrap();
        let request = request.into_http("https://idp.example/token", "id", None).unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Basic YWFhJTJGJTNCJTI2OmJiYiUyRiUzQiUyNg==");
    }
}
