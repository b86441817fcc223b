//! The pages of an administrator's consent, as a browser without a screen uses them.

mod browser;
mod decision;
mod guard;
mod mistakes;
mod onboarding;

use serde_json::Value;
use unattended_sandbox::RunningSandbox;

use self::browser::Browser;

use crate::directory::Directory;
use crate::start;

pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
pub(crate) const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
pub(crate) const GROUP_READ_ALL: &str = "5b567255-7703-4780-807c-7be8301ae99b";
pub(crate) const RETURN: &str = "https://app.example/connect";

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn v1(tenant: &str, client_id: &str, redirect_uri: &str) -> String {
    format!("/{tenant}/adminconsent?client_id={client_id}&redirect_uri={}", encoded(redirect_uri))
}

fn v2(tenant: &str, client_id: &str, redirect_uri: &str) -> String {
    let scope = encoded("https://graph.microsoft.com/.default");
    format!(
        "/{tenant}/v2.0/adminconsent?client_id={client_id}&scope={scope}&redirect_uri={}",
        encoded(redirect_uri)
    )
}

fn client_id(application: &Value) -> &str {
    application["appId"].as_str().unwrap()
}

async fn world() -> (RunningSandbox, Directory, Browser) {
    let sandbox = start().await;
    let directory = Directory::of(sandbox.ready()).await;
    let browser = Browser::new(sandbox.ready());
    (sandbox, directory, browser)
}
