//! `unattended quickstart`: all five steps in a sandbox, from nothing.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use unattended_core::{Clock, SystemClock};
use unattended_daemon::{Config, Daemon, Ports, ProcessEnvironment};
use unattended_identity::Freshness;
use unattended_jobs::{Outcome, Report};
use unattended_sandbox::{Ready, RunningSandbox, Sandbox, people};

use super::on_signals;
use super::register::{Credential, Enrolment, enrol};
use super::run::{failed, summary};
use super::sandbox::{of_sandbox, write_ready_file};
use super::token::describe;
use crate::arguments::{ApiRole, Quickstart};
use crate::configuration_file::ConfigurationFile;
use crate::directory::{DIRECTORY_API, Directory};
use crate::failure::{CommandError, Exit, explain, of_config};
use crate::printer::{BOLD, DIM, GOOD, Printer, styled};
use crate::progress::Watcher;

const APPLICATION: &str = "nightly-people";
const ROLE: &str = "User.ReadWrite.All";
const PEOPLE: u32 = 1_000;
const SEED: u64 = 42;
const PROVISION: &str = "people";
const EXPORT: &str = "users-export";
const READ: &str = "/users?$select=id,userPrincipalName,displayName,givenName,surname,jobTitle,department,\
                    officeLocation,mobilePhone,preferredLanguage&$top=100";

pub(crate) async fn run(arguments: &Quickstart, printer: &Printer) -> Result<Exit, CommandError> {
    let shutdown = on_signals()?;
    let began = SystemClock.elapsed();
    let tour = Tour { place: Place::new(&arguments.dir), printer, stop: shutdown.drain.clone() };
    tour.place.make()?;
    let sandbox = tour.start_sandbox().await?;
    let toured = tokio::select! {
        toured = tour.steps(sandbox.ready(), arguments.people) => toured,
        () = shutdown.stop.cancelled() => Err(interrupted()),
    };
    sandbox.shutdown().await;
    // What it says is not true any more.
    _ = std::fs::remove_file(&tour.place.ready_file);
    let (exit, story) = toured?;
    tour.close(&story, (SystemClock.elapsed() - began).as_secs_f64())?;
    Ok(exit)
}

/// Where everything is put.
struct Place {
    directory: PathBuf,
    sandbox: PathBuf,
    ready_file: PathBuf,
    configuration: PathBuf,
    people: PathBuf,
}

impl Place {
    fn new(directory: &Path) -> Self {
        let at = |name: &str| directory.join(name);
        Self {
            sandbox: at("sandbox"),
            ready_file: at("sandbox.json"),
            configuration: at("unattended.toml"),
            people: at("people.csv"),
            directory: directory.to_owned(),
        }
    }

    /// For its owner alone; one that is there is left as it is.
    fn make(&self) -> Result<(), CommandError> {
        unattended_files::create_private_directory(&self.directory).map_err(|cause| {
            let message = format!("the directory {} cannot be made", self.directory.display());
            CommandError::new(Exit::Failed, message).caused_by(&cause)
        })
    }
}

struct Tour<'a> {
    place: Place,
    printer: &'a Printer,
    stop: CancellationToken,
}

/// One step as it is told.
struct Step {
    name: &'static str,
    lines: Vec<String>,
    /// The command that does the same by hand.
    command: String,
    changed: bool,
}

