//! Programs that are not ours: Microsoft's clients and a browser against the sandbox, resource servers that validate its
//! tokens, our client against a certified server.

mod apache;
mod browser;
mod chromium;
mod curl;
mod nginx;
mod node;
mod python;
mod rust;
mod table;
mod tenant;
mod things;

pub(crate) use things::{Things, administrator, create};

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

/// The folder that `cargo xtask` installs the packages to.
fn packages() -> PathBuf {
    let beside_the_build = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("third-party");
    std::env::var_os("UNATTENDED_THIRD_PARTY").map_or(beside_the_build, PathBuf::from)
}

/// A file of the packages' folder, which must be there.
#[track_caller]
fn installed(name: &str) -> PathBuf {
    let path = packages().join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which installs it", path.display());
    path
}

/// A program of `tests/third-party`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/third-party").join(name)
}

/// The JSON documents that a program printed, one a line; it must have ended well.
#[track_caller]
fn documents(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
        .collect()
}
