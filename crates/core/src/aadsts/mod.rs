//! The error codes of the Microsoft identity platform, as data.
//!
//! The platform's texts change without notice and are not for control flow; the numbers are stable. Each entry says in
//! our own words what went wrong and who does what about it, so that an error can be explained without a network.

mod availability;
mod client;
mod credentials;
mod tenant;
mod token;
mod users;

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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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

/// Codes that belong together.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Chapter {
    /// What they are about.
    pub title: &'static str,
    /// The codes, by number.
    pub entries: &'static [Entry],
}

/// The catalogue.
pub static CATALOGUE: &[Chapter] = &[
    Chapter { title: "Tenant and endpoint", entries: tenant::ENTRIES },
    Chapter { title: "The application", entries: client::ENTRIES },
    Chapter { title: "Credentials", entries: credentials::ENTRIES },
    Chapter { title: "Scope, resource and roles", entries: token::ENTRIES },
    Chapter { title: "Request, policy and availability", entries: availability::ENTRIES },
    Chapter { title: "Codes of sign-ins by users", entries: users::ENTRIES },
];

/// The entry of a code.
#[must_use]
pub fn find(code: u32) -> Option<&'static Entry> {
    CATALOGUE.iter().flat_map(|chapter| chapter.entries).find(|entry| entry.code == code)
}

/// Every `AADSTS` number that a text mentions, in order.
#[must_use]
pub fn codes_in(text: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split("AADSTS").skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

impl Class {
    /// One word for the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Credential => "credential",
            Self::Administrator => "administrator",
            Self::Federation => "federation",
            Self::Transient => "transient",
        }
    }

    /// Whether asking again can help, as a sentence.
    #[must_use]
    pub fn retry(self) -> &'static str {
        match self {
            Self::Configuration => "no: the same request fails again",
            Self::Credential => "once, after the credential was read anew; otherwise no",
            Self::Administrator => "no, until an administrator has acted",
            Self::Federation => "a registration that is minutes old: yes; otherwise no",
            Self::Transient => "yes: it passes by itself",
        }
    }
}

/// One row of a chapter.
const fn entry(code: u32, class: Class, cause: &'static str, remedy: &'static str) -> Entry {
    Entry { code, class, cause, remedy }
}

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
    fn each_chapter_is_in_order_and_the_catalogue_has_no_code_twice() {
        for chapter in CATALOGUE {
            assert!(chapter.entries.is_sorted_by_key(|entry| entry.code), "{}", chapter.title);
        }
        let mut codes: Vec<u32> =
            CATALOGUE.iter().flat_map(|chapter| chapter.entries).map(|entry| entry.code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn every_entry_reads_as_a_fragment_in_a_sentence() {
        for entry in CATALOGUE.iter().flat_map(|chapter| chapter.entries) {
            for text in [entry.cause, entry.remedy] {
                assert!(!text.is_empty() && !text.ends_with('.') && text.trim() == text, "{}", entry.code);
            }
        }
    }
}
