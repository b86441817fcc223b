//! The name that was probably meant.

/// Names that other tools use for the same thing, without case and separators.
const SYNONYMS: &[(&str, &str)] = &[
    ("appid", "client-id"),
    ("applicationid", "client-id"),
    ("audience", "resource"),
    ("authorityhost", "authority"),
    ("azureregion", "region"),
    ("baseaddress", "base-url"),
    ("cabundle", "ca-file"),
    ("cert", "certificate"),
    ("certificatefile", "certificate"),
    ("certificatepassword", "password"),
    ("certificatepath", "certificate"),
    ("clientcapabilities", "capabilities"),
    ("clientcertificate", "certificate"),
    ("clientsecret", "secret"),
    ("cloud", "authority"),
    ("cron", "schedule"),
    ("directoryid", "tenant"),
    ("endpoint", "base-url"),
    ("federatedtokenfile", "assertion-file"),
    ("instance", "authority"),
    ("key", "match"),
    ("output", "to"),
    ("passphrase", "password"),
    ("path", "resource"),
    ("permissions", "roles"),
    ("pfx", "certificate"),
    ("scopes", "scope"),
    ("sendcertificatechain", "send-chain"),
    ("sendx5c", "send-chain"),
    ("statedir", "state-directory"),
    ("tenantid", "tenant"),
    ("timezone", "time-zone"),
    ("url", "base-url"),
];

/// The nearest of `known`: the same letters in another spelling (`clientId`), another tool's word for it
/// (`TenantId`), or the one with the fewest typing mistakes if they are few.
pub(crate) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let letters = |name: &str| -> String {
        name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(given);
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == wanted).map(|(_, key)| *key);
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| match synonym {
            Some(key) if key == name => (0, name),
            _ => (strsim::damerau_levenshtein(&wanted, &letters(name)), name),
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["client-id", "tenant", "authority", "ca-file", "base-url"];

    #[test]
    fn another_spelling_another_word_and_a_slip_are_understood() {
        for (given, meant) in [
            ("clientId", Some("client-id")),
            ("client_id", Some("client-id")),
            ("TenantId", Some("tenant")),
            ("tennant", Some("tenant")),
            ("autority", Some("authority")),
            ("url", Some("base-url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, KEYS), meant, "{given}");
        }
    }
}
