//! The token endpoint, judged by what it answers.

mod catalogue;
mod errors;
mod federation;
mod issuer;
mod limits;
mod proof;
mod resources;
mod settings;
mod world;
