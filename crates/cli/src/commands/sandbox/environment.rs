//! `unattended sandbox env`: what other programs' clients have to know, as variables.

use serde_json::{Map, Value};

use super::running::Ready;
use crate::failure::CommandError;
use crate::printer::Printer;

/// Prints lines for a shell, or one JSON object.
pub(super) fn print(ready: &Ready, printer: &Printer) -> Result<(), CommandError> {
    let variables = variables(ready);
    for (name, value) in &variables {
        printer.result(format_args!("export {name}={}", quoted(value)))?;
    }
    let object: Map<String, Value> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    printer.json(&object)
}

fn variables(ready: &Ready) -> Vec<(&'static str, String)> {
    let ca = ready.ca_file.display().to_string();
    vec![
        // MSAL and azure-identity of every language.
        ("AZURE_AUTHORITY_HOST", ready.authority.clone()),
        ("AZURE_TENANT_ID", ready.tenant_id.clone()),
        // No SDK reads it: for the base URL that a program gives to its Graph client.
        ("GRAPH_BASE_URL", ready.graph.clone()),
        // As the samples of the Azure SDKs name it.
        ("VAULT_URL", ready.vault.clone()),
        // Python: requests, then what uses the ssl module (httpx, aiohttp); OpenSSL; Node.
        ("REQUESTS_CA_BUNDLE", ca.clone()),
        ("SSL_CERT_FILE", ca.clone()),
        ("NODE_EXTRA_CA_CERTS", ca),
    ]
}

/// For a POSIX shell: nothing inside single quotes means anything but the quote itself.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_nothing_but_a_value_to_the_shell() {
        assert_eq!(quoted("/home/o'neill/$(id)/ca.pem"), r"'/home/o'\''neill/$(id)/ca.pem'");
    }
}
