//! The console as a browser meets it: its router, with a source that tells what the test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode, header};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt as _;
use unattended_core::{BoxFuture, Secret, SystemClock};

use crate::console::{Shared, router};
use crate::model::{
    ApiStatus, ApplicationStatus, Counts, CredentialStatus, JobStatus, RunState, RunStatus, ScheduleStatus,
    Status, Verdict,
};
use crate::session::Session;
use crate::source::{SourceError, StatusSource};
use crate::{Console, pages};

const HOST: &str = "127.0.0.1:8642";
const EVIL: &str = "<script>alert(\"1\")</script>";
/// 2026-11-23 00:00:00 UTC
const NOW: i64 = 1_795_392_000;

/// Tells one status, or why there is none.
#[derive(Debug)]
struct Told {
    status: Result<Status, String>,
    runs: Vec<RunStatus>,
    limits: Mutex<Vec<u32>>,
}

impl StatusSource for Told {
    fn status(&self) -> BoxFuture<'_, Result<Status, SourceError>> {
        Box::pin(async { self.status.clone().map_err(Into::into) })
    }

    fn runs(&self, _: &str, limit: u32) -> BoxFuture<'_, Result<Vec<RunStatus>, SourceError>> {
        self.limits.lock().unwrap().push(limit);
        Box::pin(async { Ok(self.runs.clone()) })
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW).unwrap() + SignedDuration::from_secs(seconds)
}

fn run(state: RunState) -> RunStatus {
    RunStatus {
        run_id: "0c6a3c1e-0000-4000-8000-000000000001".to_owned(),
        state,
        due_at: at(-7_200),
        began_at: Some(at(-7_199)),
        ended_at: Some(at(-7_190)),
        goes_on_at: None,
        duration_ms: Some(9_100),
        attempts: 1,
        resumed: false,
        restarted: None,
        counts: Some(Counts { created: 996, rejected: 4, ..Counts::default() }),
        output: None,
        rejects: None,
        error: None,
    }
}

fn job(name: &str, verdict: Verdict, last: Option<RunStatus>) -> JobStatus {
    JobStatus {
        name: name.to_owned(),
        work: "provision graph:/users from people.csv".to_owned(),
        schedule: Some(ScheduleStatus {
            cron: "0 2 * * *".to_owned(),
            words: "At 02:00 AM".to_owned(),
            time_zone: Some("UTC".to_owned()),
        }),
        verdict,
        next_at: Some(at(7_200)),
        overdue_since: None,
        running: None,
        last,
    }
}

fn status(jobs: Vec<JobStatus>) -> Status {
    Status {
        at: at(0),
        succeeded: jobs.iter().all(|job| job.verdict.is_good()),
        application: ApplicationStatus {
            configuration: "/etc/unattended/unattended.toml".to_owned(),
            client_id: "5a0e2f3c-1111-4222-8333-444455556666".to_owned(),
            tenant: Some("contoso.onmicrosoft.com".to_owned()),
            authority: "https://login.microsoftonline.com".to_owned(),
            apis: vec![ApiStatus {
                name: "graph".to_owned(),
                base_url: "https://graph.microsoft.com/v1.0".to_owned(),
                scope: "https://graph.microsoft.com/.default".to_owned(),
                roles: vec!["User.ReadWrite.All".to_owned()],
            }],
            credentials: vec![CredentialStatus {
                kind: "certificate".to_owned(),
                reference: "file:/etc/unattended/app.pem".to_owned(),
                subject: Some("CN=people-sync".to_owned()),
                thumbprint_sha256: Some("20D401C0".repeat(8)),
                not_after: Some(at(12 * 86_400)),
                days_left: Some(12),
                problem: None,
                remedy: None,
            }],
        },
        jobs,
    }
}

