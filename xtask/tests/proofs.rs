//! What the documentation calls proven is proven by a test that exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The pages, the crate that a name without one is in, and how many names there are at least.
const PAGES: [(&str, &str, usize); 2] = [
    ("docs/reference/identity-features.md", "unattended-identity", 45),
    ("docs/reference/clients.md", "unattended third_party", 25),
];

#[test]
fn every_test_that_a_page_names_exists() {
    let mut missing = Vec::new();
    for (page, home, at_least) in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let names = names(&text);
        assert!(names.len() >= at_least, "{page} names {} tests; is it still a table?", names.len());
        missing.extend(names.iter().filter(|name| !exists(name, home)).map(|name| format!("{page}: {name}")));
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn every_test_beside_the_features_of_others_is_a_link_to_its_file() {
    let page = "docs/reference/identity-features.md";
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let leads_to_it = |name: &String| {
        let (_, after) = text.split_once(&format!("[`{name}`](../../"))?;
        let file = std::fs::read_to_string(root().join(after.split_once(')')?.0)).ok()?;
        has_test(&file, name.rsplit("::").next()?).then_some(())
    };
    let names = names(&text);
    let lost: Vec<_> = names.iter().filter(|name| leads_to_it(name).is_none()).collect();
    assert!(lost.is_empty(), "no link to its file: {lost:?}");
}

#[test]
fn a_test_that_was_renamed_moved_or_never_written_is_missed() {
    let home = "unattended-identity";
    for there in [
        "profile::tests::equal_profiles_are_one_and_unused_ones_are_forgotten",
        "unattended-core names::tests::a_scope_is_a_set",
        "pkcs11 softhsm::a_token_signs_assertions_with_every_algorithm_and_never_gives_its_key_away",
        "client::tests::requests",
    ] {
        assert!(exists(there, home), "{there}");
    }
    for gone in [
        "profile::tests::equal_profiles_are_two",
        "cache::tests::equal_profiles_are_one_and_unused_ones_are_forgotten",
        "unattended-core names::tests::equal_profiles_are_one_and_unused_ones_are_forgotten",
        // A function, but no test.
        "client::tests::settle",
        "client::tests::answers",
    ] {
        assert!(!exists(gone, home), "{gone}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What looks like the path of a test, in the last cell of each row.
fn names(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end().trim_end_matches('|').rsplit('|').next());
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.filter(|name| name.contains("::")).map(str::to_owned).collect()
}

/// Whether a test `[CRATE] module::test` or a module of tests is there; `home` completes what names no crate.
fn exists(name: &str, home: &str) -> bool {
    let name = if name.starts_with("unattended") { name.to_owned() } else { format!("{home} {name}") };
    let mut words = name.split([' ', ':']).filter(|word| !word.is_empty());
    let folder = match words.next().unwrap() {
        "unattended" => "cli",
        package => package.trim_start_matches("unattended-"),
    };
    let path: Vec<&str> = words.collect();
    let (test, modules) = path.split_last().unwrap();
    let mut files = Vec::new();
    for part in ["src", "tests"] {
        sources(&root().join("crates").join(folder).join(part), &mut Vec::new(), &mut files);
    }
    files.iter().any(|(place, text)| {
        let is_in = |module: &&str| {
            place.iter().any(|part| part == module)
                || text.lines().any(|line| line.trim() == format!("mod {module} {{"))
        };
        modules.iter().all(is_in) && (has_test(text, test) || place.last().is_some_and(|last| last == test))
    })
}

/// Every source below a folder with the modules that its path names.
fn sources(folder: &Path, modules: &mut Vec<String>, files: &mut Vec<(Vec<String>, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        modules.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            sources(&path, modules, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((modules.clone(), std::fs::read_to_string(&path).unwrap()));
        }
        modules.pop();
    }
}

/// Whether a source has a function of this name under an attribute that makes it a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.trim_start_matches("async ");
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| {
        let above =
            lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        is_it(line)
            && above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}
