//! Microsoft's clients of a key vault, unmodified, against the sandbox.

use serde_json::json;

use super::super::tenant::Tenant;
use super::python;

// directory 11
#[test]
fn azure_keyvault_keeps_and_reads_secrets_and_certificates() {
    let mut tenant = Tenant::with("secret");
    let client_id = tenant.place.client_id();
    for role in ["secrets-officer", "certificates-officer"] {
        let ready = tenant.sandbox.ready_file();
        let arguments = ["sandbox", "vault", "grant", &client_id, role, "--sandbox"];
        let arguments: Vec<&str> = arguments.into_iter().chain(ready.to_str()).collect();
        tenant.place.run(&arguments).expect(0);
    }
    tenant.set("vault", tenant.sandbox.ready("vault").into());
    let answers = tenant.tell(&mut python("work_with_key_vault.py"));
    assert_eq!(answers.len(), 2);
    for found in answers {
        let secrets = &found["secrets"];
        assert_eq!((&secrets["latest"], &secrets["old"]), (&json!("second"), &json!("first")), "{found}");
        assert_eq!(secrets["kept"], json!(["text/plain", { "a": "b" }, true]), "{found}");
        assert_eq!(secrets["recovery"], json!(["Recoverable+Purgeable", 90]), "{found}");
        assert_eq!(secrets["versions"], 2, "{found}");
        assert_eq!(secrets["disabled"], json!([403, "Forbidden", false]), "{found}");
        assert_eq!(secrets["deleted"], json!(["database"]), "{found}");
        assert_eq!(secrets["missing"], json!([404, "SecretNotFound", true]), "{found}");
        assert_eq!(secrets["taken"][0], 409, "{found}");
        assert_eq!((&secrets["recovered"], &secrets["purged"]), (&json!("second"), &json!([])), "{found}");
        let certificates = &found["certificates"];
        for fact in
            ["imported", "thumbprint", "same_key", "same_certificate", "same_pem", "of_version", "managed"]
        {
            assert_eq!(certificates[fact], true, "{fact}: {found}");
        }
        assert_eq!(certificates["key"], json!(["RSA", 2048, true]), "{found}");
        assert_eq!(certificates["subject"], "CN=daemon", "{found}");
        assert_eq!(certificates["listed"], json!(["daemon", "daemon-pem"]), "{found}");
        let types = json!(["application/x-pkcs12", "application/x-pem-file"]);
        assert_eq!(certificates["content_types"], types, "{found}");
        // The authority read the assertion that was signed with the vault's certificate, and does not know the key.
        assert_eq!(found["token"], "AADSTS700027", "{found}");
    }
}
