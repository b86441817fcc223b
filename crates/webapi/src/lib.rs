//! Calling a protected web API well: origin-bound bearer, retry, throttle gate, paging, batch.
