//! When a server wants to be asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest wait that the headers ask for, counted from the response.
///
/// Reads `Retry-After` as whole or decimal seconds or any of the three HTTP-date forms (RFC 9110 section 10.2.3), and
/// `retry-after-ms` and `x-ms-retry-after-ms`; the largest wins. A date is taken relative to the response's own
/// `Date` header, so that a wrong local clock cannot stretch or cut the wait. A time that has passed, zero, or text
/// that is none of these counts as absent.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text =
        |name: &str| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok().map(str::trim));
    let server_now = server_time(headers).unwrap_or(now);
    let seconds =
        |value: &str| value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let until =
        |value: &str| httpdate::parse_http_date(value).ok().and_then(|at| at.duration_since(server_now).ok());
    let standard = text("retry-after")
        .filter_map(|value| seconds(value).map(ceil_to_millisecond).or_else(|| until(value)));
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"]
        .into_iter()
        .flat_map(text)
        .filter_map(|value| value.parse::<u64>().ok().map(Duration::from_millis));
    standard.chain(milliseconds).max().filter(|wait| !wait.is_zero())
}

/// What the server takes the time to be, to the second: its `Date` header (RFC 9110 section 6.6.1).
#[must_use]
pub fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    let mut dates = headers.get_all(http::header::DATE).into_iter().filter_map(|date| date.to_str().ok());
    dates.find_map(|date| httpdate::parse_http_date(date.trim()).ok())
}

fn ceil_to_millisecond(duration: Duration) -> Duration {
    let nanoseconds = duration.as_nanos().div_ceil(1_000_000).saturating_mul(1_000_000);
    u64::try_from(nanoseconds).map_or(duration, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(
            &headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            now,
        )
    }

    // RT-4, W2, W5
    #[test]
    fn every_form_of_retry_after_is_understood_and_the_largest_wins() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (headers, expected) in [
            (&[("retry-after", "120")][..], seconds(120)),
            (&[("retry-after", " 120 ")], seconds(120)),
            (&[("retry-after", "0.2491")], Some(Duration::from_millis(250))),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], seconds(60)),
            (&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")], seconds(60)),
            (&[("retry-after", "Sun Nov  6 08:50:37 1994")], seconds(60)),
            (
                &[
                    ("retry-after", "Sun, 06 Nov 1994 09:50:37 GMT"),
                    ("date", "Sun, 06 Nov 1994 09:50:07 GMT"),
                ],
                seconds(30),
            ),
            (&[("retry-after-ms", "1500")], Some(Duration::from_millis(1500))),
            (&[("retry-after", "1"), ("x-ms-retry-after-ms", "2500")], Some(Duration::from_millis(2500))),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e400")], None),
            (&[], None),
        ] {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
    }
}
