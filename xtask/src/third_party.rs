//! What the third-party tests need: Python packages in a virtual environment of their own, npm packages in a
//! folder of their own, both kept while the pinned manifest is unchanged; a Rust program with a lock of its own;
//! Apache, Chromium, nginx, tinyproxy, Redis and SoftHSM from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::{self, Outcome};
use crate::project::{self, Project};

/// A toolchain that could not be had.
pub(crate) struct Missing {
    name: &'static str,
    tests: &'static str,
    why: String,
}

impl Missing {
    /// The module whose tests cannot run without it.
    pub(crate) fn tests(&self) -> &'static str {
        self.tests
    }
}

/// `cargo xtask third-party`: true when everything could be had.
pub(crate) fn run(project: &Project) -> bool {
    let missing = prepare(project);
    match report(project, &missing) {
        Outcome::Passed(note) => println!("{note}"),
        Outcome::Failed(why) => eprintln!("error: {why}"),
    }
    missing.is_empty()
}

/// Install what is not there yet.
pub(crate) fn prepare(project: &Project) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (name, tests, install) in [
        ("Python", "third_party::python", python as fn(&Project) -> Result<(), String>),
        ("Node", "third_party::node", node),
        ("Rust", "third_party::rust", rust),
        ("Apache", "third_party::apache", apache),
        ("curl", "sidecar", curl),
        ("Redis", "redis_server", redis),
        ("nginx", "nginx", nginx),
        ("tinyproxy", "tinyproxy", tinyproxy),
        ("SoftHSM", "softhsm", softhsm),
        ("Chromium", "third_party::browser", chromium),
        ("Chromium", "third_party::chromium", chromium),
    ] {
        if let Err(why) = install(project) {
            missing.push(Missing { name, tests, why });
        }
    }
    missing
}

/// Say what is there or, in one line each, what is not and which tests are therefore not run.
pub(crate) fn report(project: &Project, missing: &[Missing]) -> Outcome {
    if missing.is_empty() {
        return Outcome::Passed(format!("in {}", project.below_root(&project.third_party()).display()));
    }
    if project::in_ci() {
        let reasons: Vec<String> =
            missing.iter().map(|missing| format!("{}: {}", missing.name, missing.why)).collect();
        return Outcome::Failed(format!("CI is set, so nothing may be left out\n{}", reasons.join("\n")));
    }
    let line = |missing: &Missing| {
        format!("no {} packages ({}), so not run: {}", missing.name, gist(&missing.why), missing.tests)
    };
    Outcome::Passed(missing.iter().map(line).collect::<Vec<_>>().join("; "))
}

/// The line of an output that tells most.
fn gist(output: &str) -> &str {
    let mut lines = output.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next_back();
    lines.find(|line| line.to_lowercase().contains("error")).or(last).unwrap_or("no reason given")
}

fn python(project: &Project) -> Result<(), String> {
    let requirements = project.root().join("tests/third-party/python/requirements.txt");
    let folder = project.third_party().join("venv");
    let interpreter = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // The interpreter that the environment was made from may be gone since.
    let alive = || {
        succeeds(
            Command::new(&interpreter)
                .args(["-c", "import azure.identity, fastapi_azure_auth, msal, msgraph, requests"]),
        )
    };
    reuse_or_install(&folder, std::slice::from_ref(&requirements), alive, || {
        let make = || {
            let mut command = Command::new(if cfg!(windows) { "python" } else { "python3" });
            progress::run(project, "venv", command.args(["-m", "venv", "--clear"]).arg(&folder))
        };
        make()
            .or_else(|why| apt_install(project, &["python3", "python3-venv"], why).and_then(|()| make()))?;
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements);
        twice(|| progress::run(project, "pip", &mut pip))
    })
}

fn node(project: &Project) -> Result<(), String> {
    let source = project.root().join("tests/third-party/node");
    let folder = project.third_party().join("node");
    let manifests = ["package.json", "package-lock.json"].map(|name| source.join(name));
    let alive = || folder.join("node_modules").is_dir() && succeeds(Command::new("node").arg("--version"));
    reuse_or_install(&folder, &manifests, alive, || {
        let copied = manifests.iter().try_for_each(|path| {
            fs::create_dir_all(&folder)?;
            fs::copy(path, folder.join(path.file_name().unwrap_or_default())).map(drop)
        });
        copied.map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
        let install = || {
            let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
            npm.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
            progress::run(project, "npm", &mut npm)
        };
        if !(succeeds(Command::new("node").arg("--version"))
            && succeeds(Command::new("npm").arg("--version")))
        {
            apt_install(project, &["nodejs", "npm"], "node and npm are not installed".to_owned())?;
        }
        twice(install)
    })
}

