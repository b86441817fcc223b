//! The time that answers tell.

use std::time::SystemTime;

use http::HeaderValue;

/// `Fri, 15 Jan 2027 08:00:00 GMT`.
pub(crate) fn http_date(time: SystemTime) -> HeaderValue {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    let text = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("a date has no control characters")
}
