//! Microsoft's crate.

use unattended_bench_identity::azure::Azure;
use unattended_bench_identity::{BoxError, run};

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [workload, settings] => run::<Azure>(workload, settings),
        _ => Err("usage: WORKLOAD SETTINGS.json".into()),
    }
}
