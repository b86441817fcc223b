//! Reads unattended.toml, builds and runs the rest.
