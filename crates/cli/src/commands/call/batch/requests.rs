//! The requests of a file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use http::Method;
use serde::Deserialize;
use serde_json::Value;
use unattended_webapi::BatchRequest;

use crate::failure::{CommandError, Exit};

/// How many requests go to the client at once: enough to fill batches with what has to be repeated, few enough that
/// little is in doubt after a crash.
const WINDOW: usize = 100;

/// One line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Its number in the file by default.
    id: Option<String>,
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default, rename = "dependsOn")]
    depends_on: Vec<String>,
    #[serde(default)]
    idempotent: bool,
}

/// Everything that is to be sent, checked before anything is.
pub(super) struct Requests {
    lines: Vec<(String, Method, Line)>,
    /// Where a window may end: no request after it waits for one before it.
    ends: Vec<usize>,
}

impl Requests {
    /// Reads the file; `-` is standard input.
    pub(super) fn read(file: &Path) -> Result<Self, CommandError> {
        let shown = file.display().to_string();
        let unreadable = |cause: std::io::Error| {
            CommandError::new(Exit::Usage, format!("the requests in {shown} cannot be read"))
                .caused_by(&cause)
        };
        let mut text = String::new();
        if shown == "-" {
            std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
        } else {
            text = std::fs::read_to_string(file).map_err(unreadable)?;
        }
        let mut lines = Vec::new();
        let mut known = HashSet::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong =
                |what: String| CommandError::new(Exit::Usage, format!("{shown}:{}: {what}", number + 1));
            let line: Line = serde_json::from_str(line)
                .map_err(|cause| wrong("this is not a request".to_owned()).caused_by(&cause))?;
            let method = line.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
            let method = method.parse().map_err(|_| wrong(format!("`{method}` is not a method")))?;
            let id = line.id.clone().unwrap_or_else(|| (number + 1).to_string());
            if !known.insert(id.to_ascii_lowercase()) {
                return Err(wrong(format!("the id `{id}` is used twice")));
            }
            lines.push((id, method, line));
        }
        let ends = ends(&lines);
        Ok(Self { lines, ends })
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn id(&self, index: usize) -> &str {
        &self.lines[index].0
    }

    /// The requests from `start` on that go to the client together, for so many batches at once.
    pub(super) fn window(&self, start: usize, batches: usize) -> Range<usize> {
        let wanted = (start + WINDOW * batches).min(self.len());
        let end = self.ends.iter().copied().find(|end| *end >= wanted).unwrap_or(self.len());
        start..end
    }

    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_harmless(&self, index: usize) -> bool {
        let (_, method, line) = &self.lines[index];
        let is_guarded = line.headers.keys().any(|name| name.eq_ignore_ascii_case("if-match"));
        line.idempotent || method.is_idempotent() || (*method == Method::PATCH && is_guarded)
    }

    /// The requests as the client takes them, without the doubtful ones and without waiting for those.
    pub(super) fn build(&self, fresh: &[usize], doubtful: &[usize]) -> Vec<BatchRequest> {
        let left_out: HashSet<String> =
            doubtful.iter().map(|index| self.id(*index).to_ascii_lowercase()).collect();
        let build = |index: &usize| {
            let (id, method, line) = &self.lines[*index];
            let before = line.depends_on.iter().filter(|id| !left_out.contains(&id.to_ascii_lowercase()));
            let mut request = BatchRequest::new(id, method.clone(), &line.url).depends_on(before);
            for (name, value) in &line.headers {
                request = request.header(name, value);
            }
            if let Some(body) = &line.body {
                request = request.json(body);
            }
            if line.idempotent { request.idempotent() } else { request }
        };
        fresh.iter().map(build).collect()
    }
}

fn ends(lines: &[(String, Method, Line)]) -> Vec<usize> {
    let places: HashMap<String, usize> =
        lines.iter().enumerate().map(|(index, (id, ..))| (id.to_ascii_lowercase(), index)).collect();
    // How far a window that holds this request has to go at least.
    let mut reach: Vec<usize> = (0..lines.len()).collect();
    for (index, (_, _, line)) in lines.iter().enumerate() {
        for place in line.depends_on.iter().filter_map(|id| places.get(&id.to_ascii_lowercase())) {
            let (first, last) = (index.min(*place), index.max(*place));
            reach[first] = reach[first].max(last);
        }
    }
    let mut furthest = 0;
    let mut ends = Vec::new();
    for (index, reach) in reach.into_iter().enumerate() {
        furthest = furthest.max(reach);
        if furthest == index {
            ends.push(index + 1);
        }
    }
    ends
}
