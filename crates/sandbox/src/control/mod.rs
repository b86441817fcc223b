//! What can be changed while the sandbox runs, and its time.
//!
//! [`Control`] is one for the whole sandbox. Whoever decides by a setting reads [`Control::settings`] once for each
//! request, so that a change takes effect with the next request and never within one. All time comes from
//! [`Control::clock`].

mod clock;
pub(crate) mod keys;
pub(crate) mod settings;
mod span;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use unattended_core::Clock;

use crate::store::{Store, StoreError};

use self::clock::SandboxClock;
use self::keys::InvalidSetting;
pub(crate) use self::settings::Settings;

/// The name under which the changed settings are kept.
const SETTINGS: &str = "control.settings";

/// How far the clock can be moved, in seconds: a hundred years, as `clock-offset` takes them.
const MAX_OFFSET: i64 = 100 * 365 * 86_400;

/// The settings of a sandbox and its clock.
#[derive(Debug)]
pub(crate) struct Control {
    store: Arc<Store>,
    settings: Arc<ArcSwap<Settings>>,
    clock: Arc<SandboxClock>,
    /// Held by whoever changes settings: two changes at once lose none.
    change: Mutex<()>,
}

/// Why settings were not changed.
#[derive(Debug)]
pub(crate) enum ChangeError {
    Invalid(InvalidSetting),
    Store(StoreError),
}

impl Control {
    /// Reads the settings that were kept.
    pub(crate) fn load(store: Arc<Store>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let settings = Arc::new(ArcSwap::from_pointee(kept(&store)?));
        let clock = Arc::new(SandboxClock::new(clock, Arc::clone(&settings)));
        Ok(Self { store, settings, clock, change: Mutex::new(()) })
    }

    /// The settings as they are now. Cheap.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The time in the sandbox.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    /// Changes settings by name and keeps them: all of them, or none.
    pub(crate) fn set<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Arc<Settings>, ChangeError> {
        self.change(|settings| changes.into_iter().try_for_each(|(name, value)| settings.set(name, value)))
    }

    /// Moves the clock by so many seconds from where it is.
    pub(crate) fn travel(&self, seconds: i64) -> Result<Arc<Settings>, ChangeError> {
        self.change(|settings| {
            let offset = settings.clock_offset.saturating_add(seconds).clamp(-MAX_OFFSET, MAX_OFFSET);
            settings.clock_offset = offset;
            Ok(())
        })
    }

    /// Changes settings and keeps them, unless `edit` fails.
    fn change(
        &self,
        edit: impl FnOnce(&mut Settings) -> Result<(), InvalidSetting>,
    ) -> Result<Arc<Settings>, ChangeError> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = Settings::clone(&self.settings());
        edit(&mut settings).map_err(ChangeError::Invalid)?;
        let text = serde_json::to_vec(&settings.changed()).map_err(StoreError::from)?;
        self.store.set_setting(SETTINGS, &text)?;
        self.settings.store(Arc::new(settings));
        Ok(self.settings())
    }

    /// Takes over what the store says, after the store was changed as a whole.
    pub(crate) fn reload(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.settings.store(Arc::new(kept(&self.store)?));
        Ok(())
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn kept(store: &Store) -> Result<Settings, StoreError> {
    let mut settings = Settings::default();
    let Some(text) = store.setting(SETTINGS)? else {
        return Ok(settings);
    };
    let kept: BTreeMap<String, String> = serde_json::from_slice(&text)?;
    for (name, value) in kept {
        if let Err(error) = settings.set(&name, &value) {
            tracing::warn!(%error, "a kept setting is not one of this version");
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use unattended_core::ManualClock;

    use super::*;

    fn control(store: &Arc<Store>) -> Control {
        Control::load(Arc::clone(store), Arc::new(ManualClock::at(1_000_000))).unwrap()
    }

    #[test]
    fn changes_are_kept() {
        let store = Arc::new(Store::in_memory().unwrap());
        control(&store).set([("consent-delay", "30s"), ("loop-rule", "on")]).unwrap();
        let settings = control(&store).settings();
        assert_eq!((settings.consent_delay, settings.loop_rule), (Duration::from_secs(30), true));
    }

    #[test]
    fn a_change_that_is_wrong_in_part_changes_nothing() {
        let store = Arc::new(Store::in_memory().unwrap());
        let control = control(&store);
        let changes = [("consent-delay", "30s"), ("token-life", "soon")];
        assert!(matches!(control.set(changes), Err(ChangeError::Invalid(_))));
        assert_eq!(*control.settings(), Settings::default());
    }

    #[test]
    fn the_clock_moves_with_its_offset_both_ways() {
        let control = control(&Arc::new(Store::in_memory().unwrap()));
        let clock = control.clock();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(clock.now(), at(1_000_000));
        control.set([("clock-offset", "+1d")]).unwrap();
        assert_eq!(clock.now(), at(1_086_400));
        control.set([("clock-offset", "-1h")]).unwrap();
        assert_eq!(clock.now(), at(996_400));
    }
}
