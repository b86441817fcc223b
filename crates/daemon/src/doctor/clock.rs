//! The machine's clock against the authority's.

use std::time::{Duration, SystemTime};

use super::fetch::{Answer, Unreachable};
use super::finding::Finding;

const CHECK: &str = "clock";

/// Entra ID accepts assertions that are five minutes off; tokens of others may be taken more exactly.
const BROKEN: Duration = Duration::from_secs(5 * 60);
const WORRYING: Duration = Duration::from_secs(60);

pub(super) fn examine(answer: &Result<Answer, Unreachable>) -> Finding {
    let Ok(answer) = answer else { return Finding::skipped(CHECK, "the authority cannot be reached") };
    let Some(theirs) = unattended_core::server_time(&answer.headers) else {
        return Finding::skipped(CHECK, "the authority did not say what time it is");
    };
    let (offset, direction) = offset(answer.at, theirs);
    let detail = match offset.as_secs() {
        // The header has whole seconds.
        0 | 1 => "agrees with the authority's".to_owned(),
        seconds => format!("{} {direction} the authority's", in_words(seconds)),
    };
    let why =
        "a client assertion is refused when it seems to come from the past or the future (AADSTS700024)";
    let fix = "set the clock and keep it set: `timedatectl set-ntp true`";
    if offset > BROKEN {
        Finding::failed(CHECK, detail, why, fix)
    } else if offset > WORRYING {
        Finding::warning(CHECK, detail, why, fix)
    } else {
        Finding::ok(CHECK, detail)
    }
}

fn offset(ours: SystemTime, theirs: SystemTime) -> (Duration, &'static str) {
    match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    }
}

fn in_words(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
