//! What was asked for cannot be had.

use super::Class::{Administrator, Configuration};
use super::{Entry, entry};

pub(super) static ENTRIES: &[Entry] = &[
    entry(
        28_002,
        Configuration,
        "the scope is not valid for an access token",
        "use the application ID URI of one resource followed by /.default",
    ),
    entry(
        28_003,
        Configuration,
        "the scope is empty",
        "use the application ID URI of one resource followed by /.default",
    ),
    entry(
        50_001,
        Administrator,
        "the resource does not exist in this tenant or is disabled",
        "check the resource in `scope`; else an administrator enables the API's enterprise application",
    ),
    entry(
        50_146,
        Configuration,
        "the application maps claims and has no signing key of its own",
        "give the application its own signing key, or remove the claims mapping policy",
    ),
    entry(
        70_011,
        Configuration,
        "the scope is not valid",
        "use the application ID URI of one resource followed by /.default",
    ),
    entry(
        90_009,
        Configuration,
        "an application asks for a token for itself by URI",
        "use `{client id}/.default`",
    ),
    entry(
        500_011,
        Administrator,
        "the resource has no service principal in this tenant",
        "check the resource in `scope`; else an administrator consents to the API or creates its service principal",
    ),
    entry(
        500_014,
        Administrator,
        "the service principal of the resource is disabled",
        "an administrator enables the API's enterprise application",
    ),
    entry(
        500_207,
        Configuration,
        "this kind of account cannot be used for the resource",
        "check the resource in `scope` and the tenant",
    ),
    entry(
        501_051,
        Administrator,
        "the resource requires an assignment, and the application has none",
        "an administrator assigns one of the resource's app roles to the application",
    ),
    entry(
        501_461,
        Configuration,
        "mapped claims are for an audience that is the application's GUID or in a verified domain",
        "ask with the GUID of the resource, or verify its domain",
    ),
    entry(
        650_052,
        Administrator,
        "the organisation has no service principal of the API, for want of a subscription or of consent",
        "an administrator subscribes to the service, or creates its service principal",
    ),
    entry(
        650_053,
        Configuration,
        "the application asks for a permission that the API does not have",
        "correct the permission in the registration of the application",
    ),
    entry(
        650_054,
        Administrator,
        "the application has permissions of an API that was removed",
        "remove them from the registration of the application",
    ),
    entry(
        650_056,
        Administrator,
        "the registration lists no permission of the API, or nobody has consented to it",
        "add the permission to the registration, and let an administrator consent",
    ),
    entry(
        650_057,
        Configuration,
        "the resource is not among those that the registration lists",
        "add a permission of this resource to the registration, or correct `scope`",
    ),
    entry(700_022, Configuration, "the scope names more than one resource", "ask for one resource at a time"),
    entry(
        900_144,
        Configuration,
        "a required parameter is missing from the request",
        "check client id, scope and credential",
    ),
    entry(
        901_002,
        Configuration,
        "`resource` is not a parameter of the v2.0 endpoint",
        "use `scope = \"{resource}/.default\"`",
    ),
    entry(
        1_002_012,
        Configuration,
        "the scope is not of the form {resource}/.default",
        "append /.default to the application ID URI",
    ),
];
