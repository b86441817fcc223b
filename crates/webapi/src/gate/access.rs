//! What requests do to a quota: reads and writes may be counted apart.

use http::{HeaderMap, Method};

/// What a request does, or which requests a refusal is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// Both, as a batch can.
    Both,
}

impl Access {
    /// What a request with this method does.
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            _ => Self::Write,
        }
    }

    /// What two requests do together.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}

/// Whom a refusal is about, as `x-ms-throttle-scope` says (`Tenant_Application/Write/...`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub(crate) access: Access,
    /// The application in all of its tenants.
    pub(crate) in_every_tenant: bool,
}

impl Scope {
    /// Without a word about it, all requests of the application in the tenant.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text =
            headers.get("x-ms-throttle-scope").and_then(|scope| scope.to_str().ok()).unwrap_or_default();
        let mut parts = text.split('/').map(str::trim);
        let in_every_tenant = parts.next().is_some_and(|scope| scope.eq_ignore_ascii_case("Application"));
        let access = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("read") => Access::Read,
            Some("write") => Access::Write,
            _ => Access::Both,
        };
        Self { access, in_every_tenant }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    // RL-1
    #[test]
    fn the_scope_of_a_refusal_is_read_from_its_header() {
        for (text, access, in_every_tenant) in [
            ("Tenant_Application/ReadWrite/9a/07", Access::Both, false),
            ("Tenant_Application/Write/9a/07", Access::Write, false),
            ("tenant/read", Access::Read, false),
            ("Application/ReadWrite/9a", Access::Both, true),
            ("nonsense", Access::Both, false),
            ("", Access::Both, false),
        ] {
            let headers = [("x-ms-throttle-scope", text)]
                .map(|(name, text)| (http::HeaderName::from_static(name), HeaderValue::from_static(text)));
            let scope = Scope::of(&headers.into_iter().collect());
            assert_eq!(scope, Scope { access, in_every_tenant }, "{text}");
        }
        assert_eq!(Scope::of(&HeaderMap::new()), Scope { access: Access::Both, in_every_tenant: false });
    }
}
