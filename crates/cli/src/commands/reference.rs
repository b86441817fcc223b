//! Pages of the documentation that are made from the program itself, so that they cannot go stale: the command line from
//! its arguments, the errors from their catalogue.

use clap::CommandFactory;
use unattended_core::{aadsts, oauth_errors};

use crate::arguments::{Arguments, ReferencePage};
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

pub(crate) fn run(page: ReferencePage, printer: &Printer) -> Result<Exit, CommandError> {
    let page = match page {
        ReferencePage::CommandLine => command_line(),
        ReferencePage::Errors => errors(),
    };
    printer.line(page.trim_end())?;
    Ok(Exit::Done)
}

fn errors() -> String {
    let mut page = String::from(
        "# Errors\n\nMade by `cargo xtask generate` from the program itself. `unattended explain CODE` prints one of these, \
         and\n`unattended explain` reads a whole pasted error.\n\n\
         | class | who acts | asking again |\n|---|---|---|\n",
    );
    for (class, who) in [
        (aadsts::Class::Configuration, "whoever wrote `unattended.toml`"),
        (aadsts::Class::Credential, "whoever holds the secret or the certificate"),
        (aadsts::Class::Federation, "whoever registered the federated credential"),
        (aadsts::Class::Administrator, "an administrator of the tenant"),
        (aadsts::Class::Transient, "nobody"),
    ] {
        page.push_str(&format!("| {} | {who} | {} |\n", class.name(), class.retry()));
    }
    for chapter in aadsts::CATALOGUE {
        page.push_str(&format!(
            "\n## {}\n\n| code | class | cause | remedy |\n|---|---|---|---|\n",
            chapter.title
        ));
        for aadsts::Entry { code, class, cause, remedy, .. } in chapter.entries {
            page.push_str(&format!("| AADSTS{code} | {} | {cause} | {remedy} |\n", class.name()));
        }
    }
    page.push_str(
        "\n## OAuth errors of any server\n\n| code | class | cause | remedy |\n|---|---|---|---|\n",
    );
    for oauth_errors::Entry { code, class, cause, remedy, .. } in oauth_errors::CATALOGUE {
        page.push_str(&format!("| `{code}` | {} | {cause} | {remedy} |\n", class.name()));
    }
    page
}

fn command_line() -> String {
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
    fn the_pages_in_the_documentation_are_those_that_the_program_prints() {
        for (kept, now) in [
            (include_str!("../../../../docs/reference/command-line.md"), super::command_line()),
            (include_str!("../../../../docs/reference/errors.md"), super::errors()),
        ] {
            let now = format!("{}\n", now.trim_end());
            assert!(kept == now, "docs/reference is out of date; run `cargo xtask generate`");
        }
    }
}
