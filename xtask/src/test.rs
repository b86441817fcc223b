//! `cargo xtask test`: everything that must hold before a change lands, the quick checks first.

use std::process::Command;

use crate::call_cost;
use crate::policy;
use crate::progress::{self, Outcome, Progress};
use crate::project::Project;
use crate::third_party::{self, Missing};
use crate::token_cost;

const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// Run every step, also after one has failed; true when all passed.
pub(crate) fn run(project: &Project) -> Result<bool, String> {
    let mut progress = Progress::start();
    let mut missing = Vec::new();
    let mut counts = Counts::default();

    progress.step("format", || quiet(project, "format", &mut project.cargo(["fmt", "--all", "--check"])));
    progress.step("policy", || policy::check(project));
    progress.step("clippy", || {
        let mut command = project.cargo(["clippy", "--all-targets"]);
        quiet(project, "clippy", command.args(EVERYTHING).args(["--", "-D", "warnings"]))
    });
    progress.step("features", || {
        let mut command = project.cargo(["clippy", "--workspace", "--no-default-features", "--locked"]);
        quiet(project, "features", command.args(["--", "-D", "warnings"]))
    });
    progress.step("third-party", || {
        missing = third_party::prepare(project);
        third_party::report(project, &missing)
    });
    progress.step("benches", || benches(project, &missing));
    progress.step("tests", || counted(project, "tests", &mut tests(project, &missing), &mut counts));
    progress.step("doc tests", || {
        let mut command = project.cargo(["test", "--doc"]);
        counted(project, "doc-tests", command.args(EVERYTHING), &mut counts)
    });
    progress.step("docs", || {
        let mut command = project.cargo(["doc", "--no-deps"]);
        quiet(project, "docs", command.args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings"))
    });

    progress.step("call cost", || call_cost::check(project));
    progress.step("token cost", || token_cost::check(project));

    let passed = progress.finish();
    println!("tests: {} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if passed && counts.passed == 0 {
        return Err("no test was run".to_owned());
    }
    Ok(passed)
}

/// Whether what measures still compiles: it is run by hand, in workspaces of its own.
fn benches(project: &Project, missing: &[Missing]) -> Outcome {
    for name in ["webapi", "identity"] {
        // It measures what the tests of the clients in Rust run, and needs the same to be built.
        if name == "identity" && missing.iter().any(|missing| missing.tests() == "third_party::rust") {
            continue;
        }
        let manifest = project.root().join("benches").join(name).join("Cargo.toml");
        let mut command = project.cargo(["check", "--all-features", "--locked", "--manifest-path"]);
        if let failed @ Outcome::Failed(_) = quiet(project, "benches", command.arg(manifest)) {
            return failed;
        }
    }
    Outcome::Passed(String::new())
}

/// All tests but the doc tests, by nextest where it is installed.
fn tests(project: &Project, missing: &[Missing]) -> Command {
    let mut command = if project.has_cargo("nextest") {
        let mut command = project.cargo(["nextest", "run", "--no-fail-fast"]);
        command.args(EVERYTHING);
        let left_out = missing.iter().map(|missing| format!("not test(/^{}::/)", missing.tests()));
        let filter = left_out.collect::<Vec<_>>().join(" and ");
        if !filter.is_empty() {
            command.args(["-E", &filter]);
        }
        command
    } else {
        let mut command = project.cargo(["test", "--no-fail-fast", "--all-targets"]);
        command.args(EVERYTHING).arg("--");
        for missing in missing {
            command.args(["--skip", &format!("{}::", missing.tests())]);
        }
        command
    };
    command.env("UNATTENDED_THIRD_PARTY", project.third_party());
    command
}

fn quiet(project: &Project, log_name: &str, command: &mut Command) -> Outcome {
    match progress::run(project, log_name, command) {
        Ok(_) => Outcome::Passed(String::new()),
        Err(output) => Outcome::Failed(output),
    }
}

fn counted(project: &Project, log_name: &str, command: &mut Command, counts: &mut Counts) -> Outcome {
    let result = progress::run(project, log_name, command);
    let (Ok(output) | Err(output)) = &result;
    let own = Counts::of(output);
    counts.add(&own);
    match result {
        Ok(_) => Outcome::Passed(format!("{} passed, {} skipped", own.passed, own.skipped)),
        Err(output) => Outcome::Failed(output),
    }
}

/// What the closing lines of test runners add up to.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Read the closing lines of nextest ("Summary [ 1.2s] 3 tests run: 2 passed, 1 failed, 4 skipped") and of
    /// `cargo test` ("test result: ok. 3 passed; 0 failed; 1 ignored; ...").
    fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            // What a failed test wrote, indented by nextest, may end with such a line, too.
            let closing = line.trim_start().starts_with("Summary [") || line.starts_with("test result: ");
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2).filter(|_| closing) {
                let Ok(number) = pair[0].parse::<u64>() else { continue };
                match pair[1].trim_matches([',', ';']) {
                    "passed" => counts.passed += number,
                    "failed" | "timed" | "exec" => counts.failed += number,
                    "skipped" | "ignored" => counts.skipped += number,
                    _ => {}
                }
            }
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn the_closing_lines_of_both_runners_are_added_up() {
        let output = "     Summary [   0.012s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 2 skipped\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            a line of a test: 9 passed\n    test result: FAILED. 0 passed; 1 failed\n";
        assert_eq!(Counts::of(output), Counts { passed: 8, failed: 2, skipped: 3 });
    }
}
