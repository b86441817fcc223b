//! `unattended-identity`.

use unattended_bench_identity::ours::{ByHandle, ById};
use unattended_bench_identity::{BoxError, run};

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unattended", workload, settings] => run::<ByHandle>(workload, settings),
        ["unattended-by-id", workload, settings] => run::<ById>(workload, settings),
        _ => Err("usage: unattended|unattended-by-id WORKLOAD SETTINGS.json".into()),
    }
}
