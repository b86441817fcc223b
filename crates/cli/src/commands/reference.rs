//! The command line as a page of the documentation, made from the arguments themselves so that it cannot go stale.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

pub(crate) fn run(printer: &Printer) -> Result<Exit, CommandError> {
    printer.line(page().trim_end())?;
    Ok(Exit::Done)
}

fn page() -> String {
    let mut command = Arguments::command().term_width(100);
    command.build();
    let mut page = String::from(
        "# Command line\n\nMade by `cargo xtask generate` from the program itself.\n\n\
         Results go to standard output, everything else to standard error. With `--json` standard output is one JSON\n\
         document, or one per line, and nothing else.\n",
    );
    section(&mut command, &mut page);
    page
}

fn section(command: &mut clap::Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()));
    for verb in command.get_subcommands_mut().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        section(verb, page);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_the_documentation_is_the_one_that_the_program_prints() {
        let kept = include_str!("../../../../docs/reference/command-line.md");
        let now = format!("{}\n", super::page().trim_end());
        assert!(kept == now, "docs/reference/command-line.md is out of date; run `cargo xtask generate`");
    }
}
