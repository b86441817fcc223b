//! The sidecar in this process: an API that follows a script, and callers whose users are told to it.
#![cfg(unix)]

mod calls;
mod lending;
mod pages;
mod refusals;
mod socket;
mod world;
