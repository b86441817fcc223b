//! The program as its users meet it: the real binary, a real sandbox in a process of its own, real files.
//!
//! One test binary, because linking is the slow part; one module for each verb and for each promise.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "these tests stand outside the program, where time is real")]

mod call;
mod console;
mod credentials;
mod doctor;
mod exit_codes;
mod kill;
mod leaks;
mod memory;
mod provision;
mod quickstart;
mod register;
mod sandbox;
mod sandbox_control;
mod scenarios;
mod schedules;
mod sidecar;
mod status;
mod support;
mod third_party;
mod throttling;
mod token;
mod uploads;

#[test]
fn no_file_was_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let source = std::fs::read_to_string(format!("{folder}/main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            module == "main" || source.contains(&format!("\nmod {module};\n")),
            "{} is in no module",
            path.display()
        );
    }
}
