//! What is kept for one origin, and for how long.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use unattended_core::HttpError;

use super::lock;
use crate::connector::unconnected;
use crate::http1::Http1;
use crate::outgoing::Outgoing;
use crate::stream::Stream;

/// How long a connection is used for new requests: where a name leads to may have changed since it was made. Nothing is
/// idle for longer than that, so idleness has no limit of its own.
pub(super) const LIFE: Duration = Duration::from_secs(60);

/// Scheme, host and port, and the connections to them.
pub(crate) struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// As HTTP/1.1 wants it with every request.
    pub(crate) host: HeaderValue,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// HTTP/1.1, the one that was used last at the end.
    idle: Vec<Leased>,
    /// HTTP/2: one is enough for everybody.
    shared: Option<Shared>,
    /// Connections of earlier generations are not used again.
    generation: u64,
    /// The last connection was no HTTP/2, so there is no use in waiting to share the next one.
    is_unshared: bool,
    /// Somebody is finding that out.
    finding_out: Option<Arc<Notify>>,
}

/// When a connection was made.
#[derive(Clone, Copy)]
pub(crate) struct Born {
    at: Duration,
    generation: u64,
}

/// What a request is sent on.
pub(crate) enum Lease {
    Own(Leased),
    Shared(Shared),
}

/// An HTTP/1.1 connection that is one's own for the time of an exchange.
pub(crate) struct Leased {
    pub(crate) connection: Box<Http1>,
    pub(crate) born: Born,
}

/// An HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) sender: http2::SendRequest<Outgoing>,
    pub(crate) born: Born,
}

/// Whose turn it is to connect.
pub(super) enum Turn {
    /// One's own, and others wait for the outcome.
    First(FindingOut),
    /// One's own.
    Own,
    /// Somebody else's, until this completes.
    Wait(OwnedNotified),
}

impl Origin {
    pub(super) fn new(scheme: &Scheme, authority: &Authority) -> Result<Self, HttpError> {
        if authority.as_str().contains('@') {
            return Err(unconnected("the address holds a user name"));
        }
        let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16().filter(|port| *port != default) {
            Some(_) => authority.as_str(),
            None => authority.host(),
        };
        Ok(Self {
            scheme: scheme.clone(),
            authority: authority.clone(),
            host: HeaderValue::from_str(host).map_err(unconnected)?,
            kept: Mutex::default(),
        })
    }

    pub(super) fn is(&self, scheme: &Scheme, authority: &Authority) -> bool {
        // To the letter: one in other cases is another origin, which costs a connection and no search.
        self.authority.as_str() == authority.as_str() && self.scheme == *scheme
    }

    /// The whole address of what is at this origin.
    pub(crate) fn address(&self, path: Option<&PathAndQuery>) -> Uri {
        let mut parts = Parts::default();
        (parts.scheme, parts.authority) = (Some(self.scheme.clone()), Some(self.authority.clone()));
        parts.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// A connection that can be used again, if there is one.
    pub(super) fn kept(&self, now: Duration) -> Option<Lease> {
        loop {
            let mut own = {
                let mut kept = self.lock();
                kept.discard_old(now);
                if let Some(shared) = &kept.shared {
                    return Some(Lease::Shared(shared.clone()));
                }
                kept.idle.pop()?
            };
            if own.connection.is_usable() {
                return Some(Lease::Own(own));
            }
        }
    }

    pub(super) fn turn(self: &Arc<Self>, has_waited: bool) -> Turn {
        let mut kept = self.lock();
        if kept.is_unshared || has_waited || self.scheme != Scheme::HTTPS {
            return Turn::Own;
        }
        if let Some(finding_out) = &kept.finding_out {
            return Turn::Wait(Arc::clone(finding_out).notified_owned());
        }
        kept.finding_out = Some(Arc::default());
        Turn::First(FindingOut(Arc::clone(self)))
    }

    /// Begins to speak HTTP on a new connection, as the server has chosen.
    pub(super) async fn begin(&self, stream: Stream, now: Duration) -> hyper::Result<Lease> {
        let is_shared = stream.speaks_http2();
        let born = Born { at: now, generation: self.lock().generation };
        if !is_shared {
            self.lock().is_unshared = true;
            return Ok(Lease::Own(Leased { connection: Http1::begin(stream).await?, born }));
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // It ends when nobody holds its sender any more. Whoever has a stream on it learns how it ended.
        tokio::spawn(async { drop(connection.await) });
        let shared = Shared { sender, born };
        let mut kept = self.lock();
        kept.is_unshared = false;
        if born.generation == kept.generation {
            kept.shared = Some(shared.clone());
        }
        Ok(Lease::Shared(shared))
    }

    /// Takes a connection back whose exchange is over.
    pub(crate) fn check_in(&self, own: Leased, now: Duration) {
        let mut kept = self.lock();
        if kept.is_good(own.born, now) {
            kept.idle.push(own);
        }
    }

    /// Nothing that is as old as this connection is used again.
    pub(crate) fn retire(&self, born: Born) {
        let mut kept = self.lock();
        if kept.generation == born.generation {
            kept.generation += 1;
            kept.idle.clear();
            kept.shared = None;
        }
    }

    /// Closes what is too old, and says whether anything is left.
    pub(super) fn holds_young(&self, now: Duration) -> bool {
        let mut kept = self.lock();
        kept.discard_old(now);
        !kept.idle.is_empty() || kept.shared.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

impl Kept {
    fn is_good(&self, born: Born, now: Duration) -> bool {
        born.generation == self.generation && now.saturating_sub(born.at) < LIFE
    }

    fn discard_old(&mut self, now: Duration) {
        let is_young = |born: Born| now.saturating_sub(born.at) < LIFE;
        self.idle.retain(|own| is_young(own.born));
        self.shared.take_if(|shared| !is_young(shared.born) || shared.sender.is_closed());
    }
}

/// The first connection to an origin in the making. However it ends, those who wait for it go on.
pub(super) struct FindingOut(Arc<Origin>);

impl Drop for FindingOut {
    fn drop(&mut self) {
        if let Some(waiting) = self.0.lock().finding_out.take() {
            waiting.notify_waiters();
        }
    }
}