impl Tour<'_> {
    async fn start_sandbox(&self) -> Result<RunningSandbox, CommandError> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sandbox = Sandbox::builder().directory(&self.place.sandbox).listen(any_port).start().await;
        let sandbox = sandbox.map_err(|error| of_sandbox(&error))?;
        write_ready_file(&self.place.ready_file, sandbox.ready())?;
        Ok(sandbox)
    }

    async fn steps(&self, ready: &Ready, people: Option<u32>) -> Result<(Exit, Vec<Step>), CommandError> {
        let mut story = Vec::new();
        self.tell(&mut story, self.tenant(ready))?;
        self.tell(&mut story, self.register().await?)?;
        self.tell(&mut story, self.configure(ready, people)?)?;
        let config = Config::load(Some(&self.place.configuration), &ProcessEnvironment);
        let daemon = Daemon::build(config.map_err(|error| of_config(&error))?, Ports::of_the_machine())
            .map_err(|error| explain("the configuration cannot be used", &error))?;
        self.tell(&mut story, acquire(&daemon).await?)?;
        let (exit, step) = self.call(&daemon).await?;
        self.tell(&mut story, step)?;
        self.tell(&mut story, operate())?;
        Ok((exit, story))
    }

    fn tenant(&self, ready: &Ready) -> Step {
        let Ready { authority, tenant_domain, tenant_id, .. } = ready;
        Step {
            name: "a tenant to practise in",
            lines: vec![
                format!("a sandbox serves the tenant {tenant_domain} ({tenant_id})"),
                format!("identity platform and directory on {authority}, for this machine alone"),
            ],
            command: "unattended sandbox start --data sandbox --ready-file sandbox.json".to_owned(),
            changed: false,
        }
    }

    async fn register(&self) -> Result<Step, CommandError> {
        let directory = Directory::of_sandbox(&self.place.ready_file)?;
        let mut file = ConfigurationFile::open(&self.place.configuration)?;
        let role = ApiRole { api: DIRECTORY_API.to_owned(), role: ROLE.to_owned() };
        let enrolment = Enrolment {
            name: APPLICATION,
            roles: &[role],
            credential: Credential::NewCertificate,
            grant_admin_consent: true,
        };
        let enrolled = enrol(&enrolment, &directory, &mut file).await?;
        Ok(Step {
            name: "register: who the daemon is, and what it may do",
            lines: enrolled.lines(&file),
            command: format!(
                "unattended register {APPLICATION} --role {DIRECTORY_API}:{ROLE} --certificate new \
                 --grant-admin-consent --sandbox sandbox.json"
            ),
            changed: enrolled.changed(),
        })
    }

    fn configure(&self, ready: &Ready, people: Option<u32>) -> Result<Step, CommandError> {
        let mut file = ConfigurationFile::open(&self.place.configuration)?;
        file.add_job(
            PROVISION,
            "0 2 * * *",
            "provision",
            &[
                ("api", DIRECTORY_API),
                ("resource", "/users"),
                ("source", "people.csv"),
                ("match", "userPrincipalName"),
            ],
        );
        file.add_job(
            EXPORT,
            "*/30 * * * *",
            "export",
            &[("api", DIRECTORY_API), ("read", READ), ("to", "users.ndjson")],
        );
        let jobs_added = file.save()?;
        let people_written = self.write_people(people, &ready.tenant_domain)?;
        Ok(Step {
            name: "configure: one file, no secret in it",
            lines: vec![
                told(
                    jobs_added,
                    format_args!("{}: the jobs `{PROVISION}` and `{EXPORT}`", file.path().display()),
                ),
                told(
                    people_written,
                    format_args!("{}: who shall be in the directory", self.place.people.display()),
                ),
            ],
            command: "unattended doctor".to_owned(),
            changed: jobs_added || people_written,
        })
    }

    /// The file of an earlier tour stays as it is, with what was edited in it, unless another number was asked for.
    fn write_people(&self, number: Option<u32>, domain: &str) -> Result<bool, CommandError> {
        let path = &self.place.people;
        let unusable = |cause: &(dyn std::error::Error + 'static)| {
            CommandError::new(Exit::Failed, format!("{} cannot be used", path.display())).caused_by(cause)
        };
        if path.exists() {
            let mut reader = csv::Reader::from_path(path).map_err(|cause| unusable(&cause))?;
            let rows = reader.records().count();
            if number.is_none_or(|number| rows == number as usize) {
                return Ok(false);
            }
        }
        let partial = path.with_extension("csv.partial");
        let file = File::create(&partial).map_err(|cause| unusable(&cause))?;
        let mut writer = BufWriter::new(file);
        people::write_csv(SEED, number.unwrap_or(PEOPLE), domain, &mut writer)
            .and_then(|()| writer.flush())
            .and_then(|()| std::fs::rename(&partial, path))
            .map_err(|cause| unusable(&cause))?;
        Ok(true)
    }

    async fn call(&self, daemon: &Daemon) -> Result<(Exit, Step), CommandError> {
        let unusable = |error| explain("the jobs cannot be run", &error);
        let engine = daemon.engine().map_err(unusable)?;
        let mut reports: Vec<Report> = Vec::new();
        for name in [PROVISION, EXPORT] {
            let job = daemon.job(name).map_err(unusable)?;
            let watcher = Watcher::new(self.printer);
            let ended = engine.run_now(&job, &watcher, self.stop.clone()).await;
            watcher.finish();
            let report = ended.map_err(|error| failed(name, &error))?;
            if report.outcome == Outcome::Interrupted {
                return Err(interrupted());
            }
            reports.push(report);
        }
        let complete = reports.iter().all(Report::is_success);
        let step = Step {
            name: "call: the daemon works as itself",
            lines: reports.iter().map(summary).collect(),
            command: format!("unattended run {PROVISION} {EXPORT}"),
            changed: reports.iter().any(|report| report.created + report.updated > 0),
        };
        Ok((if complete { Exit::Done } else { Exit::Failed }, step))
    }

    fn tell(&self, story: &mut Vec<Step>, step: Step) -> Result<(), CommandError> {
        let number = story.len();
        self.printer.result(format_args!("{}", styled(BOLD, format_args!("{number} {}", step.name))))?;
        for line in &step.lines {
            self.printer.result(format_args!("  {line}"))?;
        }
        self.printer
            .result(format_args!("  {}\n", styled(DIM, format_args!("by hand: {}", step.command))))?;
        story.push(step);
        Ok(())
    }

    fn close(&self, story: &[Step], seconds: f64) -> Result<(), CommandError> {
        let changed = story.iter().any(|step| step.changed);
        let steps: Vec<Value> = story
            .iter()
            .map(|step| json!({ "step": step.name, "changed": step.changed, "by_hand": step.command }))
            .collect();
        self.printer
            .json(&json!({ "directory": self.place.directory, "changed": changed, "steps": steps }))?;
        let verdict = if changed { "all five steps are done" } else { "nothing had to be changed" };
        self.printer.result(format_args!("{} in {seconds:.1} s", styled(GOOD, verdict)))?;
        self.printer.note(format_args!(
            "The sandbox has stopped with this command. To go on by hand: cd {}, and start with step 0.\n\
             `unattended` is {}",
            self.place.directory.display(),
            program()
        ));
        Ok(())
    }
}

