//! One line per step, with its duration; the output of a step only when it failed.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::project::Project;

/// What a step has to say for itself.
pub(crate) enum Outcome {
    /// It holds; the note is shown beside it.
    Passed(String),
    /// It does not hold; the text says why.
    Failed(String),
}

/// The steps run so far.
pub(crate) struct Progress {
    started: Instant,
    run: usize,
    failed: Vec<&'static str>,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), run: 0, failed: Vec::new() }
    }

    /// Run one step and print its line.
    pub(crate) fn step(&mut self, name: &'static str, action: impl FnOnce() -> Outcome) {
        print!("{name:<12}");
        flush();
        let started = Instant::now();
        let outcome = action();
        let took = duration(started.elapsed());
        self.run += 1;
        match outcome {
            Outcome::Passed(note) => println!("{}", format!("ok      {took:>10}  {note}").trim_end()),
            Outcome::Failed(why) => {
                self.failed.push(name);
                println!("FAILED  {took:>10}\n\n{}\n", why.trim_end());
            }
        }
        flush();
    }

    /// Print the closing summary; true when every step passed.
    pub(crate) fn finish(self) -> bool {
        let took = duration(self.started.elapsed());
        if self.failed.is_empty() {
            println!("\nAll {} steps passed in {took}.", self.run);
            return true;
        }
        println!(
            "\n{} of {} steps failed in {took}: {}.",
            self.failed.len(),
            self.run,
            self.failed.join(", ")
        );
        false
    }
}

/// Run a command as a step; its output goes to a log and is returned, whatever the outcome.
pub(crate) fn run(project: &Project, log_name: &str, command: &mut Command) -> Result<String, String> {
    let path = project.logs().join(format!("{log_name}.log"));
    let (log, copy) = fs::create_dir_all(project.logs())
        .and_then(|()| File::create(&path))
        .and_then(|log| log.try_clone().map(|copy| (log, copy)))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let status = command.stdin(Stdio::null()).stdout(log).stderr(copy).status();
    let output =
        fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    match status {
        Ok(status) if status.success() => Ok(output),
        Ok(status) => Err(format!("{output}\n{status}: {command:?}")),
        Err(error) => Err(format!("cannot start {command:?}: {error}")),
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

fn flush() {
    // A closed standard output is noticed by the next `print!`.
    let _ = std::io::stdout().flush();
}
