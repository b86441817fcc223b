//! Values that differ from one place to the next and are no secrets: `env:NAME`.

use super::diagnostic::{Mistake, Mistakes};
use super::reader::Text;
use crate::environment::Environment;

/// What `parse` makes of the text as it stands in the file, or of what the variable holds that it names.
pub(super) fn value<T>(
    key: &str,
    text: &Text<'_>,
    wanted: &str,
    environment: &dyn Environment,
    mistakes: &mut Mistakes,
    parse: impl FnOnce(&Text<'_>, &mut Mistakes) -> Option<T>,
) -> Option<T> {
    let Some(name) = text.value.strip_prefix("env:") else { return parse(text, mistakes) };
    let (what, why) = match environment.variable(name) {
        None => (format!("`{key}` is in the environment, and is not there"), "is not set, or empty"),
        Some(value) => {
            // What is told of it may repeat it, and it may be another one than was meant.
            let mut untold = Mistakes::default();
            // Whoever fills a variable from a file gives it a line break.
            let parsed = parse(&Text { value: value.trim(), span: text.span.clone() }, &mut untold);
            if untold.is_empty() {
                return parsed;
            }
            (format!("`{key}` is in the environment, and is something else there"), "holds no such value")
        }
    };
    let name = name.escape_debug();
    mistakes.add(Mistake::at(
        text.span.clone(),
        what,
        format!("the variable {name} {why}"),
        format!("let {name} hold {wanted}, or write that here"),
    ));
    None
}
