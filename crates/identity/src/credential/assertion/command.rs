//! A program that prints an assertion.

use unattended_core::{BoxFuture, Secret};

use super::AssertionSource;
use crate::credential::AuthenticationContext;
use crate::credential::command::Program;
use crate::error::Error;

/// A program that prints an assertion, run for every request that leaves.
#[derive(Clone, Debug)]
pub struct AssertionCommand(Program);

impl AssertionCommand {
    /// A program with its arguments; no shell stands between.
    ///
    /// # Errors
    /// There is no program in it.
    pub fn new(argv: &[String]) -> Result<Self, Error> {
        Program::new(argv).map(Self)
    }
}

impl AssertionSource for AssertionCommand {
    fn assertion<'a>(&'a self, _: &'a AuthenticationContext<'a>) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move { self.0.run(b"").await.map(Secret::new) })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
