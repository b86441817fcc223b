//! What nobody can be much cheaper than.

use unattended_bench_identity::floor::Floor;
use unattended_bench_identity::{BoxError, run};

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [workload, settings] => run::<Floor>(workload, settings),
        _ => Err("usage: WORKLOAD SETTINGS.json".into()),
    }
}
