//! The clouds of the Microsoft identity platform: which hosts belong together.

use url::Url;

/// A cloud with its own accounts; a token of one is worth nothing in another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cloud {
    pub(super) name: &'static str,
    pub(super) authority: &'static str,
    pub(super) graph: &'static str,
    hosts: &'static [&'static str],
}

const CLOUDS: &[Cloud] = &[
    Cloud {
        name: "the public cloud",
        authority: "https://login.microsoftonline.com",
        graph: "https://graph.microsoft.com",
        hosts: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
            "graph.microsoft.com",
        ],
    },
    Cloud {
        name: "the US Government cloud",
        authority: "https://login.microsoftonline.us",
        graph: "https://graph.microsoft.us",
        hosts: &[
            "login.microsoftonline.us",
            "login.usgovcloudapi.net",
            "graph.microsoft.us",
            "dod-graph.microsoft.us",
        ],
    },
    Cloud {
        name: "the cloud in China",
        authority: "https://login.partner.microsoftonline.cn",
        graph: "https://microsoftgraph.chinacloudapi.cn",
        hosts: &[
            "login.partner.microsoftonline.cn",
            "login.chinacloudapi.cn",
            "microsoftgraph.chinacloudapi.cn",
        ],
    },
];

/// The cloud of a URL's host; `None` for hosts of nobody's cloud, such as an API of one's own or a sandbox.
pub(super) fn cloud_of(url: &Url) -> Option<Cloud> {
    let host = url.host_str()?;
    CLOUDS.iter().find(|cloud| cloud.hosts.contains(&host)).copied()
}
