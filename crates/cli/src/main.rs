//! The `unattended` program.
fn main() {}
