//! Writing `unattended.toml`: what a command knows is put in, what a person wrote stays.

use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table};

use crate::failure::{CommandError, Exit};
use crate::files;

/// A configuration under construction.
#[derive(Debug)]
pub(crate) struct ConfigurationFile {
    path: PathBuf,
    original: String,
    document: DocumentMut,
}

/// `[application]`, as far as a registration knows it.
#[derive(Debug)]
pub(crate) struct Application<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) ca_file: Option<&'a Path>,
    /// `certificate` or `secret`, and its file.
    pub(crate) credential: Option<(&'a str, &'a Path)>,
}

impl ConfigurationFile {
    /// The file at `path`, or a new one.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        let original = match fs::read_to_string(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|cause| unusable(path).caused_by(&cause))?,
        };
        let document =
            original.parse().map_err(|cause: toml_edit::TomlError| unusable(path).caused_by(&cause))?;
        Ok(Self { path: path.to_owned(), original, document })
    }

    /// A new one that is not meant to be saved; relative paths in it start beside `path`.
    pub(crate) fn in_memory(path: &Path) -> Self {
        Self { path: path.to_owned(), original: String::new(), document: DocumentMut::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The application that the file is for already.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.document.get("application")?.get("client-id")?.as_str()
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.document.get("application").is_some_and(|application| application.get("credentials").is_some())
    }

    pub(crate) fn has_api(&self, name: &str) -> bool {
        self.document.get("apis").is_some_and(|apis| apis.get(name).is_some())
    }

    /// The resource behind an API of the file: its scope without `/.default`.
    pub(crate) fn resource(&self, api: &str) -> Option<&str> {
        self.document.get("apis")?.get(api)?.get("scope")?.as_str()?.strip_suffix("/.default")
    }

    pub(crate) fn set_application(&mut self, application: &Application<'_>) {
        let Application { client_id, tenant, authority, ca_file, credential } = application;
        let ca_file = ca_file.map(|path| self.relative(path));
        let credential = credential.map(|(kind, path)| (kind, format!("file:{}", self.relative(path))));
        let table = self.table(&["application"]);
        set(table, "client-id", client_id);
        set(table, "tenant", tenant);
        set(table, "authority", authority);
        if let Some(ca_file) = ca_file {
            set(table, "ca-file", &ca_file);
        }
        let Some((kind, reference)) = credential else { return };
        let credentials =
            table.entry("credentials").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        if let Item::ArrayOfTables(credentials) = credentials {
            let known =
                credentials.iter().any(|known| known.get(kind).and_then(Item::as_str) == Some(&reference));
            if !known {
                let mut credential = Table::new();
                set(&mut credential, kind, &reference);
                credentials.push(credential);
            }
        }
    }

    /// Sets where an API is and which scope its tokens have.
    pub(crate) fn set_api(&mut self, name: &str, base_url: &str, scope: &str) {
        let table = self.table(&["apis", name]);
        set(table, "base-url", base_url);
        set(table, "scope", scope);
    }

    /// Adds to the roles that the jobs need of an API; without the API, nothing.
    pub(crate) fn add_role(&mut self, api: &str, role: &str) {
        if !self.has_api(api) {
            return;
        }
        let listed =
            self.table(&["apis", api]).entry("roles").or_insert_with(|| toml_edit::value(Array::new()));
        if let Some(listed) = listed.as_array_mut()
            && !listed.iter().any(|known| known.as_str() == Some(role))
        {
            listed.push(role);
        }
    }

    /// Adds a job unless there is one of that name.
    #[cfg(any(feature = "sandbox", test))]
    pub(crate) fn add_job(&mut self, name: &str, schedule: &str, kind: &str, parameters: &[(&str, &str)]) {
        if self.document.get("jobs").is_some_and(|jobs| jobs.get(name).is_some()) {
            return;
        }
        let table = self.table(&["jobs", name]);
        set(table, "schedule", schedule);
        let mut inline = toml_edit::InlineTable::new();
        for (key, value) in parameters {
            inline.insert(*key, toml_edit::Value::from(*value));
        }
        table.insert(kind, toml_edit::value(inline));
    }

    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Writes the file if anything changed; says whether it did.
    pub(crate) fn save(&self) -> Result<bool, CommandError> {
        let text = self.text();
        if text == self.original {
            return Ok(false);
        }
        files::write_private(&self.path, text.as_bytes())?;
        Ok(true)
    }

    /// A path as it is written into the file: from the file's directory if it is below it, so that both can move.
    fn relative(&self, path: &Path) -> String {
        let base = files::absolute(unattended_files::directory_of(&self.path));
        let path = files::absolute(path);
        path.strip_prefix(&base).unwrap_or(&path).to_string_lossy().into_owned()
    }

    /// The table at `path`, made where it is missing.
    fn table(&mut self, path: &[&str]) -> &mut Table {
        let mut table = self.document.as_table_mut();
        for (depth, name) in path.iter().enumerate() {
            let item = table.entry(name).or_insert_with(|| {
                let mut table = Table::new();
                // `[apis]` alone would only be noise above `[apis.graph]`.
                table.set_implicit(depth + 1 < path.len());
                Item::Table(table)
            });
            if !item.is_table() {
                *item = Item::Table(Table::new());
            }
            table = match item {
                Item::Table(table) => table,
                _ => unreachable!("made a table just now"),
            };
        }
        table
    }
}

