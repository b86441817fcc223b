//! Calls with tokens that are bound to a key.

mod support;

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use unattended_core::{
    Authorization, BoxFuture, HttpClient, Possession, TokenDemand, TokenSource, TokenSourceError,
};
use unattended_webapi::Client;

use crate::support::{Api, BASE, reply, status};

/// A key whose proofs say what they are for, and connections of its own if the token has to travel on them.
#[derive(Debug, Default)]
struct Key {
    nonce: Mutex<String>,
    connections: Option<Arc<dyn HttpClient>>,
}

impl Possession for Key {
    fn connections(&self) -> Option<&Arc<dyn HttpClient>> {
        self.connections.as_ref()
    }

    fn prove(
        &self,
        method: &Method,
        uri: &Uri,
        token: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, TokenSourceError> {
        let proof = format!("{method} {} {token} {}", uri.path(), self.nonce.lock().unwrap());
        Ok(Some((HeaderName::from_static("dpop"), HeaderValue::try_from(proof).unwrap())))
    }

    fn heed(&self, uri: &Uri, headers: &HeaderMap) {
        assert_eq!(uri.host(), Some("graph.example"));
        if let Some(nonce) = headers.get("dpop-nonce") {
            nonce.to_str().unwrap().clone_into(&mut self.nonce.lock().unwrap());
        }
    }
}

/// The same token as long as it is not refused.
#[derive(Debug)]
struct Bound(Arc<Key>, Mutex<usize>);

impl TokenSource for Bound {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        let mut refused = self.1.lock().unwrap();
        *refused += usize::from(matches!(demand, TokenDemand::Newer { .. }));
        let authorization =
            Authorization::bound("DPoP", &format!("token-{refused}"), Arc::clone(&self.0) as _);
        Box::pin(std::future::ready(Ok(authorization.unwrap())))
    }
}

fn client(api: &Api, key: Key) -> Client {
    let tokens = Arc::new(Bound(Arc::new(key), Mutex::default()));
    Client::builder(BASE).http(Arc::new(api.clone())).token_source(tokens).build().unwrap()
}

// RFC 9449 section 9
#[tokio::test]
async fn a_nonce_that_the_api_wants_costs_one_exchange_and_no_token() {
    let challenge = ("WWW-Authenticate", r#"DPoP error="use_dpop_nonce""#);
    let api = Api::answering([
        reply(401, &[challenge, ("DPoP-Nonce", "n1")], ""),
        reply(200, &[("DPoP-Nonce", "n2")], "{}"),
        status(204),
        // One that never has enough: then the token is what it may not like.
        reply(401, &[challenge, ("DPoP-Nonce", "n3")], ""),
        reply(401, &[challenge, ("DPoP-Nonce", "n4")], ""),
        reply(401, &[challenge, ("DPoP-Nonce", "n5")], ""),
    ]);
    let client = client(&api, Key::default());
    client.get("/users").send().await.unwrap();
    client.post("/users").body("{}", "application/json").send().await.unwrap();
    assert_eq!(
        api.header("dpop"),
        ["GET /v1.0/users token-0 ", "GET /v1.0/users token-0 n1", "POST /v1.0/users token-0 n2"]
    );
    assert!(api.header("authorization").iter().all(|header| header == "DPoP token-0"));
    let error = client.get("/users").send().await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    assert_eq!(
        api.header("dpop")[3..],
        ["GET /v1.0/users token-0 n2", "GET /v1.0/users token-0 n3", "GET /v1.0/users token-1 n4"]
    );
}

// D12
#[tokio::test]
async fn a_token_with_connections_of_its_own_never_travels_on_others() {
    let (ordinary, own) = (Api::answering([]), Api::answering([]));
    let key = Key { connections: Some(Arc::new(own.clone())), ..Key::default() };
    let client = client(&ordinary, key);
    client.get("/users").send().await.unwrap();
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"{}"))]);
    client.put("/users/1/photo").stream(body, None, "application/json").send().await.unwrap();
    assert_eq!((ordinary.sent(), own.sent()), (0, 2));
}
