//! The pages, as HTML without scripts or anything from elsewhere. Every value goes through [`escape`].

use base64::prelude::{BASE64_STANDARD, Engine as _};
use unattended_core::is_deceptive;

use super::error;
use super::proposal::{Group, Permission, Proposal};
use crate::authority::Exchange;
use crate::authority::error::AuthorityError;
use crate::store::{Application, Tenant};

const STYLE: &str = include_str!("page.css");

/// The longest value on a page, in characters: they are the words of applications.
const MAX_VALUE_CHARS: usize = 400;

/// The longest message on a page, in characters: the platform's words with such values among them.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// Asks an administrator to sign in.
pub(super) struct SignIn<'a> {
    pub(super) application: &'a Application,
    /// Whose administrators may.
    pub(super) tenants: &'a [Tenant],
    /// The tenant of the account that was tried.
    pub(super) tried: Option<&'a str>,
    pub(super) token: &'a str,
    pub(super) problem: Option<&'a str>,
}

impl SignIn<'_> {
    pub(super) fn html(&self) -> String {
        let accounts: String = self
            .tenants
            .iter()
            .enumerate()
            .map(|(index, tenant)| {
                let is_chosen = self.tried.map_or(index == 0, |tried| tried == tenant.id);
                format!(
                    r#"<label class="account"><input type="radio" name="account" value="{id}" required{checked}><span><span>{ACCOUNT}</span><span class="quiet"><bdi>{name}</bdi> · {domain}</span></span></label>"#,
                    id = escape(&tenant.id),
                    checked = if is_chosen { " checked" } else { "" },
                    name = escape(&tenant.display_name),
                    domain = escape(tenant.initial_domain()),
                )
            })
            .collect();
        let content = format!(
            r#"<h1>Sign in</h1>
<p><bdi class="name">{name}</bdi> asks for an administrator’s consent.</p>
{problem}
<form method="post" autocomplete="off">
<input type="hidden" name="action" value="sign-in"><input type="hidden" name="token" value="{token}">
<fieldset><legend>Account</legend>{accounts}</fieldset>
<input type="text" autocomplete="username" value="{ACCOUNT}" readonly hidden>
<label class="field" for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus aria-describedby="hint">
<p id="hint" class="hint">The administrator’s secret. <code>unattended sandbox tenant list</code> names the file it is in.</p>
<div class="buttons"><button class="main">Sign in</button></div>
</form>"#,
            name = escape(self.application.object.text("displayName")),
            problem = self.problem.map_or(String::new(), |problem| note("bad", problem)),
            token = escape(self.token),
        );
        document("Sign in", None, &content)
    }
}

/// How the one account of a tenant is called.
const ACCOUNT: &str = "Sandbox administrator";

/// Shows an administrator what is asked for.
pub(super) struct Ask<'a> {
    pub(super) application: &'a Application,
    pub(super) tenant: &'a Tenant,
    pub(super) proposal: &'a Proposal,
    /// Scheme, host and port of where the browser goes then.
    pub(super) returns_to: &'a str,
    pub(super) decision_token: &'a str,
    pub(super) sign_out_token: &'a str,
    pub(super) problem: Option<&'a str>,
}

impl Ask<'_> {
    pub(super) fn html(&self) -> String {
        let Self { application, tenant, proposal, .. } = self;
        let groups = proposal.groups.iter().filter(|group| !group.permissions.is_empty());
        let mut asks: String = groups.map(group).collect();
        if asks.is_empty() {
            asks = note("", "It asks for no application permission: only to be known in this organization.");
        }
        let delegated = match proposal.delegated {
            0 => String::new(),
            1 => note("", DELEGATED_ONE),
            several => note("", &format!("{several} {DELEGATED_SEVERAL}")),
        };
        let publisher = application.object.text("publisherDomain");
        let publisher = if publisher.is_empty() {
            String::new()
        } else {
            format!("<dt>Publisher</dt><dd>{} (unverified)</dd>", escape(publisher))
        };
        let content = format!(
            r#"<h1>Permissions requested</h1>
<p><bdi class="name">{name}</bdi> asks to act as itself, with no user signed in, in all of <bdi class="name">{organization}</bdi>.</p>
{problem}{asks}{delegated}
<dl>{publisher}<dt>Application ID</dt><dd><code>{app_id}</code></dd><dt>Returns to</dt><dd>{returns_to}</dd></dl>
<form method="post" class="decision">
<input type="hidden" name="token" value="{decision_token}">
<p class="quiet">Accept only if you trust it. It keeps these permissions until its app role assignments are removed from the directory.</p>
<div class="buttons"><button name="action" value="cancel">Cancel</button><button class="main" name="action" value="accept">Accept</button></div>
</form>
<form method="post" class="signed-in">
<input type="hidden" name="action" value="sign-out"><input type="hidden" name="token" value="{sign_out_token}">
<span>Signed in as {ACCOUNT}</span><button class="link">Use another account</button>
</form>"#,
            name = escape(application.object.text("displayName")),
            organization = escape(&tenant.display_name),
            problem = self.problem.map_or(String::new(), |problem| note("bad", problem)),
            app_id = escape(application.app_id()),
            returns_to = escape(self.returns_to),
            decision_token = escape(self.decision_token),
            sign_out_token = escape(self.sign_out_token),
        );
        document("Permissions requested", Some(tenant), &content)
    }
}

