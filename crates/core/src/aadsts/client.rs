//! The application was not found, or may not act.

use super::Class::{Administrator, Configuration};
use super::{Entry, entry};

pub(super) static ENTRIES: &[Entry] = &[
    entry(
        70_001,
        Administrator,
        "the application is unknown or disabled in this tenant",
        "check `client-id` and `tenant`; an administrator enables its service principal",
    ),
    entry(
        700_011,
        Administrator,
        "the application is not known in this directory",
        "check `client-id` and `tenant`",
    ),
    entry(
        700_016,
        Administrator,
        "the application is not known in this tenant",
        "check `client-id` and `tenant`; in a customer's tenant an administrator has to consent first",
    ),
    entry(
        700_025,
        Configuration,
        "the application is registered as a public client",
        "turn off public client flows in the registration",
    ),
    entry(
        1_000_031,
        Administrator,
        "the application has been blocked, by an administrator or by Microsoft",
        "an administrator looks at the enterprise application, and asks Microsoft's support why",
    ),
    entry(
        7_000_112,
        Administrator,
        "the application is disabled in this tenant",
        "an administrator enables its service principal",
    ),
    entry(
        7_000_114,
        Configuration,
        "the application may not act on behalf of users",
        "use the client credentials grant: an unattended application acts as itself",
    ),
    entry(
        7_000_216,
        Configuration,
        "the request carries no credential",
        "configure a certificate, a secret or a federated credential",
    ),
    entry(
        7_000_218,
        Configuration,
        "the request carries no credential, and its grant needs one",
        "configure a certificate, a secret or a federated credential",
    ),
    entry(
        7_000_229,
        Administrator,
        "the application has no service principal in this tenant",
        "an administrator consents, or creates the service principal",
    ),
];
