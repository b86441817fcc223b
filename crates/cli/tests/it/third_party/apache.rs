//! Apache with mod_auth_openidc as an OAuth 2.0 resource server validates the sandbox's tokens.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::program;
use super::things::{ROLE, Server, Things, lets_in_the_role_alone};
use crate::support::{ReservedPort, wait_until};

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

// S2
#[test]
fn apache_lets_in_who_has_the_role_and_nobody_else() {
    let things = Things::publish();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Started by root, it reads its files as nobody.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(path("files")).unwrap();
    fs::write(path("files/things"), r#"{"things":["anvil","bolt"]}"#).unwrap();
    fs::write(path("ca.pem"), fs::read(things.sandbox.ready("ca_file")).unwrap()).unwrap();
    let reserved = ReservedPort::new();
    let port = reserved.number;

    let (authority, tenant) = (things.sandbox.ready("authority"), things.sandbox.ready("tenant_id"));
    let mut command = Command::new(APACHE);
    command
        .args(["-DFOREGROUND", "-f"])
        .arg(program("apache/api.conf").canonicalize().unwrap())
        .env("HOME", folder.path())
        .env("PORT", port.to_string())
        .env("MODULES", MODULES)
        .env("CA_FILE", path("ca.pem"))
        .env("ISSUER", format!("{authority}/{tenant}/v2.0"))
        .env("KEYS", format!("{authority}/{tenant}/discovery/v2.0/keys"))
        .env("AUDIENCE", &things.client_id)
        .env("ROLE", ROLE);
    let mut server = Server::start(folder, &mut command);
    wait_until(|| {
        if let Some(status) = server.process.try_wait().unwrap() {
            let said =
                ["output", "log"].map(|name| fs::read_to_string(server.path(name)).unwrap_or_default());
            panic!("Apache ended, {status}:\n{}", said.concat());
        }
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    lets_in_the_role_alone(&things, port);
}
