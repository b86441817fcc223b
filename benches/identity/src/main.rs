//! `unattended-identity`, and the floor.

use unattended_bench_identity::floor::Floor;
use unattended_bench_identity::ours::{ByHandle, ById};
use unattended_bench_identity::{BoxError, run};

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["floor", workload, settings] => run::<Floor>(workload, settings),
        ["unattended", workload, settings] => run::<ByHandle>(workload, settings),
        ["unattended-by-id", workload, settings] => run::<ById>(workload, settings),
        _ => Err("usage: floor|unattended|unattended-by-id WORKLOAD SETTINGS.json".into()),
    }
}
