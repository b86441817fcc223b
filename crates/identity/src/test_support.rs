//! A token server that a test scripts, and certificates made once per test run.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use tokio::sync::Semaphore;
use unattended_core::{BoxFuture, HttpClient, HttpError, HttpErrorKind, ResponseBody};

/// Answers from a queue, in order; a request without an answer waits for one.
pub(crate) struct Server {
    answers: Mutex<VecDeque<Answer>>,
    ready: Semaphore,
    requests: Mutex<Vec<Seen>>,
}

#[derive(Debug)]
enum Answer {
    Respond { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Fail(HttpErrorKind),
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) uri: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) form: Vec<(String, String)>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { answers: Mutex::default(), ready: Semaphore::new(0), requests: Mutex::default() }
    }

    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.answer_with(status, &[], body);
    }

    pub(crate) fn answer_with(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.push(Answer::Respond { status, headers, body: body.to_owned() });
    }

    pub(crate) fn token(&self, token: &str, expires_in: u64) {
        self.answer(
            200,
            &format!(r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"{token}"}}"#),
        );
    }

    pub(crate) fn fail(&self, kind: HttpErrorKind) {
        self.push(Answer::Fail(kind));
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    fn push(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
        self.ready.add_permits(1);
    }
}

impl std::fmt::Debug for Server {
    /// Not what it has seen: that holds secrets, and what prints the client prints its network.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl HttpClient for Server {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let form = form_urlencoded::parse(request.body()).into_owned().collect();
        let seen = Seen { uri: request.uri().to_string(), headers: request.headers().clone(), form };
        self.requests.lock().unwrap().push(seen);
        Box::pin(async move {
            self.ready.acquire().await.unwrap().forget();
            match self.answers.lock().unwrap().pop_front().unwrap() {
                Answer::Fail(kind) => Err(HttpError::new(kind, "scripted")),
                Answer::Respond { status, headers, body } => {
                    let mut response = http::Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok(response.body(ResponseBody::full(body)).unwrap())
                }
            }
        })
    }
}

/// A key and its certificate in one PEM text.
pub(crate) fn certificate_pem() -> &'static str {
    static PEM: LazyLock<String> = LazyLock::new(|| make_pem("nightly-report"));
    &PEM
}

/// Another key and its certificate.
pub(crate) fn other_certificate_pem() -> &'static str {
    static PEM: LazyLock<String> = LazyLock::new(|| make_pem("somebody-else"));
    &PEM
}

fn make_pem(name: &str) -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    // The clocks of the tests begin there.
    parameters.not_before = rcgen::date_time_ymd(1970, 1, 1);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}
