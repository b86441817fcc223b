//! The project's own chores: `cargo xtask test` is everything that must hold before a change lands.

mod call_cost;
mod generate;
mod policy;
mod progress;
mod project;
mod test;
mod third_party;
mod token_cost;
mod token_server;

use std::process::ExitCode;

use project::Project;

const HELP: &str = "\
The project's own chores.

Usage: cargo xtask COMMAND

Commands:
  test         Check format, policy and lints, run every test, the doc tests and the documentation build
  call-cost    Count the instructions and allocations of a call, with valgrind
  token-cost   Count the instructions and allocations of a token, with valgrind
  third-party  Install what the third-party tests need, so that `cargo test` alone can run them
  generate     Write the pages of the documentation that are made from the program

Python packages go to a private virtual environment and npm packages to a private folder, both in the target
directory. What cannot be had is said in one line, with the tests that are not run for it; with CI set in the
environment it is an error.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(true)
        }
        ["test"] => Project::locate().and_then(|project| test::run(&project)),
        ["call-cost"] => Project::locate().map(|project| call_cost::run(&project)),
        ["token-cost"] => Project::locate().map(|project| token_cost::run(&project)),
        ["generate"] => Project::locate().and_then(|project| generate::run(&project)),
        ["third-party"] => Project::locate().map(|project| third_party::run(&project)),
        _ => {
            eprint!("error: no such command: {}\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}
