//! The token endpoint, judged by what it answers.

mod catalogue;
mod certified;
mod consent_pages;
mod errors;
mod federation;
mod issuer;
mod limits;
mod mutual_tls;
mod proof;
mod provocations;
mod resources;
mod served;
mod settings;
mod subject_names;
mod world;
