//! The clouds of the Microsoft identity platform and their regions, as data.

use std::fmt;

use crate::error::Error;

/// A cloud of the Microsoft identity platform: its hosts are known, so that nothing has to be asked before the first
/// token request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cloud {
    /// The worldwide public cloud.
    Public,
    /// Azure for the government of the United States.
    UsGovernment,
    /// Azure in China, operated by 21Vianet.
    China,
    /// The sovereign cloud in France.
    France,
    /// The sovereign cloud in Germany (not the one that was closed in 2021).
    Germany,
    /// The sovereign cloud in Singapore.
    Singapore,
}

/// One row: the name that a person writes, the hosts (the one to send to first), and the name under which tokens are
/// shared by all of them.
struct Row {
    cloud: Cloud,
    name: &'static str,
    hosts: &'static [&'static str],
}

const TABLE: &[Row] = &[
    Row {
        cloud: Cloud::Public,
        name: "public",
        hosts: &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    },
    Row {
        cloud: Cloud::UsGovernment,
        name: "us-government",
        hosts: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
    Row {
        cloud: Cloud::China,
        name: "china",
        hosts: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    Row { cloud: Cloud::France, name: "france", hosts: &["login.sovcloud-identity.fr"] },
    Row { cloud: Cloud::Germany, name: "germany", hosts: &["login.sovcloud-identity.de"] },
    Row { cloud: Cloud::Singapore, name: "singapore", hosts: &["login.sovcloud-identity.sg"] },
];

impl Cloud {
    /// Every cloud, the worldwide one first.
    pub const ALL: [Self; 6] =
        [Self::Public, Self::UsGovernment, Self::China, Self::France, Self::Germany, Self::Singapore];

    /// The cloud of a name: `public`, `us-government`, `china`, `france`, `germany` or `singapore`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name.trim())).map(|row| row.cloud)
    }

    /// The cloud that a host belongs to, by any of its names.
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        let is_alias = |row: &&Row| row.hosts.iter().any(|alias| alias.eq_ignore_ascii_case(host));
        TABLE.iter().find(is_alias).map(|row| row.cloud)
    }

    /// The name, as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The host of the token endpoint.
    #[must_use]
    pub fn host(self) -> &'static str {
        self.row().hosts[0]
    }

    /// The host of one region of this cloud.
    pub(crate) fn regional_host(self, region: &Region) -> String {
        match self {
            // The public cloud's regions stand below a domain of their own.
            Self::Public => format!("{region}.login.microsoft.com"),
            _ => format!("{region}.{}", self.host()),
        }
    }

    /// The host that asks for the client's certificate: the one to send to with `mtlsauth` for `login`.
    fn mutual_tls_host(self, host: &str) -> Option<String> {
        match (self, Self::of_host(host)) {
            (Self::Public, Some(_)) => Some("mtlsauth.microsoft.com".to_owned()),
            (_, Some(_)) => with_mutual_tls_label(self.host()),
            // That of a region.
            (_, None) => with_mutual_tls_label(host),
        }
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.cloud == self).unwrap_or(&TABLE[0])
    }
}

/// The host beside `host` that asks for the client's certificate, if it is known: in the clouds, and in a sandbox.
pub(super) fn mutual_tls_host(host: &str, cloud: Option<Cloud>) -> Option<String> {
    match cloud {
        Some(cloud) => cloud.mutual_tls_host(host),
        None if host.split(':').next() == Some("localhost") => Some(format!("mtlsauth.{host}")),
        None => None,
    }
}

fn with_mutual_tls_label(host: &str) -> Option<String> {
    let labels = host.split('.').map(|label| if label == "login" { "mtlsauth" } else { label });
    let named = labels.collect::<Vec<_>>().join(".");
    (named != host).then_some(named)
}

/// The name of an Azure region, such as `westeurope`: letters and digits and nothing else, because it becomes a part of
/// the host that a secret is sent to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Region(String);

impl Region {
    /// Reads a region that somebody configured.
    ///
    /// # Errors
    /// Anything but ASCII letters and digits: a dot, a slash or an `@` could name another host.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let is_name = !name.is_empty() && name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric());
        match is_name {
            true => Ok(Self(name.to_ascii_lowercase())),
            false => Err(Error::configuration(format!(
                "`{}` is no region: a region is letters and digits, such as westeurope",
                name.chars().take(80).collect::<String>().escape_debug()
            ))),
        }
    }

    /// The region that the machine says it is in: the value of `REGION_NAME`, which Azure's hosts set. What is no
    /// region counts as none, so that a wrong variable leads to the global host and never to another one.
    #[must_use]
    pub fn of_machine(region_name: Option<&str>) -> Option<Self> {
        Self::parse(region_name?).ok()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Case 39 of the peers' suites: an alias is the same cloud.
    #[test]
    fn every_host_leads_to_one_cloud_and_every_name_back_to_it() {
        assert!(TABLE.iter().map(|row| row.cloud).eq(Cloud::ALL));
        for row in TABLE {
            assert_eq!(Cloud::parse(row.name), Some(row.cloud));
            assert_eq!(row.cloud.name(), row.name);
            for host in row.hosts {
                assert_eq!(Cloud::of_host(&host.to_uppercase()), Some(row.cloud), "{host}");
            }
        }
        assert_eq!(Cloud::of_host("login.microsoftonline.com.evil.example"), None);
        assert_eq!(Cloud::parse("moon"), None);
    }

    // Case 65 of the peers' suites.
    #[test]
    fn a_region_that_could_name_another_host_is_none() {
        for name in [
            "fake.com/x",
            "fake.com?x",
            "fake.com#x",
            "east@us",
            "east.us",
            "east us",
            "eastus\n",
            "\u{ff11}eastus",
            "",
        ] {
            assert!(Region::parse(name).is_err(), "{name:?}");
            assert_eq!(Region::of_machine(Some(name)), None);
        }
        let region = Region::of_machine(Some("WestEurope")).unwrap();
        assert_eq!(Cloud::Public.regional_host(&region), "westeurope.login.microsoft.com");
        assert_eq!(Cloud::China.regional_host(&region), "westeurope.login.partner.microsoftonline.cn");
        assert_eq!(Region::of_machine(None), None);
    }
}
