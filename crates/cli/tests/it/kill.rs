//! kill -9 at any moment, and the next run goes on as if nothing had been.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Sandbox, Workplace, end, sorted_lines};

const PEOPLE: u32 = 2_000;
const KILLS: usize = 20;

#[test]
fn provisioning_that_is_killed_twenty_times_makes_every_person_once() {
    let (undisturbed_sandbox, undisturbed) = tenant();
    let started = Instant::now();
    undisturbed.run(&["run", "people"]).expect(0);
    let took = started.elapsed();
    undisturbed.run(&["run", "users-export"]).expect(0);
    let expected = sorted_lines(&undisturbed.path("users.ndjson"));
    drop(undisturbed_sandbox);

    let mut moments = Moments::new();
    let (mut kills, mut resumed) = (0, 0);
    while is_unproven(kills, resumed) {
        // A tenant that is complete has nothing left to disturb.
        let (sandbox, place) = tenant();
        kills += kill_until(KILLS - kills.min(KILLS), || killed(&place, "people", moments.within(took / 6)));
        let report = place.run(&["--json", "run", "people"]).expect(0).json();
        resumed += usize::from(report["resumed"] == true);

        let users = place
            .run(&["call", "graph", "GET", "/users?$select=userPrincipalName", "--all"])
            .expect(0)
            .ndjson();
        let names: BTreeSet<&str> =
            users.iter().map(|user| user["userPrincipalName"].as_str().unwrap()).collect();
        assert_eq!(
            (users.len(), names.len()),
            (PEOPLE as usize, PEOPLE as usize),
            "{moments}, after {kills} kills"
        );
        place.run(&["run", "users-export"]).expect(0);
        assert!(sorted_lines(&place.path("users.ndjson")) == expected, "{moments}, after {kills} kills");

        let again = place.run(&["--json", "run", "people"]).expect(0).json();
        assert_eq!((&again["created"], &again["updated"]), (&0.into(), &0.into()), "{moments}: {again}");
        drop(sandbox);
    }
    assert!(resumed > 0, "{moments}: no kill met a run at work");
}

#[test]
fn an_export_that_is_killed_twenty_times_equals_an_undisturbed_one() {
    let (_sandbox, place) = tenant();
    place.run(&["run", "people"]).expect(0);
    let started = Instant::now();
    place.run(&["run", "users-export"]).expect(0);
    let took = started.elapsed();
    let expected = sorted_lines(&place.path("users.ndjson"));
    assert_eq!(expected.len(), PEOPLE as usize);

    let mut moments = Moments::new();
    let (mut kills, mut resumed) = (0, 0);
    while is_unproven(kills, resumed) {
        fs::remove_file(place.path("users.ndjson")).unwrap();
        kills +=
            kill_until(KILLS - kills.min(KILLS), || killed(&place, "users-export", moments.within(took * 2)));
        let report = place.run(&["--json", "run", "users-export"]).expect(0).json();
        resumed += usize::from(report["resumed"] == true);
        assert_eq!(report["outcome"], "done", "{moments}: {report}");
        assert!(sorted_lines(&place.path("users.ndjson")) == expected, "{moments}, after {kills} kills");
    }
    assert!(resumed > 0, "{moments}: no kill met a run at work");
}

/// Whether there were too few kills yet, or none that met a run at work: how long a run takes to begin depends on what
/// else the machine does.
fn is_unproven(kills: usize, resumed: usize) -> bool {
    kills < KILLS || (resumed == 0 && kills < 10 * KILLS)
}

/// Kills until a run ended by itself, at most `most` times and at least once; how often it was.
fn kill_until(most: usize, mut killed: impl FnMut() -> bool) -> usize {
    (0..most.max(1)).take_while(|_| killed()).count()
}

/// A tenant in files with a daemon registered in it, and the people it shall have.
fn tenant() -> (Sandbox, Workplace) {
    let sandbox = Sandbox::on_disk();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, PEOPLE);
    (sandbox, place)
}

/// Starts the job and kills it after the delay; false if it had ended by itself.
fn killed(place: &Workplace, job: &str, delay: Duration) -> bool {
    let mut process =
        place.command(&["run", job]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let ended = process.try_wait().unwrap();
    end(&mut process);
    if let Some(status) = ended {
        assert!(status.success(), "{job} ended with {status} although nothing disturbed it");
    }
    ended.is_none()
}

/// Random moments that a failing test can be run again with: set `UNATTENDED_TEST_SEED`.
struct Moments {
    seed: u64,
    state: u64,
}

impl Moments {
    fn new() -> Self {
        let given = std::env::var("UNATTENDED_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        Self { seed, state: seed }
    }

    /// SplitMix64.
    fn within(&mut self, span: Duration) -> Duration {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let fraction = f64::from((bits >> 32) as u32) / f64::from(u32::MAX);
        span.mul_f64(fraction)
    }
}

impl std::fmt::Display for Moments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "UNATTENDED_TEST_SEED={}", self.seed)
    }
}