const DELEGATED_ONE: &str =
    "It also lists one delegated permission. No users sign in to the sandbox, so it is not granted.";
const DELEGATED_SEVERAL: &str =
    "delegated permissions are listed too. No users sign in to the sandbox, so they are not granted.";

fn group(group: &Group) -> String {
    let permissions: String = group.permissions.iter().map(permission).collect();
    format!(r#"<h2><bdi>{}</bdi></h2><ul class="asks">{permissions}</ul>"#, escape(group.resource_name()))
}

fn permission(permission: &Permission) -> String {
    let Permission { value, display_name, description, is_granted, .. } = permission;
    let chip = if *is_granted { r#" <span class="chip">granted already</span>"# } else { "" };
    // The name of a permission is often all that its API says about it.
    let more = |text: &str| match text {
        text if text.is_empty() || text == display_name => String::new(),
        text => format!(r#"<p class="quiet"><bdi>{}</bdi></p>"#, escape(text)),
    };
    let value_line = match value {
        value if value.is_empty() || value == display_name => String::new(),
        value => format!(r#"<p><code>{}</code></p>"#, escape(value)),
    };
    format!(
        r#"<li><p><bdi class="name">{}</bdi>{chip}</p>{value_line}{}</li>"#,
        escape(display_name),
        more(description)
    )
}

/// Says why a request leads nowhere.
pub(super) fn failure(error: &AuthorityError, exchange: &Exchange) -> String {
    let code = error.entry.code;
    let remedy = error::remedy(code).map_or(String::new(), |remedy| note("", remedy));
    let content = format!(
        r#"<h1>This request cannot go on</h1>
<p><strong>AADSTS{code}</strong>: {message}</p>
{remedy}
<p class="quiet">Nobody is sent back: the address in the request is followed only when the request is in order.</p>
<dl><dt>Trace ID</dt><dd><code>{trace}</code></dd><dt>Correlation ID</dt><dd><code>{correlation}</code></dd><dt>Timestamp</dt><dd>{timestamp}</dd></dl>"#,
        message = escape_first(MAX_MESSAGE_CHARS, &error.message()),
        trace = escape(&exchange.trace_id()),
        correlation = escape(exchange.correlation_id()),
        timestamp = escape(&exchange.timestamp()),
    );
    document("Error", None, &content)
}

/// The policy of a page: its one style sheet, and forms that lead back here or to where the answer goes. The browser
/// applies it to redirects after a form as well.
pub(super) fn content_security_policy(answer_goes_to: Option<&str>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let style = BASE64_STANDARD.encode(digest);
    let further = answer_goes_to.map_or(String::new(), |origin| format!(" {origin}"));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'{further}; frame-ancestors 'none'; \
         base-uri 'none'"
    )
}

fn document(title: &str, tenant: Option<&Tenant>, content: &str) -> String {
    let place = tenant.map_or(String::new(), |tenant| {
        format!(
            r#"<p class="place"><bdi>{}</bdi> · {}</p>"#,
            escape(&tenant.display_name),
            escape(tenant.initial_domain())
        )
    });
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Unattended sandbox</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{place}{content}
</main>
<footer>A sandbox on this machine: no place for real data.</footer>
</body>
</html>
"#
    )
}

fn note(kind: &str, text: &str) -> String {
    let role = if kind == "bad" { r#" role="alert""# } else { "" };
    format!(r#"<div class="note {kind}"{role}><p>{}</p></div>"#, escape(text))
}

/// Text for any place in a page, attributes included; what cannot be seen is left out.
fn escape(text: &str) -> String {
    escape_first(MAX_VALUE_CHARS, text)
}

fn escape_first(most: usize, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !is_deceptive(*character)).take(most) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_in_a_value_is_text() {
        assert_eq!(
            escape(r#"<script>alert("x")</script> & 'y'"#),
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;"
        );
        assert_eq!(escape("a\u{202e}b\r\nc"), "abc");
        assert_eq!(escape(&"x".repeat(10_000)).len(), MAX_VALUE_CHARS);
    }

    #[test]
    fn a_page_may_load_nothing_and_be_framed_by_nobody() {
        let policy = content_security_policy(Some("https://app.example"));
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.contains("form-action 'self' https://app.example;"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }

    proptest! {
        #[test]
        fn no_value_opens_or_ends_anything(text in "\\PC{0,80}|[<>&\"'a-z/=]{0,40}") {
            prop_assert!(!escape(&text).contains(['<', '>', '"', '\'']));
        }
    }
}
