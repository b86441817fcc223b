//! Names as types: parsed once, valid ever after.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A tenant of the Microsoft identity platform, by GUID or by verified domain; lower case.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TenantId(Name);

/// A GUID is the two words that it says: a cache of ten thousand tenants need neither keep nor compare 36 letters of each.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Name {
    Guid(u64, u64),
    Domain(Arc<str>),
}

impl TenantId {
    /// Reads a tenant.
    ///
    /// # Errors
    /// `common`, `organizations` and `consumers` (no application acts there), the empty GUID, and text that is
    /// neither a GUID nor a domain name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim().to_ascii_lowercase();
        if let "common" | "organizations" | "consumers" = name.as_str() {
            return Err(InvalidName::new(
                text,
                "an application acts in one tenant, never in `common`, `organizations` or `consumers`",
                "name the tenant by its GUID or by a domain such as contoso.onmicrosoft.com",
            ));
        }
        if let Ok(guid) = uuid::Uuid::try_parse(&name) {
            if guid.is_nil() {
                return Err(InvalidName::new(
                    text,
                    "the empty GUID names no tenant",
                    "copy the directory (tenant) ID",
                ));
            }
            let (high, low) = guid.as_u64_pair();
            return Ok(Self(Name::Guid(high, low)));
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.contains('.') || !name.split('.').all(is_label) {
            return Err(InvalidName::new(
                text,
                "a tenant is a GUID or a domain name",
                "use the directory (tenant) ID or a domain such as contoso.onmicrosoft.com",
            ));
        }
        Ok(Self(Name::Domain(name.into())))
    }

    /// Whether this is the GUID and not one of the tenant's domains.
    #[must_use]
    pub fn is_guid(&self) -> bool {
        matches!(self.0, Name::Guid(..))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Guid(high, low) => [*high, *low].into_iter().for_each(|word| state.write_u64(word)),
            Self::Domain(domain) => domain.hash(state),
        }
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId(\"{self}\")")
    }
}

/// The GUID or the domain.
impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Guid(high, low) => uuid::Uuid::from_u64_pair(*high, *low).fmt(f),
            Name::Domain(domain) => domain.fmt(f),
        }
    }
}

/// The client identifier of an application (RFC 6749 section 2.2): a GUID at the Microsoft identity platform, any
/// printable text elsewhere.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Reads a client identifier.
    ///
    /// # Errors
    /// Empty text, white space, and characters outside RFC 6749 appendix A.1 (printable ASCII).
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidName::new(
                text,
                "a client identifier is printable ASCII without spaces",
                "copy the application (client) ID of the registration",
            ));
        }
        Ok(Self(if uuid::Uuid::try_parse(text).is_ok() {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        }))
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a GUID, as every client identifier of the Microsoft identity platform is.
    #[must_use]
    pub fn is_guid(&self) -> bool {
        uuid::Uuid::try_parse(&self.0).is_ok()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scope values (RFC 6749 section 3.3): the same set in any order is the same scope.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope(Arc<str>);

impl Scope {
    /// The static scope of one resource, `{resource}/.default`. A resource that ends in a slash keeps it: the double
    /// slash is what makes the slash part of the audience.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn default_of(resource: &str) -> Result<Self, InvalidName> {
        Self::parse(&format!("{resource}/.default"))
    }

    /// Reads values separated by spaces; repeated values count once.
    ///
    /// # Errors
    /// No value at all, or a character outside RFC 6749 appendix A.4.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let mut values: Vec<&str> = text.split_ascii_whitespace().collect();
        values.sort_unstable();
        values.dedup();
        let is_value =
            |value: &&str| value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if values.is_empty() || !values.iter().all(is_value) {
            return Err(InvalidName::new(
                text,
                "a scope is one or more values of printable ASCII",
                "use the resource's application ID URI followed by /.default",
            ));
        }
        Ok(Self(values.join(" ").into()))
    }

    /// The values, sorted and separated by one space.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource of a `/.default` scope: everything before the last `/.default`.
    #[must_use]
    pub fn default_resource(&self) -> Option<&str> {
        self.0.strip_suffix("/.default").filter(|resource| !resource.is_empty() && !resource.contains(' '))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that can never work: what was given, why, and what to give instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidName {
    given: String,
    reason: &'static str,
    remedy: &'static str,
}

impl InvalidName {
    fn new(given: &str, reason: &'static str, remedy: &'static str) -> Self {
        Self { given: given.chars().take(120).collect(), reason, remedy }
    }

    /// What to give instead.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.given.escape_debug(), self.reason)
    }
}

impl Error for InvalidName {}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    // 67 (identity, section 3.5)
    #[test]
    fn a_tenant_is_a_guid_or_a_domain_and_never_a_crowd() {
        for crowd in ["common", "Organizations", "consumers"] {
            assert!(TenantId::parse(crowd).unwrap_err().to_string().contains("acts in one tenant"));
        }
        for nonsense in
            ["", "contoso", "a b.com", "-a.com", "00000000-0000-0000-0000-000000000000", "a..b", "a/b.com"]
        {
            assert!(TenantId::parse(nonsense).is_err(), "{nonsense}");
        }
        let guid = TenantId::parse("72F988BF-86F1-41AF-91AB-2D7CD011DB47").unwrap();
        assert_eq!(
            (guid.to_string(), guid.is_guid()),
            ("72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned(), true)
        );
        assert!(!TenantId::parse("Contoso.onmicrosoft.com").unwrap().is_guid());
    }

    // D8
    #[test]
    fn a_tenant_is_the_same_however_its_name_is_written_and_no_other() {
        let parse = |text: &str| TenantId::parse(text).unwrap();
        let guid = parse("72f988bf-86f1-41af-91ab-2d7cd011db47");
        for same in ["{72F988BF-86F1-41AF-91AB-2D7CD011DB47}", "72f988bf86f141af91ab2d7cd011db47"] {
            assert_eq!((parse(same), parse(same).cmp(&guid)), (guid.clone(), Ordering::Equal));
        }
        assert_eq!(parse("CONTOSO.com"), parse("contoso.com"));
        let all = ["72f988bf-86f1-41af-91ab-2d7cd011db48", "contoso.com", "contoso.co", "a.b"].map(parse);
        let distinct: std::collections::HashSet<TenantId> = all.iter().cloned().chain([guid]).collect();
        assert_eq!(distinct.len(), 5);
        assert_eq!(format!("{:?}", parse("a.b")), r#"TenantId("a.b")"#);
    }

    // D9
    #[test]
    fn a_scope_is_a_set() {
        assert_eq!(Scope::parse("b a  b").unwrap(), Scope::parse("a b").unwrap());
        assert!(Scope::parse(" ").is_err());
    }

    #[test]
    fn the_double_slash_of_a_resource_that_ends_in_one_is_kept() {
        let scope = Scope::default_of("https://database.windows.net/").unwrap();
        assert_eq!(scope.as_str(), "https://database.windows.net//.default");
        assert_eq!(scope.default_resource(), Some("https://database.windows.net/"));
    }
}
