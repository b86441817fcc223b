//! Readers that lag behind: a read after a write is served from before it, for as long as a setting says.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Directory, Pages, Throttle};
use crate::store::StoreError;

/// What readers see meanwhile; nothing while all see the same.
#[derive(Debug, Default)]
pub(crate) struct Lag(Mutex<Option<Behind>>);

/// The directory as it was before a write.
#[derive(Debug)]
struct Behind {
    /// In Unix seconds.
    until: i64,
    /// How many snapshots had been restored.
    restores: u64,
    directory: Arc<Directory>,
}

impl Directory {
    /// Before something is written: what readers go on seeing. Writes that follow while they lag behind already make it
    /// no longer, so that readers get on.
    pub(super) fn fall_behind(&self, now: i64) -> Result<(), StoreError> {
        let lag = self.control.settings().read_lag;
        if lag.is_zero() {
            return Ok(());
        }
        let mut behind = self.lag.0.lock().unwrap_or_else(PoisonError::into_inner);
        let restores = self.store.restores();
        if behind.as_ref().is_some_and(|behind| now < behind.until && behind.restores == restores) {
            return Ok(());
        }
        // What is made when it is first asked for cannot be made in the past.
        self.skip_tokens()?;
        let directory = Self {
            store: Arc::new(self.store.pinned()?),
            control: Arc::clone(&self.control),
            throttle: Throttle::default(),
            pages: Pages::default(),
            lag: Lag::default(),
            intake: Arc::clone(&self.intake),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            admission: Arc::clone(&self.admission),
            base_url: self.base_url.clone(),
        };
        let until = now.saturating_add_unsigned(lag.as_secs());
        *behind = Some(Behind { until, restores, directory: Arc::new(directory) });
        Ok(())
    }

    /// The directory that readers see, if it is not the one that is.
    pub(super) fn behind(&self, now: i64) -> Option<Arc<Self>> {
        let mut behind = self.lag.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Time may have travelled, a snapshot may have been restored, and the setting may be off again.
        let lag = i64::try_from(self.control.settings().read_lag.as_secs()).unwrap_or(i64::MAX);
        let restores = self.store.restores();
        let is_over = |it: &mut Behind| {
            it.restores != restores || !(it.until.saturating_sub(lag)..it.until).contains(&now)
        };
        _ = behind.take_if(is_over);
        behind.as_ref().map(|behind| Arc::clone(&behind.directory))
    }
}
