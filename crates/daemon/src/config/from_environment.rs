//! Values that differ from one place to the next and are no secrets: `env:NAME`.

use std::borrow::Cow;
use std::fmt::Display;

use super::diagnostic::{Mistake, Mistakes};
use super::reader::Text;
use crate::environment::Environment;

/// The text as it stands in the file, or what the variable holds that it names.
pub(super) fn value_of<'t>(
    key: &str,
    text: &Text<'t>,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
) -> Option<Cow<'t, str>> {
    let Some(name) = text.value.strip_prefix("env:") else { return Some(Cow::Borrowed(text.value)) };
    let value = environment.variable(name);
    if value.is_none() {
        mistakes.add(Mistake::at(
            text.span.clone(),
            format!("`{key}` is in the environment, and is not there"),
            format!("the variable {} is not set, or empty", name.escape_debug()),
            format!("set it for the daemon, or write the value of `{key}` here"),
        ));
    }
    value.map(Cow::Owned)
}

/// Why a value is wrong. What a variable holds is not shown: it may be another one than was meant.
pub(super) fn reason(value: Cow<'_, str>, error: impl Display) -> String {
    match value {
        Cow::Borrowed(_) => error.to_string(),
        Cow::Owned(_) => "the variable holds something else".to_owned(),
    }
}
