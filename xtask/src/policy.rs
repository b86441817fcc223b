//! What may be in the dependency tree. The same rules as `deny.toml`, for a machine without cargo-deny.

use std::collections::{BTreeMap, BTreeSet};

use crate::progress::{self, Outcome};
use crate::project::Project;

/// Second TLS stacks, second runtimes, second models of civil time.
const BANNED: [&str; 7] =
    ["async-std", "chrono", "native-tls", "openssl", "openssl-src", "openssl-sys", "ring"];

/// Licences that a binary under MIT OR Apache-2.0 may carry.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Names that may be there in more than one version: third parties that lag one step behind.
const DUPLICATES_CEILING: usize = 6;

pub(crate) fn check(project: &Project) -> Outcome {
    let mut tree = project.cargo(["tree", "--workspace", "--all-features", "--locked", "--target", "all"]);
    tree.args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"]);
    let output = match progress::run(project, "policy", &mut tree) {
        Ok(output) => output,
        Err(why) => return Outcome::Failed(why),
    };
    let packages: BTreeSet<Package<'_>> = output.lines().filter_map(Package::parse).collect();
    let violations = violations(&packages);
    if violations.is_empty() {
        Outcome::Passed(format!("{} crates, {} in two versions", packages.len(), duplicates(&packages).len()))
    } else {
        Outcome::Failed(violations.join("\n"))
    }
}

/// One line of `cargo tree --format "{p}\t{l}"`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// A path or a git address in parentheses; empty for the default registry.
    source: &'a str,
    licence: &'a str,
}

impl<'a> Package<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // A crate that was listed before is marked, not repeated.
        let (package, licence) = line.trim_end_matches(" (*)").split_once('\t')?;
        let (name, rest) = package.split_once(' ')?;
        let (version, source) = rest.split_once(' ').unwrap_or((rest, ""));
        let source = source.trim_start_matches("(proc-macro)").trim();
        Some(Self { name, version, source, licence })
    }
}

fn violations(packages: &BTreeSet<Package<'_>>) -> Vec<String> {
    let mut violations = Vec::new();
    for Package { name, version, source, licence } in packages {
        if BANNED.contains(name) {
            violations.push(format!(
                "{name} {version} is banned; `cargo tree --target all -i {name}` says who brings it"
            ));
        }
        if source.contains("://") {
            violations
                .push(format!("{name} {version} does not come from the default registry but from {source}"));
        }
        if !permitted(licence) {
            violations
                .push(format!("{name} {version} has the licence {licence:?}, which is not on the list"));
        }
    }
    let duplicates = duplicates(packages);
    if duplicates.len() > DUPLICATES_CEILING {
        let list: Vec<String> =
            duplicates.iter().map(|(name, versions)| format!("{name} {versions:?}")).collect();
        violations.push(format!(
            "{} crates are there in more than one version, {DUPLICATES_CEILING} may be: {}",
            duplicates.len(),
            list.join(", ")
        ));
    }
    violations
}

fn duplicates<'a>(packages: &BTreeSet<Package<'a>>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name).or_default().insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

/// Whether an SPDX expression can be met with the licences of the list: every operand of an `AND`, one of an `OR`.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens = spaced.split_whitespace().peekable();
    let permitted = alternatives(&mut tokens);
    permitted && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(tokens: &mut Tokens<'_>) -> bool {
    let mut any = conjunction(tokens);
    while tokens.next_if_eq(&"OR").is_some() {
        any |= conjunction(tokens);
    }
    any
}

fn conjunction(tokens: &mut Tokens<'_>) -> bool {
    let mut all = operand(tokens);
    while tokens.next_if_eq(&"AND").is_some() {
        all &= operand(tokens);
    }
    all
}

fn operand(tokens: &mut Tokens<'_>) -> bool {
    match tokens.next() {
        Some("(") => {
            let inner = alternatives(tokens);
            tokens.next() == Some(")") && inner
        }
        Some(licence) if tokens.next_if_eq(&"WITH").is_some() => {
            let exception = tokens.next().unwrap_or_default();
            LICENCES.contains(&format!("{licence} WITH {exception}").as_str())
        }
        Some(licence) => LICENCES.contains(&licence),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_expression_is_met_by_every_operand_of_and_and_one_of_or() {
        for met in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(permitted(met), "{met}");
        }
        for unmet in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "MIT MIT", "MIT WITH other-exception"]
        {
            assert!(!permitted(unmet), "{unmet}");
        }
    }

    #[test]
    fn each_rule_names_the_crate_that_breaks_it() {
        let lines = "unattended v0.1.0 (/home/user/unattended/crates/cli)\tMIT OR Apache-2.0\n\
            serde_derive v1.0.0 (proc-macro)\tMIT\n\
            ring v0.17.14\tISC\n\
            borrowed v0.1.0 (https://git.example.test/borrowed#0123)\tMIT\n\
            shared v0.1.0\tGPL-3.0\n";
        let packages = lines.lines().filter_map(Package::parse).collect();
        let violations = violations(&packages);
        let named: Vec<&str> = violations.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(named, ["borrowed", "ring", "shared"], "{violations:#?}");
    }
}
