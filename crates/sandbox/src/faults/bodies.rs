//! Bodies that do not arrive as they should.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use unattended_core::Clock;

use super::kind::FaultKind;

/// How many pieces a slow body comes in, and the pause before each but the first, or before a cut.
const PIECES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// The body with the fault in it; nothing if there is nothing to spoil.
pub(super) fn spoiled(kind: FaultKind, body: &Bytes, clock: Arc<dyn Clock>) -> Option<Body> {
    let half = body.slice(..body.len() / 2);
    match kind {
        _ if body.len() < 2 => None,
        FaultKind::TruncatedJson => Some(Body::from(half)),
        FaultKind::ResetInBody => {
            // Without the pause nothing of the answer would be on its way when the connection goes.
            let cut = stream::once(async move {
                clock.sleep(PAUSE).await;
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut on purpose"))
            });
            Some(Body::from_stream(stream::iter([Ok(half)]).chain(cut)))
        }
        FaultKind::SlowBody => {
            let length = body.len().div_ceil(PIECES);
            let pieces: Vec<Bytes> = (0..body.len())
                .step_by(length)
                .map(|at| body.slice(at..body.len().min(at + length)))
                .collect();
            let state = (pieces.into_iter(), clock, true);
            Some(Body::from_stream(stream::unfold(state, |(mut pieces, clock, is_first)| async move {
                let piece = pieces.next()?;
                if !is_first {
                    clock.sleep(PAUSE).await;
                }
                Some((Ok::<_, io::Error>(piece), (pieces, clock, false)))
            })))
        }
        _ => None,
    }
}
