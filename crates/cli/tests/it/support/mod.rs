//! What every test needs: a folder of its own, our program started in it, and a tenant to work with.

mod api;
mod drive;
#[path = "../../../../transport/tests/wire/reserved_port.rs"]
mod reserved_port;
mod run;
mod sandbox;
mod workplace;

pub(crate) use api::Api;
pub(crate) use drive::{CANARY, Drive};
pub(crate) use reserved_port::ReservedPort;
pub(crate) use run::Run;
pub(crate) use sandbox::Sandbox;
pub(crate) use workplace::Workplace;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long another process may take to do what it was started for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a file that a process writes atomically when it is ready, and returns its content.
pub(crate) fn wait_for_file(path: &Path, process: &mut Child, log: &Path) -> String {
    let started = Instant::now();
    loop {
        if let Ok(content) = std::fs::read_to_string(path) {
            return content;
        }
        let ended = process.try_wait().unwrap();
        if ended.is_some() || started.elapsed() > PATIENCE {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("{} was not written (exit status {ended:?}):\n{log}", path.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something has happened, and fails the test if it does not.
#[track_caller]
pub(crate) fn wait_until(mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < PATIENCE, "it did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends a process that a test started, and leaves no zombie.
pub(crate) fn end(process: &mut Child) {
    // It may have ended by itself, which is as good.
    let _ = process.kill();
    let _ = process.wait();
}

/// The lines in an order of their own, for comparing what is written in any order.
pub(crate) fn sorted_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The permission bits of a file or a folder.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}
