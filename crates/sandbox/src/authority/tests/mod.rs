//! The token endpoint, judged by what it answers.

mod errors;
mod federation;
mod issuer;
mod proof;
mod resources;
mod world;
