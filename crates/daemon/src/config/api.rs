//! `[apis.NAME]`: a web API and the token it takes.

use std::ops::Range;

use toml::de::DeTable;
use unattended_core::Scope;
use url::Url;

use super::address::{PlainHttp, address};
use super::cloud::{cloud_of, graph_of};
use super::diagnostic::{Mistake, Mistakes};
use super::model::{Api, Authority, TokenBinding};
use super::reader::{Section, Text};
use super::token_parameters::token_parameters;

pub(super) const KEYS: &[&str] = &[
    "base-url",
    "scope",
    "resource",
    "token-binding",
    "token-parameters",
    "roles",
    "advanced-queries",
    "compress-requests",
    "hedge-reads",
    "coalesce-reads",
];

/// What an API has to agree with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// Unknown while `[application]` itself has mistakes.
    pub(super) authority: Option<&'a Authority>,
    pub(super) is_microsoft: bool,
    pub(super) insecure_loopback: bool,
    /// Whether any credential is shown in the TLS handshake.
    pub(super) shows_certificate: bool,
}

pub(super) fn api(
    name: &str,
    span: Range<usize>,
    table: &DeTable<'_>,
    context: Context<'_>,
    mistakes: &mut Mistakes,
) -> Option<Api> {
    let section = Section::open(format!("[apis.{name}]"), span, table, KEYS, mistakes);
    let Context { authority, is_microsoft, .. } = context;
    let base_url_text = section.required_text(
        "base-url",
        "every path of a job or a call is relative to it",
        "base-url = \"https://graph.microsoft.com/v1.0\"",
        mistakes,
    );
    let scope_text = section.required_text(
        "scope",
        "it says which resource the token is for",
        "scope = \"https://graph.microsoft.com/.default\"",
        mistakes,
    );
    let plain = PlainHttp::OnLoopback { asked_for: context.insecure_loopback };
    let base_url = base_url_text.as_ref().and_then(|text| address("base-url", text, plain, mistakes));
    let scope = scope_text.as_ref().and_then(|text| scope(text, is_microsoft, mistakes));
    if let (Some(text), Some(url)) = (&base_url_text, &base_url) {
        same_cloud("base-url", text, url, authority, mistakes);
    }
    if let Some(text) = &scope_text
        && let Ok(url) = Url::parse(text.value)
    {
        same_cloud("scope", text, &url, authority, mistakes);
    }
    let resource = resource(&section, is_microsoft, mistakes);
    let token_binding = token_binding(&section, context, mistakes);
    let token_parameters = token_parameters(&section, mistakes);
    let roles = roles(&section, mistakes);
    let advanced_queries = section.flag("advanced-queries", mistakes);
    let compress_requests = section.flag("compress-requests", mistakes);
    let hedge_reads = section.flag("hedge-reads", mistakes);
    let coalesce_reads = section.flag("coalesce-reads", mistakes);
    Some(Api {
        base_url: base_url?,
        scope: scope?,
        resource,
        token_binding,
        token_parameters,
        roles,
        advanced_queries,
        compress_requests,
        hedge_reads,
        coalesce_reads,
    })
}

fn scope(text: &Text<'_>, is_microsoft: bool, mistakes: &mut Mistakes) -> Option<Scope> {
    let span = text.span.clone();
    let scope = match Scope::parse(text.value) {
        Ok(scope) => scope,
        Err(error) => {
            mistakes.add(Mistake::at(span, "`scope` is not a scope", error.to_string(), error.remedy()));
            return None;
        }
    };
    if !is_microsoft || scope.default_resource().is_some() {
        return Some(scope);
    }
    let several = scope.as_str().contains(' ');
    mistakes.add(if several {
        Mistake::at(
            span,
            "`scope` names more than one value",
            "a token of the Microsoft identity platform is for one resource, with everything granted there",
            "write one `{application ID URI}/.default`; another resource is another [apis.NAME]",
        )
    } else {
        Mistake::at(
            span,
            "`scope` does not end in /.default",
            "an application gets the permissions that an administrator granted beforehand, never single ones on request",
            format!("write `scope = \"{}\"`, and list what the jobs need in `roles`", default_scope(text.value)),
        )
    });
    None
}

/// `https://graph.microsoft.com/User.Read.All` was meant for its resource; a text without a path is the resource.
fn default_scope(given: &str) -> String {
    let resource = match given.split_once("://") {
        Some((_, rest)) => match rest.rsplit_once('/') {
            Some((before, last)) if !before.is_empty() => &given[..given.len() - last.len() - 1],
            _ => given,
        },
        None => return "https://graph.microsoft.com/.default".to_owned(),
    };
    format!("{}/.default", resource.trim_end_matches('/'))
}

