//! The token endpoint, judged by what it answers.

mod errors;
mod proof;
mod resources;
mod world;
