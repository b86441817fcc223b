//! What a client needs to know of a server.

/// Known by the kind of server, or read from its metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) token_endpoint: String,
    /// The one for clients that show a certificate (RFC 8705 section 5), if the server said. That of the platform is
    /// known by its name, and put together only for those who need it.
    pub(crate) mutual_tls_endpoint: Option<String>,
    /// `token_endpoint_auth_methods_supported`, if the server said.
    pub(crate) secret_methods: Option<Vec<String>>,
}
