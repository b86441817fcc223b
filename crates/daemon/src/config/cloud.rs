//! The clouds of the Microsoft identity platform: which hosts belong together.

use unattended_identity::Cloud;
use url::Url;

/// Where the directory API of each cloud is, the host for everybody first.
const GRAPHS: &[(Cloud, &[&str])] = &[
    (Cloud::Public, &["graph.microsoft.com"]),
    (Cloud::UsGovernment, &["graph.microsoft.us", "dod-graph.microsoft.us"]),
    (Cloud::China, &["microsoftgraph.chinacloudapi.cn"]),
];

/// The cloud of a URL's host; `None` for hosts of nobody's cloud, such as an API of one's own or a sandbox.
pub(super) fn cloud_of(url: &Url) -> Option<Cloud> {
    let host = url.host_str()?;
    let of_graph = || GRAPHS.iter().find(|(_, hosts)| hosts.contains(&host)).map(|(cloud, _)| *cloud);
    Cloud::of_host(host).or_else(of_graph)
}

/// The directory API of a cloud, where it is known.
pub(super) fn graph_of(cloud: Cloud) -> Option<String> {
    let (_, hosts) = GRAPHS.iter().find(|(other, _)| *other == cloud)?;
    hosts.first().map(|host| format!("https://{host}"))
}
