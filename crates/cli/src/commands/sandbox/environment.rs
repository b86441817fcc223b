//! `unattended sandbox env`: what other programs' clients have to know, as variables.

use serde_json::{Map, Value};

use super::running::Ready;
use crate::arguments::IdentityHost;
use crate::failure::CommandError;
use crate::printer::Printer;

/// Prints lines for a shell, or one JSON object.
pub(super) fn print(
    ready: &Ready,
    managed_identity: Option<(IdentityHost, &Value)>,
    printer: &Printer,
) -> Result<(), CommandError> {
    let mut variables = variables(ready);
    variables.extend(managed_identity.into_iter().flat_map(|(host, hosts)| of_host(host, hosts)));
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

/// What tells programs that they run on a host, and where it gives them tokens; `hosts` is what the sandbox says.
fn of_host(host: IdentityHost, hosts: &Value) -> Vec<(&'static str, String)> {
    let text = |pointer: &str| hosts.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    match host {
        IdentityHost::Imds => vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", text("/imds/endpoint"))],
        IdentityHost::AppService => vec![
            ("IDENTITY_ENDPOINT", text("/app-service/endpoint")),
            ("IDENTITY_HEADER", text("/app-service/header")),
        ],
        IdentityHost::Arc => vec![
            ("IDENTITY_ENDPOINT", text("/arc/endpoint")),
            // That it is there is what tells the Arc agent from App Service.
            ("IMDS_ENDPOINT", text("/imds/endpoint")),
        ],
    }
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
