//! The time that answers tell.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::header::DATE;
use unattended_core::Clock;

/// Says in `Date` what time it is in the sandbox: clients learn from it how far their own clocks are off.
pub(crate) async fn date(State(clock): State<Arc<dyn Clock>>, mut response: Response) -> Response {
    response.headers_mut().insert(DATE, http_date(clock.now()));
    response
}

/// `Fri, 15 Jan 2027 08:00:00 GMT`.
pub(crate) fn http_date(time: SystemTime) -> HeaderValue {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    let text = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("a date has no control characters")
}
