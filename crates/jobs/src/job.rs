//! What a job is.

use std::path::PathBuf;

use unattended_webapi::Client;

use crate::schedule::Schedule;
use crate::store::JobKey;

/// A piece of work with a name, and perhaps a time.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name, as in `[jobs.people]`.
    pub name: String,
    /// The tenant (or issuer) it acts in: the runs and checkpoints of two tenants never meet.
    pub tenant: String,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// What it does.
    pub work: Work,
}

impl Job {
    /// What tells its runs from those of other jobs.
    #[must_use]
    pub fn key(&self) -> JobKey {
        JobKey { tenant: self.tenant.clone(), job: self.name.clone() }
    }
}

/// What a job does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Work {
    /// Makes a directory what a file says.
    Provision(Provision),
    /// Makes a file what a directory says.
    Export(Export),
}

/// Makes the objects of a directory what a file says: creates and updates, never deletes.
#[derive(Clone, Debug)]
pub struct Provision {
    /// The directory's API.
    pub client: Client,
    /// The collection, such as `/users`.
    pub resource: String,
    /// The desired objects: `.csv` or `.ndjson`.
    pub source: PathBuf,
    /// The attribute that says which object a row is about, such as `userPrincipalName`; its case does not count.
    pub match_on: String,
    /// Where rows that cannot be provisioned are written.
    pub rejects: PathBuf,
}

/// Makes a file what a collection says: one object a line, byte for byte as the API wrote it.
#[derive(Clone, Debug)]
pub struct Export {
    /// The API.
    pub client: Client,
    /// The path to read, such as `/users?$select=id,displayName`.
    pub read: String,
    /// The file to write. While it is written it is called `<to>.partial`.
    pub to: PathBuf,
}
