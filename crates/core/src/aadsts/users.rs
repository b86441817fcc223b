//! Codes that belong to users who sign in. Who meets one of them asks with another grant, or on behalf of somebody: an
//! application that acts as itself never gets them.

use super::Class::Configuration;
use super::{Entry, entry};

const AS_ITSELF: &str = "use the client credentials grant: an unattended application acts as itself";

pub(super) static ENTRIES: &[Entry] = &[
    entry(50_013, Configuration, "the user's token that was to be exchanged is not valid", AS_ITSELF),
    entry(50_020, Configuration, "the user does not belong to the tenant", AS_ITSELF),
    entry(50_034, Configuration, "the user does not exist in the tenant", AS_ITSELF),
    entry(50_058, Configuration, "the user is not signed in", AS_ITSELF),
    entry(50_076, Configuration, "the user has to pass a second factor", AS_ITSELF),
    entry(50_079, Configuration, "the user has to register a second factor", AS_ITSELF),
    entry(50_105, Configuration, "the user is not assigned to the application", AS_ITSELF),
    entry(54_005, Configuration, "the authorization code was redeemed before", AS_ITSELF),
    entry(65_001, Configuration, "the user has not consented to the application", AS_ITSELF),
    entry(70_008, Configuration, "the refresh token of the user has expired", AS_ITSELF),
    entry(
        70_043,
        Configuration,
        "the refresh token of the user has expired by a policy of the tenant",
        AS_ITSELF,
    ),
    entry(130_507, Configuration, "the temporary access pass of the user is not valid", AS_ITSELF),
    entry(500_133, Configuration, "the user's token that was to be exchanged has expired", AS_ITSELF),
    entry(700_003, Configuration, "the user's device is not known in the directory", AS_ITSELF),
    entry(700_082, Configuration, "the refresh token of the user was not used for too long", AS_ITSELF),
];