// CL-1
fn same_cloud(key: &str, text: &Text<'_>, url: &Url, authority: Option<&Authority>, mistakes: &mut Mistakes) {
    let Some(Authority::Microsoft { host, .. }) = authority else { return };
    let Some(home) = Url::parse(host).ok().as_ref().and_then(cloud_of) else { return };
    let Some(cloud) = cloud_of(url) else { return };
    if cloud == home {
        return;
    }
    let end = if key == "scope" { "/.default" } else { "/v1.0" };
    let there = match graph_of(home) {
        Some(graph) => format!("`{key} = \"{graph}{end}\"`"),
        None => format!("the `{key}` that the API has in the cloud `{}`", home.name()),
    };
    mistakes.add(Mistake::at(
        text.span.clone(),
        format!("`{key}` is in another cloud than `authority`"),
        format!(
            "it belongs to the cloud `{}`, the authority {host} to `{}`, and a token of one is refused by the other",
            cloud.name(),
            home.name()
        ),
        format!("write {there}, or `authority = \"{}\"` in [application]", cloud.name()),
    ));
}

fn resource(section: &Section<'_>, is_microsoft: bool, mistakes: &mut Mistakes) -> Option<String> {
    let text = section.text("resource", mistakes)?;
    if is_microsoft {
        mistakes.add(Mistake::at(
            section.key_span("resource"),
            format!("`resource` is not for the Microsoft identity platform, in {}", section.title),
            "its v2.0 endpoint refuses the parameter (AADSTS901002): the resource is part of the scope",
            format!("remove it and write `scope = \"{}/.default\"`", text.value),
        ));
        return None;
    }
    // RFC 8707 section 2
    if Url::parse(text.value).map_or(true, |url| url.fragment().is_some()) {
        mistakes.add(Mistake::at(
            text.span,
            "`resource` is not an absolute URI without a fragment",
            "a resource indicator is the API's own identifier (RFC 8707)",
            "write it as the API publishes it, such as \"https://api.example.com\"",
        ));
        return None;
    }
    Some(text.value.to_owned())
}

fn token_binding(
    section: &Section<'_>,
    context: Context<'_>,
    mistakes: &mut Mistakes,
) -> Option<TokenBinding> {
    let text = section.text("token-binding", mistakes)?;
    let (why, fix) = match text.value {
        "certificate" if context.shows_certificate => return Some(TokenBinding::Certificate),
        "certificate" => (
            "a token is bound to the certificate of the connection that it is asked for on, and no credential is shown there",
            "add `mutual-tls = true` to the credential with `certificate`",
        ),
        "dpop" if !context.is_microsoft => return Some(TokenBinding::Key),
        "dpop" => (
            "the Microsoft identity platform binds tokens to certificates, and knows no DPoP",
            "write `token-binding = \"certificate\"`, and `mutual-tls = true` in the credential",
        ),
        _ => (
            "a token can be bound to the certificate of the connection (RFC 8705) or to a key (DPoP, RFC 9449)",
            "write `certificate` or `dpop`, or remove the line",
        ),
    };
    let what = format!("`token-binding` cannot be `{}` in {}", text.value.escape_debug(), section.title);
    mistakes.add(Mistake::at(text.span, what, why, fix));
    None
}

fn roles(section: &Section<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut roles = Vec::new();
    for text in section.texts("roles", mistakes) {
        if text.value.is_empty() || text.value.contains(char::is_whitespace) {
            mistakes.add(Mistake::at(
                text.span,
                "a role has no name or a space in it",
                "an app role is compared with the `roles` of the token, value by value",
                "write one value for each role, such as [\"User.Read.All\", \"Group.Read.All\"]",
            ));
        } else if !roles.iter().any(|role| role == text.value) {
            roles.push(text.value.to_owned());
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_scope_of_a_delegated_one_is_its_resource() {
        for (given, expected) in [
            ("https://graph.microsoft.com/User.Read.All", "https://graph.microsoft.com/.default"),
            ("https://graph.microsoft.com", "https://graph.microsoft.com/.default"),
            ("https://graph.microsoft.com/", "https://graph.microsoft.com/.default"),
            ("api://7f1e/access", "api://7f1e/.default"),
            ("User.Read.All", "https://graph.microsoft.com/.default"),
        ] {
            assert_eq!(default_scope(given), expected);
        }
    }
}
