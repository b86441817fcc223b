//! A request on its way through a handler, and what a handler answers.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Value};
use unattended_protect::Caller;

use super::Vaults;
use super::address::Address;
use super::fault::Fault;
use super::roles::{self, Action};
use crate::store::Tenant;
use crate::store::vault::Place;

/// The most objects of one page, and how many there are unless a client asks for fewer.
const MAX_RESULTS: usize = 25;

/// The longest name of an object, in characters.
const MAX_NAME_CHARS: usize = 127;

/// A request of a caller who is known.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) vaults: &'a Vaults,
    /// Whose vault it is.
    pub(super) tenant: &'a Tenant,
    /// The name of the vault.
    pub(super) vault: &'a str,
    pub(super) caller: &'a Caller,
    pub(super) address: &'a Address,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// Unix seconds.
    pub(super) now: i64,
}

/// What a handler answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// 200.
    Document(Value),
    /// 204.
    Nothing,
}

/// Which part of a collection.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) size: usize,
    /// What the last page ended with; empty for the first page.
    pub(super) after: String,
}

impl Call<'_> {
    /// Passes a caller who has a role that allows an action.
    pub(super) fn may(&self, action: Action, object: &str) -> Result<(), Fault> {
        let client_id = self.caller.client_id().as_str();
        let granted = self.vaults.store.vault_roles(&self.tenant.id, client_id)?;
        if granted.iter().filter_map(|name| roles::find(name)).any(|role| role.allows(action)) {
            return Ok(());
        }
        Err(Fault::denied(format!(
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
             definitions were changed recently, please observe propagation time.\r\nCaller: appid={client_id};oid={};\
             iss={}/{}/\r\nAction: 'Microsoft.KeyVault/vaults/{}'\r\nResource: '{object}'\r\nAssignment: (not \
             found)\r\nDenyAssignmentId: null\r\nDecisionReason: null\r\nVault: {};location=localhost\r\n",
            self.caller.object_id().unwrap_or_default(),
            self.vaults.origin.base(),
            self.tenant.id,
            action.0,
            self.vault,
        )))
    }

    /// The body as a JSON object.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Fault> {
        serde_json::from_slice(self.body)
            .map_err(|_| Fault::bad_parameter("The request body is not a JSON object."))
    }

    /// The place of an object whose name came with the request.
    pub(super) fn place<'n>(&'n self, kind: &'static str, name: &'n str) -> Result<Place<'n>, Fault> {
        let is_name = (1..=MAX_NAME_CHARS).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        match is_name {
            true => Ok(Place { tenant: &self.tenant.id, kind, name }),
            false => {
                let name: String = name.chars().take(MAX_NAME_CHARS).collect();
                Err(Fault::bad_parameter(format!("The request URI contains an invalid name: {name}")))
            }
        }
    }

    /// The identifier of what is at a path. Clients split identifiers and accept no longer path, so that they name the
    /// vault by its host, whichever way it was found.
    pub(super) fn id(&self, path: &str) -> String {
        format!("https://{}.{}/{path}", self.vault, self.vaults.origin.vault_authority())
    }

    /// Which part of a collection was asked for.
    pub(super) fn page(&self) -> Result<Page, Fault> {
        let size = match self.parameter("maxresults") {
            None => MAX_RESULTS,
            Some(text) => {
                text.parse().ok().filter(|size| (1..=MAX_RESULTS).contains(size)).ok_or_else(|| {
                    Fault::bad_parameter(format!(
                        "The value of maxresults is not within 1 and {MAX_RESULTS}."
                    ))
                })?
            }
        };
        let after = match self.parameter("$skiptoken") {
            None => String::new(),
            Some(token) => BASE64_URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| Fault::bad_parameter("The value of $skiptoken is not one of this vault."))?,
        };
        Ok(Page { size, after })
    }

    /// The link to the rest of a collection.
    pub(super) fn link(&self, path: &str, page: &Page, after: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", &self.parameter("api-version").unwrap_or_default());
        query.append_pair("$skiptoken", &BASE64_URL_SAFE_NO_PAD.encode(after));
        query.append_pair("maxresults", &page.size.to_string());
        format!("{}/{path}?{}", self.address.base, query.finish())
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = url::form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    }

    /// A version for something new: 32 hex digits.
    pub(super) fn new_version(&self) -> String {
        self.vaults.entropy.uuid().replace('-', "")
    }
}
