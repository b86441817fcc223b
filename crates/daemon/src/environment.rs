//! The process environment as a port.

use std::collections::BTreeMap;
use std::fmt;

/// Where variables are read.
pub trait Environment: fmt::Debug + Send + Sync + 'static {
    /// The value of a variable; `None` when it is not set, is empty, or is not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The environment of this process. Nothing else in the workspace reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "this is the one implementation of the port")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// Variables given as data: tests, and programs that embed the daemon.
#[derive(Clone, Default)]
pub struct MapEnvironment(BTreeMap<String, String>);

impl MapEnvironment {
    /// The variables and nothing else.
    pub fn new<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

// A variable may hold a secret, so only the names are shown.
impl fmt::Debug for MapEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment for MapEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = MapEnvironment::new([("A", ""), ("B", "b")]);
        assert_eq!((environment.variable("A"), environment.variable("B")), (None, Some("b".to_owned())));
    }

    #[test]
    fn a_value_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", MapEnvironment::new([("SECRET", "hunter2")])), r#"{"SECRET"}"#);
    }
}