struct Browser {
    router: axum::Router,
    source: Arc<Told>,
    key: Secret,
    cookie: Option<String>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Browser {
    fn on(status: Result<Status, String>, runs: Vec<RunStatus>) -> Self {
        let source = Arc::new(Told { status, runs, limits: Mutex::default() });
        let address: SocketAddr = HOST.parse().unwrap();
        let (session, key) = Session::new(address.port()).unwrap();
        let told = Arc::clone(&source) as Arc<dyn StatusSource>;
        let router = router(Shared { source: told, time_zone: TimeZone::UTC, address, session });
        Self { router, source, key, cookie: None }
    }

    /// A browser whose person has opened the login URL.
    async fn logged_in(status: Result<Status, String>, runs: Vec<RunStatus>) -> Self {
        let mut browser = Self::on(status, runs);
        let answer = browser.open(&browser.login_path(), &[]).await;
        assert_eq!(
            (answer.status, &answer.headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/".parse().unwrap())
        );
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        browser.cookie = cookie.split(';').next().map(str::to_owned);
        browser
    }

    fn login_path(&self) -> String {
        format!("/login?key={}", self.key.expose_text().unwrap())
    }

    async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        for (name, value) in
            headers.iter().copied().chain(self.cookie.iter().map(|cookie| ("cookie", &**cookie)))
        {
            request = request.header(name, value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

#[tokio::test]
async fn without_a_session_there_is_nothing_but_401() {
    let browser = Browser::on(Ok(status(vec![job("people", Verdict::Succeeded, None)])), Vec::new());
    for path in
        ["/", "/job?name=people", "/application", "/api/status", "/style.css", "/favicon.ico", "/none", "//"]
    {
        let answer = browser.open(path, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
        assert!(!answer.body.contains("people") && !answer.body.contains("5a0e2f3c"), "{path}");
    }
    assert!(browser.source.limits.lock().unwrap().is_empty());
    let json: Value = serde_json::from_str(&browser.open("/api/status", &[]).await.body).unwrap();
    assert!(json["error"]["message"].as_str().unwrap().contains("login URL"));
}

#[tokio::test]
async fn the_login_url_works_once_and_its_cookie_from_then_on() {
    let mut browser = Browser::logged_in(Ok(status(Vec::new())), Vec::new()).await;
    assert_eq!(browser.open("/", &[]).await.status, StatusCode::OK);
    assert_eq!(browser.open("/", &[]).await.status, StatusCode::OK);
    let again = browser.open(&browser.login_path(), &[]).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(!again.headers.contains_key(header::SET_COOKIE) && again.body.contains("works once"));
    browser.cookie = browser.cookie.map(|cookie| cookie.replace('=', "=x"));
    assert_eq!(browser.open("/", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nothing_but_a_person_uses_the_login_url_up() {
    let browser = Browser::on(Ok(status(Vec::new())), Vec::new());
    let path = browser.login_path();
    assert_eq!(browser.send("HEAD", &path, &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        browser.open(&path, &[("sec-purpose", "prefetch;prerender")]).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(browser.open(&path, &[("sec-fetch-site", "cross-site")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        browser.open(&path, &[("host", "evil.example:8642")]).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(browser.open("/login", &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.open("/login?key=", &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.open(&path, &[("sec-fetch-site", "none")]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_does_not_help_whoever_borrows_it_from_elsewhere() {
    let browser = Browser::logged_in(Ok(status(Vec::new())), Vec::new()).await;
    for (header, code) in [
        (("host", "evil.example"), StatusCode::MISDIRECTED_REQUEST),
        (("host", "127.0.0.1:8643"), StatusCode::MISDIRECTED_REQUEST),
        (("origin", "https://evil.example"), StatusCode::FORBIDDEN),
        (("origin", "null"), StatusCode::FORBIDDEN),
        (("sec-fetch-site", "cross-site"), StatusCode::FORBIDDEN),
        (("sec-fetch-site", "same-site"), StatusCode::FORBIDDEN),
        (("x-forwarded-for", "127.0.0.1"), StatusCode::FORBIDDEN),
        (("forwarded", "for=127.0.0.1"), StatusCode::FORBIDDEN),
    ] {
        for path in ["/", "/api/status"] {
            let answer = browser.open(path, &[header]).await;
            assert_eq!(answer.status, code, "{header:?}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
    let post = browser.send("POST", "/", &[]).await;
    assert_eq!(
        (post.status, &post.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn every_answer_forbids_whatever_is_not_in_it() {
    let browser = Browser::logged_in(Ok(status(Vec::new())), Vec::new()).await;
    for (path, headers) in [
        ("/", &[][..]),
        ("/api/status", &[]),
        ("/none", &[]),
        ("/", &[("host", "evil.example")]),
        ("/login?key=x", &[]),
    ] {
        let answer = browser.open(path, headers).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(
            policy.ends_with("; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
            "{policy}"
        );
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
    }
}

#[tokio::test]
async fn whatever_a_job_is_called_or_says_is_text() {
    let mut failed = run(RunState::Failed);
    failed.error = Some(format!("the source says {EVIL}"));
    failed.rejects = Some(EVIL.to_owned());
    failed.restarted = Some(EVIL.to_owned());
    failed.run_id = EVIL.to_owned();
    let mut evil = job(EVIL, Verdict::Failed, Some(failed.clone()));
    evil.work = EVIL.to_owned();
    evil.schedule.as_mut().unwrap().words = EVIL.to_owned();
    let mut told = status(vec![evil]);
    told.application.client_id = EVIL.to_owned();
    told.application.apis[0].roles = vec![EVIL.to_owned()];
    told.application.credentials[0].problem = Some(EVIL.to_owned());
    told.application.credentials[0].remedy = Some(EVIL.to_owned());
    let browser = Browser::logged_in(Ok(told), vec![failed]).await;
    let job = form_urlencoded::Serializer::new("/job?".to_owned()).append_pair("name", EVIL).finish();
    for path in ["/", &*job, "/application"] {
        let answer = browser.open(path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(
            !answer.body.contains("<script") && answer.body.contains("&lt;script&gt;"),
            "{}",
            answer.body
        );
    }
    let overview = browser.open("/", &[]).await.body;
    assert!(
        overview.contains("href=\"/job?name=%3Cscript%3Ealert%28%221%22%29%3C%2Fscript%3E\""),
        "{overview}"
    );

    let unavailable = Browser::logged_in(Err(EVIL.to_owned()), Vec::new()).await.open("/", &[]).await;
    assert_eq!(unavailable.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!unavailable.body.contains("<script"));
}

#[tokio::test]
async fn the_overview_answers_whether_it_worked() {
    let mut partial = run(RunState::Partial);
    partial.rejects = Some("rejects.ndjson".to_owned());
    let mut overdue = job("late", Verdict::Overdue, None);
    overdue.overdue_since = Some(at(-3_600));
    let jobs = vec![
        job("good", Verdict::Succeeded, Some(run(RunState::Done))),
        job("people", Verdict::Failed, Some(partial)),
        overdue,
    ];
    let browser = Browser::logged_in(Ok(status(jobs)), Vec::new()).await;
    let page = browser.open("/", &[]).await.body;
    for said in [
        "2 of 3 jobs need attention",
        "done in part",
        "996 created, 0 updated, 0 unchanged, 4 rejected",
        "left out: rejects.ndjson",
        "1 h ago",
        "2026-11-22 22:00 UTC",
        "overdue",
        "At 02:00 AM (UTC)",
        "file:/etc/unattended/app.pem ends in 12 days",
        "<meta http-equiv=\"refresh\" content=\"10\">",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn the_page_of_a_job_asks_for_fifty_runs_and_shows_them() {
    let mut resumed = run(RunState::Interrupted);
    (resumed.resumed, resumed.goes_on_at, resumed.counts) = (true, Some(at(600)), None);
    resumed.error = Some("connection refused".to_owned());
    let runs = vec![run(RunState::Due), resumed, run(RunState::Done)];
    let told = status(vec![job("people", Verdict::Failed, None)]);
    let browser = Browser::logged_in(Ok(told), runs).await;
    let page = browser.open("/job?name=people", &[]).await.body;
    for said in ["interrupted", "went on where", "connection refused", "in 10 min", "0 2 * * *"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(page.matches("<tr>").count(), 3, "the head and two runs that have begun");
    assert_eq!(*browser.source.limits.lock().unwrap(), [50]);
    assert_eq!(browser.open("/job?name=nobody", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_application_is_shown_with_the_days_that_its_credentials_have_left() {
    let browser = Browser::logged_in(Ok(status(Vec::new())), Vec::new()).await;
    let page = browser.open("/application", &[]).await.body;
    for said in ["12 days left", "until 2026-12-05 00:00 UTC", "User.ReadWrite.All", "CN=people-sync"] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn programs_read_the_same_as_people() {
    let told = status(vec![job("people", Verdict::Succeeded, Some(run(RunState::Done)))]);
    let browser = Browser::logged_in(Ok(told), Vec::new()).await;
    let answer = browser.open("/api/status", &[]).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&json["at"], &json["succeeded"]), (&"2026-11-23T00:00:00Z".into(), &true.into()));
    let job = &json["jobs"][0];
    assert_eq!((&job["verdict"], &job["next_at"]), (&"succeeded".into(), &"2026-11-23T02:00:00Z".into()));
    assert_eq!((&job["last"]["state"], &job["last"]["counts"]["created"]), (&"done".into(), &996.into()));
    assert_eq!(job["running"], Value::Null);
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let source =
            Arc::new(Told { status: Ok(status(Vec::new())), runs: Vec::new(), limits: Mutex::default() });
        let console = Console::new(source, Arc::new(SystemClock)).listen(address.parse().unwrap());
        let error = console.start().await.unwrap_err();
        assert!(error.is_not_loopback() && error.remedy().unwrap().contains("ssh -L"), "{error}");
    }
}

// The tests of the program speak to it over a connection.
#[tokio::test]
async fn it_listens_until_it_is_shut_down() {
    let source =
        Arc::new(Told { status: Ok(status(Vec::new())), runs: Vec::new(), limits: Mutex::default() });
    let running = Console::new(source, Arc::new(SystemClock)).start().await.unwrap();
    let url = running.login_url().expose_text().unwrap().to_owned();
    assert!(url.starts_with(&format!("http://{}/login?key=", running.address())));
    assert!(!format!("{running:?}").contains("key="));
    let address = running.address();
    drop(tokio::net::TcpStream::connect(address).await.unwrap());
    running.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[test]
fn the_style_sheet_asks_for_nothing_from_elsewhere() {
    assert!(
        !pages::STYLE.contains("url(") && !pages::STYLE.contains("@import") && !pages::STYLE.contains("</")
    );
}
