//! The error codes of the Microsoft identity platform, as data.
//!
//! The platform's texts change without notice and are not for control flow; the numbers are stable. Each entry says in
//! our own words what went wrong and who does what about it.

/// What one `AADSTS` number means to an application without a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The number after `AADSTS`.
    pub code: u32,
    /// What helps.
    pub class: Class,
    /// What went wrong.
    pub cause: &'static str,
    /// What somebody does about it.
    pub remedy: &'static str,
}

/// What helps against an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// The request or the configuration is wrong; repeating it changes nothing.
    Configuration,
    /// The credential is wrong or used up; reading it anew once may help.
    Credential,
    /// An administrator of the tenant has to act.
    Administrator,
    /// The assertion of another issuer does not match the registered federated credential.
    Federation,
    /// It passes by itself.
    Transient,
}

/// The entry of a code.
#[must_use]
pub fn find(code: u32) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.code == code)
}

/// Every `AADSTS` number that a text mentions, in order.
#[must_use]
pub fn codes_in(text: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split("AADSTS").skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

/// The catalogue.
pub static CATALOGUE: &[Entry] = {
    use Class::{Administrator, Configuration, Credential, Federation, Transient};
    const fn entry(code: u32, class: Class, cause: &'static str, remedy: &'static str) -> Entry {
        Entry { code, class, cause, remedy }
    }
    &[
        entry(
            50012,
            Credential,
            "the credential could not be verified",
            "upload the certificate that the application holds, or give it the key of a registered one",
        ),
        entry(
            50027,
            Credential,
            "the client assertion is not a well-formed JWT, or names no certificate",
            "load the certificate together with its private key",
        ),
        entry(
            50048,
            Credential,
            "subject and issuer of the client assertion differ",
            "sign with `iss` and `sub` both set to the client id",
        ),
        entry(
            50049,
            Configuration,
            "the authority is not one of the platform's hosts",
            "correct `authority` in unattended.toml",
        ),
        entry(
            50196,
            Transient,
            "the same token was asked for in a loop",
            "keep tokens in the cache; wait some minutes",
        ),
        entry(
            53003,
            Administrator,
            "a Conditional Access policy for workload identities blocks the application",
            "an administrator adjusts the policy or excludes the service principal",
        ),
        entry(
            70003,
            Configuration,
            "the server does not know this grant type",
            "use the client credentials grant",
        ),
        entry(
            70011,
            Configuration,
            "the scope is not valid",
            "use the application ID URI of one resource followed by /.default",
        ),
        entry(
            70021,
            Federation,
            "no federated credential matches the assertion",
            "compare issuer, subject and audience; a new one takes some minutes to take effect",
        ),
        entry(
            90002,
            Configuration,
            "the tenant does not exist in this cloud",
            "check `tenant`, and that `authority` is the right cloud",
        ),
        entry(
            90009,
            Configuration,
            "an application asks for a token for itself by URI",
            "use `{client id}/.default`",
        ),
        entry(
            90014,
            Configuration,
            "a required field of the request is empty",
            "check client id, scope and credential",
        ),
        entry(90033, Transient, "the identity platform has a passing fault", "nothing: it is retried"),
        entry(
            90055,
            Transient,
            "too many requests from this tenant",
            "nothing: it is retried when the server says",
        ),
        entry(
            500011,
            Administrator,
            "the resource has no service principal in this tenant",
            "check the resource in `scope`; else an administrator consents to the API or creates its service principal",
        ),
        entry(
            500014,
            Administrator,
            "the service principal of the resource is disabled",
            "an administrator enables the API's enterprise application",
        ),
        entry(
            501051,
            Administrator,
            "the resource requires an assignment, and the application has none",
            "an administrator assigns one of the resource's app roles to the application",
        ),
        entry(
            700016,
            Administrator,
            "the application is not known in this tenant",
            "check `client-id` and `tenant`; in a customer's tenant an administrator has to consent first",
        ),
        entry(
            700021,
            Credential,
            "the client assertion was made for another application",
            "check `client-id` and the certificate",
        ),
        entry(
            700022,
            Configuration,
            "the scope names more than one resource",
            "ask for one resource at a time",
        ),
        entry(
            700023,
            Configuration,
            "the client assertion was made for another token endpoint",
            "check `authority` and `tenant`",
        ),
        entry(
            700024,
            Credential,
            "the client assertion is expired or not yet valid",
            "set the machine's clock: `unattended doctor` shows by how much it is off",
        ),
        entry(
            700025,
            Configuration,
            "the application is registered as a public client",
            "turn off public client flows in the registration",
        ),
        entry(
            700027,
            Credential,
            "the certificate is not registered for the application, or the key does not belong to it",
            "upload the certificate to the application registration",
        ),
        entry(
            700030,
            Credential,
            "the certificate's subject name is not authorised",
            "register the subject name and its issuer",
        ),
        entry(
            700211,
            Federation,
            "no federated credential has this issuer",
            "compare the assertion's `iss` with the registration, to the last slash",
        ),
        entry(
            700212,
            Federation,
            "no federated credential has this audience",
            "compare the assertion's `aud` with the registration",
        ),
        entry(
            700213,
            Federation,
            "no federated credential has this subject",
            "compare the assertion's `sub` with the registration",
        ),
        entry(900021, Configuration, "the tenant is the empty GUID", "set `tenant`"),
        entry(
            900023,
            Configuration,
            "the tenant is neither a GUID nor a domain",
            "set `tenant` to the directory (tenant) ID",
        ),
        entry(
            900144,
            Configuration,
            "a required parameter is missing from the request",
            "check client id, scope and credential",
        ),
        entry(
            901002,
            Configuration,
            "`resource` is not a parameter of the v2.0 endpoint",
            "use `scope = \"{resource}/.default\"`",
        ),
        entry(
            1002012,
            Configuration,
            "the scope is not of the form {resource}/.default",
            "append /.default to the application ID URI",
        ),
        entry(
            1000502,
            Credential,
            "the certificate is outside its validity period",
            "make and register a new certificate",
        ),
        entry(
            5002730,
            Credential,
            "the algorithm of the client assertion is not accepted for this key",
            "use PS256 or RS256 with an RSA key",
        ),
        entry(
            7000112,
            Administrator,
            "the application is disabled in this tenant",
            "an administrator enables its service principal",
        ),
        entry(
            7000215,
            Credential,
            "the client secret is wrong",
            "set the secret's value, not its id; make a new one if it is lost",
        ),
        entry(
            7000216,
            Configuration,
            "the request carries no credential",
            "configure a certificate, a secret or a federated credential",
        ),
        entry(
            7000222,
            Credential,
            "the client secret has expired",
            "make a new secret, or better, use a certificate",
        ),
        entry(
            7000229,
            Administrator,
            "the application has no service principal in this tenant",
            "an administrator consents, or creates the service principal",
        ),
        entry(
            9001023,
            Configuration,
            "an application cannot acquire a token as itself at /common or /consumers",
            "set `tenant` to the GUID or a domain of one tenant",
        ),
        entry(9002313, Configuration, "the request is malformed", "check the `claims` and extra parameters"),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_a_pasted_text() {
        assert_eq!(
            codes_in("AADSTS7000215: Invalid client secret. AADSTS50012 too, AADSTSx not"),
            [7_000_215, 50_012]
        );
        assert_eq!(find(7_000_215).unwrap().class, Class::Credential);
        assert_eq!(find(1), None);
    }

    #[test]
    fn the_catalogue_has_no_code_twice() {
        let mut codes: Vec<u32> = CATALOGUE.iter().map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CATALOGUE.len());
    }
}
