//! What the daemon touches of the world.

use std::sync::Arc;

use unattended_core::{Clock, Entropy, HttpClient, SystemClock, SystemEntropy};

use crate::environment::{Environment, ProcessEnvironment};

/// Time, randomness, environment and network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// Variables.
    pub environment: Arc<dyn Environment>,
    /// The network; without one, a transport is made as the configuration and the environment say.
    pub http: Option<Arc<dyn HttpClient>>,
}

impl Ports {
    /// The machine's own.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            environment: Arc::new(ProcessEnvironment),
            http: None,
        }
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Another environment.
    #[must_use]
    pub fn with_environment(self, environment: Arc<dyn Environment>) -> Self {
        Self { environment, ..self }
    }

    /// Another network.
    #[must_use]
    pub fn with_http(self, http: Arc<dyn HttpClient>) -> Self {
        Self { http: Some(http), ..self }
    }
}
