//! One connection pool and one TLS configuration behind the HTTP port.
