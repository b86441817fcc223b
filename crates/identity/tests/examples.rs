//! The examples with other HTTP clients, against a server in this process.
#![cfg(feature = "tower")]
#![allow(clippy::duplicate_mod, reason = "each example is a program with its own copy of what they share")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use unattended_core::{BoxFuture, ClientId, HttpClient, HttpError, ResponseBody, Scope, Secret, TenantId};
use unattended_identity::{Authority, ClientSecret, Cloud, ConfidentialClient, ScopedToken};

#[allow(dead_code, reason = "its main function is not used here")]
#[path = "../examples/with_hyper.rs"]
mod with_hyper;
#[allow(dead_code, reason = "its main function is not used here")]
#[path = "../examples/with_reqwest.rs"]
mod with_reqwest;
#[allow(dead_code, reason = "its main function is not used here")]
#[path = "../examples/with_tonic.rs"]
mod with_tonic;

/// Answers every token request with the same token.
#[derive(Debug)]
struct TokenServer;

impl HttpClient for TokenServer {
    fn send(&self, _: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        let body = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token-1"}"#;
        Box::pin(std::future::ready(Ok(Response::new(ResponseBody::full(body)))))
    }
}

fn graph() -> ScopedToken {
    let tenant = TenantId::parse("contoso.example").unwrap();
    let client_id = ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap();
    ConfidentialClient::builder(Authority::cloud(Cloud::Public, &tenant), client_id)
        .credential(ClientSecret::new(Secret::from("s")).unwrap())
        .http(Arc::new(TokenServer))
        .build()
        .unwrap()
        .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
        .unwrap()
}

/// A web API that tells what it was asked, by whom.
async fn web_api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let by = request.headers()["authorization"].to_str().unwrap();
                let said = format!("{} by {by}", request.uri().path());
                Ok::<_, Infallible>(Response::new(http_body_util::Full::<Bytes>::from(said)))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

const EXPECTED: &str = "/v1.0/users by Bearer token-1";

#[tokio::test]
async fn the_example_with_reqwest_calls_with_a_token() {
    let base_url = format!("http://{}", web_api().await);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Without TLS there is nobody to believe, and without a proxy nothing of the environment.
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    assert_eq!(with_reqwest::users(&graph(), &client, &base_url).await.unwrap(), EXPECTED);
}

/// Connects every host to one address, without TLS.
#[derive(Clone)]
struct Connector(SocketAddr);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, std::io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.0;
        Box::pin(async move { TcpStream::connect(address).await.map(TokioIo::new) })
    }
}

#[tokio::test]
async fn the_example_with_hyper_calls_with_a_token() {
    let client = Client::builder(TokioExecutor::new()).build(Connector(web_api().await));
    assert_eq!(with_hyper::users(graph(), client).await.unwrap(), EXPECTED);
}

/// A gRPC service that answers each message with what it was asked, by whom.
async fn grpc_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let (head, body) = request.into_parts();
                let asked = body.collect().await.unwrap().to_bytes();
                let by = head.headers["authorization"].to_str().unwrap();
                let said = format!("{} by {by}: {}", head.uri.path(), str::from_utf8(&asked[5..]).unwrap());
                let mut message = vec![0];
                message.put_u32(u32::try_from(said.len()).unwrap());
                message.put_slice(said.as_bytes());
                let end = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                let body = Full::<Bytes>::from(message).with_trailers(async { Some(Ok(end)) });
                let response = Response::builder().header("content-type", "application/grpc").body(body);
                Ok::<_, Infallible>(response.unwrap())
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// Messages of plain text.
#[derive(Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

#[tokio::test]
async fn the_example_with_tonic_calls_with_a_token() {
    let origin = "https://things.example.com";
    let channel = Endpoint::from_static(origin).connect_with_connector_lazy(Connector(grpc_service().await));
    let mut client = with_tonic::client(graph(), channel, origin).unwrap();
    for question in ["first", "second"] {
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/things.Things/Ask");
        let answer = client.unary(tonic::Request::new(question.to_owned()), path, Text).await.unwrap();
        assert_eq!(answer.into_inner(), format!("/things.Things/Ask by Bearer token-1: {question}"));
    }
}
