//! A sandbox that runs somewhere on this machine, and its control API.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use unattended_core::{HttpClient, ResponseBody};
use unattended_transport::Transport;

use super::{DEFAULT_DATA, READY_FILE};
use crate::failure::{CommandError, Exit};

/// The longest answer that is read whole: a full journal.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Where a sandbox without a name is looked for.
const DEFAULT_READY_FILE: &str = "./sandbox.json";

/// A running sandbox, and the right to control it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) ready: Ready,
    transport: Transport,
    token: String,
}

/// What the ready file says, as far as it is needed here.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) authority: String,
    pub(super) tenant_id: String,
    pub(super) graph: String,
    pub(super) vault: String,
    pub(super) ca_file: PathBuf,
    administrator: Administrator,
}

#[derive(Debug, Deserialize)]
struct Administrator {
    secret_file: PathBuf,
}

/// The ready file that is named, or the one that a sandbox started here has written.
pub(super) fn ready(named: Option<&Path>) -> Result<Ready, CommandError> {
    let usual = [PathBuf::from(DEFAULT_READY_FILE), Path::new(DEFAULT_DATA).join(READY_FILE)];
    let path = match named {
        Some(path) => path.to_owned(),
        None => usual.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
            CommandError::new(Exit::Configuration, "no sandbox was started here")
                .hint("start one with `unattended sandbox start`, or name its ready file with --sandbox")
        })?,
    };
    let unusable = |cause: &(dyn std::error::Error + 'static)| {
        CommandError::new(Exit::Configuration, format!("{} is no ready file of a sandbox", path.display()))
            .caused_by(cause)
            .hint(format!("start a sandbox: `unattended sandbox start --ready-file {}`", path.display()))
    };
    let text = fs::read(&path).map_err(|cause| unusable(&cause))?;
    serde_json::from_slice(&text).map_err(|cause| unusable(&cause))
}

impl Running {
    /// Finds the sandbox and the token that controls it, which is beside the administrator's secret.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, CommandError> {
        let ready = ready(named)?;
        let read = |path: &Path| {
            fs::read(path).map_err(|cause| {
                CommandError::new(Exit::Configuration, format!("{} cannot be read", path.display()))
                    .caused_by(&cause)
                    .hint("only the user who started the sandbox can control it, and only while it runs")
            })
        };
        let token = read(&ready.administrator.secret_file.with_file_name("control.token"))?;
        let transport = Transport::builder()
            .extra_ca_pem(&read(&ready.ca_file)?)
            .and_then(|builder| builder.build())
            .map_err(|cause| {
                CommandError::new(Exit::Failed, "the sandbox cannot be trusted").caused_by(&cause)
            })?;
        Ok(Self { ready, transport, token: String::from_utf8_lossy(&token).trim().to_owned() })
    }

    /// The answer of the control API as JSON; `null` if it says nothing.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let body = self.open(method, path, body).await?;
        let text = collect(body).await?;
        match text.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&text).map_err(|cause| not_understood(&cause)),
        }
    }

    /// The answer of the control API as it comes, after a status that says success.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<ResponseBody, CommandError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/sandbox{path}", self.ready.authority))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())))
            .map_err(|cause| not_understood(&cause))?;
        let response = self.transport.send(request).await.map_err(|cause| {
            CommandError::new(Exit::Unavailable, format!("no sandbox answers at {}", self.ready.authority))
                .caused_by(&cause)
                .hint("start it again with `unattended sandbox start`")
        })?;
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Ok(body);
        }
        Err(refused(parts.status, &collect(body).await?))
    }
}

async fn collect(body: ResponseBody) -> Result<Bytes, CommandError> {
    body.collect(MAX_ANSWER_BYTES).await.map_err(|cause| broken_off(&cause))
}

/// The sandbox went away in the middle of an answer.
pub(super) fn broken_off(cause: &(dyn std::error::Error + 'static)) -> CommandError {
    CommandError::new(Exit::Unavailable, "the sandbox did not finish its answer").caused_by(cause)
}

fn not_understood(cause: &(dyn std::error::Error + 'static)) -> CommandError {
    CommandError::new(Exit::Failed, "the sandbox does not understand this version of the program")
        .caused_by(cause)
}

fn refused(status: StatusCode, body: &[u8]) -> CommandError {
    let exit = match status {
        StatusCode::BAD_REQUEST => Exit::Usage,
        StatusCode::UNAUTHORIZED => Exit::Refused,
        _ => Exit::Failed,
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["error"];
    let message =
        error["message"].as_str().map_or_else(|| format!("the sandbox answered {status}"), str::to_owned);
    let failure = CommandError::new(exit, message);
    match error["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
