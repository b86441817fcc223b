//! What a small call may cost, in instructions and allocations: neither depends on what else the machine does, so a limit
//! can be held by a test.

use std::process::Command;

use crate::progress::{self, Outcome};
use crate::project::{self, Project};
use crate::third_party;

/// All layers, HTTP and TLS of one call.
const INSTRUCTIONS: u64 = 60_000;
const ALLOCATIONS: u64 = 25;
/// Twice as many are counted, too: the difference is what the calls cost without what comes before and after.
const CALLS: u64 = 2_048;

/// `cargo xtask call-cost`: true when the limits hold.
pub(crate) fn run(project: &Project) -> bool {
    match check(project) {
        Outcome::Passed(note) => println!("{note}"),
        Outcome::Failed(why) => {
            eprintln!("error: {why}");
            return false;
        }
    }
    true
}

/// Builds the program of `benches/webapi`, counts, and compares.
pub(crate) fn check(project: &Project) -> Outcome {
    if let Err(why) = third_party::valgrind(project).and_then(|()| third_party::nginx(project)) {
        return match project::in_ci() {
            true => Outcome::Failed(format!("CI is set, so nothing may be left out\n{why}")),
            false => Outcome::Passed(format!("not counted: {why}")),
        };
    }
    match measure(project) {
        Ok(Cost { instructions, allocations }) => {
            let told = format!(
                "{instructions} of {INSTRUCTIONS} instructions, {allocations} of {ALLOCATIONS} allocations"
            );
            match instructions <= INSTRUCTIONS && allocations <= ALLOCATIONS {
                true => Outcome::Passed(told),
                false => Outcome::Failed(format!("a small call takes {told}")),
            }
        }
        Err(why) => Outcome::Failed(why),
    }
}

#[derive(Debug, PartialEq)]
struct Cost {
    instructions: u64,
    allocations: u64,
}

fn measure(project: &Project) -> Result<Cost, String> {
    let manifest = project.root().join("benches/webapi/Cargo.toml");
    let mut build = project.cargo(["build", "--manifest-path"]);
    build.arg(manifest).arg("--target-dir").arg(project.target());
    progress::run(project, "call-cost-build", &mut build)?;
    let count = |calls: u64| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
        command.arg(project.target().join("debug/call_cost")).arg(calls.to_string());
        let output = progress::run(project, "call-cost", &mut command)?;
        read(&output).ok_or_else(|| format!("valgrind did not tell what a call costs:\n{output}"))
    };
    let (once, twice) = (count(CALLS)?, count(2 * CALLS)?);
    Ok(Cost {
        instructions: twice.instructions.saturating_sub(once.instructions) / CALLS,
        allocations: twice.allocations.saturating_sub(once.allocations).div_ceil(CALLS),
    })
}

/// The sum of the instructions, which valgrind tells, and the allocations, which the program does.
fn read(output: &str) -> Option<Cost> {
    let number = |text: &str| text.trim().replace(',', "").parse().ok();
    let instructions = output.lines().find_map(|line| number(line.split_once("I   refs:")?.1))?;
    let allocations = output.lines().find_map(|line| line.trim().parse().ok())?;
    Some(Cost { instructions, allocations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_by_valgrind_and_allocations_by_the_program() {
        let output = "17\n==7658== Cachegrind, a profiler\n==7658== \n==7658== I   refs:      2,956,375\n";
        assert_eq!(read(output), Some(Cost { instructions: 2_956_375, allocations: 17 }));
        assert!(read("==1== I   refs:      5\n").is_none() && read("17\n").is_none());
    }
}
