//! The tenant was not found, or the endpoint is not for this.

use super::Class::Configuration;
use super::{Entry, entry};

pub(super) static ENTRIES: &[Entry] = &[
    entry(
        50_049,
        Configuration,
        "the authority is not one of the platform's hosts",
        "correct `authority` in unattended.toml",
    ),
    entry(
        50_050,
        Configuration,
        "the request for the platform's metadata is malformed",
        "correct `authority` in unattended.toml",
    ),
    entry(
        50_059,
        Configuration,
        "neither the request nor the credential tells which tenant is meant",
        "set `tenant` to the directory (tenant) ID",
    ),
    entry(
        50_194,
        Configuration,
        "the application is registered for one tenant and asks at /common",
        "set `tenant` to the tenant that the application is registered in",
    ),
    entry(
        90_002,
        Configuration,
        "the tenant does not exist in this cloud",
        "check `tenant`, and that `authority` is the right cloud",
    ),
    entry(
        90_010,
        Configuration,
        "the grant is not available at /common or /consumers",
        "set `tenant` to the GUID or a domain of one tenant",
    ),
    entry(
        90_019,
        Configuration,
        "the request does not tell which tenant is meant",
        "set `tenant` to the directory (tenant) ID",
    ),
    entry(
        90_027,
        Configuration,
        "the tenant of personal accounts issues no tokens by this version of the protocol",
        "name a tenant of an organisation; an application never acts for personal accounts",
    ),
    entry(
        90_038,
        Configuration,
        "the tenant lives in another national cloud than the one that was asked",
        "set `authority` to the host of the tenant's cloud",
    ),
    entry(
        90_124,
        Configuration,
        "the resource cannot be asked for at /common or /consumers",
        "set `tenant` to the GUID or a domain of one tenant",
    ),
    entry(
        90_130,
        Configuration,
        "the application cannot ask at /common or /consumers",
        "set `tenant` to the GUID or a domain of one tenant",
    ),
    entry(
        100_007,
        Configuration,
        "a regional host serves managed identities and subject-name credentials only",
        "ask at the global host: remove the region",
    ),
    entry(900_021, Configuration, "the tenant is the empty GUID", "set `tenant`"),
    entry(
        900_023,
        Configuration,
        "the tenant is neither a GUID nor a domain",
        "set `tenant` to the directory (tenant) ID",
    ),
    entry(
        900_382,
        Configuration,
        "an application with a credential cannot ask across clouds",
        "register the application in the tenant's own cloud and set `authority` to it",
    ),
    entry(
        900_432,
        Configuration,
        "an application with a credential cannot ask across clouds",
        "register the application in the tenant's own cloud and set `authority` to it",
    ),
    entry(
        900_439,
        Configuration,
        "the application is not available in this national cloud",
        "register the application in the tenant's own cloud and set `authority` to it",
    ),
    entry(
        900_561,
        Configuration,
        "the token endpoint was asked with GET",
        "send a POST; something between the application and the platform may have changed the request",
    ),
    entry(
        9_001_023,
        Configuration,
        "an application cannot acquire a token as itself at /common or /consumers",
        "set `tenant` to the GUID or a domain of one tenant",
    ),
    entry(
        9_002_331,
        Configuration,
        "the application is registered for personal accounts alone, and no application acts as itself there",
        "register an application for accounts of an organisation",
    ),
    entry(
        9_002_332,
        Configuration,
        "the application is registered for work accounts and asks at /consumers",
        "set `tenant` to a tenant of an organisation",
    ),
];