fn set(table: &mut Table, key: &str, value: &str) {
    // An equal value keeps its comment and its formatting.
    if table.get(key).and_then(Item::as_str) != Some(value) {
        table.insert(key, toml_edit::value(value));
    }
}

fn unusable(path: &Path) -> CommandError {
    CommandError::new(Exit::Configuration, format!("{} cannot be used", path.display()))
        .hint("mend the file, or choose another one with `--config FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(file: &mut ConfigurationFile) {
        file.set_application(&Application {
            client_id: "c",
            tenant: "t",
            authority: "https://localhost:1",
            ca_file: Some(&file.path().with_file_name("ca.pem")),
            credential: Some(("certificate", &file.path().with_file_name("app.pem"))),
        });
        file.set_api("graph", "https://localhost:1/graph/v1.0", "https://graph.microsoft.com/.default");
        file.add_role("graph", "A");
        file.add_role("graph", "B");
        file.add_role("other", "C");
        file.add_job("people", "0 2 * * *", "provision", &[("api", "graph"), ("resource", "/users")]);
    }

    #[test]
    fn a_new_file_reads_like_one_that_a_person_wrote() {
        let mut file = ConfigurationFile::in_memory(Path::new("unattended.toml"));
        fill(&mut file);
        insta::assert_snapshot!(file.text(), @r#"
        [application]
        client-id = "c"
        tenant = "t"
        authority = "https://localhost:1"
        ca-file = "ca.pem"

        [[application.credentials]]
        certificate = "file:app.pem"

        [apis.graph]
        base-url = "https://localhost:1/graph/v1.0"
        scope = "https://graph.microsoft.com/.default"
        roles = ["A", "B"]

        [jobs.people]
        schedule = "0 2 * * *"
        provision = { api = "graph", resource = "/users" }
        "#);
    }

    #[test]
    fn what_a_person_wrote_stays_and_the_same_again_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("unattended.toml");
        let mut file = ConfigurationFile::open(&path).unwrap();
        fill(&mut file);
        assert!(file.save().unwrap());
        let edited = fs::read_to_string(&path).unwrap().replace("tenant = \"t\"", "tenant = \"t\" # ours");
        fs::write(&path, &edited).unwrap();
        let mut file = ConfigurationFile::open(&path).unwrap();
        fill(&mut file);
        assert!(!file.save().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    }
}
