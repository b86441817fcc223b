//! Programs that know what this process must not.

use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use unattended_core::{BoxFuture, redact_tokens};
use zeroize::Zeroize;

use super::{Signer, SigningAlgorithm};
use crate::error::Error;

/// More than any signature or assertion.
const LONGEST: u64 = 64 * 1024;

/// A program and its arguments. Whoever drops a run of it ends the process; what that has started is its own to end.
#[derive(Clone, Debug)]
pub(super) struct Program {
    name: String,
    arguments: Arc<[String]>,
}

impl Program {
    pub(super) fn new(argv: &[String]) -> Result<Self, Error> {
        match argv {
            [name, arguments @ ..] if !name.is_empty() => {
                Ok(Self { name: name.clone(), arguments: arguments.into() })
            }
            _ => Err(Error::configuration("a command names no program")),
        }
    }

    /// What it writes to its standard output, given `input`.
    pub(super) async fn run(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |what: &str, cause: std::io::Error| {
            Error::credential(format!("`{}` {what}", self.name)).caused_by(cause)
        };
        let mut child = Command::new(&self.name)
            .args(self.arguments.iter())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| {
                failed("cannot be started", cause)
                    .mended_by("name a program by its whole path, and let this user run it")
            })?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that does not read its input is free to close it.
            let _ = pipe.write_all(input).await;
        }
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let read_output = async {
            match child.stdout.take() {
                Some(pipe) => pipe.take(LONGEST + 1).read_to_end(&mut output).await,
                None => Ok(0),
            }
        };
        let read_complaint = async {
            match child.stderr.take() {
                Some(pipe) => pipe.take(LONGEST).read_to_end(&mut complaint).await,
                None => Ok(0),
            }
        };
        let (read, _) = futures_util::future::join(read_output, read_complaint).await;
        read.map_err(|cause| failed("cannot be read from", cause))?;
        // It may have ended by that alone.
        if output.len() as u64 > LONGEST {
            output.zeroize();
            return Err(Error::credential(format!("`{}` wrote more than 64 KiB", self.name))
                .mended_by("let it write what it is asked for and nothing else"));
        }
        let status = child.wait().await.map_err(|cause| failed("cannot be waited for", cause))?;
        if !status.success() {
            output.zeroize();
            return Err(Error::credential(format!(
                "`{}` failed with {status}{}",
                self.name,
                gist(&complaint)
            ))
            .mended_by("run it by hand, as the user and in the directory that this program has"));
        }
        Ok(output)
    }

    pub(super) fn describe(&self) -> String {
        format!("`{}`", self.name)
    }
}

/// The first line that says something.
fn gist(complaint: &[u8]) -> String {
    let text = redact_tokens(&String::from_utf8_lossy(complaint));
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", line.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

/// A program that signs: it gets the SHA-256 digest, 32 bytes, on its standard input and writes the signature, and
/// nothing else, to its standard output. Which algorithm it is to use stands in its arguments.
///
/// With OpenSSL and PS256: `openssl pkeyutl -sign -inkey KEY -pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss
/// -pkeyopt rsa_pss_saltlen:digest`.
#[derive(Clone, Debug)]
pub struct SignerCommand(Program);

impl SignerCommand {
    /// A program with its arguments; no shell stands between.
    ///
    /// # Errors
    /// There is no program in it.
    pub fn new(argv: &[String]) -> Result<Self, Error> {
        Program::new(argv).map(Self)
    }
}

impl Signer for SignerCommand {
    fn sign_digest<'a>(
        &'a self,
        _: SigningAlgorithm,
        digest: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move { Ok(self.0.run(digest).await?) })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
