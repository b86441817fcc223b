//! Until when APIs have asked to be left alone, for every process that uses the same state directory.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use unattended_core::Clock;
use unattended_files as files;
use unattended_webapi::GateLedger;

/// A small file, changed under the lock of the operating system, which a process that dies gives up.
///
/// It holds nothing that would be missed: a file that cannot be read is an empty one, and one that cannot be written
/// leaves each process to learn the same from the API itself.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

/// By the name of a gate, milliseconds since 1970.
type Notes = BTreeMap<String, u64>;

impl LedgerFile {
    /// Nothing is made or opened before there is something to note.
    pub(crate) fn new(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { path, clock }
    }

    fn write(&self, quota: &str, until: u64) -> io::Result<()> {
        files::create_private_directory(files::directory_of(&self.path))?;
        let mut file = files::open_private(&self.path)?;
        lock(&file)?;
        let mut notes = read(&mut file)?;
        let now = millis(self.clock.now());
        notes.retain(|_, until| *until > now);
        let noted = notes.entry(quota.to_owned()).or_insert(until);
        *noted = until.max(*noted);
        let text = serde_json::to_vec(&notes)?;
        file.rewind()?;
        // Whoever reads without the lock meets the old text or something that is no JSON, and looks again.
        file.set_len(0)?;
        file.write_all(&text)
    }
}

impl GateLedger for LedgerFile {
    fn closed_until(&self, quota: &str) -> Option<SystemTime> {
        let mut file = File::open(&self.path).ok()?;
        let until = *read(&mut file).ok()?.get(quota)?;
        UNIX_EPOCH.checked_add(Duration::from_millis(until))
    }

    fn close(&self, quota: &str, until: SystemTime) {
        // Not a moment too early.
        if let Err(error) = self.write(quota, millis(until).saturating_add(1)) {
            tracing::debug!(%error, path = %self.path.display(), "other processes are not told of the throttling");
        }
    }
}

/// Others hold it for as long as it takes to write some hundred bytes. One that was stopped in that moment is not
/// waited for.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..1_000 {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

fn read(file: &mut File) -> io::Result<Notes> {
    const MOST: u64 = 1 << 20;
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).unwrap_or_default())
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use unattended_core::ManualClock;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    // RL-7
    #[test]
    fn the_latest_time_holds_for_everybody_and_what_is_over_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/throttled.json");
        let clock = ManualClock::at(1_000);
        let open = || LedgerFile::new(path.clone(), Arc::new(clock.clone()));
        assert_eq!(open().closed_until("a"), None);
        assert!(!path.exists());
        open().close("a", at(1_030));
        open().close("a", at(1_010));
        open().close("b", at(1_005));
        let seconds = |quota: &str| open().closed_until(quota).map(|until| millis(until) / 1_000);
        assert_eq!([seconds("a"), seconds("b"), seconds("c")], [Some(1_030), Some(1_005), None]);
        clock.advance(Duration::from_secs(20));
        open().close("c", at(1_100));
        assert_eq!([seconds("a"), seconds("b"), seconds("c")], [Some(1_030), None, Some(1_100)]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    // RL-7
    #[test]
    fn what_cannot_be_used_is_as_if_nothing_had_been_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("throttled.json");
        let ledger = LedgerFile::new(path.clone(), Arc::new(ManualClock::at(1_000)));
        std::fs::write(&path, b"{\"a\": 99").unwrap();
        assert_eq!(ledger.closed_until("a"), None);
        ledger.close("a", at(1_030));
        assert!(ledger.closed_until("a").is_some());

        let held = files::open_private(&path).unwrap();
        held.lock().unwrap();
        ledger.close("a", at(2_000));
        assert!(ledger.closed_until("a").unwrap() < at(1_031), "who holds the lock is not waited for");
        let nowhere = LedgerFile::new(path.join("below/a/file"), Arc::new(ManualClock::at(1_000)));
        nowhere.close("a", at(1_030));
        assert_eq!(nowhere.closed_until("a"), None);
    }
}
