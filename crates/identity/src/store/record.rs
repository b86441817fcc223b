//! What is kept of a token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use unattended_core::Authorization;
use zeroize::{Zeroize, Zeroizing};

/// The year 10000. Times beyond it are none, and some systems cannot represent them.
const END_OF_TIME: u64 = 253_402_300_800;

/// A token with its times, in Unix seconds. A refresh token is not in here: it is of use to one process, once. Members
/// that a later version adds are left alone by an earlier one.
#[derive(Deserialize, Serialize)]
pub(crate) struct Record {
    token: String,
    issued_at: u64,
    expires_at: u64,
    refresh_at: u64,
    pub(crate) correlation_id: String,
}

impl Record {
    pub(crate) fn new(
        authorization: &Authorization,
        [issued_at, expires_at, refresh_at]: [SystemTime; 3],
        correlation_id: String,
    ) -> Self {
        Self {
            token: authorization.expose_token().to_owned(),
            issued_at: seconds(issued_at),
            expires_at: seconds(expires_at),
            refresh_at: seconds(refresh_at),
            correlation_id,
        }
    }

    pub(super) fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Room for the escapes, too: growing would leave copies behind that nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * self.token.len() + 4_096));
        serde_json::to_writer(&mut *bytes, self).ok()?;
        Some(bytes)
    }

    /// Nothing for what this version cannot read.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        [record.issued_at, record.expires_at, record.refresh_at]
            .iter()
            .all(|at| *at < END_OF_TIME)
            .then_some(record)
    }

    pub(crate) fn authorization(&self) -> Option<Authorization> {
        Authorization::bearer(&self.token)
    }

    pub(crate) fn issued_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.issued_at)
    }

    pub(crate) fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.expires_at)
    }

    /// When the process that asked for the token was going to renew it.
    pub(crate) fn refresh_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.refresh_at)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
