//! Times as the directory writes them.

/// Unix seconds as `2026-01-31T12:00:00Z`.
pub(crate) fn timestamp(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
