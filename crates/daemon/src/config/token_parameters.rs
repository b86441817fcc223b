//! `token-parameters` of an API: what else the request for its tokens says.

use std::collections::BTreeMap;

use unattended_identity::RESERVED_PARAMETERS;

use super::diagnostic::{Mistake, Mistakes};
use super::reader::{Section, may_be_secret};

const KEY: &str = "token-parameters";

pub(super) fn token_parameters(section: &Section<'_>, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let Some((_, table)) = section.table(KEY, mistakes) else { return parameters };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if may_be_secret(name) {
            mistakes.conceal(value.span());
        }
        match value.get_ref().as_str() {
            _ if RESERVED_PARAMETERS.contains(&name) => mistakes.add(Mistake::at(
                key.span(),
                format!("`{KEY}` cannot hold `{name}`"),
                "it is for what only some servers know, and this is a part of every token request",
                instead_of(name),
            )),
            Some(text) => {
                parameters.insert(name.to_owned(), text.to_owned());
            }
            None => mistakes.add(Mistake::at(
                value.span(),
                format!("`{name}` in `{KEY}` is not text"),
                "a token request is a form, and a form holds text",
                "write the value in quotes",
            )),
        }
    }
    parameters
}

fn instead_of(name: &str) -> String {
    match name {
        "scope" | "resource" => format!("write it as `{name}` of the API itself"),
        "claims" => "remove it; claims that a web API asks for are sent by themselves, and \
                     `capabilities` in [application] says that the application can handle them"
            .to_owned(),
        "token_type" => "write `token-binding` in the API itself".to_owned(),
        _ => "remove it; [application] and its credentials say who asks".to_owned(),
    }
}
