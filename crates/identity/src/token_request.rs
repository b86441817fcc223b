//! The token request on the wire (RFC 6749 section 4.4.2).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use unattended_core::Wiped;
use zeroize::Zeroizing;

use crate::bound::Shown;
use crate::error::{Error, ErrorKind};

/// Bytes for a request with a secret. All of it is wiped afterwards, which is what more of it would cost.
const ROOM: usize = 1_024;

/// The bytes that `application/x-www-form-urlencoded` leaves as they are.
static STANDS_FOR_ITSELF: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'*' | b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// A form under construction. A [`Credential`](crate::Credential) adds what proves the client; whatever it adds is
/// wiped when the request is done.
pub struct TokenRequest {
    form: Wiped<Vec<u8>>,
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
        let form = Wiped(Vec::with_capacity(ROOM));
        let mut request = Self { form, authorization: None, shown: None };
        request.encoded("grant_type", grant_type.as_bytes());
        request
    }

    /// Adds one form field.
    pub fn field(&mut self, name: &str, value: &str) {
        self.make_room(3 * (name.len() + value.len()) + 2);
        self.separate();
        self.serialize(name);
        self.form.push(b'=');
        self.serialize(value);
    }

    /// Most of it stands for itself and is copied, an assertion of a kilobyte in one piece.
    fn serialize(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        loop {
            let plain = rest.iter().take_while(|byte| STANDS_FOR_ITSELF[usize::from(**byte)]).count();
            self.form.extend_from_slice(&rest[..plain]);
            let Some(other) = rest.get(plain..=plain) else { return };
            byte_serialize(other).for_each(|part| self.form.extend_from_slice(part.as_bytes()));
            rest = &rest[plain + 1..];
        }
    }

    /// Adds one that is encoded already.
    fn encoded(&mut self, name: &str, value: &[u8]) {
        self.make_room(name.len() + value.len() + 2);
        self.separate();
        self.form.extend_from_slice(name.as_bytes());
        self.form.push(b'=');
        self.form.extend_from_slice(value);
    }

    fn separate(&mut self) {
        if !self.form.is_empty() {
            self.form.push(b'&');
        }
    }

    /// A text that grew by itself would leave copies behind that nobody wipes.
    fn make_room(&mut self, more: usize) {
        if self.form.capacity() - self.form.len() < more {
            let mut roomier = Wiped(Vec::with_capacity(self.form.len() + more + ROOM / 4));
            roomier.extend_from_slice(&self.form);
            self.form = roomier;
        }
    }

    /// Adds a signed assertion (RFC 7521 section 4.2).
    pub fn client_assertion(&mut self, client_id: &str, assertion: &str) {
        self.assertion_of(client_id);
        self.field("client_assertion", assertion);
    }

    /// The same with a compact JWS (RFC 7515 section 7.1), which a form leaves as it is.
    pub(crate) fn client_assertion_jws(&mut self, client_id: &str, jws: &[u8]) {
        self.assertion_of(client_id);
        self.encoded("client_assertion", jws);
    }

    fn assertion_of(&mut self, client_id: &str) {
        self.field("client_id", client_id);
        self.encoded("client_assertion_type", crate::assertion::TYPE.as_bytes());
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
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        const CORRELATION: HeaderName = HeaderName::from_static("client-request-id");
        let unusable = |cause: http::Error| {
            Error::new(ErrorKind::Configuration, format!("`{endpoint}` cannot be requested")).caused_by(cause)
        };
        let uri: Uri = endpoint.parse().map_err(|cause: http::uri::InvalidUri| unusable(cause.into()))?;
        let correlation = HeaderValue::from_str(correlation_id).map_err(|cause| unusable(cause.into()))?;
        // With those that the layers below add.
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(CONTENT_TYPE, FORM);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CORRELATION, correlation);
        headers.extend(self.authorization.map(|value| (AUTHORIZATION, value)));
        headers.extend(proof);
        let mut request = Request::new(Bytes::from_owner(self.form));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, headers);
        Ok(request)
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
            assert!(request.form.ends_with(format!("&assertion={}", "%26".repeat(length)).as_bytes()));
        }
        assert!(request.form.starts_with(b"grant_type=client_credentials&assertion=%26"));
    }

    #[test]
    fn every_character_is_encoded_as_a_form_has_it() {
        let all: Vec<char> = (0..0x180).filter_map(char::from_u32).collect();
        for character in all {
            let (mut request, text) = (TokenRequest::client_credentials(), character.to_string());
            request.field(&text, &text);
            let expected: String = byte_serialize(text.as_bytes()).collect();
            let form = format!("grant_type=client_credentials&{expected}={expected}");
            assert_eq!(String::from_utf8_lossy(&request.form), form);
        }
    }

    // 57 (section 3.4)
    #[test]
    fn basic_authentication_encodes_both_parts_as_a_form_first() {
        let mut request = TokenRequest::client_credentials();
        request.basic("aaa/;&", "bbb/;&").unwrap();
        let request = request.into_http("https://idp.example/token", "id", None).unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Basic YWFhJTJGJTNCJTI2OmJiYiUyRiUzQiUyNg==");
    }
}
