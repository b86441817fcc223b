//! What happens underneath, on standard error.

use tracing_subscriber::EnvFilter;

use crate::arguments::Output;

/// Warnings by default, everything of the house with `--verbose`, errors alone with `--quiet`.
pub(crate) fn start(output: &Output) {
    let level = match output {
        Output { quiet: true, .. } => "error",
        Output { verbose: true, .. } => "debug",
        _ => "warn",
    };
    // The libraries of others stay at warnings: at debug level some of them print what they send.
    let mut filter = String::from("warn");
    for part in [
        "core",
        "transport",
        "identity",
        "webapi",
        "protect",
        "registration",
        "jobs",
        "console",
        "sandbox",
        "sidecar",
        "daemon",
    ] {
        filter.push_str(&format!(",unattended_{part}={level}"));
    }
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    _ = if output.json { subscriber.json().try_init() } else { subscriber.compact().try_init() };
}