/// A program with a lock of its own: what it depends on, OpenSSL above all, is nothing that we depend on.
fn rust(project: &Project) -> Result<(), String> {
    let source = project.root().join("tests/third-party/rust");
    let folder = project.third_party().join("rust");
    let mut build = project.cargo(["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(source.join("Cargo.toml")).arg("--target-dir").arg(&folder);
    let mut build = || progress::run(project, "third-party-rust", &mut build).map(drop);
    if Path::new("/usr/include/openssl/ssl.h").exists() {
        return build();
    }
    // Elsewhere than on Debian the headers may be in another place, which the build finds.
    build().or_else(|why| apt_install(project, &["libssl-dev", "pkg-config"], why).and_then(|()| build()))
}

/// Apache is used where Debian puts it, and no service of it is started: that is in another package.
fn apache(project: &Project) -> Result<(), String> {
    if Path::new("/usr/lib/apache2/modules/mod_auth_openidc.so").exists() {
        return Ok(());
    }
    let why = "apache2 with mod_auth_openidc is not installed".to_owned();
    apt_install(project, &["apache2-bin", "libapache2-mod-auth-openidc"], why)
}

/// What calls through the sidecar, beside Python.
fn curl(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("curl").arg("--version")) {
        return Ok(());
    }
    apt_install(project, &["curl"], "curl is not installed".to_owned())
}

/// The web server that connections are tried with.
pub(crate) fn nginx(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("nginx").arg("-v")) {
        return Ok(());
    }
    apt_install(project, &["nginx-light"], "nginx is not installed".to_owned())
}

/// What counts instructions. The second package is what it needs to know of the dynamic linker.
pub(crate) fn valgrind(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("valgrind").arg("--version")) {
        return Ok(());
    }
    apt_install(project, &["valgrind", "libc6-dbg"], "valgrind is not installed".to_owned())
}

/// The proxy that asks for a password. No service of it is started: that is in another package.
fn tinyproxy(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("tinyproxy").arg("-v")) {
        return Ok(());
    }
    apt_install(project, &["tinyproxy-bin"], "tinyproxy is not installed".to_owned())
}

/// The server that token stores are tried with.
fn redis(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("redis-server").arg("--version")) {
        return Ok(());
    }
    apt_install(project, &["redis-server"], "redis-server is not installed".to_owned())
}

/// The module that keys are kept in by the tests of PKCS#11.
fn softhsm(project: &Project) -> Result<(), String> {
    if succeeds(Command::new("softhsm2-util").arg("--version")) {
        return Ok(());
    }
    apt_install(project, &["softhsm2"], "softhsm2 is not installed".to_owned())
}

/// Chromium is used where Debian puts it, driven by a package of Node that would otherwise fetch its own.
fn chromium(project: &Project) -> Result<(), String> {
    node(project)?;
    if succeeds(Command::new("/usr/bin/chromium").arg("--version")) {
        return Ok(());
    }
    apt_install(project, &["chromium"], "chromium is not installed".to_owned())
}

/// Install unless the folder was completed for these very manifests.
fn reuse_or_install(
    folder: &Path,
    manifests: &[PathBuf],
    alive: impl Fn() -> bool,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let wanted = manifests
        .iter()
        .map(fs::read_to_string)
        .collect::<Result<String, _>>()
        .map_err(|error| format!("cannot read the pinned manifest: {error}"))?;
    let stamp = folder.join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && alive() {
        return Ok(());
    }
    // A stamp beside half an installation would call it complete.
    let _ = fs::remove_file(&stamp);
    install()?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// Install Debian packages where that needs nobody's leave; otherwise the given reason stands.
fn apt_install(project: &Project, packages: &[&str], why: String) -> Result<(), String> {
    let root = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    if !(Path::new("/etc/debian_version").exists() && root) {
        return Err(why);
    }
    progress::run(project, "apt-update", Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-qy", "--no-install-recommends"]).args(packages);
    progress::run(project, "apt-install", install.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}

/// A registry may be out of breath for a moment.
fn twice(mut install: impl FnMut() -> Result<String, String>) -> Result<(), String> {
    install().or_else(|_| install()).map(drop)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
