//! `pkcs11` of a certificate: where its private key is.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{Mistake, Mistakes};
use super::model::Pkcs11;
use super::reader::Section;
use super::referred::reference;

const EXAMPLE: &str = "pkcs11 = { module = \"/usr/lib/softhsm/libsofthsm2.so\", token = \"nightly\", key = \"app\", pin = \"file:pin\" }";

pub(super) fn pkcs11(
    span: Range<usize>,
    table: &DeTable<'_>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<Pkcs11> {
    if !cfg!(feature = "pkcs11") {
        mistakes.add(Mistake::at(
            span,
            "`pkcs11` is not in this build",
            "a program that is linked statically cannot load the module of a token",
            "let a program sign: `signer-command = [...]`, or build with `cargo build --features pkcs11`",
        ));
        return None;
    }
    let section = Section::open(
        "`pkcs11` of the credential",
        span,
        table,
        &["module", "token", "key", "pin"],
        mistakes,
    );
    let text = |key: &str, why: &str, mistakes: &mut Mistakes| {
        let text = section.required_text(key, why, EXAMPLE, mistakes)?;
        if text.value.is_empty() {
            mistakes.add(Mistake::at(
                text.span,
                format!("`{key}` is empty"),
                why,
                format!("write `{EXAMPLE}`"),
            ));
            return None;
        }
        Some(text.value)
    };
    let module = text("module", "it is the path of the shared library that speaks to the token", mistakes);
    let token = text("token", "a module may have several tokens, told apart by their labels", mistakes);
    let key = text("key", "a token may have several private keys, told apart by their labels", mistakes);
    if !section.has("pin") {
        mistakes.add(section.missing("pin", "a token signs for nobody without its PIN", EXAMPLE));
    }
    let pin = reference(&section, "pin", directory, mistakes);
    Some(Pkcs11 {
        module: directory.join(module?),
        token: token?.to_owned(),
        key: key?.to_owned(),
        pin: pin?,
    })
}
