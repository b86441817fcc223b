//! What nobody can be much cheaper than: the client of hyper-util, and a header that was made beforehand. It judges nothing,
//! retries nothing, keeps no limit, and follows every link.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{BoxError, Caller};

#[derive(Clone)]
pub struct Floor {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    authorization: HeaderValue,
    base: Arc<str>,
}

#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl Floor {
    /// # Errors
    /// The certificate or the token cannot be used.
    pub fn new(base: &str, ca_pem: &[u8], token: &str) -> Result<Self, BoxError> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_all_versions().build();
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            authorization: HeaderValue::from_str(&format!("Bearer {token}"))?,
            base: base.into(),
        })
    }

    /// Reads a collection to its end; how many items there were.
    ///
    /// # Errors
    /// Any.
    pub async fn items<T: DeserializeOwned>(&self, path: &str) -> Result<u64, BoxError> {
        let mut next = Some(format!("{}{path}", self.base));
        let mut items = 0;
        while let Some(link) = next {
            let page: Page<T> = serde_json::from_slice(&self.get(link.parse()?).await?)?;
            items += black_box(page.value).len() as u64;
            next = page.next_link;
        }
        Ok(items)
    }

    async fn get(&self, uri: Uri) -> Result<Bytes, BoxError> {
        let request =
            Request::get(uri).header(AUTHORIZATION, self.authorization.clone()).body(Empty::new())?;
        let answer = self.http.request(request).await?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string().into());
        }
        Ok(answer.into_body().collect().await?.to_bytes())
    }
}

impl Caller for Floor {
    async fn call(&self, path: &'static str) -> Result<usize, BoxError> {
        Ok(self.get(format!("{}{path}", self.base).parse()?).await?.len())
    }
}
