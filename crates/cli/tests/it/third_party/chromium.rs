//! A browser in front of the console.

use std::path::Path;
use std::process::{Command, Output};

use crate::console::Console;
use crate::support::{Sandbox, Workplace};

#[test]
fn a_browser_that_opens_the_login_url_shows_the_jobs_and_the_next_one_does_not() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 3);
    place.run(&["run", "--once"]).expect(0);
    let console = Console::of(&place);

    let (shown, messages) = page(&place.path("first"), &console.login_url());
    for said in ["All 2 jobs are well", "3 created, 0 updated, 0 unchanged", "href=\"/job?name=people\""] {
        assert!(shown.contains(said), "{said}: {shown}\n{messages}");
    }
    // What the policy keeps out is told there: the page's own looks are not among it.
    assert!(!messages.contains("Content Security Policy"), "{messages}");

    let (refused, _) = page(&place.path("second"), &console.login_url());
    assert!(refused.contains("each one works once") && !refused.contains("people"), "{refused}");
}

/// What a new browser shows at a URL, as HTML, and what it logs.
fn page(profile: &Path, url: &str) -> (String, String) {
    let Output { status, stdout, stderr } = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--window-size=390,844", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .output()
        .unwrap_or_else(|error| panic!("chromium: {error}; `cargo xtask test` installs it"));
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{status}\n{stderr}");
    (String::from_utf8_lossy(&stdout).into_owned(), stderr)
}
