//! `unattended run` without names: the schedules, until a signal.

use std::fs::{self, File};
use std::process::Command;

use crate::support::{Sandbox, Workplace, end, wait_until};

#[test]
fn a_signal_ends_the_schedules_in_good_order() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.append_config(
        "\n[jobs.users-export]\nschedule = \"0 2 1 1 *\"\n\
         export = { api = \"graph\", read = \"/users\", to = \"users.ndjson\" }\n",
    );
    for signal in ["-TERM", "-INT"] {
        let log = place.path("log");
        let output = File::create(&log).unwrap();
        let mut process =
            place.command(&["run"]).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let read = || fs::read_to_string(&log).unwrap();
        wait_until(|| read().contains("until a signal"));

        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut status = None;
        wait_until(|| {
            status = process.try_wait().unwrap();
            status.is_some()
        });
        end(&mut process);
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{signal}: {}", read());
    }
}

#[test]
fn without_a_schedule_there_is_nothing_to_wait_for_and_that_is_said() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 1);
    place.run(&["run"]).expect(78).says(&["schedule"]);
}
