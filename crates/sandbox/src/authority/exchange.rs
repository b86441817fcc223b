//! What identifies one request and its answer: trace, correlation, time.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use unattended_core::Entropy;
use uuid::Uuid;

use crate::form::{self, Field};

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    trace_id: Uuid,
    correlation_id: String,
    now: i64,
}

impl Exchange {
    /// Takes the correlation id from the caller's `client-request-id`, in the header, the query or the body, where
    /// different clients put it; makes one if there is none or it is no GUID.
    pub(crate) fn new(
        headers: &HeaderMap,
        query: &str,
        body: &[Field<'_>],
        now: SystemTime,
        entropy: &dyn Entropy,
    ) -> Self {
        const NAME: &str = "client-request-id";
        let in_header = headers.get(NAME).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let in_query = form::fields(query.as_bytes()).find(|(name, _)| name == NAME).map(|(_, id)| id.into());
        let in_body = body.iter().find(|(name, _)| name == NAME).map(|(_, value)| value.to_string());
        let given = [in_header, in_query, in_body].into_iter().flatten();
        let correlation_id = given
            .filter_map(|id: String| Uuid::try_parse(id.trim()).ok())
            .map(|id| id.to_string())
            .next()
            .unwrap_or_else(|| entropy.uuid());
        // The last byte of every trace id is zero; `uti`, made of the same bytes, therefore ends in `AA`.
        let trace_id = uuid::Builder::from_random_bytes((entropy.bits() & !0xff).to_be_bytes()).into_uuid();
        Self { trace_id, correlation_id, now: unix_seconds(now) }
    }

    pub(crate) fn trace_id(&self) -> String {
        self.trace_id.to_string()
    }

    /// The identifier of a token that this exchange issues: the trace id in the byte order of a GUID.
    pub(crate) fn token_id(&self) -> [u8; 16] {
        self.trace_id.to_bytes_le()
    }

    pub(crate) fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// `2025-10-13 14:54:34Z`.
    pub(crate) fn timestamp(&self) -> String {
        format_time(self.now, "%Y-%m-%d %H:%M:%SZ")
    }
}

/// `2025-10-13T14:54:34.0000000Z`, the round-trip form of .NET.
pub(crate) fn round_trip_time(unix_seconds: i64) -> String {
    format_time(unix_seconds, "%Y-%m-%dT%H:%M:%S.0000000Z")
}

/// Whole seconds since 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX))
}

fn format_time(unix_seconds: i64, format: &str) -> String {
    jiff::Timestamp::from_second(unix_seconds).unwrap_or_default().strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use unattended_core::SystemEntropy;

    use super::*;

    const GIVEN: &str = "5b3b4e0e-6a1c-4b7e-9d5b-2f0c6a7d8e9f";

    fn exchange(headers: &HeaderMap, query: &str, body: &[Field<'_>]) -> Exchange {
        Exchange::new(headers, query, body, UNIX_EPOCH + Duration::from_secs(1_760_367_274), &SystemEntropy)
    }

    // AC-13
    #[test]
    fn the_correlation_id_comes_from_header_query_or_body() {
        let none = HeaderMap::new();
        let mut headers = HeaderMap::new();
        headers.insert("client-request-id", GIVEN.to_uppercase().parse().unwrap());
        assert_eq!(exchange(&headers, "", &[]).correlation_id(), GIVEN);
        assert_eq!(exchange(&none, &format!("a=b&client-request-id={GIVEN}"), &[]).correlation_id(), GIVEN);
        let body = [("client-request-id".into(), GIVEN.into())];
        assert_eq!(exchange(&none, "client-request-id=nonsense", &body).correlation_id(), GIVEN);
        assert!(Uuid::try_parse(exchange(&none, "", &[]).correlation_id()).is_ok());
    }

    // AC-13
    #[test]
    fn a_trace_id_ends_in_zeros() {
        let exchange = exchange(&HeaderMap::new(), "", &[]);
        assert!(exchange.trace_id().ends_with("00"));
        assert_eq!(exchange.token_id()[15], 0);
        assert_eq!(exchange.timestamp(), "2025-10-13 14:54:34Z");
        assert_eq!(round_trip_time(0), "1970-01-01T00:00:00.0000000Z");
    }
}
