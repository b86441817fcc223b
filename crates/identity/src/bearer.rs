//! A layer that adds the bearer token to the requests of any [`tower`](https://docs.rs/tower) client.
//!
//! ```no_run
//! # use unattended_identity::{BearerLayer, ScopedToken};
//! # use tower_layer::Layer;
//! # fn wrap<Client: Clone>(graph: ScopedToken, client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let client = BearerLayer::new(graph, "https://graph.microsoft.com")?.layer(client);
//! # Ok(()) }
//! ```

use std::fmt;
use std::task::{Context, Poll};

use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use tower_layer::Layer;
use tower_service::Service;
use unattended_core::BoxFuture;

use crate::client::{Freshness, ScopedToken};
use crate::error::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Wraps a client so that its requests carry a token. The token goes to one origin alone: a request to any other one
/// fails before anything is sent, wherever its URL came from. A token that is [bound to a
/// key](crate::ScopedToken::bound_to_key) gets its proof; the nonces of the web API are not looked at here.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    token: ScopedToken,
    origin: Origin,
}

/// A client whose requests carry a token; made by [`BearerLayer`].
#[derive(Clone, Debug)]
pub struct Bearer<S> {
    inner: S,
    layer: BearerLayer,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl BearerLayer {
    /// The tokens to add, and the origin of the web API that they are for.
    ///
    /// # Errors
    /// The origin is no `https` URL, or has a path.
    pub fn new(token: ScopedToken, origin: &str) -> Result<Self, Error> {
        let url: Option<Uri> = origin.parse().ok();
        let origin = url
            .filter(|url| url.path() == "/" && url.query().is_none())
            .and_then(|url| Origin::of(&url))
            .filter(|origin| origin.scheme == Scheme::HTTPS)
            .ok_or_else(|| Error::configuration(format!("`{}` is no https origin", origin.escape_debug())))?;
        Ok(Self { token, origin })
    }
}

impl Origin {
    /// Without the port if it is the one of the scheme, in lower case.
    fn of(url: &Uri) -> Option<Self> {
        let (scheme, authority) = (url.scheme()?.clone(), url.authority()?);
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().to_ascii_lowercase();
        let default = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let text = match authority.port_u16() {
            Some(port) if port != default => format!("{host}:{port}"),
            _ => host,
        };
        Some(Self { scheme, authority: text.parse().ok()? })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Bearer<S> {
        Bearer { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Bearer<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready is this one; its clone need not be.
        let waiting = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, waiting);
        let BearerLayer { token, origin } = self.layer.clone();
        Box::pin(async move {
            if Origin::of(request.uri()).as_ref() != Some(&origin) {
                let message = format!("the request leaves the origin {origin} that its token is for");
                return Err(Error::configuration(message).into());
            }
            let token = token.acquire(Freshness::Cached).await?;
            let authorization = token.authorization();
            if authorization.possession().is_some_and(|possession| possession.connections().is_some()) {
                let message = "the token is bound to a certificate, which this client may not show";
                return Err(Error::configuration(message).into());
            }
            authorization.add_to(&mut request)?;
            ready.call(request).await.map_err(Into::into)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::sync::Arc;

    use http::header::AUTHORIZATION;
    use unattended_core::{ClientId, ManualClock, Scope, Secret, TenantId};

    use super::*;
    use crate::test_support::{Server, certificate_pem};
    use crate::{
        Authority as Issuer, ClientSecret, Cloud, ConfidentialClient, Credential, DpopKey,
        TlsClientCertificate,
    };

    /// Answers with the header that it got.
    #[derive(Clone)]
    struct Echo;

    impl Service<Request<()>> for Echo {
        type Response = String;
        type Error = BoxError;
        type Future = Ready<Result<String, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            ready(Ok(request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()))
        }
    }

    fn graph(server: &Arc<Server>) -> ScopedToken {
        graph_with(ClientSecret::new(Secret::from("s")).unwrap(), server)
    }

    fn graph_with(credential: impl Credential, server: &Arc<Server>) -> ScopedToken {
        let tenant = TenantId::parse("contoso.example").unwrap();
        ConfidentialClient::builder(
            Issuer::cloud(Cloud::Public, &tenant),
            ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap(),
        )
        .credential(credential)
        .http(Arc::clone(server) as _)
        .clock(Arc::new(ManualClock::at(0)))
        .build()
        .unwrap()
        .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
        .unwrap()
    }

    #[tokio::test]
    async fn every_request_to_the_origin_carries_the_token_and_no_other_does() {
        let server = Arc::new(Server::new());
        server.token("t1", 3_600);
        let layer = BearerLayer::new(graph(&server), "https://graph.microsoft.com").unwrap();
        let mut client = layer.layer(Echo);
        let mut send = |url: &str| client.call(Request::get(url).body(()).unwrap());
        for url in ["https://graph.microsoft.com/v1.0/me", "https://GRAPH.microsoft.com:443/"] {
            assert_eq!(send(url).await.unwrap(), "Bearer t1");
        }
        for url in [
            "https://graph.microsoft.com.evil.example/",
            "http://graph.microsoft.com/",
            "https://graph.microsoft.com:444/",
            "https://graph.microsoft.com@evil.example/",
            "/relative",
        ] {
            assert!(send(url).await.unwrap_err().to_string().contains("leaves the origin"), "{url}");
        }
        assert_eq!(server.requests().len(), 1);
    }

    // D12
    #[tokio::test]
    async fn a_token_bound_to_a_key_brings_its_proof_and_one_bound_to_a_certificate_stays() {
        #[derive(Clone)]
        struct Proof;

        impl Service<Request<()>> for Proof {
            type Response = bool;
            type Error = BoxError;
            type Future = Ready<Result<bool, BoxError>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<()>) -> Self::Future {
                ready(Ok(request.headers().contains_key("dpop")))
            }
        }

        let server = Arc::new(Server::new());
        let of_type = |kind| format!(r#"{{"token_type":"{kind}","expires_in":3600,"access_token":"t"}}"#);
        server.answer(200, &of_type("DPoP"));
        server.answer(200, &of_type("mtls_pop"));
        let connections = Arc::clone(&server);
        let pem = Secret::from(certificate_pem());
        let shown = TlsClientCertificate::from_file(&pem, None, |_| Ok(connections as _)).unwrap();
        let tokens = graph_with(shown, &server);
        let call = async |tokens| {
            let mut client = BearerLayer::new(tokens, "https://graph.microsoft.com").unwrap().layer(Proof);
            client.call(Request::get("https://graph.microsoft.com/").body(()).unwrap()).await
        };
        assert!(call(tokens.bound_to_key(&DpopKey::generate().unwrap())).await.unwrap());
        let refused = call(tokens.bound_to_certificate()).await.unwrap_err();
        assert!(refused.to_string().contains("bound to a certificate"), "{refused}");
    }

    #[test]
    fn a_token_is_bound_to_an_https_origin_only() {
        let server = Arc::new(Server::new());
        for origin in ["http://h", "https://h/path", "https://h?q", "https://u@h", "h", ""] {
            assert!(BearerLayer::new(graph(&server), origin).is_err(), "{origin}");
        }
    }
}
