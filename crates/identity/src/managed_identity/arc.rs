//! The challenge of the Arc agent: only who may read its files gets a token.

use std::io::Read;
use std::path::{Path, PathBuf};

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use unattended_core::Secret;
use unattended_files::open_regular;

use crate::error::Error;

const LONGEST: u64 = 4_096;

/// What the file holds that the challenge names.
///
/// The challenge comes over plain HTTP from whoever listens on the port, and decides which file is read and sent back:
/// so it may name nothing but a `.key` file that really lies in the agent's directory.
pub(super) fn proof(headers: &HeaderMap, tokens: &Path) -> Result<Secret, Error> {
    let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).ok_or_else(|| {
        Error::protocol("the Arc agent answered 401 without a challenge (WWW-Authenticate)")
    })?;
    let named = realm(challenge)
        .ok_or_else(|| Error::protocol("the challenge of the Arc agent names no file (Basic realm=FILE)"))?;
    let refuse = |reason: &str| {
        Error::credential(format!(
            "the challenge of the Arc agent names `{}`, which {reason}",
            named.escape_debug()
        ))
    };
    let path = PathBuf::from(named);
    if path.extension().is_none_or(|extension| extension != "key") {
        return Err(refuse("is no .key file"));
    }
    if path.parent() != Some(tokens) {
        return Err(refuse(&format!("is not in {}", tokens.display())));
    }
    let unreadable = |cause| refuse("cannot be read: add the user to the group himds").caused_by(cause);
    let real = path.canonicalize().map_err(unreadable)?;
    let directory = tokens.canonicalize().map_err(unreadable)?;
    if real.parent() != Some(&directory) {
        return Err(refuse("is a link to somewhere else"));
    }
    let mut bytes = Vec::new();
    open_regular(&real)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let proof = Secret::new(bytes);
    if proof.expose().len() as u64 > LONGEST {
        return Err(refuse("is longer than 4096 bytes"));
    }
    Ok(proof)
}

fn realm(challenge: &str) -> Option<&str> {
    let (scheme, parameters) = challenge.trim().split_once(' ')?;
    let (name, value) = parameters.trim().split_once('=')?;
    let is_basic = scheme.eq_ignore_ascii_case("basic") && name.trim().eq_ignore_ascii_case("realm");
    is_basic.then(|| value.trim().trim_matches('"')).filter(|file| !file.is_empty())
}
