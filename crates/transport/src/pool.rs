//! Connections that are kept for the next request.

mod origin;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use unattended_core::{Clock, HttpError};

use self::origin::Turn;
pub(crate) use self::origin::{Born, Lease, Leased, Origin};
use crate::connector::{Connector, unconnected};

/// How often connections are looked through for old ones. Less than what a request is given to be answered in, so that a
/// runtime's timer waits for this before it waits for that: a request then begins and ends without disturbing it.
const SWEEP: Duration = Duration::from_secs(5);

/// The connections of one process.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    connector: Connector,
    clock: Arc<dyn Clock>,
    origins: Mutex<Origins>,
}

/// Few: a search costs less than a hash.
#[derive(Default)]
struct Origins {
    known: Vec<Arc<Origin>>,
    is_swept: bool,
}

/// A connection, and whether it was there before.
pub(crate) struct Checkout {
    pub(crate) lease: Lease,
    pub(crate) is_reused: bool,
}

impl Pool {
    pub(crate) fn new(connector: Connector, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { connector, clock, origins: Mutex::default() }))
    }

    /// The monotonic time, to the precision that the age of a connection takes.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.elapsed_coarse()
    }

    /// What is kept for the origin of `uri`.
    pub(crate) fn origin(&self, uri: &Uri) -> Result<Arc<Origin>, HttpError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(unconnected("the address names no server"));
        };
        let mut origins = lock(&self.0.origins);
        if let Some(known) = origins.known.iter().find(|origin| origin.is(scheme, authority)) {
            return Ok(Arc::clone(known));
        }
        let origin = Arc::new(Origin::new(scheme, authority)?);
        origins.known.push(Arc::clone(&origin));
        if !origins.is_swept {
            origins.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0), Arc::clone(&self.0.clock)));
        }
        Ok(origin)
    }

    /// A connection to `origin`: one that is there, or else a new one.
    ///
    /// Nobody knows before the first connection whether it can be shared (HTTP/2). Those who come meanwhile wait for
    /// it, once: if it fails or cannot be shared, each makes a connection of its own.
    pub(crate) async fn check_out(&self, origin: &Arc<Origin>) -> Result<Checkout, HttpError> {
        let mut has_waited = false;
        loop {
            if let Some(lease) = origin.kept(self.now()) {
                return Ok(Checkout { lease, is_reused: true });
            }
            let first = match origin.turn(has_waited) {
                Turn::Wait(found_out) => {
                    found_out.await;
                    has_waited = true;
                    continue;
                }
                Turn::First(finding_out) => Some(finding_out),
                Turn::Own => None,
            };
            let address = origin.address(None);
            let stream = Box::pin(self.0.connector.connect(&address)).await?;
            let lease = Box::pin(origin.begin(stream, self.now())).await.map_err(unconnected)?;
            drop(first);
            return Ok(Checkout { lease, is_reused: false });
        }
    }
}

/// Closes what is too old to be used again, so that it does not stay open until somebody would have wanted it.
async fn sweep(pool: Weak<Inner>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = clock.elapsed();
        let mut origins = lock(&pool.origins);
        // One that others hold has an exchange under way.
        origins.known.retain(|origin| origin.holds_young(now) || Arc::strong_count(origin) > 1);
        if origins.known.is_empty() {
            origins.is_swept = false;
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
