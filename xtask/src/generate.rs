//! The pages of the documentation that are made from the program. A test fails when one is out of date.

use crate::project::Project;

/// What `unattended reference` is asked for, and where that goes.
const PAGES: [(&str, &str); 2] =
    [("command-line", "docs/reference/command-line.md"), ("errors", "docs/reference/errors.md")];

pub(crate) fn run(project: &Project) -> Result<bool, String> {
    for (name, page) in PAGES {
        let output = project
            .cargo(["run", "--quiet", "--locked", "--package", "unattended", "--", "reference", name])
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "`unattended reference {name}` failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let path = project.root().join(page);
        std::fs::write(&path, output.stdout)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        println!("{page}");
    }
    Ok(true)
}