async fn acquire(daemon: &Daemon) -> Result<Step, CommandError> {
    let tokens =
        daemon.scoped_token(DIRECTORY_API).map_err(|error| explain("no token can be asked for", &error))?;
    let token = tokens
        .acquire(Freshness::Cached)
        .await
        .map_err(|error| explain("no token could be acquired", &error))?;
    let shown = describe(DIRECTORY_API, &token, SystemClock.now());
    let text = |name: &str| match shown.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    Ok(Step {
        name: "acquire: a token for the application itself, with no user",
        lines: vec![
            format!(
                "proved by the certificate, issued for {} with the roles {}",
                text("audience"),
                text("roles")
            ),
            format!("good until {}, renewed from {} on", text("expires_at"), text("refresh_at")),
        ],
        command: "unattended token".to_owned(),
        changed: false,
    })
}

fn operate() -> Step {
    Step {
        name: "operate: the same jobs on their schedules",
        lines: vec![
            format!("`{PROVISION}` every night at two, `{EXPORT}` every half hour, until a signal"),
            "killed at any moment, the next start goes on where it was".to_owned(),
        ],
        command: "unattended run".to_owned(),
        changed: false,
    }
}

fn told(changed: bool, text: impl std::fmt::Display) -> String {
    format!("{} {text}", if changed { styled(GOOD, "+") } else { styled(DIM, "=") })
}

fn interrupted() -> CommandError {
    CommandError::new(Exit::Temporary, "interrupted").hint("the same command goes on from here")
}

/// This program as it can be called from here.
fn program() -> String {
    let Ok(program) = std::env::current_exe() else { return "this program".to_owned() };
    let here = std::env::current_dir().unwrap_or_default();
    program
        .strip_prefix(&here)
        .map_or_else(|_| program.display().to_string(), |below| format!("./{}", below.display()))
}
