//! What is shown: to people on pages and by `unattended status`, to programs as JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

/// How everything does. There is no secret in it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// As of when.
    #[serde(serialize_with = "second")]
    pub at: Timestamp,
    /// Whether [every job is well](Verdict::is_good).
    pub succeeded: bool,
    /// Who the jobs run as.
    pub application: ApplicationStatus,
    /// The jobs of the configuration, by name.
    pub jobs: Vec<JobStatus>,
}

impl Status {
    /// The jobs that somebody has to look after.
    pub fn troubled(&self) -> impl Iterator<Item = &JobStatus> {
        self.jobs.iter().filter(|job| !job.verdict.is_good())
    }

    /// The answer to "did it work?", in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        match (self.troubled().count(), self.jobs.len()) {
            (_, 0) => "The configuration names no job".to_owned(),
            (0, 1) => "The job is well".to_owned(),
            (0, all) => format!("All {all} jobs are well"),
            (1, 1) => "The job needs attention".to_owned(),
            (1, all) => format!("1 of {all} jobs needs attention"),
            (some, all) => format!("{some} of {all} jobs need attention"),
        }
    }
}

/// How one job does.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// What it does, in words: `export graph:/users to users.ndjson`.
    pub work: String,
    /// When it runs by itself.
    pub schedule: Option<ScheduleStatus>,
    /// Whether it is well.
    pub verdict: Verdict,
    /// When it runs next.
    #[serde(serialize_with = "optional_second")]
    pub next_at: Option<Timestamp>,
    /// Since when it should have run and has not.
    #[serde(serialize_with = "optional_second")]
    pub overdue_since: Option<Timestamp>,
    /// The run under way.
    pub running: Option<RunStatus>,
    /// The latest run that is not under way.
    pub last: Option<RunStatus>,
}

/// When a job runs by itself.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleStatus {
    /// The five fields of the configuration.
    pub cron: String,
    /// What they mean.
    pub words: String,
    /// The zone of their times, by its IANA name; `None` if the machine's has no name.
    pub time_zone: Option<String>,
}

/// Whether a job is well.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Its last run did everything.
    Succeeded,
    /// It has not run yet, and nothing has been missed.
    Waiting,
    /// Its last run did not do everything.
    Failed,
    /// It should have run and has not.
    Overdue,
    /// It has a schedule that nobody serves: it has never run, and no daemon has planned its first run.
    Unplanned,
}

impl Verdict {
    /// Whether nobody has to look after it.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Waiting)
    }
}

/// One run of a job.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// Its id.
    pub run_id: String,
    /// How it stands.
    pub state: RunState,
    /// When it was due.
    #[serde(serialize_with = "second")]
    pub due_at: Timestamp,
    /// When its latest attempt began.
    #[serde(serialize_with = "optional_second")]
    pub began_at: Option<Timestamp>,
    /// When it ended.
    #[serde(serialize_with = "optional_second")]
    pub ended_at: Option<Timestamp>,
    /// Before when an interrupted one does not go on by itself.
    #[serde(serialize_with = "optional_second")]
    pub goes_on_at: Option<Timestamp>,
    /// How long its latest attempt took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The attempts since the last progress.
    pub attempts: u32,
    /// Whether it went on where an earlier attempt had been killed or stopped.
    pub resumed: bool,
    /// Why its work began anew although it could have gone on, if it did.
    pub restarted: Option<String>,
    /// What it did, once it is at its end.
    pub counts: Option<Counts>,
    /// The file that it wrote.
    pub output: Option<String>,
    /// The file of the rows that it left out.
    pub rejects: Option<String>,
    /// Why it did not come to its end.
    pub error: Option<String>,
}

impl RunStatus {
    /// When it happened: its latest attempt if that is known, or else its due time.
    #[must_use]
    pub fn when(&self) -> Timestamp {
        self.began_at.unwrap_or(self.due_at)
    }

    /// What it did, in words.
    #[must_use]
    pub fn did(&self) -> Option<String> {
        let counts = self.counts.as_ref()?;
        let mut told = match &self.output {
            Some(_) => format!("{} in {}", counted(counts.items, "item"), counted(counts.pages, "page")),
            None => format!(
                "{} created, {} updated, {} unchanged",
                counts.created, counts.updated, counts.unchanged
            ),
        };
        for (count, what) in [(counts.rejected, "rejected"), (counts.failed, "failed")] {
            if count > 0 {
                told.push_str(&format!(", {count} {what}"));
            }
        }
        Some(told)
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunState {
    /// It waits for its time.
    Due,
    /// It is under way.
    Running,
    /// It did everything.
    Done,
    /// It did everything that can be done; some rows were rejected or failed.
    Partial,
    /// It was asked to stop, or a fault kept it that may pass. It goes on.
    Interrupted,
    /// Its process went away without a word. The next start goes on from there.
    Killed,
    /// It cannot be done.
    Failed,
    /// It was tried too often without progress and is put aside.
    Parked,
}

impl RunState {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "done in part",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::Failed => "failed",
            Self::Parked => "parked",
        }
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Counts {
    /// Objects made.
    pub created: u64,
    /// Objects changed.
    pub updated: u64,
    /// Objects that were as the source says.
    pub unchanged: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Rows of which it is not known whether they were provisioned.
    pub failed: u64,
    /// Pages read.
    pub pages: u64,
    /// Objects read.
    pub items: u64,
}

/// Who the jobs run as, and what that needs.
#[derive(Clone, Debug, Serialize)]
pub struct ApplicationStatus {
    /// The file of the configuration.
    pub configuration: String,
    /// The application (client) ID.
    pub client_id: String,
    /// The tenant that it acts in; an issuer that is not of the Microsoft identity platform has none.
    pub tenant: Option<String>,
    /// Who issues its tokens.
    pub authority: String,
    /// The web APIs that it calls, by name.
    pub apis: Vec<ApiStatus>,
    /// How it proves who it is, in order of preference.
    pub credentials: Vec<CredentialStatus>,
}

/// A web API that the jobs call.
#[derive(Clone, Debug, Serialize)]
pub struct ApiStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its address.
    pub base_url: String,
    /// The scope of its tokens.
    pub scope: String,
    /// The app roles that the jobs need of it.
    pub roles: Vec<String>,
}

/// A credential, without any part of it that is secret.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialStatus {
    /// `certificate` or `secret`.
    pub kind: String,
    /// Where it is kept.
    pub reference: String,
    /// The subject of a certificate.
    pub subject: Option<String>,
    /// The SHA-256 thumbprint of a certificate, as hexadecimal digits.
    pub thumbprint_sha256: Option<String>,
    /// The end of a certificate; when a secret ends only its registration knows.
    #[serde(serialize_with = "optional_second")]
    pub not_after: Option<Timestamp>,
    /// Whole days until that end, negative after it.
    pub days_left: Option<i64>,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// What mends that.
    pub remedy: Option<String>,
}

impl CredentialStatus {
    /// Below so many days left, somebody has to renew it.
    pub const SOON: i64 = 30;

    /// What somebody has to know about it before it stops the jobs, if there is something.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match (&self.problem, self.days_left) {
            (Some(problem), _) => Some(problem.clone()),
            (None, Some(days)) if days < 0 => Some(format!("{} has ended", self.reference)),
            (None, Some(1)) => Some(format!("{} ends in 1 day", self.reference)),
            (None, Some(days)) if days < Self::SOON => {
                Some(format!("{} ends in {days} days", self.reference))
            }
            _ => None,
        }
    }
}

fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn second<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

fn optional_second<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => second(at, serializer),
        None => serializer.serialize_none(),
    }
}
