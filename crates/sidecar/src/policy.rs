//! Who may call what.

use std::collections::BTreeSet;

use http::Method;

use crate::peer::Peer;
use crate::route::Route;

/// The superuser, who could become any of the callers anyway.
const ROOT: u32 = 0;

/// What one user of this machine may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The user.
    pub uid: u32,
    /// The APIs by name; `None` is every one.
    pub apis: Option<BTreeSet<String>>,
    /// The routes on these APIs; `None` is every one.
    pub routes: Option<Vec<Route>>,
    /// Whether tokens of these APIs may be borrowed. A token opens every route of its API.
    pub lend_tokens: bool,
}

impl Grant {
    fn covers(&self, api: &str) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.contains(api))
    }

    fn allows(&self, method: &Method, sent: &str, resolved: &[u8]) -> bool {
        self.routes
            .as_ref()
            .is_none_or(|routes| routes.iter().any(|route| route.allows(method, sent, resolved)))
    }
}

/// Everything that is allowed; the rest is not.
#[derive(Clone, Debug)]
pub struct Policy(Vec<Grant>);

impl Policy {
    /// These grants and no others; a user with several has all of them.
    #[must_use]
    pub fn of(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// Every call for `uid` and for the superuser; no token for anybody.
    #[must_use]
    pub fn for_user(uid: u32) -> Self {
        let users: BTreeSet<u32> = [uid, ROOT].into();
        Self(
            users
                .into_iter()
                .map(|uid| Grant { uid, apis: None, routes: None, lend_tokens: false })
                .collect(),
        )
    }

    /// Every grant.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.0
    }

    pub(crate) fn knows(&self, peer: Peer) -> bool {
        self.0.iter().any(|grant| grant.uid == peer.uid)
    }

    pub(crate) fn covers(&self, peer: Peer, api: &str) -> bool {
        self.of_peer(peer, api).next().is_some()
    }

    /// Whether the call is allowed.
    ///
    /// # Errors
    /// The routes that are.
    pub(crate) fn check(
        &self,
        peer: Peer,
        api: &str,
        method: &Method,
        sent: &str,
        resolved: &[u8],
    ) -> Result<(), Vec<String>> {
        if self.of_peer(peer, api).any(|grant| grant.allows(method, sent, resolved)) {
            return Ok(());
        }
        Err(self.routes(peer, api).unwrap_or_default())
    }

    /// The routes that the peer may take on an API; `None` is every one.
    pub(crate) fn routes(&self, peer: Peer, api: &str) -> Option<Vec<String>> {
        let mut routes = Vec::new();
        for grant in self.of_peer(peer, api) {
            routes.extend(grant.routes.as_ref()?.iter().map(ToString::to_string));
        }
        Some(routes)
    }

    pub(crate) fn lends(&self, peer: Peer, api: &str) -> bool {
        self.of_peer(peer, api).any(|grant| grant.lend_tokens)
    }

    fn of_peer<'a>(&'a self, peer: Peer, api: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.0.iter().filter(move |grant| grant.uid == peer.uid && grant.covers(api))
    }
}
