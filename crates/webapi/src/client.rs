//! The client of one API.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use unattended_core::{Clock, Entropy, HttpClient, SystemClock, SystemEntropy, TokenSource};

use crate::authenticate::Authenticate;
use crate::batch::{self, BatchOutcome, BatchRequest};
use crate::bearer::Bearer;
use crate::coalesce::Reads;
use crate::deadline::Timeouts;
use crate::delta::{Delta, DeltaState};
use crate::download::Download;
use crate::error::{Error, Kind};
use crate::gate::{Gate, Scope};
use crate::limits::{self, Limits, Quota};
use crate::metrics::Metrics;
use crate::operation;
use crate::origin::Base;
use crate::pages::{Items, Pages};
use crate::parallel::ParallelRead;
use crate::query;
use crate::request::{Request, RequestBuilder};
use crate::response::Response;
use crate::retry::RetryPolicy;
use crate::traffic::{self, Traffic};
use crate::upload::Upload;

/// Calls one web API as one application in one tenant. Clones share the gate and the token source.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

/// What every layer of one client shares.
#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) authenticate: Authenticate,
    /// Tenant and application.
    pub(crate) owner: Arc<str>,
    is_low_priority: bool,
    completes_queries: bool,
    pub(crate) hedges: bool,
    /// What waits for others to be sent with, if reads do.
    pub(crate) together: Option<Arc<Reads>>,
    /// What is known about the limits of the API.
    pub(crate) limits: Option<Arc<Limits>>,
    /// How many batches of one call may be under way at once.
    pub(crate) batches_under_way: usize,
    /// Of all that the API does not throttle for itself.
    pub(crate) gate: Arc<Gate>,
    pub(crate) origin: Arc<traffic::Origin>,
    traffic: Traffic,
    concurrency: u32,
    pub(crate) policy: RetryPolicy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Client {
    /// Begins a client for the API at `base_url`, for example `https://graph.microsoft.com/v1.0`.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            owner: String::new(),
            insecure_loopback: false,
            tokens: None,
            http: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            policy: RetryPolicy::call(),
            timeouts: Timeouts::default(),
            longest_body: 64 << 20,
            concurrency: 256,
            traffic: Traffic::default(),
            limits: None,
        }
    }

    /// Reads.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Creates, or calls an action.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Changes in part.
    pub fn patch(&self, path: &str) -> RequestBuilder {
        self.request(Method::PATCH, path)
    }

    /// Replaces.
    pub fn put(&self, path: &str) -> RequestBuilder {
        self.request(Method::PUT, path)
    }

    /// Removes.
    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// A request for `path`: relative to the base URL (`/users?$top=5`), or an absolute URL of the same origin.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        if method != Method::GET || !self.0.completes_queries {
            return RequestBuilder::new(self.clone(), method, self.base().resolve(path));
        }
        let (path, is_advanced) = query::completed(path);
        let request = RequestBuilder::new(self.clone(), method, self.base().resolve(&path));
        if is_advanced { request.header_default(query::CONSISTENCY) } else { request }
    }

    /// Reads a collection page by page, beginning at `path`.
    pub fn pages(&self, path: &str) -> Pages {
        self.pages_of(path)
    }

    /// Reads a collection page by page, its items as values of a type, which are made straight from the text: properties
    /// that the type does not name are passed over.
    pub fn pages_of<T: DeserializeOwned + Send + 'static>(&self, path: &str) -> Pages<T> {
        if !self.0.completes_queries {
            return Pages::new(self.clone(), self.base().resolve(path));
        }
        let (path, is_advanced) = query::completed(path);
        let pages = Pages::new(self.clone(), self.base().resolve(&path));
        if is_advanced { pages.header_default(query::CONSISTENCY) } else { pages }
    }

    /// Reads a collection item by item, each as a value of a type; as [`pages_of`](Self::pages_of).
    pub fn items<T: DeserializeOwned + Send + 'static>(&self, path: &str) -> Items<T> {
        self.pages_of(path).items()
    }

    /// Goes on reading a collection at a link that an earlier page gave.
    pub fn resume_pages(&self, next_link: &str) -> Pages {
        Pages::new(self.clone(), self.base().resolve(next_link))
    }

    /// Reads a large collection of the directory (`/users?$select=id,mail`) part by part at the same time, in no
    /// particular order.
    pub fn parallel_read(&self, path: &str) -> ParallelRead {
        ParallelRead::new(self.clone(), path)
    }

    /// Reads what has changed in a collection, beginning at `path` (`/users/delta?$select=id,mail`) or going on where
    /// `saved` stands. If that is of another query, a new baseline begins, and it is kept until that is complete.
    pub fn delta(&self, path: &str, saved: Option<DeltaState>) -> Delta {
        Delta::new(self.clone(), path, saved)
    }

    /// Sends any number of requests, 20 in each `$batch`, and judges and retries each of them alone. The outcomes
    /// come in the order of the requests.
    ///
    /// Dropping the future abandons the batch in flight; which of its requests were carried out is then unknown.
    ///
    /// # Errors
    /// A request that can never be sent: an id twice (whatever its case), a URL that is not relative, a body without
    /// a content type. Nothing has been sent then. Every failure after that is in the outcomes.
    pub async fn batch(&self, requests: Vec<BatchRequest>) -> Result<Vec<BatchOutcome>, Error> {
        batch::run(self, requests).await
    }

    /// Begins to send something large in slices; `path` is the action that makes an upload session, such as
    /// `/drives/{id}/root:/report.pdf:/createUploadSession`.
    pub fn upload(&self, path: &str) -> Upload {
        Upload::new(self.clone(), path)
    }

    /// Reads something large in slices, such as `/drives/{id}/items/{id}/content`, from where the API redirects to.
    pub fn download(&self, path: &str) -> Download {
        Download::new(self.clone(), path)
    }

    /// The same client, clones' gate and tokens included, with another retry policy.
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Self {
        Self(Arc::new(Inner { policy, together: self.0.apart(), ..Inner::clone(&self.0) }))
    }

    /// The same client, clones' gate and tokens included, that adds what an advanced query of the directory needs:
    /// `ConsistencyLevel: eventual`, and `$count=true` where that is needed too. [`lint_query`](crate::lint_query) says
    /// which queries those are.
    #[must_use]
    pub fn with_advanced_queries(&self) -> Self {
        Self(Arc::new(Inner { completes_queries: true, ..Inner::clone(&self.0) }))
    }

    /// The same client, clones' gate and tokens included, that has up to `most` batches of one [call](Self::batch) under
    /// way at once, as far as the gate lets them; 1 by default. Then a request that is repeated no longer waits for the
    /// rest of its batch, and a batch that fails as a whole stops those that have not been sent.
    #[must_use]
    pub fn with_batches_under_way(&self, most: usize) -> Self {
        Self(Arc::new(Inner { batches_under_way: most.max(1), ..Inner::clone(&self.0) }))
    }

    /// The same client, clones' gate and tokens included, that sends bodies from 1 KiB on compressed (`Content-Encoding:
    /// gzip`), for an API that is known to take that. One that does not (415) gets them plain from then on.
    #[must_use]
    pub fn with_compressed_requests(&self) -> Self {
        let mut inner = Inner::clone(&self.0);
        inner.authenticate.bearer.compression = Some(Arc::clone(&inner.origin));
        Self(Arc::new(inner))
    }

    /// The same client, clones' gate and tokens included, whose requests ask to be throttled before those of others
    /// (`x-ms-throttle-priority: low`): for batch work beside interactive work.
    #[must_use]
    pub fn with_low_priority(&self) -> Self {
        Self(Arc::new(Inner { is_low_priority: true, together: self.0.apart(), ..Inner::clone(&self.0) }))
    }

    /// The same client, clones' gate and tokens included, that sends reads which are asked for within 5 ms in one
    /// `$batch`: for many small reads at the same moment that nobody could put together beforehand. It saves round trips
    /// and no quota. The answers are the same JSON, not the same bytes.
    ///
    /// A read that is dropped after that is sent nevertheless. Pages, and what is not JSON, go alone.
    #[must_use]
    pub fn with_coalesced_reads(&self) -> Self {
        Self(Arc::new(Inner { together: Some(Arc::default()), ..Inner::clone(&self.0) }))
    }

    /// The same client, clones' gate and tokens included, that sends a copy of a read which is later than nineteen of
    /// twenty, and takes the answer that comes first: for an API whose slowest reads take a second or more, and quota
    /// to spare. There is one copy at most, one for every fifty requests, and none while the gate is closed, full, or
    /// the API says that half of the quota is used.
    #[must_use]
    pub fn with_hedged_reads(&self) -> Self {
        Self(Arc::new(Inner { hedges: true, ..Inner::clone(&self.0) }))
    }

    /// A client of the address that an API gave out as a secret of its own, such as that of an upload session: the same
    /// layers without a token. Nothing of the address is shown but its origin.
    pub(crate) fn at_secret_address(&self, address: &str) -> Result<Self, Error> {
        let base = self.base().secret(address)?;
        let inner = &*self.0;
        let origin = inner.traffic.origin(&base.origin());
        let mut authenticate = inner.authenticate.clone();
        authenticate.tokens = None;
        authenticate.bearer.compression = None;
        authenticate.bearer.base = base;
        authenticate.origin = Arc::clone(&origin);
        // A slice is long, and nothing is answered before all of it is there.
        authenticate.bearer.timeouts.first_byte = authenticate.bearer.timeouts.attempt;
        let quota = Quota { owner: Arc::clone(&inner.owner), name: String::new() };
        let gate = origin.gate(quota, inner.concurrency, &*inner.clock);
        Ok(Self(Arc::new(Inner {
            authenticate,
            origin,
            gate,
            limits: None,
            together: None,
            ..inner.clone()
        })))
    }

    /// The base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base().as_str()
    }

    /// What the calls of this API have come to, those of all clients with the same [`Traffic`].
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.0.origin.metrics()
    }

    pub(crate) async fn execute(&self, request: &Request) -> Result<Response, Error> {
        if !self.0.is_low_priority && self.0.limits.is_none() {
            return operation::run(&self.0, request).await;
        }
        let mut request = request.clone();
        if self.0.is_low_priority {
            request.headers.entry("x-ms-throttle-priority").or_insert(HeaderValue::from_static("low"));
        }
        if request.cost == 1 {
            request.cost = self.cost(&request.method, self.base().below(&request.uri));
        }
        operation::run(&self.0, &request).await
    }

    /// What a request takes from a quota: what the API has said, else what is documented.
    pub(crate) fn cost(&self, method: &Method, path: &str) -> u32 {
        let Some(limits) = &self.0.limits else { return 1 };
        let learned = self.0.origin.cost(&limits::template(method, path));
        learned.unwrap_or_else(|| limits.cost(method, path))
    }

    /// What tells the state of one read from that of another: whose it is, the API with its version, the resource, and
    /// the query without regard to the order of its parameters.
    pub(crate) fn state_key(&self, path: &str) -> String {
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let mut parameters: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        parameters.sort_unstable();
        let owner = &self.0.owner;
        let resource = resource.trim_start_matches('/');
        format!("{owner} {}/{resource}?{}", self.base_url(), parameters.join("&"))
    }

    pub(crate) fn completes_queries(&self) -> bool {
        self.0.completes_queries
    }

    pub(crate) fn base(&self) -> &Base {
        &self.0.authenticate.bearer.base
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// Reads with other settings do not wait for those with these.
    fn apart(&self) -> Option<Arc<Reads>> {
        self.together.as_ref().map(|_| Arc::default())
    }

    /// The gate of a part of the API that throttles for itself, and whether not more than a few requests may be under
    /// way there.
    pub(crate) fn gate_of_part(&self, below: &str) -> Option<(Arc<Gate>, bool)> {
        let (workload, name) = self.limits.as_ref()?.workload(below)?;
        let ceiling = workload.at_once.unwrap_or(u32::MAX).min(self.concurrency);
        let quota = Quota { owner: Arc::clone(&self.owner), name };
        Some((self.origin.gate(quota, ceiling, &*self.clock), workload.at_once.is_some()))
    }

    /// Closes the gate for as long as an answer asks to be left alone, and for those whom it is about.
    pub(crate) fn heed(
        &self,
        gate: &Gate,
        below: &str,
        (status, headers): (StatusCode, &HeaderMap),
        asked: Option<Duration>,
    ) {
        let (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) = (status, asked)
        else {
            return;
        };
        let scope = Scope::of(headers);
        gate.close_for(wait, scope.access, &*self.clock);
        if scope.in_every_tenant {
            let part = self.limits.as_ref().and_then(|limits| limits.workload(below));
            let name = part.map(|(_, name)| name).unwrap_or_default();
            let quota = Quota { owner: Arc::clone(&self.owner), name };
            self.origin.close_in_every_tenant(&quota, wait, scope.access, &*self.clock);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}

/// A client in the making.
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct ClientBuilder {
    base_url: String,
    owner: String,
    insecure_loopback: bool,
    tokens: Option<Arc<dyn TokenSource>>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    policy: RetryPolicy,
    timeouts: Timeouts,
    longest_body: usize,
    concurrency: u32,
    traffic: Traffic,
    limits: Option<Arc<Limits>>,
}

impl ClientBuilder {
    /// Where tokens for this API come from. Needed.
    pub fn token_source(self, tokens: Arc<dyn TokenSource>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// As which application in which tenant it calls: whose quota it is, and part of what tells saved states apart.
    pub fn identity(self, tenant: &str, client_id: &str) -> Self {
        Self { owner: format!("{tenant} {client_id}"), ..self }
    }

    /// The network. Needed.
    pub fn http(self, http: Arc<dyn HttpClient>) -> Self {
        Self { http: Some(http), ..self }
    }

    /// The time; the machine's by default.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Randomness for jitter and identifiers; the operating system's by default.
    pub fn entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// How often and how long each operation is tried; [`RetryPolicy::call`] by default.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The time limits of one attempt.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The longest body that is read, in bytes after decompression; 64 MiB by default.
    pub fn longest_body(self, bytes: usize) -> Self {
        Self { longest_body: bytes, ..self }
    }

    /// How many requests may be under way at once, at most; 256 by default. The client begins with 8 and finds out how
    /// many the API bears. Set 4 for one mailbox of Outlook.
    pub fn max_concurrency(self, requests: u32) -> Self {
        Self { concurrency: requests, ..self }
    }

    /// What is known about the limits of the API; for Microsoft Graph [those that are documented](Limits::microsoft_graph)
    /// by default, nothing for others.
    pub fn limits(self, limits: Arc<Limits>) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// What it has in common with other clients of this process; nothing by default.
    pub fn traffic(self, traffic: &Traffic) -> Self {
        Self { traffic: traffic.clone(), ..self }
    }

    /// Allows a base URL with `http` if its host is this machine. Whoever reads the loopback interface reads the
    /// tokens.
    pub fn allow_insecure_loopback(self) -> Self {
        Self { insecure_loopback: true, ..self }
    }

    /// Finishes the client. Nothing is sent.
    ///
    /// # Errors
    /// A base URL that is not `https`, holds a user name, a query or a fragment; a missing token source or network.
    pub fn build(self) -> Result<Client, Error> {
        let missing =
            |what: &str| Error::new(Kind::Configuration(format!("the client of a web API needs {what}")));
        let bearer = Bearer {
            base: Base::parse(&self.base_url, self.insecure_loopback)?,
            http: self.http.ok_or_else(|| missing("an HTTP client"))?,
            timeouts: self.timeouts,
            longest_body: self.longest_body,
            compression: None,
        };
        let tokens = self.tokens.ok_or_else(|| missing("a token source"))?;
        let origin = self.traffic.origin(&bearer.base.origin());
        let owner: Arc<str> = self.owner.into();
        let whole = Quota { owner: Arc::clone(&owner), name: String::new() };
        let known = bearer.base.resolve("").ok().and_then(|uri| Limits::known_of(&uri));
        let authenticate = Authenticate {
            bearer,
            tokens: Some(tokens),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            denials: Arc::default(),
            origin: Arc::clone(&origin),
        };
        Ok(Client(Arc::new(Inner {
            authenticate,
            gate: origin.gate(whole, self.concurrency, &*self.clock),
            owner,
            origin,
            traffic: self.traffic,
            concurrency: self.concurrency,
            is_low_priority: false,
            completes_queries: false,
            hedges: false,
            together: None,
            limits: self.limits.or(known),
            batches_under_way: 1,
            policy: self.policy,
            clock: self.clock,
            entropy: self.entropy,
        })))
    }
}
