//! `/organization`: the tenant about itself.

use serde_json::{Value, json};

use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::odata::is_eventual;
use crate::store::timestamp;

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    let context = format!("{}/$metadata#organization", call.version_url());
    Ok(Answer::ok(json!({ "@odata.context": context, "value": [organization(call)] })))
}

pub(super) fn count(call: &Call<'_>) -> Result<Answer, Fault> {
    if is_eventual(&call.request.headers) {
        Ok(Answer::number(1))
    } else {
        Err(Fault::bad_request("$count is not currently supported."))
    }
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let id = &call.key(0).value;
    if !id.eq_ignore_ascii_case(&call.tenant.id) {
        return Err(Fault::not_found(id));
    }
    let mut body = organization(call);
    body["@odata.context"] = format!("{}/$metadata#organization/$entity", call.version_url()).into();
    Ok(Answer::ok(body))
}

fn organization(call: &Call<'_>) -> Value {
    let domain = |(index, name): (usize, &String)| {
        json!({
            "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": index == 0, "isInitial": index == 0,
            "name": name, "type": "Managed",
        })
    };
    json!({
        "id": call.tenant.id,
        "createdDateTime": timestamp(call.tenant.created_at),
        "displayName": call.tenant.display_name,
        "tenantType": "AAD",
        "verifiedDomains": call.tenant.domains.iter().enumerate().map(domain).collect::<Vec<_>>(),
    })
}
