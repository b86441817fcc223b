//! Nothing that the program prints or writes, its credential files aside, holds a secret, a key or a token.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, Workplace};

#[test]
fn no_secret_key_or_token_is_in_anything_that_was_written() {
    let mut sandbox = Sandbox::on_disk();
    let (admin_file, admin_secret) = sandbox.administrator_secret();
    let mut forbidden = vec![admin_secret];
    let mut credential_files = vec![admin_file];
    let mut written = Vec::new();

    let by_certificate = Workplace::new();
    let by_secret = Workplace::new();
    for (place, credential) in [(&by_certificate, "--certificate"), (&by_secret, "--secret")] {
        place.register(&sandbox, &["--verbose", credential, "new", "--grant-admin-consent"]).expect(0);
    }
    let by_certificate = by_certificate.with_jobs(&sandbox, 40);
    let by_secret = by_secret.with_jobs(&sandbox, 40);
    for place in [&by_certificate, &by_secret] {
        credential_files.push(place.credential_file());
        forbidden.extend(confidential_lines(&place.credential_file()));
        forbidden.push(token(place));
        use_every_verb(place);
        fail_in_every_way(place, &sandbox);
    }

    // Nobody writes any more.
    sandbox.stop();
    for place in [&by_certificate, &by_secret] {
        written.push((PathBuf::from("what was printed"), place.transcript()));
        written.extend(files(place.directory()));
    }
    written.extend(files(sandbox.directory()).into_iter().filter(|(path, _)| is_log(path)));
    written.retain(|(path, _)| !credential_files.contains(path));
    assert!(written.len() > 6, "too little was written to tell anything: {:?}", names(&written));

    for (path, content) in &written {
        for secret in &forbidden {
            assert!(!contains(content, secret), "{} holds a secret, a key or a token", path.display());
        }
        let token =
            content.windows(3).enumerate().find(|(at, three)| three == b"eyJ" && is_token(&content[*at..]));
        assert_eq!(token, None, "{} holds something like a token", path.display());
    }
}

fn use_every_verb(place: &Workplace) {
    for arguments in [
        &["--verbose", "token", "graph", "--force-refresh"][..],
        &["--verbose", "--json", "token", "graph"],
        &["--verbose", "run", "people", "--dry-run"],
        &["--verbose", "run", "people"],
        &["--verbose", "--json", "run", "users-export"],
        &["--verbose", "call", "graph", "GET", "/users", "--all"],
        &["--verbose", "doctor"],
        &["--verbose", "--json", "doctor"],
    ] {
        place.run(arguments).expect(0);
    }
}

fn fail_in_every_way(place: &Workplace, sandbox: &Sandbox) {
    place.run(&["--verbose", "call", "graph", "GET", "/users/nobody"]).expect(1);
    place.run(&["--verbose", "call", "graph", "GET", "/applications"]).expect(77);

    let good = fs::read_to_string(place.path("unattended.toml")).unwrap();
    // Another scope than the registered one, another application, another port: each fails at another place.
    for (from, to) in [
        (sandbox.ready("graph_resource"), "https://nothing.example.test"),
        (place.client_id().as_str(), "00000000-0000-4000-8000-000000000000"),
        ("graph/v1.0", "graph/v9.9"),
    ] {
        place.edit_config(from, to);
        for arguments in [
            &["--verbose", "token"][..],
            &["--verbose", "doctor"],
            &["--verbose", "run", "people"],
            &["--json", "token"],
        ] {
            place.run(arguments);
        }
        fs::write(place.path("unattended.toml"), &good).unwrap();
    }
}

/// A token as the program hands it out when told to, in a folder's transcript it does not stand.
fn token(place: &Workplace) -> String {
    let output = place.command(&["token", "graph", "--raw"]).output().unwrap();
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(is_token(token.as_bytes()), "{}", String::from_utf8_lossy(&output.stderr));
    token
}

/// The secret, or each line of the private key.
fn confidential_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let Some((_, key)) = text.split_once("PRIVATE KEY-----\n") else { return vec![text.trim().to_owned()] };
    let lines: Vec<String> = key
        .lines()
        .take_while(|line| !line.starts_with('-'))
        .filter(|line| line.len() > 20)
        .map(str::to_owned)
        .collect();
    assert!(lines.len() > 3);
    lines
}

/// Three parts of base64url, of which the first two begin like a JSON object.
fn is_token(content: &[u8]) -> bool {
    let end = content.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte));
    let word = String::from_utf8_lossy(&content[..end.unwrap_or(content.len())]);
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() >= 3 && parts[1].starts_with("eyJ")
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// The sandbox's own data are the directory's, and hold its keys; its log must hold nothing.
fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

fn contains(content: &[u8], needle: &str) -> bool {
    content.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn names(written: &[(PathBuf, Vec<u8>)]) -> Vec<&Path> {
    written.iter().map(|(path, _)| path.as_path()).collect()
}
