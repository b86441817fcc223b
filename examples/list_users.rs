//! Lists the users of a directory, as the application that `unattended.toml` describes.
//!
//! ```console
//! $ unattended sandbox start --users 250 --ready-file sandbox.json          # in another terminal
//! $ unattended register list-users --role graph:User.Read.All --certificate new --grant-admin-consent --sandbox sandbox.json
//! $ cargo run --package unattended-daemon --example list_users
//! ```

use std::error::Error;
use std::io::Write;

use unattended_daemon::{Config, Daemon, Ports, ProcessEnvironment};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    user_principal_name: String,
    display_name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let daemon = Daemon::build(Config::load(None, &ProcessEnvironment)?, Ports::of_the_machine())?;
    let mut pages = daemon.client("graph")?.pages("/users?$select=userPrincipalName,displayName&$top=999");
    let mut out = std::io::stdout().lock();
    while let Some(page) = pages.next().await? {
        for user in page.parse::<User>()? {
            writeln!(out, "{}\t{}", user.user_principal_name, user.display_name)?;
        }
    }
    Ok(())
}
