//! What a client needs to know of a server.

/// Known by the kind of server, or read from its metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) token_endpoint: String,
    /// `token_endpoint_auth_methods_supported`, if the server said.
    pub(crate) secret_methods: Option<Vec<String>>,
}
